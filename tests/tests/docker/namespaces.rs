//! Namespaces of a container's own, of the host, and of another container.

use std::fs;

use coble_tests::docker::{Container, Docker};
use coble_tests::wait;

fn own(namespace: &str) -> String {
    let link = fs::read_link(format!("/proc/self/ns/{namespace}")).expect("a namespace");
    link.to_str().expect("UTF-8").to_owned()
}

fn inside(container: &Container<'_>, namespace: &str) -> String {
    container.sh(&format!("readlink /proc/self/ns/{namespace}"))
}

#[test]
fn a_container_has_namespaces_of_its_own() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    for namespace in ["mnt", "pid", "net", "ipc", "uts"] {
        assert_ne!(inside(&container, namespace), own(namespace), "{namespace}");
    }
    assert_eq!(inside(&container, "user"), own("user"));
    let processes = container.sh("ls -d /proc/[0-9]* | wc -l");
    assert!(processes.parse::<u32>().expect("a number") <= 5, "{processes}");
}

#[test]
fn the_host_name_is_set() {
    let Some(docker) = Docker::new() else { return };
    assert_eq!(docker.sh(&["--hostname", "pier"], "hostname; cat /etc/hostname"), "pier\npier");
    let container = docker.idle(&[]);
    assert_eq!(container.sh("hostname"), container.id[..12]);
}

#[test]
fn the_host_namespaces_are_kept() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&["--ipc", "host", "--uts", "host"]);
    for namespace in ["ipc", "uts"] {
        assert_eq!(inside(&container, namespace), own(namespace), "{namespace}");
    }
    assert_ne!(inside(&container, "pid"), own("pid"));
}

#[test]
fn the_engines_processes_are_seen_with_pid_host() {
    let Some(docker) = Docker::new() else { return };
    let script = "[ $$ -gt 1 ] && ps -o comm | grep -x dockerd";
    assert_eq!(docker.sh(&["--pid", "host"], script), "dockerd");
}

#[test]
fn processes_are_shared_with_another_container() {
    let Some(docker) = Docker::new() else { return };
    let first = docker.detach(&[], &["sleep", "1004"]);
    let shared = format!("container:{}", first.id);
    let second = docker.idle(&["--pid", &shared]);
    assert_eq!(inside(&second, "pid"), inside(&first, "pid"));
    assert!(second.sh("cat /proc/1/cmdline | tr '\\0' ' '").contains("sleep 1004"));
}

#[test]
fn a_container_in_anothers_pid_namespace_ends_whole() {
    let Some(docker) = Docker::new() else { return };
    let first = docker.idle(&[]);
    let shared = format!("container:{}", first.id);
    let second =
        docker.detach(&["--pid", &shared], &["sh", "-c", "sleep 1005 & sleep 0.1; exit 4"]);
    assert_eq!(second.wait(), "4");
    wait::until("its other process ends too", || !first.sh("ps").contains("sleep 1005"));
    assert_eq!(first.inspect("{{.State.Running}}"), "true");
}

#[test]
fn ipc_is_shared_with_another_container() {
    let Some(docker) = Docker::new() else { return };
    let first = docker.idle(&["--ipc", "shareable"]);
    let shared = format!("container:{}", first.id);
    let second = docker.idle(&["--ipc", &shared]);
    assert_eq!(inside(&second, "ipc"), inside(&first, "ipc"));
    assert_eq!(first.sh("echo shared > /dev/shm/file"), "");
    assert_eq!(second.sh("cat /dev/shm/file"), "shared");
}

#[test]
fn the_cgroup_namespace_is_private_on_request() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&["--cgroupns", "private"]);
    assert_ne!(inside(&container, "cgroup"), own("cgroup"));
    // Inside, the container's own cgroup is the root of all that it sees.
    let paths = container.sh("cut -d : -f 3 /proc/1/cgroup | sort -u");
    assert_eq!(paths, "/");
    let procs =
        container.sh("cat $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs | head -n 1)");
    assert!(procs.lines().any(|pid| pid == "1"), "{procs}");
}

#[test]
fn the_cgroup_namespace_is_the_hosts_on_request() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&["--cgroupns", "host"]);
    assert_eq!(inside(&container, "cgroup"), own("cgroup"));
    let paths = container.sh("cat /proc/1/cgroup");
    assert!(paths.contains(&container.id), "{paths}");
}
