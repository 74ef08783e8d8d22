//! The rules of `process`, of the top level and of messages: what breaks each, and what is said then.

use serde_json::{Value, json};

use super::*;

#[test]
fn versions() {
    for version in
        ["1", "1.0", "1.0.2", "1.3.0", "1.99.0", "1.0.2-dev", "1.1.0+dev", "1.0.0-rc5-dev"]
    {
        accepted(&[("/ociVersion", json!(version))]);
    }
    for version in
        ["", "x", "1.x.0", "1..0", "1.", ".1", "1.0.0.0", "v1.0.0", " 1.0.0", "1 .0", "-1.0.0"]
    {
        let message = format!("/ociVersion: {version:?} is not a version such as \"1.3.0\"");
        assert_eq!(refused(&[("/ociVersion", json!(version))]), message);
    }
    for version in ["0.9.0", "2.0.0", "11.0.0", "2"] {
        let reason = "is not supported: only versions 1.x of the runtime specification are";
        let message = format!("/ociVersion: {version:?} {reason}");
        assert_eq!(refused(&[("/ociVersion", json!(version))]), message);
    }
}

#[test]
fn root_and_process() {
    one_each(&[
        ("/root", Value::Null, "/root: root must be specified"),
        ("/root/path", json!(""), "/root/path: the path of the root must not be empty"),
        ("/process", Value::Null, "/process: process property must not be empty"),
        ("/process/args", json!([]), "/process/args: args must not be empty"),
        ("/process/args", Value::Null, "/process/args: args must not be empty"),
        ("/process/cwd", json!(""), "/process/cwd: Cwd property must not be empty"),
        ("/process/cwd", Value::Null, "/process/cwd: Cwd property must not be empty"),
        ("/process/cwd", json!("tmp"), "/process/cwd: Cwd must be an absolute path"),
        ("/process/cwd", json!("./tmp"), "/process/cwd: Cwd must be an absolute path"),
        (
            "/process/env/1",
            json!("SECRET"),
            "/process/env/1: invalid environment variable: missing '='",
        ),
        ("/process/env/0", json!(""), "/process/env/0: invalid environment variable: missing '='"),
        (
            "/process/env/0",
            json!("=x"),
            "/process/env/0: invalid environment variable: name cannot be empty",
        ),
        (
            "/process/oomScoreAdj",
            json!(1001),
            "/process/oomScoreAdj: 1001 is not between -1000 and 1000",
        ),
        (
            "/process/oomScoreAdj",
            json!(-1001),
            "/process/oomScoreAdj: -1001 is not between -1000 and 1000",
        ),
        (
            "/process/user/umask",
            json!(0o1000),
            "/process/user/umask: 512 (octal 1000) is greater than octal 777",
        ),
    ]);
    accepted(&[("/process/oomScoreAdj", json!(1000))]);
}

#[test]
fn users() {
    for member in ["uid", "gid", "additionalGids/0"] {
        let pointer = format!("/process/user/{member}");
        let message = format!("{pointer}: 4294967295 is not the number of a user or group");
        assert_eq!(refused(&[(&pointer, json!(u32::MAX))]), message);
        let message = format!("{pointer}: 4294967294 is not mapped in the user namespace");
        assert_eq!(refused(&[(&pointer, json!(u32::MAX - 1))]), message);
    }
    let groups: Vec<u32> = vec![1; 65_537];
    let message = "/process/user/additionalGids: 65537 groups, at most 65536 are possible";
    assert_eq!(refused(&[("/process/user/additionalGids", json!(groups))]), message);
    accepted(&[("/process/user/additionalGids", json!(groups[1..]))]);
}

#[test]
fn capabilities() {
    for list in ["bounding", "effective", "inheritable", "permitted", "ambient"] {
        let pointer = format!("/process/capabilities/{list}/0");
        let message = format!("{pointer}: unknown capability \"CAP_MOON\"");
        assert_eq!(refused(&[(&pointer, json!("CAP_MOON"))]), message);
    }
    one_each(&[
        (
            "/process/capabilities/permitted/0",
            json!("CAP_CHOWN"),
            "/process/capabilities/effective: CAP_KILL is not in the permitted set",
        ),
        (
            "/process/capabilities/inheritable/0",
            json!("CAP_SYS_ADMIN"),
            "/process/capabilities/inheritable: CAP_SYS_ADMIN is not in the bounding set",
        ),
    ]);
    accepted(&[("/process/capabilities", json!({}))]);
    accepted(&[("/process/capabilities", Value::Null)]);
    accepted(&[("/process/capabilities/bounding", json!(["CAP_CHOWN"]))]);
    accepted(&[("/process/capabilities/inheritable", Value::Null)]);
}

#[test]
fn resource_limits() {
    one_each(&[
        (
            "/process/rlimits/1/type",
            json!("RLIMIT_MOON"),
            "/process/rlimits/1/type: unknown resource limit \"RLIMIT_MOON\"",
        ),
        (
            "/process/rlimits/1/type",
            json!("RLIMIT_NOFILE"),
            "/process/rlimits/1/type: RLIMIT_NOFILE stands there twice",
        ),
        (
            "/process/rlimits/0/soft",
            json!(2),
            "/process/rlimits/0/soft: 2 is greater than the hard limit, 1",
        ),
    ]);
}

#[test]
fn a_nul_anywhere() {
    for pointer in [
        "/process/args/0",
        "/process/env/0",
        "/process/cwd",
        "/root/path",
        "/hostname",
        "/mounts/0/destination",
        "/mounts/0/type",
        "/mounts/1/options/0",
        "/hooks/poststop/0/env/0",
        "/annotations/a~1b",
        "/linux/sysctl/kernel.sem",
        "/linux/maskedPaths/0",
        "/linux/cgroupsPath",
        "/linux/namespaces/2/path",
        "/linux/devices/0/path",
        "/linux/resources/unified/memory.high",
        "/ociVersion",
    ] {
        let message = refused(&[(pointer, json!("/a=\0"))]);
        let expected = match pointer {
            "/ociVersion" => r#"/ociVersion: "/a=\0" is not a version such as "1.3.0""#.to_owned(),
            _ => format!("{pointer}: must not contain a NUL character"),
        };
        assert_eq!(message, expected);
    }
    let message = refused(&[("/annotations/a\0b", json!("c"))]);
    assert_eq!(message, r"/annotations/a\u{0}b: must not contain a NUL character");
    accepted(&[("/process/args/0", json!(r"\u0000"))]);
    accepted(&[("/process/args/0", json!("\u{1}\n\t\u{7f}"))]);
    let message = refused(&[("/process/args", json!([r"\u0000", "b\0"]))]);
    assert_eq!(message, "/process/args/1: must not contain a NUL character");
}

#[test]
fn a_text_is_searched_for_nul_as_its_configuration_is() {
    let read = |argument: &str| {
        let mut config = good();
        config["process"]["args"][0] = json!(argument);
        let text = config.to_string();
        let spec: Spec = coble_spec::parse(text.as_bytes()).unwrap();
        validate_read(&spec, text.as_bytes()).map_err(|invalid| invalid.to_string())
    };
    let expected = "/process/args/0: must not contain a NUL character".to_owned();
    assert_eq!(read("a\0b"), Err(expected));
    assert_eq!(read("ab"), Ok(()));
    assert_eq!(read(r"\u0000"), Ok(()));
    assert_eq!(read(""), Ok(()));
}

#[test]
fn the_process_of_an_exec() {
    let process = |changes: &[(&str, Value)]| {
        let value = changed(changes).pointer("/process").unwrap().clone();
        validate_process(&serde_json::from_value(value).unwrap())
            .map_err(|invalid| invalid.to_string())
    };
    assert_eq!(process(&[]), Ok(()));
    for (pointer, new, message) in [
        ("/process/cwd", json!("a"), "/cwd: Cwd must be an absolute path"),
        ("/process/args", json!([]), "/args: args must not be empty"),
        ("/process/args/0", json!("\0"), "/args/0: must not contain a NUL character"),
        (
            "/process/rlimits/0/soft",
            json!(2),
            "/rlimits/0/soft: 2 is greater than the hard limit, 1",
        ),
        (
            "/process/scheduler",
            json!({ "policy": "SCHED_MOON" }),
            "/scheduler: unknown name \"SCHED_MOON\"",
        ),
        (
            "/process/execCPUAffinity",
            json!({ "initial": "0-x" }),
            "/execCPUAffinity/initial: \"0-x\" is neither a number nor a range such as 0-3",
        ),
        (
            "/process/execCPUAffinity",
            json!({ "initial": "0", "final": "3-1" }),
            "/execCPUAffinity/final: \"3-1\" is not a range",
        ),
    ] {
        assert_eq!(process(&[(pointer, new)]).unwrap_err(), message);
    }
}

#[test]
fn messages_are_one_line_of_bearable_length() {
    let hostile = format!("line\nbreak\r\u{2028}\u{85}{}", "x".repeat(1 << 20));
    for pointer in [
        "/ociVersion",
        "/linux/rootfsPropagation",
        "/linux/devices/0/type",
        "/process/rlimits/0/type",
        "/process/capabilities/ambient/0",
    ] {
        let message = refused(&[(pointer, json!(hostile))]);
        assert!(message.lines().count() == 1 && !message.contains('\u{2028}'), "{pointer}");
        assert!(message.len() < 600, "{pointer}: {} bytes", message.len());
    }
    for (section, member) in [
        ("/process/scheduler", json!({ "policy": hostile })),
        ("/process/execCPUAffinity", json!({ "final": hostile })),
        ("/linux/seccomp", json!({ "defaultAction": hostile })),
        ("/linux/memoryPolicy", json!({ "mode": hostile })),
        ("/linux/memoryPolicy", json!({ "mode": "MPOL_BIND", "nodes": hostile })),
        ("/linux/memoryPolicy", json!({ "mode": "MPOL_LOCAL", "flags": [hostile] })),
    ] {
        let message = refused(&[(section, member)]);
        assert!(message.lines().count() == 1 && message.len() < 600, "{section}: {message}");
    }
    let invalid = Invalid::at("", "a\nb\u{2029}");
    assert_eq!(invalid.to_string(), r"/: a\nb\u{2029}");
}
