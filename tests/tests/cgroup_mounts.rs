//! Mounts of the types `cgroup` and `cgroup2`, as the container sees them.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::Path;

use coble_tests::{Bundle, Case, skip};

const TOP: &str = "/sys/fs/cgroup";

/// The hierarchies that the host has mounted below [`TOP`]: name and options of the file system, none for version 2.
fn hierarchies() -> Vec<(String, String)> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let lines = table.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let name = left.split(' ').nth(4)?.strip_prefix(TOP)?.strip_prefix('/')?;
        let options = right.strip_prefix("cgroup ")?.rsplit(' ').next()?;
        Some((name.to_owned(), options.to_owned()))
    });
    lines.collect()
}

fn v1_case() -> Option<(Case, Vec<(String, String)>)> {
    let case = Case::root()?;
    let all = hierarchies();
    if all.is_empty() {
        skip("no cgroup v1 hierarchy is mounted");
        return None;
    }
    Some((case, all))
}

/// Without a cgroup namespace, with the cgroup `/ID` and a mount of the type `cgroup` with these options in place of the default one.
fn bundle(case: &Case, name: &str, kind: &str, options: &[&str]) -> Bundle {
    let mut bundle = case.bundle_at(name);
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    // The default configuration of a host with version 2 alone has one.
    bundle.list("/linux/namespaces").retain(|namespace| namespace["type"] != "cgroup");
    bundle.list("/mounts").retain(|mount| mount["destination"] != TOP);
    bundle.mount(kind, "cgroup", TOP, options);
    bundle
}

/// Mount points below [`TOP`] with the root, flags and file system that mountinfo has for each, whatever their
/// propagation.
const LOOK: &str = "grep ' /sys/fs/cgroup' /proc/self/mountinfo | sed -E 's/( [a-z_]+:[0-9]+)* - / /' | \
                    while read a b c root point flags rest; do echo \"$point $root $flags $rest\"; done";

#[test]
fn v1_each_hierarchy_is_there_and_shows_the_container_alone() {
    let Some((case, all)) = v1_case() else { return };
    for own in [true, false] {
        for access in ["ro", "rw"] {
            let name = format!("bundle-{own}-{access}");
            let options = ["nosuid", "noexec", "nodev", "relatime", access];
            let mut bundle = bundle(&case, &name, "cgroup", &options);
            if own {
                bundle.namespace("cgroup");
            }
            bundle.sh(LOOK);
            let said = case.run(&bundle).output().stdout();
            let line = |point: &str| {
                let line = said.lines().find(|line| line.split(' ').next() == Some(point));
                let line = line.unwrap_or_else(|| panic!("{point} is not there:\n{said}"));
                line.split(' ').map(str::to_owned).collect::<Vec<_>>()
            };
            let top = line(TOP);
            assert!(top.contains(&"tmpfs".to_owned()), "{said}");
            assert!(top[2].split(',').any(|flag| flag == access), "{said}");
            for (name, options) in &all {
                let found = line(&format!("{TOP}/{name}"));
                // Seen from a cgroup namespace of its own, the container's cgroup is the root.
                let root = if own { "/".to_owned() } else { format!("/{}", case.id) };
                assert_eq!(found[1], root, "{said}");
                assert_eq!(found[2], format!("{access},nosuid,nodev,noexec,relatime"), "{said}");
                assert_eq!(found[3], "cgroup", "{said}");
                let inside = found.last().unwrap().trim_start_matches("rw,");
                assert_eq!(inside, options.trim_start_matches("rw,"), "a named one, too");
            }
        }
    }
}

#[test]
fn v1_a_writable_one_can_be_written_and_a_read_only_one_not() {
    let Some((case, all)) = v1_case() else { return };
    let (name, _) = &all[0];
    let line = format!(
        "mkdir {TOP}/{name}/sub && echo made && rmdir {TOP}/{name}/sub; mkdir {TOP}/new && echo on top; true"
    );
    let mut writable = bundle(&case, "rw", "cgroup", &["nosuid", "noexec", "nodev"]);
    writable.sh(&line);
    assert_eq!(case.run(&writable).output().stdout(), "made\non top\n");
    let mut closed = bundle(&case, "ro", "cgroup", &["nosuid", "noexec", "nodev", "ro"]);
    closed.sh(&line);
    let output = case.run(&closed).output().ok();
    assert_eq!(output.stdout, "");
    assert_eq!(output.stderr.matches("Read-only file system").count(), 2, "{output}");
}

/// Runs the bundle where `cpu` and `cpuacct` are names of one hierarchy, as systemd mounts them; here they are names of
/// a hierarchy that is there anyway.
#[test]
fn v1_other_names_of_a_hierarchy_are_links() {
    let Some((case, all)) = v1_case() else { return };
    let Some((named, options)) = all.iter().find(|(_, options)| options.contains("name=")) else {
        return skip("no named hierarchy is mounted");
    };
    let mut bundle = bundle(&case, "bundle", "cgroup", &["nosuid", "noexec", "nodev", "ro"]);
    bundle.sh(&format!(
        "cd {TOP}; for name in *; do [ -L $name ] && echo $name $(readlink $name); done; true"
    ));
    let said = case.run(&bundle).output().stdout();
    let mut links: Vec<String> = Vec::new();
    for (name, options) in &all {
        let controllers = options.split(',').filter(|word| !word.contains('=') && *word != "rw");
        links.extend(controllers.filter(|one| one != name).map(|one| format!("{one} {name}")));
    }
    let mut found: Vec<&str> = said.lines().collect();
    links.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, links, "{named} {options}");
}

#[test]
fn v1_there_is_no_way_to_other_cgroups() {
    let Some((case, all)) = v1_case() else { return };
    let (name, _) = &all[0];
    let other = Path::new(TOP).join(name).join(format!("{}-other", case.id));
    fs::create_dir(&other).unwrap();
    let mut bundle = bundle(&case, "bundle", "cgroup", &["nosuid", "noexec", "nodev"]);
    bundle.sh(&format!("ls {TOP}/{name} {TOP}/{name}/.. {TOP}/{name}/../{name}/.."));
    let said = case.run(&bundle).output().stdout();
    fs::remove_dir(&other).unwrap();
    assert!(!said.contains("-other"), "{said}");
}

fn v2(case: &Case, bundle: &Bundle) -> coble_tests::Output {
    bundle.write();
    case.coble_v2().args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id).output()
}

#[test]
fn v2_one_mount_shows_the_container_or_the_host() {
    let Some(case) = Case::root_v2() else { return };
    for (nth, (kind, own, access)) in [
        ("cgroup", true, "ro"),
        ("cgroup", true, "rw"),
        ("cgroup2", true, "ro"),
        ("cgroup", false, "ro"),
        ("cgroup2", false, "rw"),
    ]
    .into_iter()
    .enumerate()
    {
        let options = ["nosuid", "noexec", "nodev", "relatime", access];
        let mut bundle = bundle(&case, &format!("bundle-{nth}"), kind, &options);
        if own {
            bundle.namespace("cgroup");
        }
        let own_cgroup = if own { TOP.to_owned() } else { format!("{TOP}/{}", case.id) };
        let more = format!("mkdir {own_cgroup}/sub && echo made && rmdir {own_cgroup}/sub; true");
        bundle.sh(&format!("{LOOK}; {more}"));
        let output = v2(&case, &bundle).ok();
        let lines: Vec<&str> = output.stdout.lines().collect();
        let expected = format!("{TOP} / {access},nosuid,nodev,noexec,relatime cgroup2 ");
        assert!(lines[0].starts_with(&expected), "{kind} {own}: {output}");
        let made = if access == "rw" { &["made"][..] } else { &[] };
        assert_eq!(&lines[1..], made, "{kind} {own} {access}: {output}");
        case.assert_clean();
    }
}

#[test]
fn v2_in_a_user_namespace_the_hosts_cgroups_are_read_only() {
    let Some(case) = Case::root_v2() else { return };
    for own in [true, false] {
        let options = ["nosuid", "noexec", "nodev"];
        let mut bundle = bundle(&case, &format!("bundle-{own}"), "cgroup", &options);
        bundle.user_namespace(0, 65536);
        if own {
            bundle.namespace("cgroup");
        }
        bundle.sh(LOOK);
        let said = v2(&case, &bundle).stdout();
        let access = if own { "rw" } else { "ro" };
        let expected = format!("{TOP} / {access},nosuid,nodev,noexec,relatime cgroup2 ");
        assert!(said.starts_with(&expected), "{own}: {said}");
        case.assert_clean();
    }
}

#[test]
fn hybrid_a_mount_of_version_2_is_of_version_2() {
    let Some((case, _)) = v1_case() else { return };
    if !Path::new(TOP).join("unified/cgroup.procs").exists() {
        return skip("there is no cgroup v2 beside v1");
    }
    for own in [true, false] {
        for access in ["ro", "rw"] {
            let name = format!("bundle-{own}-{access}");
            let mut bundle =
                bundle(&case, &name, "cgroup2", &["nosuid", "noexec", "nodev", access]);
            if own {
                bundle.namespace("cgroup");
            }
            bundle.sh(&format!("{LOOK}; mkdir {TOP}/sub && echo made && rmdir {TOP}/sub; true"));
            let said = case.run(&bundle).output().ok();
            let root = if own { "/".to_owned() } else { format!("/{}", case.id) };
            let flags = format!("{access},nosuid,nodev,noexec,relatime");
            let made = if access == "rw" { "made\n" } else { "" };
            let line = said.stdout.lines().next().unwrap();
            assert!(line.starts_with(&format!("{TOP} {root} {flags} cgroup2 ")), "{said}");
            assert_eq!(said.stdout, format!("{line}\n{made}"), "{said}");
        }
    }
}
