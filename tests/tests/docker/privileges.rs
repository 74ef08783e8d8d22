//! Capabilities and what else restricts or frees a container's process.

use std::os::unix::fs::MetadataExt;

use coble_tests::docker::Docker;
use coble_tests::skip;

/// What Docker grants by default.
const DEFAULT: u64 = 0xa804_25fb;
const CHOWN: u64 = 1 << 0;
const NET_BIND_SERVICE: u64 = 1 << 10;
const SYS_PTRACE: u64 = 1 << 19;

/// One of the five sets in `/proc/PID/status`.
fn set(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).expect("a set in hexadecimal")
}

fn capabilities(docker: &Docker, flags: &[&str]) -> String {
    docker.sh(flags, "grep -E '^(Cap|NoNewPrivs)' /proc/self/status")
}

#[test]
fn the_default_capabilities_are_dockers() {
    let Some(docker) = Docker::new() else { return };
    let status = capabilities(&docker, &[]);
    for name in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(set(&status, name), DEFAULT, "{name}");
    }
    assert_eq!(set(&status, "CapAmb"), 0);
}

#[test]
fn capabilities_are_added_and_dropped() {
    let Some(docker) = Docker::new() else { return };
    let status = capabilities(&docker, &["--cap-add", "SYS_PTRACE", "--cap-drop", "CHOWN"]);
    for name in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(set(&status, name), (DEFAULT | SYS_PTRACE) & !CHOWN, "{name}");
    }
}

#[test]
fn all_capabilities_but_one_are_dropped() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"];
    let status = capabilities(&docker, &flags);
    for name in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(set(&status, name), NET_BIND_SERVICE, "{name}");
    }
    docker.run(&flags, &["chown", "1000", "/etc/passwd"]).exits(1);
}

#[test]
fn a_plain_user_has_no_effective_capabilities() {
    let Some(docker) = Docker::new() else { return };
    let status = capabilities(&docker, &["--user", "1000:1000"]);
    assert_eq!(set(&status, "CapEff"), 0);
    assert_eq!(set(&status, "CapPrm"), 0);
    assert_eq!(set(&status, "CapBnd"), DEFAULT);
}

#[test]
fn no_new_privileges_is_set() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--security-opt", "no-new-privileges"];
    assert!(capabilities(&docker, &flags).contains("NoNewPrivs:\t1"));
    assert!(capabilities(&docker, &[]).contains("NoNewPrivs:\t0"));
}

#[test]
fn a_privileged_container_has_everything() {
    let Some(docker) = Docker::new() else { return };
    let own = std::fs::read_to_string("/proc/self/status").expect("status");
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("cap_last_cap");
    let all = (2 << last.trim().parse::<u32>().expect("a number")) - 1;
    if set(&own, "CapPrm") != all {
        skip("root lacks capabilities here");
        return;
    }
    let status = capabilities(&docker, &["--privileged"]);
    assert_eq!(set(&status, "CapEff"), all);
    docker.run(&["--privileged"], &["mount", "-t", "tmpfs", "tmpfs", "/tmp"]).ok();
    docker.run(&[], &["mount", "-t", "tmpfs", "tmpfs", "/tmp"]).exits(1);
}

#[test]
fn sysctls_are_set_in_the_containers_namespaces() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--sysctl", "net.ipv4.ip_default_ttl=77", "--sysctl", "kernel.msgmax=4096"];
    let script = "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax";
    assert_eq!(docker.sh(&flags, script), "77\n4096");
    assert_ne!(std::fs::read_to_string("/proc/sys/kernel/msgmax").expect("msgmax"), "4096\n");
}

#[test]
fn kernel_settings_cannot_be_written() {
    let Some(docker) = Docker::new() else { return };
    let script = "echo 1 > /proc/sys/kernel/msgmax || echo refused";
    assert_eq!(docker.sh(&[], script), "refused");
    let script = "echo h > /proc/sysrq-trigger || echo refused";
    assert_eq!(docker.sh(&[], script), "refused");
}

#[test]
fn masked_paths_show_nothing() {
    let Some(docker) = Docker::new() else { return };
    let script =
        "cat /proc/keys /proc/timer_list | wc -c; ls /proc/acpi /sys/firmware | grep -c '^[a-z]'";
    assert_eq!(docker.run(&[], &["sh", "-c", script]).stdout.trim(), "0\n0");
}

#[test]
fn a_masked_file_does_not_lead_to_the_hosts_device() {
    let Some(docker) = Docker::new() else { return };
    // What shows as empty there is some device; a container's root may change the attributes of its own alone.
    let time = 1_000_000_000 + i64::from(std::process::id());
    let _ = docker.run(&[], &["touch", "-d", &format!("@{time}"), "/proc/keys"]);
    let null = std::fs::metadata("/dev/null").expect("/dev/null");
    assert_ne!(null.mtime(), time, "the container changed the host's /dev/null");
}

#[test]
fn masked_paths_can_be_opened_up() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--security-opt", "systempaths=unconfined"];
    let script = "mount | grep -cE ' on /(proc|sys)/(keys|timer_list|sys|bus|firmware) ' || true";
    assert_eq!(docker.sh(&flags, script), "0");
    assert_ne!(docker.sh(&[], script), "0");
}
