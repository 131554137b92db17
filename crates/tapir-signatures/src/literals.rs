//! What a search begins with: patterns cut at their `.*` into segments, and the fixed bytes of each segment.
//!
//! A pattern `A.*B.*C` matches when `A` was found at the start of the data, `B` behind it and `C` behind that. So the
//! parts can be looked for apart from each other, and behind a match of one nothing has to stay alive but the fact.
//! Each part that may begin anywhere is looked for by a [`Sequence`]: bytes at fixed places from its start, of which
//! the last few, the *window*, are what a filter can test. What the sequence does not say, the automaton does.
//!
//! A choice that decides about a `.*`, as in `(|.*[\r\n])NICK`, is made first, and each way is a pattern of its own. What
//! begins a number of bytes behind the start, as in `^.{20}\xdc\xa7`, is looked for as well, but counts at its place only.

use foldhash::HashMap;

use crate::ast::{ByteSet, Node};
use crate::nfa::{Marks, Nfa, State};

/// Longest sequence, and so one more than how far a stream must look back.
pub const SEQUENCE_MAX: usize = 32;
/// Sequences per segment.
const ALTERNATIVES_MAX: usize = 16;
/// Values that a window may have, by its length.
const KEYS_MAX: [usize; 5] = [0, 8, 64, 32, 32];
/// Two cases of a letter are one value: this bit is not looked at.
pub const FOLD: u8 = 0xdf;

/// A pattern in segments.
pub struct Segments {
    /// At the start of the data; may be empty.
    pub anchored: Node,
    /// Each somewhere behind the one before; none is empty.
    pub floating: Vec<Node>,
    /// What `anchored` is if it begins with bytes that do not matter.
    pub placed: Option<Placed>,
}

/// Something that begins behind some bytes that do not matter, as in `^.{20}\xdc\xa7`.
pub struct Placed {
    /// Where it begins: so many bytes behind the start of the data, at least and at most.
    pub place: (u32, u32),
    /// Whether that must be the true start.
    pub behind_begin: bool,
    pub node: Node,
}

/// Fewer bytes than this before a placed part are stepped over as quickly as it would be searched for.
const PLACE_MIN: u32 = 4;

/// The beginning of a pattern, if it is something placed.
fn placed(parts: &[Node]) -> Option<Placed> {
    let (behind_begin, parts) = match parts {
        [Node::Begin, rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    match parts {
        [Node::Repeat(any, min, Some(max)), rest @ ..]
            if **any == Node::Set(ByteSet::ALL) && *max >= PLACE_MIN && *max < u32::MAX && !rest.is_empty() =>
        {
            Some(Placed {
                place: (*min, *max),
                behind_begin,
                node: Node::concat(rest.to_vec()),
            })
        }
        _ => None,
    }
}

/// The alternatives of a pattern, each in segments.
pub fn split(node: &Node) -> Vec<Segments> {
    let mut alternatives = vec![series(node)];
    // What has a choice of which some have a `.*` becomes several, one for each choice.
    while let Some((i, at)) = alternatives
        .iter()
        .enumerate()
        .find_map(|(i, parts)| Some((i, choice(parts)?)))
    {
        let parts = &alternatives[i];
        let with = |chosen: &Node| [&parts[..at], &series(chosen)[..], &parts[at + 1..]].concat();
        let spread: Vec<_> = choices(&parts[at]).into_iter().map(with).collect();
        if alternatives.len() - 1 + spread.len() > ALTERNATIVES_MAX {
            break;
        }
        alternatives.splice(i..=i, spread);
    }
    alternatives.iter().map(|parts| split_series(parts)).collect()
}

/// The parts of which a node is made, one behind the other.
fn series(node: &Node) -> Vec<Node> {
    match node {
        Node::Concat(v) => v.clone(),
        other => vec![other.clone()],
    }
}

/// What may stand in a node's place, if it leaves a choice.
fn choices(node: &Node) -> Vec<&Node> {
    match node {
        Node::Alt(v) => v.iter().collect(),
        Node::Repeat(inner, 0, Some(1)) => vec![&Node::Empty, inner],
        _ => Vec::new(),
    }
}

/// Where a choice is that decides about a `.*`. A pattern that is nothing but a choice is one, too.
fn choice(parts: &[Node]) -> Option<usize> {
    let alone = matches!(parts, [Node::Alt(_)]);
    parts
        .iter()
        .position(|n| alone || choices(n).iter().any(|c| series(c).iter().any(has_any)))
}

/// Whether a node has a `.*` at which a pattern could be cut, if choices are made.
fn has_any(node: &Node) -> bool {
    is_any(node) || choices(node).iter().any(|c| series(c).iter().any(has_any))
}

/// Whether a node is `.*` or the like.
fn is_any(node: &Node) -> bool {
    matches!(node, Node::Repeat(inner, _, None) if **inner == Node::Set(ByteSet::ALL))
}

fn split_series(parts: &[Node]) -> Segments {
    let mut segments: Vec<Vec<Node>> = vec![Vec::new()];
    for n in parts {
        match n {
            Node::Repeat(inner, min, None) if **inner == Node::Set(ByteSet::ALL) => {
                if let Some(last) = segments.last_mut()
                    && *min > 0
                {
                    last.push(Node::Repeat(inner.clone(), *min, Some(*min)));
                }
                segments.push(Vec::new());
            }
            other => {
                if let Some(last) = segments.last_mut() {
                    last.push(other.clone());
                }
            }
        }
    }
    let mut segments = segments.into_iter();
    let first = segments.next().unwrap_or_default();
    let placed = placed(&first);
    let anchored = Node::concat(first);
    let floating = segments.map(without_optional_start).filter(|n| *n != Node::Empty);
    Segments {
        anchored,
        floating: floating.collect(),
        placed,
    }
}

/// Behind `.*`, what may be repeated at the start needs to be there no more often than it must.
fn without_optional_start(parts: Vec<Node>) -> Node {
    let mut parts = parts.into_iter();
    let mut out = Vec::new();
    for n in parts.by_ref() {
        match n {
            Node::Repeat(inner, min, _) if only_bytes(&inner) => {
                if min > 0 {
                    let fewest = if min == 1 {
                        *inner
                    } else {
                        Node::Repeat(inner, min, Some(min))
                    };
                    out.push(fewest);
                    break;
                }
            }
            Node::Empty => {}
            other => {
                out.push(other);
                break;
            }
        }
    }
    out.extend(parts);
    Node::concat(out)
}

fn only_bytes(n: &Node) -> bool {
    match n {
        Node::Empty | Node::Set(_) => true,
        Node::Begin | Node::End => false,
        Node::Concat(v) | Node::Alt(v) => v.iter().all(only_bytes),
        Node::Repeat(n, ..) => only_bytes(n),
    }
}

/// One place of a sequence: a byte, or 256 plus the number of one of the automaton's byte sets.
pub type Place = u32;

/// Fixed bytes with which a segment begins, and the states alive behind them.
#[derive(Clone, Debug)]
pub struct Sequence {
    pub places: Vec<Place>,
    /// The state that each place leads to, before those that consume nothing are followed.
    trail: Vec<u32>,
    /// States alive behind the last place.
    states: Vec<u32>,
}

impl Sequence {
    /// The states alive behind the first `n` places.
    pub fn behind(&self, nfa: &Nfa, n: usize, seen: &mut Marks) -> Vec<u32> {
        match n.checked_sub(1) {
            Some(last) if n < self.places.len() => closed(nfa, &[self.trail[last]], seen),
            _ => self.states.clone(),
        }
    }
}

/// The sequences of the segment that starts at `start`; nothing when it begins with nothing fixed.
pub fn sequences(nfa: &Nfa, start: u32, seen: &mut Marks) -> Vec<Sequence> {
    seen.grow(nfa.states.len());
    let mut open = vec![Sequence {
        places: Vec::new(),
        trail: Vec::new(),
        states: closed(nfa, &[start], seen),
    }];
    let mut done: Vec<Sequence> = Vec::new();
    while let Some(seq) = open.pop() {
        let steps: Option<Vec<(Place, u32)>> = seq.states.iter().map(|s| step(nfa, *s)).collect();
        let branches = seq.states.len() > 1;
        let enough = branches && seq.places.len() >= 4 && best_width(nfa, &seq.places) == Some(4);
        let grows = open.len() + done.len() + seq.states.len() > ALTERNATIVES_MAX;
        let Some(steps) = steps.filter(|s| !(s.is_empty() || enough || branches && grows)) else {
            done.push(seq);
            continue;
        };
        if seq.places.len() >= SEQUENCE_MAX {
            done.push(seq);
            continue;
        }
        for (place, to) in steps {
            let mut places = seq.places.clone();
            places.push(place);
            let mut trail = seq.trail.clone();
            trail.push(to);
            open.push(Sequence {
                places,
                trail,
                states: closed(nfa, &[to], seen),
            });
        }
    }
    done
}

fn step(nfa: &Nfa, s: u32) -> Option<(Place, u32)> {
    match &nfa.states[s as usize] {
        State::Byte(b, to) => Some((u32::from(*b), *to)),
        State::Set(i, to) => Some((256 + *i, *to)),
        _ => None,
    }
}

fn closed(nfa: &Nfa, from: &[u32], seen: &mut Marks) -> Vec<u32> {
    seen.clear();
    let mut out = Vec::new();
    from.iter().for_each(|s| nfa.closure(*s, seen, &mut out));
    out
}

/// Whether a place admits a byte.
#[inline]
pub fn admits(nfa: &Nfa, place: Place, b: u8) -> bool {
    if place < 256 {
        place == u32::from(b)
    } else {
        nfa.sets[place as usize - 256].has(b)
    }
}

/// The values of a place with cases folded, if they are few.
fn folded(nfa: &Nfa, place: Place) -> Option<Vec<u8>> {
    if place < 256 {
        return Some(vec![place as u8 & FOLD]);
    }
    let set = &nfa.sets[place as usize - 256];
    if set.count() > 128 {
        return None;
    }
    let mut values: Vec<u8> = set.iter().map(|b| b & FOLD).collect();
    values.sort_unstable();
    values.dedup();
    (values.len() <= KEYS_MAX[2]).then_some(values)
}

/// The values of a window with cases folded, first byte lowest; nothing when there are too many.
fn keys(nfa: &Nfa, places: &[Place]) -> Vec<u32> {
    let mut keys = vec![0u32];
    for (i, place) in places.iter().enumerate() {
        let Some(values) = folded(nfa, *place) else {
            return Vec::new();
        };
        if keys.len() * values.len() > KEYS_MAX[places.len()] {
            return Vec::new();
        }
        keys = keys
            .iter()
            .flat_map(|k| values.iter().map(move |v| k | u32::from(*v) << (8 * i)))
            .collect();
    }
    keys
}

/// The longest window that the places allow.
fn best_width(nfa: &Nfa, places: &[Place]) -> Option<usize> {
    (1..=4)
        .rev()
        .find(|w| places.windows(*w).any(|window| !keys(nfa, window).is_empty()))
}

/// Whether a sequence can be filtered by.
pub fn has_window(nfa: &Nfa, places: &[Place]) -> bool {
    best_width(nfa, places).is_some()
}

/// A sequence cut behind its window.
#[derive(Debug)]
pub struct Windowed {
    pub places: Vec<Place>,
    /// Bytes in the window.
    pub width: usize,
    /// The values of the window, cases folded.
    pub keys: Vec<u32>,
}

/// How often windows have been seen in all sequences, roughly.
pub struct Crowds(Vec<u16>);

const CROWD_BITS: u32 = 18;

impl Crowds {
    fn slot(key: u32) -> usize {
        (key.wrapping_mul(0x9E37_79B1) >> (32 - CROWD_BITS)) as usize
    }

    /// Counts the windows of all sequences.
    pub fn of<'a>(nfa: &Nfa, sequences: impl Iterator<Item = &'a Sequence>) -> Crowds {
        let mut counts = vec![0u16; 1 << CROWD_BITS];
        for seq in sequences {
            for_windows(nfa, &seq.places, |_, keys| {
                for k in keys {
                    let c = &mut counts[Crowds::slot(*k)];
                    *c = c.saturating_add(1);
                }
            });
        }
        Crowds(counts)
    }

    /// Picks the window that is least likely to be seen and shared with the fewest others; `None` when there is none.
    pub fn pick(&self, nfa: &Nfa, places: &[Place]) -> Option<Windowed> {
        let mut best: Option<(f32, usize, Vec<u32>)> = None;
        let width = for_windows(nfa, places, |at, keys| {
            let cost: f32 = keys
                .iter()
                .map(|k| (4.0 + f32::from(self.0[Crowds::slot(*k)])) * commonness(*k))
                .sum();
            if best.as_ref().is_none_or(|b| cost < b.0) {
                best = Some((cost, at, keys.to_vec()));
            }
        })?;
        let (_, at, keys) = best?;
        Some(Windowed {
            places: places[..at + width].to_vec(),
            width,
            keys,
        })
    }
}

/// Calls `each` for every window of the greatest width that the places allow; gives that width.
fn for_windows(nfa: &Nfa, places: &[Place], mut each: impl FnMut(usize, &[u32])) -> Option<usize> {
    for width in (1..=4).rev() {
        let mut any = false;
        for (at, window) in places.windows(width).enumerate() {
            if width == 4 && window.iter().all(|p| *p < 256) {
                let key = (0..4).fold(0u32, |k, i| k | (window[i] & u32::from(FOLD)) << (8 * i));
                each(at, &[key]);
                any = true;
                continue;
            }
            let keys = keys(nfa, window);
            if !keys.is_empty() {
                each(at, &keys);
                any = true;
            }
        }
        if any {
            return Some(width);
        }
    }
    None
}

/// A guess of how often the bytes of a window turn up in traffic.
fn commonness(key: u32) -> f32 {
    let weight = |b: u8| match b {
        0 => 10.0,
        b'E' | b'T' | b'A' | b'O' | b'I' | b'N' | b'S' | b'R' => 8.0,
        b'A'..=b'Z' => 5.0,
        // Blanks, line ends, digits and common punctuation, with the folded bit cleared.
        0x0a | 0x0d | 0x0e | 0x0f | 0x1d => 6.0,
        0x10..=0x19 => 4.0,
        0xdf => 4.0,
        0x01..=0x1f => 2.0,
        _ => 1.0f32,
    };
    (0..4).map(|i| weight((key >> (8 * i)) as u8)).product()
}

/// Numbers sequences of equal places that wait for the same segment as one.
#[derive(Default)]
pub struct Shared(HashMap<(u32, (u32, u32), Vec<Place>), usize>);

impl Shared {
    /// The number given before to equal places that may begin at the same place of the data, or `fresh`.
    pub fn number(&mut self, needs: u32, place: (u32, u32), places: &[Place], fresh: usize) -> usize {
        *self.0.entry((needs, place, places.to_vec())).or_insert(fresh)
    }
}
