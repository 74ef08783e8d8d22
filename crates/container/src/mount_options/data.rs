//! The part of mount options that a file system reads itself.

use std::fmt;

/// A parameter of a file system: FSCONFIG_SET_STRING with a value, FSCONFIG_SET_FLAG without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datum {
    /// Such as `size`; never empty.
    pub key: String,
    /// Such as `64k`; without the quotes that SELinux contexts are written in.
    pub value: Option<String>,
}

impl Datum {
    /// Reads `key` or `key=value`; `None` if the key is empty.
    pub(super) fn parse(option: &str) -> Option<Self> {
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (option, None),
        };
        let unquoted = |value: &str| match value.strip_prefix('"').and_then(|v| v.strip_suffix('"'))
        {
            Some(inside) if is_context(key) => inside.to_owned(),
            _ => value.to_owned(),
        };
        (!key.is_empty()).then(|| Self { key: key.to_owned(), value: value.map(unquoted) })
    }

    /// As mount(2) takes it, among others with commas between them.
    pub(super) fn in_a_list(&self) -> String {
        match &self.value {
            Some(value) if is_context(&self.key) && value.contains(',') => {
                format!("{}=\"{value}\"", self.key)
            }
            _ => self.to_string(),
        }
    }
}

/// SELinux reads the quotes of these keys' values from mount(2), and only from there: fsconfig(2) takes
/// the value bare.
fn is_context(key: &str) -> bool {
    matches!(key, "context" | "fscontext" | "defcontext" | "rootcontext")
}

/// By itself: `key` or `key=value`.
impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => f.write_str(&self.key),
            Some(value) => write!(f, "{}={value}", self.key),
        }
    }
}

/// Splits at commas, but neither inside double quotes (SELinux contexts) nor after a backslash (paths of
/// overlayfs), which both stay in the parts.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        let separator = character == ',' && !quoted && !escaped;
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        separator
    })
}
