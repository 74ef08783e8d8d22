//! A cgroup that the program manages itself.

use super::*;

fn delegated(namespaces: Value) -> Case {
    Case::with(json!({
        "annotations": { "run.oci.delegate-cgroup": "/own//" },
        "linux": { "namespaces": namespaces }
    }))
}

const LINE: &str = "let the parent move the process into the container's cgroup own \
                    [/annotations/run.oci.delegate-cgroup]";

#[test]
fn the_cgroup_namespace_is_made_before_and_children_are_made_after() {
    let made = delegated(json!([{ "type": "mount" }, { "type": "cgroup" }]));
    assert_order(&made.lines(), &["make new namespaces: cgroup", LINE, "start a session"]);
    let joined = delegated(json!([{ "type": "mount" }, { "type": "pid", "path": "/p" }]));
    assert_order(&joined.lines(), &["join the pid", LINE, "go on as a new child"]);
    let none = delegated(json!([{ "type": "mount" }]));
    assert_eq!(none.grep("cgroup own"), [LINE]);
}

#[test]
fn it_takes_cgroup_v2_alone() {
    for host in [LEGACY, HYBRID] {
        let case = delegated(json!([{ "type": "mount" }])).on(root_on(host));
        let error = case.compile().unwrap_err().to_string();
        let words = "a cgroup can be delegated with cgroup v2 alone";
        assert_eq!(error, format!("config.json: /annotations/run.oci.delegate-cgroup: {words}"));
    }
}

#[test]
fn an_empty_value_asks_for_none() {
    let mut case = delegated(json!([{ "type": "mount" }])).on(root_on(LEGACY));
    case.spec.annotations.insert("run.oci.delegate-cgroup".to_owned(), String::new());
    assert!(case.compile().is_ok());
}
