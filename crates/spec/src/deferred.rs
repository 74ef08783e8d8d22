//! A part of a configuration that is read when it is needed.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::parse::{ParseError, parse};

/// A value, or the JSON text of one, of which nothing is known yet but that it is JSON.
///
/// A large section costs little to carry this way, and [`Deferred::read`] can wait until there is time for it.
#[derive(Clone)]
pub struct Deferred<T>(Form<T>);

#[derive(Clone)]
enum Form<T> {
    Text(Box<RawValue>),
    Value(Box<T>),
}

impl<T> Deferred<T>
where
    T: Clone + for<'a> Deserialize<'a>,
{
    /// The value.
    ///
    /// # Errors
    /// [`ParseError::Value`] where a value has the wrong type or is missing. Its pointer begins at this value.
    pub fn read(&self) -> Result<Cow<'_, T>, ParseError> {
        match &self.0 {
            Form::Text(text) => parse(text.get().as_bytes()).map(Cow::Owned),
            Form::Value(value) => Ok(Cow::Borrowed(value)),
        }
    }
}

impl<T> From<T> for Deferred<T> {
    fn from(value: T) -> Self {
        Self(Form::Value(Box::new(value)))
    }
}

/// Equal are those that read the same. One that can't be read is like no other.
impl<T> PartialEq for Deferred<T>
where
    T: Clone + PartialEq + for<'a> Deserialize<'a>,
{
    fn eq(&self, other: &Self) -> bool {
        matches!((self.read(), other.read()), (Ok(one), Ok(two)) if one == two)
    }
}

impl<T: fmt::Debug> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Text(text) => f.write_str(text.get()),
            Form::Value(value) => value.fmt(f),
        }
    }
}

impl<T: Serialize> Serialize for Deferred<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Text(text) => text.serialize(serializer),
            Form::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T> Deserialize<'de> for Deferred<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Form::Text(Box::deserialize(deserializer)?)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_string, to_value};

    use super::*;
    use crate::{Linux, Seccomp, Spec};

    const TEXT: &[u8] =
        br#"{"ociVersion":"1","linux":{"seccomp":{ "defaultAction":"x", "flags":[] }}}"#;

    fn section(spec: Spec) -> Deferred<Seccomp> {
        spec.linux.unwrap().seccomp.unwrap()
    }

    fn expected() -> Seccomp {
        Seccomp { default_action: "x".to_owned(), flags: Some(Vec::new()), ..Seccomp::default() }
    }

    #[test]
    fn a_text_is_read_on_demand() {
        let deferred = section(parse(TEXT).unwrap());
        assert_eq!(*deferred.read().unwrap(), expected());
        assert_eq!(deferred, Deferred::from(expected()));
        assert_ne!(deferred, Deferred::from(Seccomp::default()));
        assert_eq!(format!("{deferred:?}"), r#"{ "defaultAction":"x", "flags":[] }"#);
    }

    #[test]
    fn a_wrong_type_is_told_when_it_is_read() {
        let text = br#"{"ociVersion":"1","linux":{"seccomp":{"syscalls":[{"names":[1]}]}}}"#;
        let deferred = section(parse(text).unwrap());
        assert_eq!(deferred.read().unwrap_err().pointer(), "/syscalls/0/names/0");
        assert_ne!(deferred, deferred.clone());
        let none: Linux = parse(br#"{"seccomp":null}"#).unwrap();
        assert_eq!(none.seccomp, None);
    }

    #[test]
    fn broken_json_is_told_at_once() {
        assert!(parse::<Spec>(br#"{"ociVersion":"1","linux":{"seccomp":{"flags":[}}}"#).is_err());
    }

    #[test]
    fn both_forms_are_written_and_read() {
        for deferred in [section(parse(TEXT).unwrap()), expected().into()] {
            let again: Deferred<Seccomp> =
                serde_json::from_str(&to_string(&deferred).unwrap()).unwrap();
            assert_eq!(again, deferred);
            let value = to_value(&deferred).unwrap();
            assert_eq!(value, json!({"defaultAction": "x", "flags": []}));
            assert_eq!(from_value::<Deferred<Seccomp>>(value).unwrap(), deferred);
        }
    }
}
