//! Kernel parameters: of the container's own namespaces, and of no other.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Bundle, Case};
use serde_json::json;

fn sysctl(case: &Case, name: &str, value: &str) -> Bundle {
    let mut bundle = case.bundle_at(name);
    bundle.args(&["cat", &format!("/proc/sys/{}", name.replace('.', "/"))]);
    bundle.config["linux"]["sysctl"] = json!({name: value});
    bundle
}

#[test]
fn kernel_parameters_of_the_containers_own_namespaces() {
    let Some(case) = Case::root() else { return };
    for (name, value) in [
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv4.ping_group_range", "0\t1000"),
        ("kernel.shmmax", "123456"),
        ("kernel.msgmax", "4321"),
        ("fs.mqueue.msg_max", "17"),
        ("kernel.domainname", "example.org"),
    ] {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let before = std::fs::read_to_string(&path).unwrap();
        let bundle = sysctl(&case, name, value);
        assert_eq!(case.run(&bundle).output().stdout(), format!("{value}\n"), "{name}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before, "the host's {name}");
    }
}

#[test]
fn kernel_parameters_of_the_host_are_refused() {
    let Some(case) = Case::root() else { return };
    for name in
        ["vm.swappiness", "kernel.pid_max", "kernel.core_pattern", "fs.file-max", "nonsense"]
    {
        case.refuses(case.run(&sysctl(&case, name, "0")), &[name, "separate kernel namespace"]);
    }
    let mut shared = sysctl(&case, "net.ipv4.ip_forward", "1");
    shared.without_namespace("network");
    case.refuses(case.run(&shared), &["net.ipv4.ip_forward", "host network namespace"]);
    let mut shared = sysctl(&case, "kernel.msgmax", "4321");
    shared.without_namespace("ipc");
    case.refuses(case.run(&shared), &["kernel.msgmax", "ipc namespace"]);
}

#[test]
fn kernel_parameters_cannot_leave_their_folder() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for name in ["net.../../kernel/core_pattern", "net/../kernel/core_pattern", "kernel.shm../x"] {
        bundle.config["linux"]["sysctl"] = json!({name: "0"});
        let before = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
        let output = case.run(&bundle).output();
        assert_eq!(output.code, Some(1), "{output}");
        let after = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
        assert_eq!(after, before);
    }
}

#[test]
fn a_value_the_kernel_refuses_is_named() {
    let Some(case) = Case::root() else { return };
    let bundle = sysctl(&case, "net.ipv4.ip_forward", "many");
    case.refuses(case.run(&bundle), &["ip_forward", "invalid argument"]);
    let bundle = sysctl(&case, "net.ipv4.no_such_thing", "1");
    case.refuses(case.run(&bundle), &["no_such_thing", "no such file or directory"]);
}

#[test]
fn both_ways_to_write_a_name() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["cat", "/proc/sys/kernel/shmmni", "/proc/sys/net/ipv4/conf/lo/rp_filter"]);
    bundle.config["linux"]["sysctl"] =
        json!({"kernel/shmmni": "77", "net.ipv4.conf.lo.rp_filter": "2"});
    assert_eq!(case.run(&bundle).output().stdout(), "77\n2\n");
}

#[test]
fn counts_of_a_user_namespace() {
    let Some(case) = Case::root() else { return };
    let name = "user.max_mnt_namespaces";
    let before = std::fs::read_to_string("/proc/sys/user/max_mnt_namespaces").unwrap();
    let mut bundle = sysctl(&case, name, "3");
    case.refuses(case.run(&bundle), &[name, "without a user namespace not allowed"]);
    bundle.user_namespace(0, 65_536);
    assert_eq!(case.run(&bundle).output().stdout(), "3\n");
    assert_eq!(std::fs::read_to_string("/proc/sys/user/max_mnt_namespaces").unwrap(), before);
}

#[test]
fn names_of_the_machine_have_members_of_their_own() {
    let Some(case) = Case::root() else { return };
    let conflict = "conflicts with the OCI";
    let mut bundle = sysctl(&case, "kernel.hostname", "boat");
    case.refuses(case.run(&bundle), &["kernel.hostname", conflict, "\"hostname\""]);
    bundle.config["linux"]["sysctl"] = json!({"kernel.domainname": "a"});
    bundle.config["domainname"] = "b".into();
    case.refuses(case.run(&bundle), &["kernel.domainname", conflict, "\"domainname\""]);
    bundle.config["hostname"] = "".into();
    bundle.config["domainname"] = "".into();
    bundle.without_namespace("uts");
    case.refuses(case.run(&bundle), &["kernel.domainname", "separate kernel namespace"]);
}

#[test]
fn the_hosts_network_by_its_path_is_the_hosts_all_the_same() {
    let Some(case) = Case::root() else { return };
    let mut bundle = sysctl(&case, "net.ipv4.ip_forward", "1");
    bundle.join("network", std::path::Path::new("/proc/self/ns/net"));
    case.refuses(case.run(&bundle), &["net.ipv4.ip_forward", "host network namespace"]);
}
