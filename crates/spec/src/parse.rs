//! Text to [`Spec`](crate::Spec), with an error that says where.

use std::fmt;

use serde::Deserialize;
use serde_path_to_error::Segment;

/// Why a JSON text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Not JSON at all.
    Syntax {
        /// First line is 1.
        line: usize,
        /// First column is 1.
        column: usize,
        /// What the parser says of it.
        reason: String,
    },
    /// JSON, but a value has the wrong type or is missing.
    Value {
        /// Where, as RFC 6901 writes it; empty for the whole text.
        pointer: String,
        /// What the parser says of it.
        reason: String,
    },
}

impl ParseError {
    /// The JSON pointer (RFC 6901) to the value that is wrong; empty for the whole text.
    pub fn pointer(&self) -> &str {
        match self {
            Self::Syntax { .. } => "",
            Self::Value { pointer, .. } => pointer,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column, reason } => {
                write!(f, "broken JSON at line {line} column {column}: {reason}")
            }
            Self::Value { pointer, reason } => {
                write!(f, "{}: {reason}", if pointer.is_empty() { "/" } else { pointer })
            }
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads one JSON value of type `T`.
///
/// The plain parser runs first; the one that keeps track of where it is costs time, so it runs only over a
/// text that has already failed.
///
/// # Errors
/// [`ParseError`], with line and column for broken JSON and a JSON pointer for a value of the wrong type.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, ParseError> {
    serde_json::from_slice(text).map_err(|error| locate::<T>(text, error))
}

fn locate<'a, T: Deserialize<'a>>(text: &'a [u8], plain: serde_json::Error) -> ParseError {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) if error.inner().is_data() => {
            let pointer = pointer(error.path());
            ParseError::Value { pointer, reason: reason(error.inner()) }
        }
        _ => ParseError::Syntax {
            line: plain.line(),
            column: plain.column(),
            reason: reason(&plain),
        },
    }
}

/// The message without serde_json's own ` at line N column N`.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec;

    fn error(text: &str) -> ParseError {
        parse::<Spec>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn broken_json_gives_line_and_column() {
        let text = "{\n  \"ociVersion\": \"1.0.2\",\n  \"root\": }\n";
        assert!(matches!(error(text), ParseError::Syntax { line: 3, column: 11, .. }));
        assert!(matches!(error(""), ParseError::Syntax { .. }));
        assert!(matches!(error("{} x"), ParseError::Value { .. }), "the version is missing first");
        assert!(matches!(error(r#"{"ociVersion":"1"} x"#), ParseError::Syntax { .. }));
    }

    #[test]
    fn wrong_type_gives_the_json_pointer() {
        let ParseError::Value { pointer, reason } =
            error(r#"{"ociVersion":"1","process":{"args":["a",7],"cwd":"/"}}"#)
        else {
            panic!()
        };
        assert_eq!(pointer, "/process/args/1");
        assert_eq!(reason, "invalid type: integer `7`, expected a string");
    }

    #[test]
    fn pointers_are_escaped() {
        let ParseError::Value { pointer, .. } =
            error(r#"{"ociVersion":"1","annotations":{"a/b~c":1}}"#)
        else {
            panic!()
        };
        assert_eq!(pointer, "/annotations/a~1b~0c");
    }

    #[test]
    fn null_is_absent() {
        let spec: Spec =
            parse(br#"{"ociVersion":"1","mounts":null,"hooks":null,"linux":null,"hostname":null}"#)
                .unwrap();
        assert_eq!(spec, Spec { oci_version: "1".into(), ..Spec::default() });
    }

    #[test]
    fn unknown_namespace_is_a_value_error() {
        let ParseError::Value { pointer, reason } =
            error(r#"{"ociVersion":"1","linux":{"namespaces":[{"type":"pid"},{"type":"moon"}]}}"#)
        else {
            panic!()
        };
        assert_eq!(pointer, "/linux/namespaces/1/type");
        assert!(reason.starts_with("unknown variant `moon`"), "{reason}");
    }
}
