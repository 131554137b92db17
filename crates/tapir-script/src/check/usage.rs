//! Warnings about functions that nobody calls and handlers of events that nobody raises.

use tapir_data::types::Flavor;
use tapir_data::value::FuncId;

use super::Checker;
use crate::diag::{Diagnostic, nearest};
use crate::hir::{Function, FunctionKind};
use crate::symbol::Symbol;

/// Who mentions which function.
#[derive(Default)]
pub(super) struct Uses {
    /// The function whose body is being checked; `None` for everything that runs anyway.
    pub owner: Option<FuncId>,
    edges: Vec<(FuncId, FuncId)>,
    roots: Vec<FuncId>,
}

impl Uses {
    /// A function is mentioned.
    pub fn func(&mut self, f: FuncId) {
        match self.owner {
            Some(owner) => self.edges.push((owner, f)),
            None => self.roots.push(f),
        }
    }
}

/// What is reached so far.
struct Reached {
    next: Vec<Vec<FuncId>>,
    known: Vec<bool>,
}

impl Reached {
    /// Adds functions, and all that they mention.
    fn extend(&mut self, mut todo: Vec<usize>) {
        while let Some(i) = todo.pop() {
            if !std::mem::replace(&mut self.known[i], true) {
                todo.extend(self.next[i].iter().map(|f| f.0 as usize));
            }
        }
    }
}

impl Checker<'static> {
    /// Whether something outside of scripts may call or raise it.
    fn is_entry(&self, i: usize) -> bool {
        let f = &self.program.functions[i];
        if self.funcs[i].is_used || self.funcs[i].native || f.attrs.is_used || f.attrs.deprecated.is_some() {
            return true;
        }
        match f.sig.flavor {
            Flavor::Function => f.exported || self.funcs[i].module == Symbol::EMPTY,
            Flavor::Event | Flavor::Hook => f.declared,
        }
    }

    /// Which functions are reached from outside, by the bodies that were checked.
    fn reached(&self) -> Reached {
        let n = self.program.functions.len();
        let mut reached = Reached {
            next: vec![Vec::new(); n],
            known: vec![false; n],
        };
        for &(from, to) in &self.uses.edges {
            reached.next[from.0 as usize].push(to);
        }
        let roots = self.uses.roots.iter().map(|f| f.0 as usize);
        let all = (0..n).filter(|&i| self.is_entry(i)).chain(roots);
        reached.extend(all.collect());
        reached
    }

    /// Whether a body that was put off names a function. Those of its own file are the most likely ones.
    fn is_mentioned(&self, reached: &Reached, i: usize, from: impl Fn(&Reached, FuncId) -> bool) -> bool {
        let f = &self.program.functions[i];
        let own = self.later.get(f.span.file as usize);
        let name = format!(" {} ", f.name.rsplit("::").next().unwrap_or(&f.name));
        let mut bodies = own.into_iter().chain(&self.later).flatten();
        bodies.any(|(owner, place)| place.names.contains(&name) && from(reached, *owner))
    }

    /// The same with regard to bodies that were put off. What their names tell is enough for functions that come with the
    /// program; if it matters for one of a user's, they are checked after all.
    fn all_reached(&mut self) -> Vec<bool> {
        let mut reached = self.reached();
        let is_script = |f: &Function| matches!(&f.kind, FunctionKind::Script(bodies) if !bodies.is_empty());
        let functions = self.program.functions.iter().enumerate();
        let mut open: Vec<usize> = functions
            .filter(|&(i, f)| !reached.known[i] && is_script(f))
            .map(|(i, _)| i)
            .collect();
        loop {
            let before = open.len();
            let mut rest = Vec::new();
            for i in open {
                let file = self.program.functions[i].span.file as usize;
                if reached.known[i] {
                    continue;
                }
                if !self.comes_with_the_program(file) {
                    if self.is_mentioned(&reached, i, |_, _| true) {
                        self.check_all();
                        return self.reached().known;
                    }
                } else if self.is_mentioned(&reached, i, |r, owner| r.known[owner.0 as usize]) {
                    reached.extend(vec![i]);
                } else {
                    rest.push(i);
                }
            }
            if rest.len() == before {
                return reached.known;
            }
            open = rest;
        }
    }

    fn comes_with_the_program(&self, file: usize) -> bool {
        let of = self.program.files.get(file);
        of.is_some_and(|f| matches!(f.text, std::borrow::Cow::Borrowed(_)))
    }

    /// Reports what cannot be reached.
    pub(super) fn report_unused(&mut self) {
        let n = self.program.functions.len();
        let reached = match self.later.is_empty() {
            true => self.reached().known,
            false => self.all_reached(),
        };
        let mut unused: Vec<usize> = (0..n).filter(|&i| !reached[i]).collect();
        unused.sort_by(|&a, &b| self.program.functions[a].name.cmp(&self.program.functions[b].name));
        let mut warnings = Vec::new();
        for events in [true, false] {
            for &i in &unused {
                let f = &self.program.functions[i];
                if (f.sig.flavor != Flavor::Function) != events {
                    continue;
                }
                if !matches!(&f.kind, FunctionKind::Script(bodies) if !bodies.is_empty()) {
                    continue;
                }
                if !events {
                    let text = format!("non-exported function does not have any callers ({})", f.name);
                    warnings.push(Diagnostic::warning("unused-function", f.span, text));
                    continue;
                }
                let what = Self::flavor_text(f.sig.flavor);
                let text = if f.sig.flavor == Flavor::Event {
                    format!("handler for non-existing event cannot be invoked ({})", f.name)
                } else {
                    format!("handler for non-existing {what} cannot be invoked ({})", f.name)
                };
                let mut d = Diagnostic::warning("unknown-event", f.span, text);
                if let Some(s) = self.near_event(&f.name, f.sig.flavor) {
                    d = d.suggest(format!("did you mean {s}?"));
                } else if let Some(habit) = crate::parse::habits::name(&f.name) {
                    d = d.suggest(habit);
                }
                warnings.push(d);
            }
        }
        for w in warnings {
            self.report(w);
        }
    }

    /// A declared event that looks like a name, or shares its beginning.
    fn near_event(&self, name: &str, flavor: Flavor) -> Option<String> {
        let plain = name.rsplit("::").next().unwrap_or(name);
        let known: Vec<&str> = self
            .program
            .functions
            .iter()
            .filter(|f| f.declared && f.sig.flavor == flavor)
            .map(|f| &*f.name)
            .collect();
        if let Some(n) = nearest(plain, known.iter().copied()) {
            return Some(n.to_string());
        }
        // `connection_state_change` is not far from `connection_state_remove`: the longest common beginning of words.
        let cut = plain.rfind('_')?;
        let (stem, _) = plain.split_at(cut + 1);
        if stem.len() < 8 {
            return None;
        }
        known
            .iter()
            .filter(|k| k.starts_with(stem))
            .min()
            .map(|k| (*k).to_string())
    }
}
