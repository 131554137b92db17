use super::*;

fn lex(text: &str) -> Vec<Tok> {
    let mut names = Interner::new();
    let mut lexer = Lexer::new(bytes::Bytes::copy_from_slice(text.as_bytes()));
    let mut out = Vec::new();
    loop {
        let t = lexer.next(&mut names);
        if t.tok == Tok::Eof {
            return out;
        }
        out.push(t.tok);
    }
}

#[test]
fn numbers_carry_units_ports_and_widths() {
    assert_eq!(
        lex("0010 0xFF 1. .5 1e3"),
        [
            Tok::Count(10),
            Tok::Count(255),
            Tok::Double(1.0),
            Tok::Double(0.5),
            Tok::Double(1000.0)
        ]
    );
    assert_eq!(lex("3min 1.5 hrs"), [Tok::Interval(180.0), Tok::Interval(5400.0)]);
    assert!(matches!(lex("80/tcp")[..], [Tok::Port(_)]));
    assert!(matches!(lex("70000/tcp")[..], [Tok::Bad("port")]));
    assert!(matches!(
        lex("10.0.0.0 / 8 [2001:db8::]/32 [::1]")[..],
        [Tok::Subnet(_), Tok::Subnet(_), Tok::Addr(_)]
    ));
    assert!(matches!(lex("0XFF")[..], [Tok::Bad(_)]));
}

#[test]
fn brackets_with_colons_are_slices_unless_they_are_addresses() {
    assert_eq!(lex("s[1:3]").len(), 6);
    assert_eq!(lex("s[a:b]").len(), 6);
}

#[test]
fn strings_decode_escapes() {
    assert_eq!(decode_string(br#""a\x41\101\n\q\0""#), b"aAA\nq\0");
    assert_eq!(split_pattern(b"/a\\/b/is"), (&b"a\\/b"[..], true, true));
}
