//! The container's state as hooks and the agents of filters are told it (runtime.md, "State").

use std::collections::BTreeMap;

use coble_spec::{OCI_VERSION, Spec};
use serde_json::{Value, json};
use std::path::Path;

use crate::state::{Record, Status};

/// All but the process id, which only the executor knows where the container's own hooks run.
pub(crate) struct ToldState<'a> {
    oci_version: &'a str,
    id: &'a str,
    status: Status,
    bundle: &'a Path,
    annotations: &'a BTreeMap<String, String>,
}

impl<'a> ToldState<'a> {
    /// Of a container that is made from `spec`.
    pub(crate) fn of_spec(spec: &'a Spec, id: &'a str, bundle: &'a Path, status: Status) -> Self {
        Self { oci_version: OCI_VERSION, id, status, bundle, annotations: &spec.annotations }
    }

    /// Of a container that was made before.
    pub(crate) fn of_record(record: &'a Record, status: Status) -> Self {
        Self {
            oci_version: &record.oci_version,
            id: &record.id,
            status,
            bundle: Path::new(&record.bundle),
            annotations: &record.annotations,
        }
    }

    /// Its text, JSON, with the process `pid`; one that has ended isn't named, since another may have its number.
    pub(crate) fn text(&self, pid: i32) -> String {
        if self.status == Status::Stopped {
            return format!("{}{}", self.before(), self.after());
        }
        let (head, tail) = self.around_pid();
        format!("{head}{pid}{tail}")
    }

    /// Its text before and after the process id.
    pub(crate) fn around_pid(&self) -> (String, String) {
        (format!("{},\"pid\":", self.before()), self.after())
    }

    fn before(&self) -> String {
        format!(
            "{{\"ociVersion\":{},\"id\":{},\"status\":\"{}\"",
            Value::from(self.oci_version),
            Value::from(self.id),
            self.status
        )
    }

    fn after(&self) -> String {
        let mut text = format!(",\"bundle\":{}", Value::from(self.bundle.to_string_lossy()));
        if !self.annotations.is_empty() {
            text.push_str(&format!(",\"annotations\":{}", json!(self.annotations)));
        }
        text.push('}');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(spec: &Spec, status: Status) -> Value {
        let text = ToldState::of_spec(spec, "a+b", Path::new("/a \"b\""), status).text(42);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_has_ended_has_no_process_id() {
        let mut spec = Spec::default();
        let stopped = json!({
            "ociVersion": OCI_VERSION, "id": "a+b", "status": "stopped", "bundle": "/a \"b\""
        });
        assert_eq!(told(&spec, Status::Stopped), stopped);
        spec.annotations.insert("a\"b".to_owned(), "c\nd".to_owned());
        let created = json!({
            "ociVersion": OCI_VERSION, "id": "a+b", "status": "created", "pid": 42,
            "bundle": "/a \"b\"", "annotations": { "a\"b": "c\nd" }
        });
        assert_eq!(told(&spec, Status::Created), created);
    }
}
