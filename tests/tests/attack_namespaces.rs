//! Attacks by who owns a mount namespace that a container joins.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Case, Holder};

#[test]
fn a_forged_proc_leads_no_change_of_a_mount_elsewhere() {
    let Some(case) = Case::root() else { return };
    let holder = Holder::new(&case, &["--mount", "--propagation", "private"]);
    let victim = case.folder("victim");
    let forge = format!(
        "mount -t tmpfs victim {0}; mount -t tmpfs forged /proc; mkdir -p /proc/self/fd; \
         for n in $(seq 3 60); do ln -s {0} /proc/self/fd/$n; done",
        victim.display()
    );
    let mut namespace = std::ffi::OsString::from("--mount=");
    namespace.push(holder.namespace("mnt"));
    case.tool("nsenter").arg(namespace).args(["sh", "-ec", &forge]).output().ok();
    let mut bundle = case.bundle();
    bundle.join("mount", &holder.namespace("mnt"));
    let data = case.folder("data");
    bundle.mount("bind", data.to_str().unwrap(), "/data", &["bind", "ro", "private"]);
    bundle.sh("touch /data/file 2>&1; true");
    // Attributes are set by mount(2), which takes a path.
    let run = case.run(&bundle).env("COBLE_WITHOUT", "mount_setattr");
    assert_eq!(run.output().stdout(), "touch: /data/file: Read-only file system\n");
    holder.end();
}
