//! Annotations that are meant for the runtime.

use super::*;

fn refusal(name: &str, value: &str) -> String {
    refused(&[(&format!("/annotations/{name}"), json!(value))])
}

fn passes(name: &str, value: &str) {
    accepted(&[(&format!("/annotations/{name}"), json!(value))]);
}

#[test]
fn what_is_meant_for_the_runtime_and_unknown_is_refused() {
    for name in
        ["run.oci.handler", "run.oci.seccomp_bpf_data", "run.oci.x", "coble.seccomp", "coble."]
    {
        let message = refusal(name, "1");
        assert_eq!(message, format!("/annotations/{name}: this annotation is not supported"));
    }
}

#[test]
fn words_for_other_programs_pass() {
    for name in ["run.ocix", "io.podman.annotations.init", "org.systemd.property.After", "coblex"] {
        passes(name, "1");
    }
}

#[test]
fn the_receiver_of_a_pidfd_has_an_absolute_path() {
    passes("run.oci.pidfd_receiver", "/run/socket");
    let message = refusal("run.oci.pidfd_receiver", "socket");
    assert_eq!(message, "/annotations/run.oci.pidfd_receiver: \"socket\" is not an absolute path");
}

#[test]
fn the_files_of_hooks_have_absolute_paths() {
    for name in ["run.oci.hooks.stdout", "run.oci.hooks.stderr"] {
        passes(name, "/var/log/hooks");
        let message = refusal(name, "hooks");
        assert_eq!(message, format!("/annotations/{name}: \"hooks\" is not an absolute path"));
    }
}

#[test]
fn the_callers_groups_stay_or_not() {
    for value in ["0", "1", ""] {
        passes("run.oci.keep_original_groups", value);
    }
}

#[test]
fn the_label_of_mounts_is_one_of_four_options() {
    let name = "run.oci.mount_context_type";
    for value in ["context", "fscontext", "defcontext", "rootcontext"] {
        passes(name, value);
    }
    for value in ["", "seclabel", "context="] {
        let words = "is none of context, fscontext, defcontext, rootcontext";
        assert_eq!(refusal(name, value), format!("/annotations/{name}: {value:?} {words}"));
    }
}

#[test]
fn a_delegated_cgroup_lies_below_the_containers() {
    let name = "run.oci.delegate-cgroup";
    for value in ["", "init", "/a/b"] {
        passes(name, value);
    }
    let message = refusal(name, "a/../..");
    let words = "\"a/../..\" is no path below the container's cgroup";
    assert_eq!(message, format!("/annotations/{name}: {words}"));
}

#[test]
fn a_subgroup_lies_below_the_unit() {
    let name = "run.oci.systemd.subgroup";
    for value in ["", "container", "/a/b"] {
        passes(name, value);
    }
    let message = refusal(name, "/");
    assert_eq!(message, format!("/annotations/{name}: \"/\" is no path below the unit's cgroup"));
}

#[test]
fn unknown_system_calls_are_refused_on_demand() {
    let name = "/annotations/run.oci.seccomp_fail_unknown_syscall";
    let rules = json!([{ "names": ["read", "time_travel"], "action": "SCMP_ACT_LOG" }]);
    let filter = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules });
    accepted(&[(name, json!("1"))]);
    accepted(&[("/linux/seccomp", filter.clone())]);
    let message = refused(&[(name, json!("1")), ("/linux/seccomp", filter)]);
    assert_eq!(message, "/linux/seccomp/syscalls/0/names/1: \"time_travel\" is no system call");
}
