//! `/dev` and access to devices.

use coble_tests::docker::Docker;

#[test]
fn the_default_devices_are_there() {
    let Some(docker) = Docker::new() else { return };
    let script = "cd /dev; stat -c '%n %t:%T %a' null zero full random urandom tty
        for link in fd stdin stdout stderr ptmx; do readlink $link; done";
    let expected = "null 1:3 666\nzero 1:5 666\nfull 1:7 666\nrandom 1:8 666\nurandom 1:9 666\ntty 5:0 666\n\
        /proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx";
    assert_eq!(docker.sh(&[], script), expected);
    assert_eq!(docker.sh(&[], "echo x > /dev/null; head -c 4 /dev/zero | xxd -p"), "00000000");
}

#[test]
fn a_device_is_added() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--device", "/dev/full:/dev/deep/brimful"];
    let script = "stat -c '%t:%T' /dev/deep/brimful; echo x > /dev/deep/brimful || echo full";
    assert_eq!(docker.sh(&flags, script), "1:7\nfull");
}

#[test]
fn a_device_keeps_its_owner_and_mode() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--device", "/dev/null:/dev/added:r"];
    assert_eq!(docker.sh(&flags, "stat -c '%a %u %g' /dev/added"), "666 0 0");
}

#[test]
fn other_devices_are_out_of_reach() {
    let Some(docker) = Docker::new() else { return };
    // /dev/kmsg: the kernel's log, on every machine.
    let script = "mknod /kmsg c 1 11 && head -c 1 /kmsg || echo refused";
    assert_eq!(docker.sh(&["--cap-add", "SYSLOG"], script), "refused");
}

#[test]
fn a_rule_opens_a_device() {
    let Some(docker) = Docker::new() else { return };
    let script = "mknod /kmsg c 1 11 && : < /kmsg && echo open";
    let flags = ["--cap-add", "SYSLOG", "--device-cgroup-rule", "c 1:11 rm"];
    assert_eq!(docker.sh(&flags, script), "open");
    let script = "mknod /kmsg c 1 11 && echo x > /kmsg || echo refused";
    assert_eq!(docker.sh(&flags, script), "refused");
}

#[test]
fn a_read_only_device_cannot_be_written() {
    let Some(docker) = Docker::new() else { return };
    // The loop control device isn't among those that every container may use.
    let flags = ["--device", "/dev/kmsg:/dev/log-of-kernel:r", "--cap-add", "SYSLOG"];
    let script = ": < /dev/log-of-kernel && echo open; echo x > /dev/log-of-kernel || echo refused";
    assert_eq!(docker.sh(&flags, script), "open\nrefused");
}
