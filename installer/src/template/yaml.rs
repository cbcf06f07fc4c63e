//! Writes a template as YAML that reads the same everywhere.
//!
//! CloudFormation reads YAML 1.1, where a plain `no`, `1_000` or `2026-01-01` is not text. So whatever is not plainly a
//! word is quoted here.

use serde_yaml::{Mapping, Value};

/// Words that mean something else than themselves, in lower case.
const NOT_TEXT: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// The text of a document, always the same for the same document.
pub(super) fn write(document: &Mapping) -> String {
    let mut text = String::new();
    mapping(&mut text, document, 0, "");
    text
}

/// Writes the fields of a mapping, the first one after `lead`, which has the width of the indentation.
fn mapping(out: &mut String, mapping: &Mapping, indent: usize, lead: &str) {
    let spaces = " ".repeat(indent);
    for (position, (key, value)) in mapping.iter().enumerate() {
        out.push_str(if position == 0 { lead } else { &spaces });
        out.push_str(&scalar(key));
        out.push(':');
        after(out, value, indent + 2);
    }
}

fn sequence(out: &mut String, values: &[Value], indent: usize) {
    let spaces = " ".repeat(indent);
    for value in values {
        match value {
            Value::Mapping(fields) if !fields.is_empty() => mapping(out, fields, indent + 2, &format!("{spaces}- ")),
            other => {
                out.push_str(&spaces);
                out.push('-');
                after(out, other, indent + 2);
            }
        }
    }
}

/// Writes a value after its key or dash: on the same line when it is one word, else on lines of its own.
fn after(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Mapping(fields) if !fields.is_empty() => {
            out.push('\n');
            mapping(out, fields, indent, &" ".repeat(indent));
        }
        Value::Sequence(values) if !values.is_empty() => {
            out.push('\n');
            sequence(out, values, indent);
        }
        Value::Tagged(tagged) => {
            // A mark without a name, which nothing of ours has, would not read back.
            if tagged.tag != "!" {
                out.push(' ');
                out.push_str(&tagged.tag.to_string());
            }
            after(out, &tagged.value, indent);
        }
        other => {
            out.push(' ');
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if is_plain(text) => text.clone(),
        // A text in double quotes is written as in JSON.
        Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Sequence(_) => "[]".to_owned(),
        Value::Mapping(_) | Value::Tagged(_) => "{}".to_owned(),
    }
}

/// Whether text can go without quotes: it begins like a word or a path, and has nothing that YAML gives a meaning.
fn is_plain(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let legal = text.chars().all(|c| c.is_ascii_alphanumeric() || "/_.:*${}-".contains(c));
    starts && legal && !text.ends_with(':') && !NOT_TEXT.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plainly_a_word_is_quoted() {
        let quoted = [
            "",
            "no",
            "Yes",
            "ON",
            "y",
            "null",
            "~",
            "1",
            "1_000",
            "0x1F",
            "1e3",
            "12:30",
            "2012-10-17",
            ".5",
            "+1",
            "-a",
            "@a",
            "=",
            "*",
            "a b",
            "a,b",
            "a: b",
            "a:",
            "a #b",
            "{\"UserName\":\"a\"}",
            "ü",
            "line\nbreak",
            "%a",
        ];
        for text in quoted {
            assert_eq!(scalar(&text.into()), serde_json::to_string(text).expect("it is text"));
        }
        for text in ["a", "Function.Arn", "s3:*", "/aws/lambda/${AWS::StackName}", "arn:${AWS::Partition}:s3:::a"] {
            assert_eq!(scalar(&text.into()), text);
        }
    }

    #[test]
    fn documents_read_back_as_they_were() {
        let text = concat!(
            "A: 1\n",
            "B:\n  - !Ref X\n  - C: true\n    D: []\n  - - a\n    - \"2\"\n  - {}\n",
            "E: !If\n  - F\n  - G: null\n  - !Sub a${b}\n",
            "H:\n  I: !GetAtt J.K\n",
        );
        let document: Mapping = serde_yaml::from_str(text).expect("it is YAML");
        let written = write(&document);
        assert_eq!(serde_yaml::from_str::<Mapping>(&written).expect("it is YAML"), document);
        assert_eq!(written.replace("  -\n    - a\n", "  - - a\n"), text);
    }

    #[test]
    fn a_mark_alone_is_no_tag() {
        let document: Mapping = serde_yaml::from_str("A: ! a\nB:\n  - ! a b\n  - ! [c]\n").expect("it is YAML");
        let written = write(&document);
        assert_eq!(written, "A: a\nB:\n  - \"a b\"\n  -\n    - c\n");
        assert!(serde_yaml::from_str::<Mapping>(&written).is_ok());
    }
}
