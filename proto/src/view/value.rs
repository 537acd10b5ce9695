//! Results for programs: one value, shown as JSON or as YAML.
//!
//! **Invariant:** both say the same. JSON is one line an object, so that a stream of them is read line by line; YAML is in
//! blocks, and every reader of YAML 1.1 or 1.2 takes a text for a text: what could be taken for something else is quoted.
//! Bytes are text where they are UTF-8, and an object with their base64 where they are not.

/// A result, or a part of one. Fields keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// There is none.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// Several of the same kind.
    List(Vec<Value>),
    /// Named parts.
    Object(Vec<(&'static str, Value)>),
}

impl Value {
    /// Named parts.
    pub fn object(fields: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        Self::Object(fields.into_iter().collect())
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A whole number.
    pub fn number(number: i64) -> Self {
        Self::Number(number)
    }

    /// What a program wrote or a person typed.
    pub fn bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::text(text),
            Err(_) => Self::object([("base64", Self::Text(base64(bytes)))]),
        }
    }
}

/// As one line of JSON, with its newline.
pub fn json(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, &mut text);
    text.push('\n');
    text
}

/// As a document of YAML.
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write_yaml(value, 0, &mut text);
    text
}

/// As one item of a list that has no end yet.
pub fn yaml_item(value: &Value) -> String {
    yaml(&Value::List(vec![value.clone()]))
}

fn write_json(value: &Value, text: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&scalar(value)),
        Value::Text(string) => text.push_str(&quoted(string)),
        Value::List(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write_json(value, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (index, (name, value)) in fields.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                text.push_str(&format!("{}:", quoted(name)));
                write_json(value, text);
            }
            text.push('}');
        }
    }
}

/// Lines of a block, each indented by so many spaces.
fn write_yaml(value: &Value, indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::List(values) if !values.is_empty() => {
            for value in values {
                let mut block = String::new();
                write_yaml(value, indent + 2, &mut block);
                text.push_str(&format!("{margin}- {}", block.trim_start_matches(' ')));
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                text.push_str(&format!("{margin}{name}:"));
                if is_block(value) {
                    text.push('\n');
                    write_yaml(value, indent + 2, text);
                } else {
                    text.push_str(&format!(" {}\n", scalar(value)));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Object(_) => {
            text.push_str(&format!("{margin}{}\n", scalar(value)));
        }
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::List(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => false,
    }
}

/// What stands on one line.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(is_so) => is_so.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) if is_plain(text) => text.clone(),
        Value::Text(text) => quoted(text),
        Value::List(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
    }
}

/// As JSON, which YAML reads the same.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Controls, and what YAML takes for an end of line or does not take at all.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Words that some reader of YAML takes for something else than a text.
const RESERVED: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

fn is_plain(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_./@-".contains(&byte))
        && !RESERVED.iter().any(|reserved| text.eq_ignore_ascii_case(reserved))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().zip([16, 8, 0]).fold(0u32, |bits, (byte, shift)| bits | u32::from(*byte) << shift);
        for at in 0..4usize {
            let letter = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
            text.push(if at <= chunk.len() { char::from(LETTERS[letter]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Value {
        Value::object([
            ("node", Value::text("node042")),
            ("exit_code", Value::number(-1)),
            ("failure", Value::Null),
            ("stdout", Value::text("a: b\n\"c\"\u{1b}\u{2028}")),
            ("stderr", Value::bytes(b"\xff\xfe")),
            ("none", Value::List(Vec::new())),
            (
                "list",
                Value::List(vec![
                    Value::text("x"),
                    Value::object([("y", Value::Bool(true)), ("z", Value::text("no"))]),
                ]),
            ),
        ])
    }

    #[test]
    fn json_is_one_line() {
        let expected = concat!(
            "{\"node\":\"node042\",\"exit_code\":-1,\"failure\":null,",
            "\"stdout\":\"a: b\\n\\\"c\\\"\\u001b\\u2028\",\"stderr\":{\"base64\":\"//4=\"},",
            "\"none\":[],\"list\":[\"x\",{\"y\":true,\"z\":\"no\"}]}\n"
        );
        assert_eq!(json(&sample()), expected);
    }

    #[test]
    fn yaml_is_in_blocks() {
        let expected = "node: node042\nexit_code: -1\nfailure: null\nstdout: \"a: b\\n\\\"c\\\"\\u001b\\u2028\"\n\
                        stderr:\n  base64: \"//4=\"\nnone: []\nlist:\n  - x\n  - y: true\n    z: \"no\"\n";
        assert_eq!(yaml(&sample()), expected);
        assert_eq!(yaml_item(&Value::object([("a", Value::number(1)), ("b", Value::text("c"))])), "- a: 1\n  b: c\n");
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Number),
            "\\PC{0,12}|[a-z:# -]{0,8}|\\s{0,3}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::vec(inner, 0..3)
                    .prop_map(|values| Value::Object(["a", "b_c", "d"].into_iter().zip(values).collect())),
            ]
        })
    }

    fn same(value: &Value, read: &serde_json::Value) -> bool {
        match (value, read) {
            (Value::Null, serde_json::Value::Null) => true,
            (Value::Bool(one), serde_json::Value::Bool(other)) => one == other,
            (Value::Number(one), serde_json::Value::Number(other)) => Some(*one) == other.as_i64(),
            (Value::Text(one), serde_json::Value::String(other)) => one == other,
            (Value::List(ones), serde_json::Value::Array(others)) => {
                ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| same(one, other))
            }
            (Value::Object(ones), serde_json::Value::Object(others)) => {
                ones.len() == others.len()
                    && ones.iter().all(|(name, one)| others.get(*name).is_some_and(|other| same(one, other)))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn json_reads_back(value in value()) {
            let text = json(&value);
            prop_assert_eq!(text.matches('\n').count(), 1);
            prop_assert!(same(&value, &serde_json::from_str(&text).unwrap()), "{}", text);
        }
    }
}
