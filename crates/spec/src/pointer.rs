//! JSON pointers (RFC 6901): how a name is written in one, and the one to where a byte of a text stands.

/// A member's name as a part of a pointer, section 3: `~0` for a tilde, `~1` for a slash.
pub fn reference_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The JSON pointer (RFC 6901) of the value that ends right before the byte `end` of a text, or that is about to begin
/// there. What comes later is not looked at; what comes before has to be JSON.
pub(crate) fn pointer_at(text: &[u8], end: usize) -> String {
    let mut place = Place::default();
    let mut at = 0;
    while at < end {
        let Some(&byte) = text.get(at) else { break };
        at = match byte {
            b'"' => {
                let close = string_end(text, at);
                place.string(&text[at..close]);
                close
            }
            _ => {
                place.byte(byte);
                at + 1
            }
        };
    }
    place.pointer()
}

/// The byte after a string's closing quotation mark, or the end of the text.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// An object or list that is open.
enum Open<'a> {
    /// The last name, with its quotation marks, and whether its value has begun.
    Object { name: &'a [u8], in_value: bool },
    /// The index of the last item.
    List { index: usize },
}

/// The way from the top.
#[derive(Default)]
struct Place<'a>(Vec<Open<'a>>);

impl<'a> Place<'a> {
    fn string(&mut self, quoted: &'a [u8]) {
        if let Some(Open::Object { name, in_value: false }) = self.0.last_mut() {
            *name = quoted;
        }
    }

    fn byte(&mut self, byte: u8) {
        match (byte, self.0.last_mut()) {
            (b'{', _) => self.0.push(Open::Object { name: b"", in_value: false }),
            (b'[', _) => self.0.push(Open::List { index: 0 }),
            (b'}' | b']', _) => drop(self.0.pop()),
            (b':', Some(Open::Object { in_value, .. })) => *in_value = true,
            (b',', Some(Open::Object { in_value, .. })) => *in_value = false,
            (b',', Some(Open::List { index })) => *index += 1,
            _ => {}
        }
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for open in &self.0 {
            let part = match open {
                // A name is the object's own, not yet a value's.
                Open::Object { in_value: false, .. } => continue,
                Open::Object { name, .. } => {
                    // One that is no JSON string would have been the error.
                    let name: String = serde_json::from_slice(name).unwrap_or_default();
                    reference_token(&name)
                }
                Open::List { index } => index.to_string(),
            };
            pointer.push('/');
            pointer.push_str(&part);
        }
        pointer
    }
}

/// The byte at a line and a column as serde_json counts them: lines from 1, and columns in bytes that have been read.
pub(crate) fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    let before: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    before.saturating_add(column).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pointer at the place that `|` marks.
    fn at(text: &str) -> String {
        let end = text.find('|').unwrap();
        pointer_at(text.replacen('|', "", 1).as_bytes(), end)
    }

    #[test]
    fn a_tilde_of_the_name_is_told_from_one_of_the_pointer() {
        assert_eq!(reference_token("a/b~c"), "a~1b~0c");
        assert_eq!(reference_token("~1"), "~01");
    }

    #[test]
    fn a_value_that_begins_or_ends() {
        assert_eq!(at("|{}"), "");
        assert_eq!(at(r#"{"a": |1}"#), "/a");
        assert_eq!(at(r#"{"a": 1|, "b": 2}"#), "/a");
        assert_eq!(at(r#"{"a": 1, "b": {"c": "x"|}}"#), "/b/c");
        assert_eq!(at(r#"{"a": 1, "b": {"c": "x"}|}"#), "/b");
        assert_eq!(at(r#"{"a": [|]}"#), "/a/0");
        assert_eq!(at(r#"{"a": [[1], [2, |3]]}"#), "/a/1/1");
        assert_eq!(at(r#"{"a": [{}, {}|]}"#), "/a/1");
        assert_eq!(at(r#"{"a": [1]}|"#), "");
    }

    #[test]
    fn a_name_belongs_to_the_object() {
        assert_eq!(at(r#"{"a": {|"b": 1}}"#), "/a");
        assert_eq!(at(r#"{"a": {"b"|: 1}}"#), "/a");
        assert_eq!(at(r#"{"a": {"b": 1, |"b": 2}}"#), "/a");
    }

    #[test]
    fn what_stands_in_strings_is_no_structure() {
        assert_eq!(at(r#"{"a{[\"]}": "{\\", "b": "[,:"|}"#), "/b");
        assert_eq!(at(r#"{"a\"/~\u0041": 7|}"#), "/a\"~1~0A");
    }

    #[test]
    fn lines_end_after_their_break() {
        let text = b"{\n \"a\":\n7}";
        assert_eq!(offset(text, 1, 1), 1);
        assert_eq!(offset(text, 3, 1), 9);
        assert_eq!(offset(text, 9, 9), text.len());
    }
}
