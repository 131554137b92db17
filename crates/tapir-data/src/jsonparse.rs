//! A JSON reader (RFC 8259) whose error texts and offsets are those that scripts compare.

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(Vec<u8>),
    Array(Vec<Json>),
    Object(Vec<(Vec<u8>, Json)>),
}

/// A number: exact where it was written as an integer that fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i128),
    Double(f64),
}

impl Json {
    /// The name of the value's kind in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "bool",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        }
    }
}

/// What was wrong, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    pub text: &'static str,
    pub offset: usize,
}

/// Containers are not nested deeper than this.
const DEPTH_MAX: usize = 512;

/// Reads one JSON text.
pub fn parse(s: &[u8]) -> Result<Json, JsonError> {
    parse_with(s, false)
}

/// Reads one JSON text in which strings may hold raw control bytes and the escape `\\v`, as cluster peers write them.
pub fn parse_lenient(s: &[u8]) -> Result<Json, JsonError> {
    parse_with(s, true)
}

fn parse_with(s: &[u8], lenient: bool) -> Result<Json, JsonError> {
    let mut p = Parser {
        s,
        i: 0,
        depth: 0,
        lenient,
    };
    p.blanks();
    if p.i == s.len() {
        return p.fail("The document is empty.");
    }
    let v = p.value()?;
    p.blanks();
    if p.i < s.len() {
        return p.fail("The document root must not be followed by other values.");
    }
    Ok(v)
}

struct Parser<'a> {
    s: &'a [u8],
    i: usize,
    depth: usize,
    lenient: bool,
}

type Parsed<T> = Result<T, JsonError>;

impl Parser<'_> {
    fn fail<T>(&self, text: &'static str) -> Parsed<T> {
        self.fail_at(text, self.i)
    }

    fn fail_at<T>(&self, text: &'static str, offset: usize) -> Parsed<T> {
        Err(JsonError { text, offset })
    }

    fn peek(&self) -> Option<u8> {
        self.s.get(self.i).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.i += 1;
        }
    }

    fn eat(&mut self, b: u8) -> bool {
        let found = self.peek() == Some(b);
        self.i += usize::from(found);
        found
    }

    fn word(&mut self, word: &[u8], v: Json) -> Parsed<Json> {
        for &b in word {
            if !self.eat(b) {
                return self.fail("Invalid value.");
            }
        }
        Ok(v)
    }

    fn value(&mut self) -> Parsed<Json> {
        match self.peek() {
            Some(b'n') => self.word(b"null", Json::Null),
            Some(b't') => self.word(b"true", Json::Bool(true)),
            Some(b'f') => self.word(b"false", Json::Bool(false)),
            Some(b'"') => self.string().map(Json::String),
            Some(b'[') => self.nested(Self::array),
            Some(b'{') => self.nested(Self::object),
            _ => self.number(),
        }
    }

    fn nested(&mut self, f: fn(&mut Self) -> Parsed<Json>) -> Parsed<Json> {
        if self.depth >= DEPTH_MAX {
            return self.fail("Terminate parsing due to Handler error.");
        }
        self.depth += 1;
        self.i += 1;
        let v = f(self);
        self.depth -= 1;
        v
    }

    fn array(&mut self) -> Parsed<Json> {
        let mut items = Vec::new();
        self.blanks();
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.blanks();
            if self.eat(b',') {
                self.blanks();
            } else if self.eat(b']') {
                return Ok(Json::Array(items));
            } else {
                return self.fail("Missing a comma or ']' after an array element.");
            }
        }
    }

    fn object(&mut self) -> Parsed<Json> {
        let mut members = Vec::new();
        self.blanks();
        if self.eat(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fail("Missing a name for object member.");
            }
            let name = self.string()?;
            self.blanks();
            if !self.eat(b':') {
                return self.fail("Missing a colon after a name of object member.");
            }
            self.blanks();
            members.push((name, self.value()?));
            self.blanks();
            if self.eat(b',') {
                self.blanks();
            } else if self.eat(b'}') {
                return Ok(Json::Object(members));
            } else {
                return self.fail("Missing a comma or '}' after an object member.");
            }
        }
    }

    fn hex4(&mut self, escape: usize) -> Parsed<u32> {
        let mut n = 0;
        for _ in 0..4 {
            match self.peek().and_then(|b| (b as char).to_digit(16)) {
                Some(d) => n = n * 16 + d,
                None => {
                    return self.fail_at("Incorrect hex digit after \\u escape in string.", escape);
                }
            }
            self.i += 1;
        }
        Ok(n)
    }

    fn string(&mut self) -> Parsed<Vec<u8>> {
        self.i += 1;
        let mut out = Vec::new();
        loop {
            match self.peek() {
                None => {
                    return self.fail("Missing a closing quotation mark in string.");
                }
                Some(0) if !self.lenient => {
                    return self.fail("Missing a closing quotation mark in string.");
                }
                Some(b'"') => {
                    self.i += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(b) if b < 0x20 && !self.lenient => return self.fail("Invalid encoding in string."),
                Some(b) => {
                    out.push(b);
                    self.i += 1;
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Parsed<()> {
        let start = self.i;
        self.i += 1;
        let b = match self.peek() {
            Some(b @ (b'"' | b'\\' | b'/')) => b,
            Some(b'v') if self.lenient => 11,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.i += 1;
                let mut n = self.hex4(start)?;
                if (0xd800..0xe000).contains(&n) {
                    const PAIR: &str = "The surrogate pair in string is invalid.";
                    if n >= 0xdc00 || !(self.eat(b'\\') && self.eat(b'u')) {
                        return self.fail_at(PAIR, start);
                    }
                    let low = self.hex4(start)?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return self.fail_at(PAIR, start);
                    }
                    n = 0x10000 + ((n - 0xd800) << 10) + (low - 0xdc00);
                }
                let c = char::from_u32(n).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return self.fail_at("Invalid escape character in string.", start),
        };
        out.push(b);
        self.i += 1;
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.i;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.i += 1;
        }
        self.i - start
    }

    fn number(&mut self) -> Parsed<Json> {
        let start = self.i;
        self.eat(b'-');
        if !self.eat(b'0') && self.digits() == 0 {
            return self.fail("Invalid value.");
        }
        let mut integer = true;
        if self.eat(b'.') {
            integer = false;
            if self.digits() == 0 {
                return self.fail("Miss fraction part in number.");
            }
        }
        if self.eat(b'e') || self.eat(b'E') {
            integer = false;
            let _ = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                return self.fail("Miss exponent in number.");
            }
        }
        let text = std::str::from_utf8(&self.s[start..self.i]).unwrap_or("0");
        if integer
            && let Ok(n) = text.parse::<i128>()
            && (i64::MIN as i128..=u64::MAX as i128).contains(&n)
        {
            return Ok(Json::Number(Number::Int(n)));
        }
        let d: f64 = text.parse().unwrap_or(f64::INFINITY);
        if d.is_infinite() {
            return self.fail_at("Number too big to be stored in double.", start);
        }
        Ok(Json::Number(Number::Double(d)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_offsets() {
        for (s, text, offset) in [
            ("", "The document is empty.", 0),
            (" ", "The document is empty.", 1),
            ("{", "Missing a name for object member.", 1),
            ("[1, ", "Invalid value.", 4),
            ("tru", "Invalid value.", 3),
            ("01", "The document root must not be followed by other values.", 1),
            ("1.", "Miss fraction part in number.", 2),
            ("\"open", "Missing a closing quotation mark in string.", 5),
            ("[1 2]", "Missing a comma or ']' after an array element.", 3),
            ("\"bad \\x escape\"", "Invalid escape character in string.", 5),
            ("\"bad \\u12\"", "Incorrect hex digit after \\u escape in string.", 5),
            ("{\"a\" 1}", "Missing a colon after a name of object member.", 5),
            ("{\"a\":1", "Missing a comma or '}' after an object member.", 6),
            ("-", "Invalid value.", 1),
            ("1e", "Miss exponent in number.", 2),
            ("[\"\x01\"]", "Invalid encoding in string.", 2),
        ] {
            assert_eq!(parse(s.as_bytes()), Err(JsonError { text, offset }), "{s}");
        }
        assert!(parse(&b"[".repeat(100_000)).is_err());
    }

    #[test]
    fn values() {
        assert_eq!(
            parse(b" [0, -0.5] ").unwrap(),
            Json::Array(vec![Json::Number(Number::Int(0)), Json::Number(Number::Double(-0.5))])
        );
        assert_eq!(parse(br#""\ud83d\ude00""#).unwrap(), Json::String("😀".into()));
    }
}
