//! Words of command lines and configuration files: which one was meant by a slip.

/// What is appended to a message about an unknown word: the one that was probably meant, or nothing.
pub fn hint<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, known).map_or(String::new(), |n| format!("; did you mean {n}?"))
}

/// The known word that looks most like the one that was typed, if any is near enough to be a slip.
///
/// Of up to 5 letters one may differ, of up to 10 two, of more three; case and dashes in front do not count, two neighbours in
/// the wrong order count as one. What was typed may also be the beginning of a word, as `--raed` is of `--readfile`.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const TYPED_MAX: usize = 64;
    let letters = |w: &str| -> Vec<char> { w.trim_start_matches('-').to_lowercase().chars().collect() };
    let word = letters(typed);
    if word.len() < 2 || word.len() > TYPED_MAX {
        return None;
    }
    let limit = match word.len() {
        0..=5 => 1,
        6..=10 => 2,
        _ => 3,
    };
    let rank = |candidate: &'a str| {
        let other = letters(candidate);
        let row = distances(&word, &other);
        let whole = row[other.len()];
        // Short words begin too many others.
        let beginning = row.iter().skip(3).min().copied().filter(|_| word.len() >= 4);
        let near = whole.min(beginning.unwrap_or(whole));
        // Of those equally near, the whole word, and one that begins alike: slips are seldom in the first letter.
        let rank = (near, whole, word.first() != other.first(), candidate);
        (near <= limit && near < word.len()).then_some(rank)
    };
    known.into_iter().filter_map(rank).min().map(|(.., w)| w)
}

/// The edit distances of a word to all beginnings of another, by their length; a swap of neighbours counts once.
fn distances(a: &[char], b: &[char]) -> Vec<usize> {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut d = changed.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                d = d.min(before[j - 2] + 1);
            }
            next[j] = d;
        }
        before = std::mem::replace(&mut row, next);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let options = [
            "--readfile",
            "--rulefile",
            "--iface",
            "--re-level",
            "--workers",
            "--help",
        ];
        let near = |typed| nearest(typed, options);
        assert_eq!(near("--raed"), Some("--readfile"));
        assert_eq!(near("--read-file"), Some("--readfile"));
        assert_eq!(near("--worker"), Some("--workers"));
        assert_eq!(near("--wrokers"), Some("--workers"));
        assert_eq!(near("--hlep"), Some("--help"));
        assert_eq!(near("--Help"), Some("--help"));
        for typed in ["--bogus", "--x", "-Z", "", "--", "--nothing-like-it"] {
            assert_eq!(near(typed), None, "{typed}");
        }
        let commands = ["status", "start", "stop", "restart", "df", "top"];
        assert_eq!(nearest("sttaus", commands), Some("status"));
        assert_eq!(nearest("strat", commands), Some("start"));
        assert_eq!(nearest("stat", commands), Some("status"));
        assert_eq!(nearest("fd", commands), Some("df"));
        assert_eq!(nearest("bogus", commands), None);
        assert_eq!(hint("sotp", commands), "; did you mean stop?");
        assert_eq!(hint("bogus", commands), "");
    }
}
