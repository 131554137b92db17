//! Diagnostics as data, and their text form.
//!
//! The first line keeps the shape that scripts and tests look for (`error in FILE, line N: TEXT`); below it stand the
//! source line with a marker, notes and a suggestion.

use std::fmt::Write;

use crate::hir::{SourceFile, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Warning,
    Error,
    /// Nothing after it was looked at.
    Fatal,
}

/// One message about the sources.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// A stable name for the kind of problem.
    pub id: &'static str,
    pub severity: Severity,
    /// `None` for problems outside of any file, such as command-line arguments.
    pub span: Option<Span>,
    pub message: String,
    /// Further places that belong to the problem; the first is named in the headline.
    pub labels: Vec<(Span, String)>,
    pub notes: Vec<String>,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(id: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            id,
            severity: Severity::Error,
            span: Some(span),
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            suggestion: None,
        }
    }

    /// A warning at a place.
    pub fn warning(id: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Warning,
            ..Self::error(id, span, message)
        }
    }

    /// An error that ends the compilation.
    pub fn fatal(id: &'static str, span: Option<Span>, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Fatal,
            span,
            ..Self::error(id, Span::default(), message)
        }
    }

    /// Adds a second place.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push((span, text.into()));
        self
    }

    /// Adds an explanation.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Says what was probably meant.
    pub fn suggest(mut self, text: impl Into<String>) -> Self {
        self.suggestion = Some(text.into());
        self
    }

    /// The headline: `error in FILE, line N: TEXT`.
    pub fn headline(&self, files: &[SourceFile]) -> String {
        let kind = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Fatal => "fatal error",
        };
        let mut out = String::from(kind);
        if let Some(place) = self.span.and_then(|s| place(s, files)) {
            let _ = write!(out, " in {place}");
            if let Some(second) = self.labels.first().and_then(|l| self::place(l.0, files)) {
                let _ = write!(out, " and {second}");
            }
        }
        let _ = write!(out, ": {}", self.message);
        out
    }

    /// The full text, ending in a newline.
    pub fn render(&self, files: &[SourceFile]) -> String {
        let mut out = self.headline(files);
        out.push('\n');
        if let Some(span) = self.span {
            excerpt(&mut out, span, "", files);
        }
        for (span, text) in &self.labels {
            excerpt(&mut out, *span, text, files);
        }
        for note in &self.notes {
            let _ = writeln!(out, "  note: {note}");
        }
        if let Some(s) = &self.suggestion {
            let _ = writeln!(out, "  help: {s}");
        }
        out
    }
}

fn place(span: Span, files: &[SourceFile]) -> Option<String> {
    let file = files.get(span.file as usize)?;
    Some(format!("{}, line {}", file.path, file.line(span.start)))
}

/// The source line of a span with a marker below it.
fn excerpt(out: &mut String, span: Span, label: &str, files: &[SourceFile]) {
    let Some(file) = files.get(span.file as usize) else {
        return;
    };
    let line = file.line(span.start).max(1);
    let start = file.line_start(line).unwrap_or(0) as usize;
    let text = file.text.as_bytes().get(start..).unwrap_or(&[]);
    let text = text.split(|&b| b == b'\n').next().unwrap_or(&[]);
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end();
    if text.trim().is_empty() {
        return;
    }
    let shown: String = text
        .chars()
        .take(200)
        .map(|c| if c == '\t' { ' ' } else { c })
        .collect();
    let column = (span.start as usize).saturating_sub(start).min(200);
    let length = (span.end.saturating_sub(span.start) as usize)
        .clamp(1, text.len().saturating_sub(column).max(1))
        .min(200);
    let number = line.to_string();
    if !label.is_empty() {
        let _ = writeln!(out, "  {}:{line}: {label}", file.path);
    }
    let _ = writeln!(out, "  {number} | {shown}");
    let _ = write!(
        out,
        "  {} | {}{}",
        " ".repeat(number.len()),
        " ".repeat(column),
        "^".repeat(length)
    );
    out.push('\n');
}

/// The candidate that looks most like `name`, if any is near enough to be a slip.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let limit = match name.len() {
        0..=2 => return None,
        3..=5 => 1,
        6..=10 => 2,
        _ => 3,
    };
    // Of those equally near, one that begins alike: slips are seldom in the first letter.
    let begins_alike = |c: &str| {
        c.as_bytes().first().map(u8::to_ascii_lowercase) == name.as_bytes().first().map(u8::to_ascii_lowercase)
    };
    let mut best: Option<(usize, bool, &str)> = None;
    for candidate in candidates {
        if candidate.len().abs_diff(name.len()) > limit || candidate == name {
            continue;
        }
        let d = distance(name.as_bytes(), candidate.as_bytes());
        let rank = (d, !begins_alike(candidate), candidate);
        if d <= limit && best.is_none_or(|b| rank < b) {
            best = Some(rank);
        }
    }
    best.map(|b| b.2)
}

/// Edit distance, letters compared without case, a swap of neighbours counted once.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = a[i - 1].eq_ignore_ascii_case(&b[j - 1]);
            let mut d = (row[j - 1] + usize::from(!same)).min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                d = d.min(before[j - 2] + 1);
            }
            next[j] = d;
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found_and_others_are_not() {
        let names = ["connection_state_remove", "udp_request", "zeek_init"];
        assert_eq!(nearest("zeek_inti", names.into_iter()), Some("zeek_init"));
        assert_eq!(nearest("udp_reqest", names.into_iter()), Some("udp_request"));
        assert_eq!(nearest("something", names.into_iter()), None);
        assert_eq!(nearest("htp", ["ftp", "http"].into_iter()), Some("http"));
    }
}
