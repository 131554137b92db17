//! Habits from other languages and from older releases, and what is written here instead.

/// Types with names of their own.
pub(crate) const TYPES: &[&str] = &[
    "bool", "int", "count", "double", "time", "interval", "string", "pattern", "port", "addr", "subnet", "any",
];

/// What may be meant when a statement seems to end in `before` and `here` follows.
pub(super) fn behind(before: &str, here: &str) -> Option<String> {
    let name = here.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    Some(match (before, here) {
        ("let" | "var" | "auto" | "my" | "val", _) if name => {
            format!("a variable is declared with local in a function and with global outside: local {here} = …;")
        }
        (ty, _) if name && TYPES.contains(&ty) => {
            format!("the type stands behind the name: local {here}: {ty} = …;")
        }
        ("def" | "func" | "fn" | "fun" | "void" | "sub" | "proc" | "procedure", _) if name => {
            format!("a function is declared so: function {here}(arg: count): bool {{ … }}")
        }
        ("import" | "include" | "require" | "use" | "source" | "load", _) => {
            "scripts are loaded with @load NAME".to_string()
        }
        ("class" | "struct" | "typedef" | "interface", _) if name => {
            format!("a record type is declared so: type {here}: record {{ field: count; }};")
        }
        ("elif" | "elsif" | "elseif" | "elsf", _) => "write else if ( … )".to_string(),
        ("foreach" | "each", _) => "write for ( element in container ) …".to_string(),
        ("echo" | "puts" | "say" | "printf" | "println", _) => "output is written with print: print a, b;".to_string(),
        ("raise" | "emit" | "throw" | "trigger", _) if name => format!("an event is raised so: event {here}(…);"),
        ("until" | "do" | "loop", _) => "the only loops are for ( … in … ) and while ( … )".to_string(),
        (b, _) if b.starts_with("/*") || b.starts_with("//") => {
            "comments begin with # and end with the line".to_string()
        }
        ("not", _) => "write !".to_string(),
        ("list" | "array" | "List", "of") => "write vector of T".to_string(),
        ("map" | "dict" | "hash" | "Map", "of" | "[") => "write table[K] of T".to_string(),
        ("try" | "catch" | "finally", _) => {
            "there are no exceptions: a run-time error ends the handler in which it happens".to_string()
        }
        (x, "++" | "--") => format!("write {here}{x}: the operator stands in front"),
        (x, "*=" | "/=" | "%=") => format!("write {x} = {x} {} …", &here[..1]),
        _ => return None,
    })
}

/// What is written here for a name that is none, but is known from other places.
pub(crate) fn name(text: &str) -> Option<&'static str> {
    Some(match text {
        "true" | "True" | "TRUE" | "yes" => "true is written T",
        "false" | "False" | "FALSE" | "no" => "false is written F",
        "null" | "NULL" | "None" | "nil" | "undefined" => {
            "there is no such value: an &optional field is tested with r?$field and unset with delete r$field"
        }
        "len" | "length" | "size" | "strlen" | "sizeof" => "the size of x is |x|",
        "str" | "toString" | "tostring" | "to_string" => "the text of any value is cat(x) or fmt(\"%s\", x)",
        "int" | "parseInt" | "atoi" => "to_int(s) and to_count(s) convert a string",
        "float" | "atof" => "to_double(s) converts a string",
        "printf" | "println" | "echo" | "puts" => "output is written with print: print a, b;",
        "sprintf" | "format" => "strings are formatted with fmt(\"%s\", x)",
        "bro_init" => "it is called zeek_init",
        "bro_done" => "it is called zeek_done",
        "bro_script_loaded" => "it is called zeek_script_loaded",
        "bro_version" => "it is called zeek_version",
        "continue" => "the next turn of a loop begins with next",
        "this" | "self" => "there are no methods: what a function works on is one of its parameters",
        "append" | "push" | "push_back" => "an element is appended with v += x, and added to a set with add s[x]",
        "contains" | "has_key" => "membership is tested with x in container",
        "substr" | "substring" => "a part of a string is s[from:to]",
        "split" => "strings are split with split_string(s, /pattern/)",
        "join" => "strings are joined with join_string_vec(v, \", \")",
        "replace" => "text is replaced with sub(s, /pattern/, t), gsub(s, /pattern/, t) or subst_string(s, from, to)",
        "now" | "gettimeofday" => "network_time() is the time of the traffic, current_time() that of the clock",
        _ => return None,
    })
}

/// What is meant by a character that no token begins with.
pub(super) fn character(text: &str) -> Option<&'static str> {
    Some(match text {
        "." => "strings are joined with +, and a field of a record is r$field",
        "'" | "`" => "strings stand in double quotes",
        "\\" => "a statement may go on in the next line without any sign",
        _ => return None,
    })
}

/// The signs of assignments that do not exist are two tokens: looks at what follows an operator.
pub(super) fn operator(text: &str) -> Option<&'static str> {
    Some(match text {
        "//" => "comments begin with # and end with the line",
        "and" => "write &&",
        "or" => "write ||",
        "===" => "values are compared with ==",
        "!==" => "values are compared with !=",
        "<>" => "values are compared with !=",
        ":=" => "a variable is declared with local and assigned with =",
        "**" => "powers are computed with pow(x, y)",
        "->" | "." => "a field of a record is r$field",
        "=>" => "a table's entries are written [key] = value",
        _ => return None,
    })
}
