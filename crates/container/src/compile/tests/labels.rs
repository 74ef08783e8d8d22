//! SELinux contexts of mounts.

use super::*;

const LABEL: &str = "system_u:object_r:box_file_t:s0:c1,c2";

/// One mount of each kind, a masked directory and a label.
fn labelled(changes: Value) -> Case {
    let mounts: Vec<Value> = ["tmpfs", "proc", "sysfs", "devpts", "mqueue", "bind", "overlay"]
        .map(|kind| json!({ "destination": format!("/{kind}"), "type": kind, "source": "/s" }))
        .into();
    let mut case = json!({
        "mounts": mounts,
        "linux": { "mountLabel": LABEL, "maskedPaths": ["/proc/acpi"] }
    });
    merge(&mut case, changes);
    Case::with(case)
}

#[test]
fn new_file_systems_get_the_label_and_nothing_else_does() {
    assert_eq!(
        labelled(json!({})).grep("ount"),
        [
            "make every mount rslave []".to_owned(),
            format!("mount tmpfs on /tmpfs (context={LABEL}) [/mounts/0]"),
            "mount proc on /proc [/mounts/1]".to_owned(),
            "mount sysfs on /sysfs [/mounts/2]".to_owned(),
            format!("mount devpts on /devpts (context={LABEL}) [/mounts/3]"),
            "mount mqueue on /mqueue [/mounts/4]".to_owned(),
            format!("let the parent give /mqueue the SELinux context {LABEL} [/linux/mountLabel]"),
            "mount the host's /s on /bind [/mounts/5]".to_owned(),
            // mount(2) takes a context with commas in quotes.
            format!("mount overlay on /overlay (context=\"{LABEL}\") [/mounts/6]"),
        ]
    );
    let masks = labelled(json!({})).grep("mask /");
    let expected = format!("mask /proc/acpi (tolerate ENOENT; context={LABEL})");
    assert_eq!(masks, [format!("{expected} [/linux/maskedPaths/0]")]);
}

#[test]
fn an_annotation_says_which_option_takes_it() {
    let case = labelled(json!({ "annotations": { "run.oci.mount_context_type": "rootcontext" } }));
    assert_eq!(case.grep("rootcontext=").len(), 4);
    assert!(case.grep(" context=").is_empty());
    // An attribute it is all the same.
    assert_eq!(case.grep("let the parent give /mqueue the").len(), 1);
}

#[test]
fn the_directory_of_v1_cgroups_has_it() {
    let mount = json!([{ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup" }]);
    let case = labelled(json!({ "mounts": mount }));
    let lines = case.clone().on(root_on(LEGACY)).grep("context=system_u");
    let expected = format!("mount tmpfs on /sys/fs/cgroup (mode=755, context={LABEL}) [/mounts/0]");
    assert_eq!(lines[0], expected);
    assert_eq!(case.grep("cgroup2 on").len() + case.grep("host's /sys/fs/cgroup").len(), 1);
    assert!(!case.grep("/sys/fs/cgroup")[0].contains("context"));
}

#[test]
fn a_remount_is_no_new_file_system() {
    let remount = json!([{ "destination": "/tmp", "options": ["remount", "ro"] }]);
    assert_eq!(labelled(json!({ "mounts": remount })).grep("context=").len(), 1);
}

#[test]
fn a_label_that_is_too_long_for_fsconfig_goes_through_mount() {
    let long = format!("system_u:object_r:box_file_t:s0:{}", "c1,".repeat(90));
    let case = labelled(json!({ "linux": { "mountLabel": long } }));
    let names = case.pick(|step| match step {
        Step::MountClassic { destination, .. } => Some(destination.to_owned()),
        _ => None,
    });
    assert_eq!(names, [c"/tmpfs".to_owned(), c"/devpts".to_owned(), c"/overlay".to_owned()]);
}

#[test]
fn without_selinux_labels_are_refused() {
    let off = Facts { has_selinux: false, ..root_on(UNIFIED) };
    for (changes, pointer) in [
        (json!({}), "/linux/mountLabel"),
        (
            json!({ "linux": { "mountLabel": null }, "process": { "selinuxLabel": LABEL } }),
            "/process/selinuxLabel",
        ),
    ] {
        let error = labelled(changes).on(off.clone()).compile().unwrap_err().to_string();
        let words = "SELinux is not active on this host";
        assert_eq!(error, format!("config.json: {pointer}: {words}"));
    }
}
