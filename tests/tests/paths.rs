//! The root's own rights: read-only, masked and read-only paths, propagation, default files.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Bundle, Case};
use serde_json::json;

#[test]
fn a_read_only_root_cannot_be_written() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("touch /file");
    let output = case.run(&bundle).output().exits(1);
    assert!(output.stderr.contains("Read-only file system"), "{output}");
    bundle.sh("mount -o remount,rw / || echo refused");
    let output = case.run(&bundle).output();
    assert!(output.stdout.contains("refused"), "{output}");
}

#[test]
fn a_writable_root_is_the_bundles_folder() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("echo text > /file");
    case.run(&bundle).output().ok();
    assert_eq!(fs::read_to_string(bundle.inside("/file")).unwrap(), "text\n");
}

#[test]
fn a_root_by_its_absolute_path() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let elsewhere = case.folder("elsewhere");
    fs::rename(bundle.rootfs(), elsewhere.join("root")).unwrap();
    bundle.config["root"]["path"] = elsewhere.join("root").to_str().unwrap().into();
    bundle.args(&["ls", "/"]);
    let said = case.run(&bundle).output().stdout();
    assert!(said.contains("bin\n"), "{said}");
}

#[test]
fn the_host_cannot_be_seen() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("ls /..; cat /proc/self/mountinfo");
    let said = case.run(&bundle).output().stdout();
    assert!(!said.contains("boot\n") && !said.contains("home\n"), "{said}");
    let points = said.lines().filter(|line| line.contains(" - "));
    for point in points.map(|line| line.split(' ').nth(4).unwrap()) {
        let known =
            point == "/" || ["/proc", "/dev", "/sys"].iter().any(|top| point.starts_with(top));
        assert!(known, "an unexpected mount on {point}:\n{said}");
    }
}

fn with_secrets(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    fs::write(bundle.inside("/etc/secret"), "secret").unwrap();
    fs::create_dir(bundle.inside("/srv")).unwrap();
    fs::write(bundle.inside("/srv/secret"), "secret").unwrap();
    bundle.writable();
    bundle
}

#[test]
fn masked_paths_show_nothing_and_take_nothing() {
    let Some(case) = Case::root() else { return };
    let mut bundle = with_secrets(&case);
    bundle.config["linux"]["maskedPaths"] =
        json!(["/etc/secret", "/srv", "/no/such/path", "/proc/kcore"]);
    bundle.sh("cat /etc/secret; ls /srv; head -c 1 /proc/kcore; touch /srv/new || echo refused");
    let output = case.run(&bundle).output().ok();
    assert_eq!(output.stdout, "refused\n");
    bundle.sh("echo text > /etc/secret; cat /etc/secret");
    assert_eq!(case.run(&bundle).output().stdout, "");
    assert_eq!(fs::read_to_string(bundle.inside("/etc/secret")).unwrap(), "secret");
    assert!(!bundle.inside("/no").exists(), "a path that isn't there isn't made");
}

/// Links, to a file, to a folder and out of the root, with what each leads to in the root.
fn with_links(case: &Case) -> Bundle {
    let bundle = with_secrets(case);
    for (link, target) in [
        ("/etc/link", "secret"),
        ("/folder", "/srv"),
        ("/etc/out", "../../../../etc/secret"),
        ("/etc/dangling", "/no/such/file"),
    ] {
        std::os::unix::fs::symlink(target, bundle.inside(link)).unwrap();
    }
    bundle
}

#[test]
fn a_link_to_a_masked_path_is_followed_inside_the_root() {
    let Some(case) = Case::root() else { return };
    for path in ["/etc/link", "/etc/out"] {
        let mut bundle = with_links(&case);
        bundle.config["linux"]["maskedPaths"] = json!([path, "/folder", "/etc/dangling"]);
        bundle.sh("cat /etc/secret /etc/link /etc/out; ls /srv /folder/; readlink /etc/dangling");
        assert_eq!(
            case.run(&bundle).output().stdout(),
            "/folder/:\n\n/srv:\n/no/such/file\n",
            "{path}"
        );
        assert_eq!(fs::read_to_string(bundle.inside("/etc/secret")).unwrap(), "secret");
        fs::remove_dir_all(&bundle.path).unwrap();
    }
}

#[test]
fn a_link_to_a_read_only_path_is_followed_inside_the_root() {
    let Some(case) = Case::root() else { return };
    let mut bundle = with_links(&case);
    bundle.config["linux"]["readonlyPaths"] = json!(["/etc/out", "/folder", "/etc/dangling"]);
    bundle.sh("cat /etc/secret /srv/secret; echo; echo x > /etc/secret; echo x > /srv/secret; \
         touch /folder/new; touch /etc/other && echo others can be written");
    let output = case.run(&bundle).output().ok();
    assert_eq!(output.stdout, "secretsecret\nothers can be written\n");
    assert_eq!(output.stderr.matches("Read-only file system").count(), 3, "{output}");
}

#[test]
fn the_default_masked_paths() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let masked = bundle.config["linux"]["maskedPaths"].clone();
    assert!(masked.as_array().is_some_and(|paths| paths.len() >= 9), "{masked}");
    for path in masked.as_array().unwrap() {
        let path = path.as_str().unwrap();
        bundle.sh(&format!(
            "if [ -d {path} ]; then ls -A {path}; elif [ -e {path} ]; then head -c 1 {path}; fi"
        ));
        assert_eq!(case.run(&bundle).output().stdout(), "", "{path}");
    }
}

#[test]
fn read_only_paths_can_be_read_alone() {
    let Some(case) = Case::root() else { return };
    let mut bundle = with_secrets(&case);
    bundle.config["linux"]["readonlyPaths"] =
        json!(["/etc/secret", "/srv", "/no/such/path", "/proc/sys"]);
    bundle.sh("cat /etc/secret /srv/secret; echo; echo x > /etc/secret; echo x > /srv/secret; \
         touch /srv/new; echo 1 > /proc/sys/net/ipv4/ip_forward; true");
    let output = case.run(&bundle).output().ok();
    assert_eq!(output.stdout, "secretsecret\n");
    assert_eq!(output.stderr.matches("Read-only file system").count(), 4, "{output}");
}

#[test]
fn the_default_proc_and_sys_cannot_change_the_host() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for path in
        ["/proc/sysrq-trigger", "/proc/sys/kernel/domainname", "/proc/irq/default_smp_affinity"]
    {
        bundle.sh(&format!("[ ! -e {path} ] || echo x > {path}"));
        let output = case.run(&bundle).output();
        let present = std::path::Path::new(path).exists();
        assert!(!present || output.stderr.contains("Read-only file system"), "{path}: {output}");
    }
    bundle.sh("touch /sys/x || echo refused; mkdir /sys/fs/cgroup/x || echo refused");
    assert_eq!(case.run(&bundle).output().stdout(), "refused\nrefused\n");
}

/// The optional fields of the root's line in the container's mount table.
#[track_caller]
fn propagation(case: &Case, bundle: &Bundle) -> String {
    bundle.write();
    // Its parents are shared there, as systemd makes them.
    let shared = ["--mount", "--propagation", "shared"];
    let run = case.tool("unshare").args(shared).arg(case.program()).arg("--root");
    let run = run.arg(case.state_root()).args(["run", "-b"]).arg(&bundle.path).arg(&case.id);
    let table = run.output().stdout();
    let root = table.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
    let fields = root.split(' ').skip(6).take_while(|field| *field != "-");
    fields.map(|field| field.split(':').next().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_roots_propagation() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["cat", "/proc/self/mountinfo"]);
    for (mode, fields) in [
        ("private", ""),
        ("rprivate", ""),
        ("slave", "master"),
        ("rslave", "master"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
    ] {
        bundle.config["linux"]["rootfsPropagation"] = mode.into();
        assert_eq!(propagation(&case, &bundle), fields, "{mode}");
    }
    for mode in ["shared", "rshared"] {
        bundle.config["linux"]["rootfsPropagation"] = mode.into();
        let fields = propagation(&case, &bundle);
        assert!(fields.split(' ').any(|field| field == "shared"), "{mode}: {fields}");
    }
}

#[test]
fn nothing_mounted_inside_reaches_the_host() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for set in ["bounding", "permitted", "effective"] {
        bundle.list(&format!("/process/capabilities/{set}")).push("CAP_SYS_ADMIN".into());
    }
    bundle.sh("mount -t tmpfs tmpfs /tmp && echo mounted && sleep 1000").write();
    // The mounts of this namespace are shared with nobody but the container, if the runtime lets them be.
    let script = "\"$@\" & until grep -q . /proc/$!/stat && [ -n \"$(cat $OUT)\" ]; do sleep 0.05; done; \
                  cat /proc/self/mountinfo; kill -9 $!; wait";
    let out = case.file("out", "");
    let watch = case.tool("unshare").env("OUT", &out).args(["--mount", "--propagation", "shared"]);
    let script = script.replace("\"$@\" &", "\"$@\" > $OUT &");
    let watch = watch.args(["sh", "-c", &script, "sh"]).arg(case.program()).arg("--root");
    let watch = watch.arg(case.state_root()).args(["run", "-b"]).arg(&bundle.path).arg(&case.id);
    let table = watch.output().stdout;
    assert_eq!(fs::read_to_string(out).unwrap(), "mounted\n");
    assert!(table.lines().count() > 2, "{table}");
    assert!(!table.contains(&case.id), "a mount of the container on the host:\n{table}");
}

#[test]
fn without_pivot_the_root_is_the_root_all_the_same() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("ls /..; pwd; echo $$");
    let said = case.run_with(&bundle, &["--no-pivot"]).output().stdout();
    assert!(!said.contains("boot\n") && said.ends_with("/\n1\n"), "{said}");
}

/// Mounts of the host stay below such a root, and what the host unmounts would stay in use here.
#[test]
fn without_pivot_nothing_of_the_host_may_be_kept_from_it() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let words =
        "/linux/rootfsPropagation: rootfsPropagation of [r]private is not safe without pivot_root";
    for propagation in ["private", "rprivate"] {
        bundle.config["linux"]["rootfsPropagation"] = propagation.into();
        case.refuses(case.run_with(&bundle, &["--no-pivot"]), &[words]);
        case.run(&bundle).output().ok();
    }
    bundle.config["linux"]["rootfsPropagation"] = "rslave".into();
    case.run_with(&bundle, &["--no-pivot"]).output().ok();
}
