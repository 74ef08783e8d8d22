//! Bad configurations: each gets one clear line and exit status 1, and leaves nothing behind.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use coble_tests::{Bundle, Case};
use serde_json::{Value, json};

/// Asserts that `create` and `run` both refuse the bundle, and leave the bundle's folder as it was.
#[track_caller]
fn refuses_both(case: &Case, bundle: &Bundle, words: &[&str]) {
    bundle.write();
    let before = fs::read_dir(&bundle.path).unwrap().count();
    case.refuses(case.create(bundle), words);
    case.refuses(case.run(bundle), words);
    assert_eq!(fs::read_dir(&bundle.path).unwrap().count(), before, "files in the bundle");
}

/// Asserts that a configuration changed at one place is refused.
#[track_caller]
fn refuses_value(pointer: &str, value: Value, words: &[&str]) {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = bundle.config.pointer_mut(parent).expect("a place in the configuration");
    match value {
        Value::Null => drop(parent.as_object_mut().unwrap().remove(key)),
        value => parent[key] = value,
    }
    refuses_both(&case, &bundle, words);
}

/// Asserts that a text that isn't a configuration is refused.
#[track_caller]
fn refuses_text(case: &Case, bundle: &Bundle, text: &str, words: &[&str]) {
    bundle.write_text(text);
    for verb in ["create", "run"] {
        let command = case.coble().args([verb, "--bundle"]).arg(&bundle.path).arg(&case.id);
        case.refuses(command, words);
    }
}

#[test]
fn no_bundle() {
    let Some(case) = Case::root() else { return };
    let missing = case.dir.join("missing");
    for verb in ["create", "run"] {
        let command = case.coble().args([verb, "--bundle"]).arg(&missing).arg(&case.id);
        case.refuses(command, &["missing", "no such file or directory"]);
    }
}

#[test]
fn no_configuration() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    for verb in ["create", "run"] {
        let command = case.coble().args([verb, "--bundle"]).arg(&bundle.path).arg(&case.id);
        case.refuses(command, &["JSON specification file", "config.json not found"]);
    }
}

#[test]
fn a_configuration_that_is_a_folder() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    fs::create_dir(bundle.path.join("config.json")).unwrap();
    let command = case.coble().args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id);
    case.refuses(command, &["config.json", "is a directory"]);
}

#[test]
fn broken_json_says_line_and_column() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    let text = "{\n  \"ociVersion\": \"1.0.2\",\n  \"root\": }\n";
    refuses_text(&case, &bundle, text, &["config.json", "line 3", "column 11"]);
    refuses_text(&case, &bundle, "", &["config.json", "line 1"]);
    refuses_text(&case, &bundle, "{", &["config.json", "line 1", "column 1"]);
    refuses_text(&case, &bundle, "\u{feff}{}", &["config.json", "line 1"]);
    let deep = format!("{{\"ociVersion\":\"1\",\"more\":{}", "[".repeat(200_000));
    refuses_text(&case, &bundle, &deep, &["config.json", "line 1"]);
}

#[test]
fn text_after_the_json() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    let text = format!("{}\nmore", bundle.config);
    refuses_text(&case, &bundle, &text, &["config.json", "line 2", "column 1"]);
}

#[test]
fn a_wrong_type_says_the_json_pointer() {
    refuses_value("/process/args", json!(["sh", 7]), &["config.json", "/process/args/1", "string"]);
    refuses_value("/process/args", json!("sh"), &["config.json", "/process/args"]);
    refuses_value("/process/user/uid", json!(-1), &["config.json", "/process/user/uid"]);
    refuses_value("/mounts", json!({}), &["config.json", "/mounts"]);
    refuses_value("/linux/resources/pids", json!({"limit": "x"}), &["/linux/resources/pids/limit"]);
}

#[test]
fn missing_parts() {
    refuses_value("/process", Value::Null, &["process"]);
    refuses_value("/root", Value::Null, &["root"]);
    refuses_value("/process/cwd", Value::Null, &["Cwd"]);
    refuses_value("/process/args", Value::Null, &["args must not be empty"]);
}

#[test]
fn cwd_must_be_absolute() {
    refuses_value("/process/cwd", json!("tmp"), &["Cwd must be an absolute path"]);
    refuses_value("/process/cwd", json!(""), &["Cwd"]);
}

#[test]
fn args_must_not_be_empty() {
    refuses_value("/process/args", json!([]), &["args must not be empty"]);
}

#[test]
fn strings_with_a_nul_byte() {
    refuses_value("/process/args", json!(["sh", "a\u{0}b"]), &["/process/args/1"]);
    refuses_value("/process/env", json!(["A=\u{0}"]), &["/process/env/0"]);
    refuses_value("/hostname", json!("a\u{0}b"), &["hostname"]);
}

#[test]
fn namespaces() {
    let moon = json!([{"type": "moon"}]);
    refuses_value("/linux/namespaces", moon, &["/linux/namespaces/0", "moon"]);
    let twice = json!([{"type": "mount"}, {"type": "uts"}, {"type": "pid"}, {"type": "pid"}]);
    refuses_value("/linux/namespaces", twice, &["duplicate", "pid"]);
    let gone =
        json!([{"type": "mount"}, {"type": "uts"}, {"type": "ipc", "path": "/no/such/namespace"}]);
    refuses_value("/linux/namespaces", gone, &["/no/such/namespace"]);
    let other =
        json!([{"type": "mount"}, {"type": "uts"}, {"type": "ipc", "path": "/proc/1/ns/uts"}]);
    refuses_value("/linux/namespaces", other, &["/proc/1/ns/uts", "ipc"]);
    let file = json!([{"type": "mount"}, {"type": "uts"}, {"type": "ipc", "path": "/etc/passwd"}]);
    refuses_value("/linux/namespaces", file, &["/etc/passwd", "ipc"]);
}

#[test]
fn a_user_namespace_without_mappings() {
    let namespaces = json!([{"type": "mount"}, {"type": "uts"}, {"type": "user"}]);
    refuses_value("/linux/namespaces", namespaces, &["mappings"]);
}

#[test]
fn roots_that_are_no_root() {
    refuses_value("/root/path", json!("missing"), &["missing", "no such file or directory"]);
    refuses_value("/root/path", json!(""), &["root"]);
    refuses_value("/root/path", json!("rootfs/etc/passwd"), &["passwd", "not a directory"]);
}

#[test]
fn a_root_that_is_a_symlink() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    symlink(bundle.rootfs(), bundle.path.join("link")).unwrap();
    bundle.config["root"]["path"] = "link".into();
    refuses_both(&case, &bundle, &["link", "symlink"]);
}

#[test]
fn a_program_that_is_missing() {
    refuses_value(
        "/process/args",
        json!(["nothing-of-this-name"]),
        &["exec: \"nothing-of-this-name\": executable file not found in $PATH"],
    );
    refuses_value(
        "/process/args",
        json!(["/bin/nothing"]),
        &["exec: \"/bin/nothing\"", "no such file or directory"],
    );
}

#[test]
fn a_program_that_cannot_be_executed() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    fs::write(bundle.inside("/bin/plain"), "text").unwrap();
    fs::set_permissions(bundle.inside("/bin/plain"), PermissionsExt::from_mode(0o644)).unwrap();
    bundle.args(&["/bin/plain"]);
    refuses_both(&case, &bundle, &["exec: \"/bin/plain\"", "permission denied"]);
    bundle.args(&["/bin"]);
    refuses_both(&case, &bundle, &["exec: \"/bin\"", "directory"]);
}

#[test]
fn a_file_that_is_no_program() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    fs::write(bundle.inside("/bin/text"), "no program\n").unwrap();
    fs::set_permissions(bundle.inside("/bin/text"), PermissionsExt::from_mode(0o755)).unwrap();
    bundle.args(&["/bin/text"]);
    case.refuses(case.run(&bundle), &["exec /bin/text: exec format error"]);
    fs::write(bundle.inside("/bin/text"), "#!/no/interpreter\n").unwrap();
    case.refuses(case.run(&bundle), &["exec /bin/text: no such file or directory"]);
}

#[track_caller]
fn refuses_mount(kind: &str, source: &str, to: &str, options: &[&str], words: &[&str]) {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.mount(kind, source, to, options);
    refuses_both(&case, &bundle, words);
}

#[test]
fn mounts_that_cannot_be_made() {
    refuses_mount("nofs", "nofs", "/mnt", &[], &["/mnt", "no such device"]);
    refuses_mount("bind", "/no/such/source", "/mnt", &["bind"], &["/no/such/source"]);
    refuses_mount("tmpfs", "tmpfs", "/mnt", &["nonsense=1"], &["/mnt", "nonsense"]);
    refuses_mount("tmpfs", "tmpfs", "/mnt", &["size=lots"], &["/mnt", "size"]);
    refuses_mount("tmpfs", "tmpfs", "/bin/sh", &[], &["/bin/sh"]);
    refuses_mount("bind", "/etc", "/etc/passwd", &["bind"], &["/etc/passwd"]);
}

#[test]
fn unknown_names() {
    refuses_value(
        "/process/rlimits",
        json!([{"type": "RLIMIT_MOON", "hard": 1, "soft": 1}]),
        &["/process/rlimits/0", "RLIMIT_MOON"],
    );
    refuses_value("/linux/rootfsPropagation", json!("sideways"), &["sideways"]);
}

#[test]
fn values_out_of_range() {
    refuses_value("/process/oomScoreAdj", json!(1001), &["1001"]);
    refuses_value(
        "/process/rlimits",
        json!([{"type": "RLIMIT_NOFILE", "hard": 10, "soft": 11}]),
        &["/process/rlimits/0"],
    );
    refuses_value(
        "/process/execCPUAffinity",
        json!({"initial": "0", "final": "1-"}),
        &["/process/execCPUAffinity/final", "1-"],
    );
    for (policy, words) in [
        (json!({"nodes": "0"}), &["/linux/memoryPolicy/mode"][..]),
        (json!({"mode": "MPOL_BIND"}), &["/linux/memoryPolicy/nodes", "at least one node"]),
        (
            json!({"mode": "MPOL_LOCAL", "nodes": "0"}),
            &["/linux/memoryPolicy/nodes", "requires 0 nodes"],
        ),
        (
            json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "X"]}),
            &["/linux/memoryPolicy/flags/1", "X"],
        ),
    ] {
        refuses_value("/linux/memoryPolicy", policy, words);
    }
    let hostname = "h".repeat(65);
    refuses_value("/hostname", json!(hostname), &["hostname"]);
}

#[test]
fn seccomp_is_never_passed_over() {
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]});
    refuses_value(
        "/linux/seccomp",
        profile,
        &["/linux/seccomp/architectures/0", "SCMP_ARCH_PDP11"],
    );
    let profile = json!({"defaultAction": "SCMP_ACT_ERRNO"});
    refuses_value("/linux/seccomp", profile, &["/linux/seccomp", "execve(2) is denied"]);
    let words =
        ["/linux/seccomp/defaultAction: missing; who wants no filter leaves the section out"];
    for empty in
        [json!({}), json!({"defaultAction": ""}), json!({"defaultAction": "", "syscalls": []})]
    {
        refuses_value("/linux/seccomp", empty, &words);
    }
    let rules = json!([{"names": ["read", 7], "action": "SCMP_ACT_ALLOW"}]);
    let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules});
    let words = ["/linux/seccomp/syscalls/0/names/1: invalid type: integer `7`, expected a string"];
    refuses_value("/linux/seccomp", profile, &words);
}

#[test]
fn labels_of_a_security_module_that_is_off() {
    let on = |path: &str| fs::read_to_string(path).is_ok_and(|text| text.starts_with(['Y', '1']));
    if !on("/sys/module/apparmor/parameters/enabled") {
        refuses_value("/process/apparmorProfile", json!("docker-default"), &["apparmor"]);
    }
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        for place in ["/process/selinuxLabel", "/linux/mountLabel"] {
            let words = [place, "SELinux is not active on this host"];
            refuses_value(place, json!("system_u:system_r:x:s0"), &words);
        }
    }
}

#[test]
fn a_path_that_no_record_can_hold_is_refused() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    bundle.write();
    let odd = case.dir.join(OsStr::from_bytes(b"odd\xff"));
    fs::rename(&bundle.path, &odd).unwrap();
    let create = |path: &Path| case.coble().args(["create", "--bundle"]).arg(path).arg(&case.id);
    case.refuses(create(&odd), &["the path of the bundle is not UTF-8", r#"odd\xFF""#]);
    // A link in the way of the root has such a name as well.
    let mut other = case.bundle_at("other");
    symlink(&odd, other.path.join("link")).unwrap();
    other.config["root"]["path"] = "link/rootfs".into();
    other.write();
    case.refuses(create(&other.path), &["the path of the root file system is not UTF-8"]);
}
