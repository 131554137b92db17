//! Compiled bodies as text, for people who look at what the compiler made.

use tapir_data::value::Value;

use super::{Code, Instr, enc, kind};

impl Code {
    /// The instructions as text, one per line; jumps show their absolute target.
    pub fn disassemble(&self) -> String {
        use std::fmt::Write;
        let mut out = format!("{} ({} params, {} regs)\n", self.name, self.n_params, self.n_regs);
        for (pc, i) in self.instrs.iter().enumerate() {
            let mut text = format!("{i:?}");
            text.retain(|c| c != ',' && c != '{' && c != '}' && c != ':');
            let words: Vec<&str> = text.split_whitespace().collect();
            let mut line = words[0].to_string();
            for pair in words[1..].chunks(2) {
                let shown = match pair {
                    [name, v] if name.starts_with('e') && name.len() <= 8 && *name != "end" => {
                        format!("{}={}", &name[1..], show_encoded(v.parse().unwrap_or(0), self))
                    }
                    [name, v] if *name == "off" => {
                        let to = pc as i64 + 1 + v.parse::<i64>().unwrap_or(0);
                        format!("->{to}")
                    }
                    [name, v] if *name == "k" => {
                        format!("k={}", show_const(&self.consts[v.parse::<usize>().unwrap_or(0)]))
                    }
                    [name, v] => format!("{name}={v}"),
                    _ => pair.concat(),
                };
                let _ = write!(line, " {shown}");
            }
            if let Instr::Args { a, b, c } = i {
                line = "  args".into();
                for e in [a, b, c] {
                    if *e != enc::NONE {
                        let _ = write!(line, " {}", show_encoded(*e, self));
                    }
                }
            }
            let _ = writeln!(out, "{pc:4} {line}");
        }
        out
    }
}
fn show_encoded(e: u16, code: &Code) -> String {
    if e == enc::NONE {
        return "-".into();
    }
    match e & enc::MODE {
        enc::SCALAR => format!("r{}", e & enc::INDEX),
        enc::CLONE => format!("r{}", e & enc::INDEX),
        enc::TAKE => format!("r{}!", e & enc::INDEX),
        _ if e & enc::GLOBAL_BIT != 0 => format!("g{}", e & enc::POOL_INDEX),
        _ => show_const(&code.consts[(e & enc::POOL_INDEX) as usize]),
    }
}

fn show_const(v: &Value) -> String {
    match v {
        Value::Bool(b) => (if *b { "T" } else { "F" }).into(),
        Value::Int(n) => format!("{n:+}"),
        Value::Count(n) => n.to_string(),
        Value::Double(d) => format!("{d:?}"),
        Value::Time(d) | Value::Interval(d) => format!("{d:?}s"),
        Value::Enum(_, n) => format!("enum:{n}"),
        Value::Str(s) => format!("{:?}", String::from_utf8_lossy(s)),
        Value::Addr(a) => a.to_string(),
        v => format!("k{}", kind::of(v)),
    }
}
