//! The work of `tapir-cut`: reads log headers, picks columns, converts times.
//!
//! Logs may follow each other in one stream; each header sets separator, column names and types anew.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use chrono::{Local, TimeZone, Utc};

/// What becomes of header lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    #[default]
    None,
    First,
    Every,
    NamesFirst,
    NamesEvery,
}

/// How time columns are shown.
#[derive(Clone, Debug)]
pub struct TimeFormat {
    pub utc: bool,
    pub format: String,
}

/// What the command line asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub columns: Vec<String>,
    pub header: Header,
    pub invert: bool,
    pub time: Option<TimeFormat>,
    /// The output separator; the log's own when absent.
    pub separator: Option<String>,
}

struct Log {
    separator: Vec<u8>,
    unset: Vec<u8>,
    /// Positions of the columns to print; `None` prints an empty column.
    pick: Vec<Option<usize>>,
    is_time: Vec<bool>,
    n_fields: usize,
}

/// Copies the chosen columns of all logs in `input` to `out`.
///
/// # Errors
/// Input and output errors, and a header whose `#types` line does not follow `#fields`.
pub fn run(o: &Options, mut input: impl BufRead, out: &mut impl Write, err: &mut impl Write) -> io::Result<()> {
    let mut log = Log {
        separator: b"\t".to_vec(),
        unset: b"-".to_vec(),
        pick: Vec::new(),
        is_time: Vec::new(),
        n_fields: 0,
    };
    let mut in_header = false;
    let mut n_headers = 0;
    let mut fields_line: Option<Vec<String>> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.first() == Some(&b'#') {
            n_headers += usize::from(!in_header);
            in_header = true;
            header_line(o, &line, n_headers, &mut log, &mut fields_line, out)?;
            continue;
        }
        if fields_line.take().is_some() {
            return Err(io::Error::other("bad log header: no #types line behind #fields"));
        }
        in_header = false;
        data_line(o, &line, &log, out, err)?;
    }
}

fn header_line(
    o: &Options,
    line: &[u8],
    n_headers: usize,
    log: &mut Log,
    fields_line: &mut Option<Vec<String>>,
    out: &mut impl Write,
) -> io::Result<()> {
    let copy = o.header == Header::Every || o.header == Header::First && n_headers == 1;
    let names = o.header == Header::NamesEvery || o.header == Header::NamesFirst && n_headers == 1;
    let sep = log.separator.clone();
    let out_sep = o.separator.as_ref().map_or(sep.clone(), |s| s.as_bytes().to_vec());
    if let Some(text) = line.strip_prefix(b"#separator ") {
        log.separator = unescape(text);
    } else if let Some(value) = tagged(line, b"#unset_field", &sep) {
        log.unset = value.to_vec();
    } else if let Some(value) = tagged(line, b"#fields", &sep) {
        let fields: Vec<_> = split(value, &sep)
            .map(|f| String::from_utf8_lossy(f).into_owned())
            .collect();
        choose(o, &fields, log);
        let chosen = join(log.pick.iter().map(|p| p.map_or("", |i| &fields[i][..])), &out_sep);
        if copy {
            out.write_all(b"#fields")?;
            out.write_all(&out_sep)?;
        }
        if copy || names {
            out.write_all(&chosen)?;
            out.write_all(b"\n")?;
        }
        *fields_line = Some(fields);
        return Ok(());
    } else if let Some(value) = tagged(line, b"#types", &sep) {
        if fields_line.take().is_none() {
            return Err(io::Error::other("bad log header: #types without #fields before it"));
        }
        let types: Vec<_> = split(value, &sep)
            .map(|f| String::from_utf8_lossy(f).into_owned())
            .collect();
        log.is_time = types.iter().map(|t| t == "time").collect();
        if copy {
            let shown = |i: usize| match types.get(i).map(|t| &t[..]) {
                Some("time") if o.time.is_some() => "string",
                Some(t) => t,
                None => "",
            };
            out.write_all(b"#types")?;
            out.write_all(&out_sep)?;
            out.write_all(&join(log.pick.iter().map(|p| p.map_or("", shown)), &out_sep))?;
            out.write_all(b"\n")?;
        }
        return Ok(());
    }
    if fields_line.is_some() {
        return Err(io::Error::other("bad log header: no #types line behind #fields"));
    }
    if copy {
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn choose(o: &Options, fields: &[String], log: &mut Log) {
    log.n_fields = fields.len();
    log.pick = if o.columns.is_empty() {
        (0..fields.len()).map(Some).collect()
    } else if o.invert {
        (0..fields.len())
            .filter(|i| !o.columns.contains(&fields[*i]))
            .map(Some)
            .collect()
    } else {
        o.columns.iter().map(|c| fields.iter().position(|f| f == c)).collect()
    };
}

fn data_line(o: &Options, line: &[u8], log: &Log, out: &mut impl Write, err: &mut impl Write) -> io::Result<()> {
    let cells: Vec<_> = split(line, &log.separator).collect();
    if cells.len() < log.n_fields {
        return writeln!(err, "skipping log line (not enough fields)");
    }
    let sep = o.separator.as_ref().map_or(&log.separator[..], |s| s.as_bytes());
    for (k, pick) in log.pick.iter().enumerate() {
        if k > 0 {
            out.write_all(sep)?;
        }
        let Some(i) = *pick else { continue };
        match &o.time {
            Some(format) if log.is_time.get(i) == Some(&true) && cells[i] != &log.unset[..] => {
                match time_text(cells[i], format) {
                    Some(text) => out.write_all(text.as_bytes())?,
                    None => {
                        writeln!(
                            err,
                            "time value without decimal point: {}",
                            String::from_utf8_lossy(cells[i])
                        )?;
                        out.write_all(cells[i])?;
                    }
                }
            }
            _ => out.write_all(cells[i])?,
        }
    }
    out.write_all(b"\n")
}

fn time_text(cell: &[u8], format: &TimeFormat) -> Option<String> {
    let text = std::str::from_utf8(cell).ok()?;
    let (whole, _) = text.split_once('.')?;
    let secs: i64 = whole.parse().ok()?;
    let mut out = String::new();
    if format.utc {
        write!(out, "{}", Utc.timestamp_opt(secs, 0).single()?.format(&format.format)).ok()?;
    } else {
        write!(
            out,
            "{}",
            Local.timestamp_opt(secs, 0).earliest()?.format(&format.format)
        )
        .ok()?;
    }
    Some(out)
}

/// The rest of a header line behind its tag and one separator.
fn tagged<'a>(line: &'a [u8], tag: &[u8], sep: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(tag)?.strip_prefix(sep)
}

fn split<'a>(line: &'a [u8], sep: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let at = (!sep.is_empty())
            .then(|| text.windows(sep.len()).position(|w| w == sep))
            .flatten();
        match at {
            Some(at) => {
                rest = Some(&text[at + sep.len()..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

fn join<'a>(parts: impl Iterator<Item = &'a str>, sep: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, part) in parts.enumerate() {
        if i > 0 {
            out.extend_from_slice(sep);
        }
        out.extend_from_slice(part.as_bytes());
    }
    out
}

/// Text with `\xHH` escapes as bytes.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < text.len() {
        let code = text[i..]
            .strip_prefix(b"\\x")
            .and_then(|r| std::str::from_utf8(r.get(..2)?).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match code {
            Some(b) => {
                out.push(b);
                i += 4;
            }
            None => {
                out.push(text[i]);
                i += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "#separator \\x09\n#unset_field\t-\n#path\tconn\n#fields\tts\tuid\tn\n#types\ttime\tstring\tcount\n\
                       1300475167.096535\tC1\t7\n-\tC2\t8\n#close\tx\n";

    fn cut(o: &Options, input: &str) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        run(o, input.as_bytes(), &mut out, &mut err).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn columns(names: &[&str]) -> Options {
        Options {
            columns: names.iter().map(|s| s.to_string()).collect(),
            ..Options::default()
        }
    }

    #[test]
    fn picks_in_the_order_given() {
        assert_eq!(cut(&columns(&["n", "ts"]), LOG), "7\t1300475167.096535\n8\t-\n");
        assert_eq!(cut(&columns(&["nope", "n"]), LOG), "\t7\n\t8\n");
        assert_eq!(
            cut(
                &Options {
                    invert: true,
                    ..columns(&["ts"])
                },
                LOG
            ),
            "C1\t7\nC2\t8\n"
        );
    }

    #[test]
    fn converts_times_and_keeps_headers() {
        let time = Some(TimeFormat {
            utc: true,
            format: "%Y-%m-%dT%H:%M:%S%z".into(),
        });
        let o = Options {
            time,
            header: Header::First,
            ..columns(&["ts"])
        };
        assert_eq!(
            cut(&o, LOG),
            "#separator \\x09\n#unset_field\t-\n#path\tconn\n#fields\tts\n#types\tstring\n2011-03-18T19:06:07+0000\n-\n"
        );
        assert_eq!(
            cut(
                &Options {
                    header: Header::NamesEvery,
                    ..columns(&["n"])
                },
                LOG
            ),
            "n\n7\n8\n"
        );
    }
}
