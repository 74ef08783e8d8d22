//! Hooks and what they are told.

use super::*;

fn hooks(list: Value) -> Case {
    Case::with(json!({ "hooks": list, "annotations": { "a\"b": "c\nd" } }))
}

#[test]
fn network_devices_come_before_all_hooks_and_kernel_parameters() {
    let hooks = json!([{ "path": "/a" }]);
    let case = Case::with(json!({
        "linux": {
            "namespaces": [{ "type": "mount" }, { "type": "network" }],
            "netDevices": { "eth0": {} },
            "sysctl": { "net.ipv4.conf.eth0.forwarding": "1" }
        },
        "hooks": { "prestart": hooks, "createRuntime": hooks, "createContainer": hooks }
    }));
    assert_order(
        &case.lines(),
        &[
            "wait until the parent has recorded the container",
            "let the parent move network devices into the network namespace [/linux/netDevices]",
            "let the parent run the prestart and createRuntime hooks",
            "run the hook /a",
            "/proc/sys/net/ipv4/conf/eth0/forwarding",
        ],
    );
    assert_eq!(Case::with(json!({})).grep("network devices"), [""; 0]);
}

#[test]
fn each_kind_has_its_place() {
    let mut case = hooks(json!({
        "prestart": [{ "path": "/one" }], "createRuntime": [{ "path": "/two" }],
        "createContainer": [{ "path": "/three" }, { "path": "/four", "timeout": 2 }],
        "startContainer": [{ "path": "/five" }],
        "poststart": [{ "path": "/six" }], "poststop": [{ "path": "/seven" }]
    }));
    case.options.await_start = true;
    let lines = case.lines();
    assert_order(
        &lines,
        &[
            "link /dev/ptmx",
            "let the parent run the prestart and createRuntime hooks [/hooks/prestart]",
            "run the hook /three [/hooks/createContainer/0]",
            "run the hook /four for at most 2000 ms [/hooks/createContainer/1]",
            "change the root",
            "find the program sh",
            "wait for `start`",
            "run the hook /five [/hooks/startContainer/0]",
            "run sh",
        ],
    );
    assert_eq!(lines.iter().filter(|line| line.contains("hook")).count(), 4, "{lines:#?}");
}

#[test]
fn the_parents_hooks_come_from_where_they_stand() {
    let case = hooks(json!({ "createRuntime": [{ "path": "/two" }] }));
    assert_eq!(case.grep("let the parent").len(), 1);
    assert!(case.grep("let the parent")[0].ends_with("[/hooks/createRuntime]"));
    let later = hooks(json!({ "poststart": [{ "path": "/x" }], "poststop": [{ "path": "/x" }] }));
    assert_eq!(later.grep("hook"), [""; 0]);
}

#[test]
fn a_hook_gets_its_own_arguments_and_environment_alone() {
    let case = hooks(json!({ "createContainer": [
        { "path": "/bare" },
        { "path": "/full", "args": ["zero", "one"], "env": ["A=b"], "timeout": 5_000_000_000_i64 }
    ] }));
    let words = |list: coble_plan::List<'_>| -> Vec<String> {
        list.iter().map(|text| text.to_str().unwrap().to_owned()).collect()
    };
    let found = case.pick(|step| match step {
        Step::Hook { args, env, timeout, .. } => Some((words(args), words(env), timeout)),
        _ => None,
    });
    let strings = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        found,
        [(strings(&["/bare"]), vec![], 0), (strings(&["zero", "one"]), strings(&["A=b"]), 0),]
    );
}

#[test]
fn those_before_the_program_have_its_umask() {
    let hooks = json!({
        "createContainer": [{ "path": "/one" }], "startContainer": [{ "path": "/two" }]
    });
    let masks = |process| {
        let case = Case::with(json!({ "hooks": hooks, "process": process }));
        case.pick(|step| match step {
            Step::Hook { umask, .. } => Some(umask),
            _ => None,
        })
    };
    assert_eq!(masks(json!({ "user": { "umask": 0o77 } })), [0o22, 0o77]);
    assert_eq!(masks(json!({})), [0o22, 0o22]);
}

#[test]
fn the_state_is_json_once_the_process_id_stands_in_it() {
    let case = hooks(json!({
        "createContainer": [{ "path": "/one" }], "startContainer": [{ "path": "/two" }]
    }));
    let states: Vec<Value> = case.pick(|step| match step {
        Step::Hook { state_head, state_tail, .. } => {
            let (head, tail) = (state_head.to_str().unwrap(), state_tail.to_str().unwrap());
            Some(serde_json::from_str(&format!("{head}42{tail}")).unwrap())
        }
        _ => None,
    });
    for (state, status) in states.iter().zip(["creating", "created"]) {
        let wanted = json!({
            "ociVersion": coble_spec::OCI_VERSION, "id": "box", "status": status, "pid": 42,
            "bundle": "/bundle", "annotations": { "a\"b": "c\nd" }
        });
        assert_eq!(*state, wanted);
    }
    assert_eq!(states.len(), 2);
}
