//! `linux.uidMappings` and `linux.gidMappings`: written by coble, through newuidmap(1) and newgidmap(1), and refused before
//! anything is started.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fmt::Write as _;
use std::fs;

use coble_tests::{Bundle, Case, Cmd, NamedUser, PLAIN_ID};
use serde_json::{Value, json};

/// Two ranges for the user of the tests.
const USERS: &str = "somebody:1000000:65536\ncoble-plain:2000000:5000\ncoble-plain:2005000:60536\n";
const GROUPS: &str = "coble-plain:3000000:65536\n";

fn mapping(container: u32, host: u32, size: u32) -> Value {
    json!({"containerID": container, "hostID": host, "size": size})
}

/// A bundle of the plain user in which root is that user, and further ids are these of the host.
fn bundle(case: &Case, users: (u32, u32), groups: (u32, u32)) -> Bundle {
    let mut bundle = case.bundle();
    bundle.namespace("user");
    for (member, (first, size)) in [("uidMappings", users), ("gidMappings", groups)] {
        bundle.config["linux"][member] = json!([mapping(0, PLAIN_ID, 1), mapping(1, first, size)]);
    }
    bundle
}

fn run(case: &Case, user: &NamedUser<'_>, bundle: &Bundle) -> Cmd {
    bundle.write();
    user.coble().args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id)
}

/// Each line of a map as numbers.
fn map(text: &str) -> Vec<Vec<u32>> {
    let numbers = |line: &str| line.split_whitespace().map(|word| word.parse().unwrap()).collect();
    text.lines().map(numbers).collect()
}

#[test]
fn ranges_that_the_files_grant_are_mapped() {
    let Some(case) = Case::plain() else { return };
    let Some(user) = NamedUser::new(&case, USERS, GROUPS) else { return };
    let mut bundle = bundle(&case, (2_000_000, 65536), (3_000_000, 65536));
    bundle.sh("cat /proc/self/uid_map /proc/self/gid_map");
    let said = run(&case, &user, &bundle).output().stdout();
    let wanted = [[0, PLAIN_ID, 1], [1, 2_000_000, 65536], [0, PLAIN_ID, 1], [1, 3_000_000, 65536]];
    assert_eq!(map(&said), wanted);
    case.assert_clean();
}

#[test]
fn with_ranges_the_process_is_any_user_and_in_any_group() {
    let Some(case) = Case::plain() else { return };
    let Some(user) = NamedUser::new(&case, USERS, GROUPS) else { return };
    let mut bundle = bundle(&case, (2_000_000, 65536), (3_000_000, 65536));
    bundle.writable().sh("cat /proc/self/setgroups; id -u; id -g; id -G; touch /tmp/mine");
    bundle.config["process"]["user"] = json!({"uid": 7, "gid": 8, "additionalGids": [9, 10]});
    fs::set_permissions(bundle.inside("/tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let said = run(&case, &user, &bundle).output().stdout();
    assert_eq!(said, "allow\n7\n8\n8 9 10\n");
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(bundle.inside("/tmp/mine")).unwrap();
    assert_eq!((file.uid(), file.gid()), (2_000_006, 3_000_007));
}

#[test]
fn exec_start_and_the_rest_work_with_ranges() {
    let Some(case) = Case::plain() else { return };
    let Some(user) = NamedUser::new(&case, USERS, GROUPS) else { return };
    let mut bundle = bundle(&case, (2_000_000, 65536), (3_000_000, 65536));
    bundle.sh("sleep 1000").write();
    let verb = |words: &[&str]| user.coble().args(words).arg(&case.id);
    let create = user.coble().args(["create", "--bundle"]).arg(&bundle.path).arg(&case.id);
    create.output().ok();
    verb(&["start"]).output().ok();
    let exec = verb(&["exec", "--user", "11:12"]).args(["sh", "-c", "id -u; id -g"]);
    assert_eq!(exec.output().stdout(), "11\n12\n");
    assert_eq!(user.coble().args(["list", "-q"]).output().stdout(), format!("{}\n", case.id));
    verb(&["delete", "--force"]).output().ok();
    case.assert_clean();
}

/// `count` mappings of one id each, of the host's from `host` on.
fn single(count: u32, host: u32) -> Value {
    (0..count).map(|id| mapping(id, host + id, 1)).collect()
}

#[test]
fn as_many_mappings_as_the_kernel_takes_through_the_helpers() {
    let Some(case) = Case::plain() else { return };
    let Some(user) = NamedUser::new(&case, "coble-plain:2000:500\n", "coble-plain:2000:500\n")
    else {
        return;
    };
    let mut bundle = bundle(&case, (2000, 1), (2000, 1));
    for member in ["uidMappings", "gidMappings"] {
        let list = (1..340).map(|id| mapping(id, 2000 + id, 1));
        let all: Vec<Value> = [mapping(0, PLAIN_ID, 1)].into_iter().chain(list).collect();
        bundle.config["linux"][member] = all.into();
    }
    bundle.sh("wc -l < /proc/self/uid_map; wc -l < /proc/self/gid_map");
    assert_eq!(run(&case, &user, &bundle).output().stdout(), "340\n340\n");
}

#[test]
fn as_many_mappings_as_the_kernel_takes_written_directly() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.user_namespace(2000, 1);
    case.give_rootfs(&bundle, 2_000);
    for member in ["uidMappings", "gidMappings"] {
        bundle.config["linux"][member] = single(340, 2000);
    }
    bundle
        .sh("wc -l < /proc/self/uid_map; wc -l < /proc/self/gid_map; tail -n 1 /proc/self/uid_map");
    let said = case.run(&bundle).output().stdout();
    let (counts, last) = said.split_at("340\n340\n".len());
    assert_eq!((counts, map(last)), ("340\n340\n", vec![vec![339, 2339, 1]]));
}

#[test]
fn what_no_write_can_hold_is_refused_before_anything_starts() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.user_namespace(2000, 1);
    bundle.hook("prestart", &format!("touch {}", case.dir.join("started").display()));
    bundle.config["linux"]["uidMappings"] = single(341, 2000);
    case.refuses(case.run(&bundle), &["/linux/uidMappings", "341 mappings, at most 340"]);
    if cfg!(target_arch = "x86_64") {
        bundle.config["linux"]["uidMappings"] = single(340, 1_000_000);
        case.refuses(case.run(&bundle), &["/linux/uidMappings", "340 mappings are", "4095"]);
    }
    bundle.config["linux"]["uidMappings"] = json!([mapping(0, 5, 10), mapping(9, 100, 1)]);
    case.refuses(case.run(&bundle), &["/linux/uidMappings/1/containerID", "another mapping"]);
    bundle.config["linux"]["uidMappings"] = json!([mapping(0, 5, 10), mapping(20, 14, 1)]);
    case.refuses(case.run(&bundle), &["/linux/uidMappings/1/hostID", "another mapping"]);
    bundle.config["linux"]["uidMappings"] = json!([mapping(0, 4_294_967_290, 6)]);
    case.refuses(case.run(&bundle), &["/linux/uidMappings/0/hostID", "too many"]);
    bundle.config["linux"]["uidMappings"] = json!([]);
    case.refuses(case.run(&bundle), &["/linux/uidMappings"]);
    assert!(!case.dir.join("started").exists());
}

#[test]
fn the_missing_range_and_the_line_to_add_are_named() {
    let Some(case) = Case::plain() else { return };
    let bundle = bundle(&case, (2_000_000, 70000), (3_000_000, 65536));
    let Some(user) = NamedUser::new(&case, USERS, "") else { return };
    let missing = "/linux/uidMappings/1: user coble-plain (54321) may not map the user ids \
                   2065536-2069999 of the host: /etc/subuid lacks the line \
                   coble-plain:2065536:4464";
    case.refuses(run(&case, &user, &bundle), &[missing]);

    let mut users = USERS.to_owned();
    writeln!(users, "coble-plain:2065536:4464").unwrap();
    let user = NamedUser::new(&case, &users, "somebody:3000000:65536\n").unwrap();
    let missing = "/linux/gidMappings/1: user coble-plain (54321) may not map the group ids \
                   3000000-3065535 of the host: /etc/subgid lacks the line \
                   coble-plain:3000000:65536";
    case.refuses(run(&case, &user, &bundle), &[missing]);

    // With both lines it works.
    let user = NamedUser::new(&case, &users, "coble-plain:3000000:65536\n").unwrap();
    run(&case, &user, &bundle).output().ok();
}

#[test]
fn a_line_may_have_the_number_of_the_user() {
    let Some(case) = Case::plain() else { return };
    let lines = format!("{PLAIN_ID}:2000000:65536\n");
    let Some(user) = NamedUser::new(&case, &lines, &lines) else { return };
    run(&case, &user, &bundle(&case, (2_000_000, 65536), (2_000_000, 65536))).output().ok();
}

#[test]
fn the_own_id_needs_no_line_and_that_of_another_does() {
    let Some(case) = Case::plain() else { return };
    let Some(user) = NamedUser::new(&case, "", "") else { return };
    let mut bundle = case.bundle();
    run(&case, &user, &bundle).output().ok();
    bundle.config["linux"]["uidMappings"] = json!([mapping(0, 0, 1)]);
    let missing = "/etc/subuid lacks the line coble-plain:0:1";
    case.refuses(run(&case, &user, &bundle), &[missing]);
}

#[test]
fn a_user_without_a_name_is_told_so() {
    const NAMELESS: u32 = PLAIN_ID + 1;
    if Case::root().is_none() {
        return;
    }
    let case = Case::of_user(NAMELESS);
    let mut bundle = bundle(&case, (2_000_000, 65536), (3_000_000, 65536));
    for member in ["uidMappings", "gidMappings"] {
        bundle.config["linux"][member][0] = mapping(0, NAMELESS, 1);
    }
    let words = ["/linux/uidMappings", "newuidmap needs a name for user 54322 in /etc/passwd"];
    case.refuses(case.run(&bundle), &words);
}

#[test]
fn a_helper_that_is_missing_or_has_no_rights_is_told() {
    let Some(case) = Case::plain() else { return };
    let Some(user) = NamedUser::new(&case, USERS, GROUPS) else { return };
    let bundle = bundle(&case, (2_000_000, 65536), (3_000_000, 65536));
    bundle.write();
    let place = case.folder("helpers");
    let with_path = |user: &NamedUser<'_>, flags: &[&str]| {
        let path = format!("PATH={}", place.display());
        let coble = user.tool_with(flags, "env").arg(path).arg(case.program());
        coble
            .arg("--root")
            .arg(case.state_root())
            .args(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(&case.id)
    };
    let start = "/linux/uidMappings: a caller without rights needs newuidmap: ";
    let missing = "newuidmap is not in $PATH: it comes with the package uidmap";
    case.refuses(with_path(&user, &[]), &[start, missing]);

    for helper in ["newuidmap", "newgidmap"] {
        fs::copy(format!("/usr/bin/{helper}"), place.join(helper)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(place.join(helper), mode).unwrap();
    }
    let no_rights = "neither set-user-ID root nor has a file capability";
    case.refuses(with_path(&user, &[]), &[start, no_rights]);

    for helper in ["newuidmap", "newgidmap"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
        fs::set_permissions(place.join(helper), mode).unwrap();
    }
    let suid = NamedUser::with_suid(&place);
    let user = user.prepared(&suid);
    let no_new = "newuidmap gets no rights: no_new_privs is set for the caller";
    case.refuses(with_path(&user, &["--no-new-privs"]), &[start, no_new]);

    let line = format!("mount -o remount,bind,nosuid {}", place.display());
    let user = user.prepared(&line);
    case.refuses(with_path(&user, &[]), &[start, "it lies on a mount with nosuid"]);
}
