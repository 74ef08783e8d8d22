//! What belongs to a container's user namespace, and in which order namespaces are joined that belong to different ones.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use coble_tests::{Bundle, Case, Cmd, Holder, skip, wait};
use rustix::process::geteuid;
use serde_json::{Value, json};

/// The kinds of namespaces that a user namespace owns, as `config.json` and as `/proc/PID/ns` call them.
const OWNED: [(&str, &str); 7] = [
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

/// As root with a mapped user namespace, and as a plain user.
#[track_caller]
fn both(test: impl Fn(&Case, &mut Bundle)) {
    if let Some(case) = as_root() {
        test(&case, &mut mapped(&case));
    }
    if let Some(case) = Case::plain() {
        test(&case, &mut case.bundle());
    }
}

/// A case of root's. For a plain user that is one thing less to look at, and no test that is skipped.
fn as_root() -> Option<Case> {
    if geteuid().is_root() { Case::root() } else { None }
}

/// A bundle of root's in a user namespace.
fn mapped(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.user_namespace(100_000, 65536);
    case.give_rootfs(&bundle, 100_000);
    bundle
}

fn link(path: impl AsRef<Path>) -> String {
    fs::read_link(path).unwrap().to_string_lossy().into_owned()
}

/// The number of a namespace, from a text such as `net:[4026531840]`.
fn number(link: &str) -> &str {
    link.split(['[', ']']).nth(1).unwrap()
}

/// Which user namespace each namespace of a process belongs to, lsns(8).
fn owners(case: &Case, pid: u64) -> BTreeMap<String, String> {
    let columns = ["--noheadings", "--raw", "--output", "TYPE,ONS", "--task"];
    let table = case.tool("lsns").args(columns).arg(pid.to_string()).output().stdout();
    let pair = |line: &str| line.split_once(' ').map(|(kind, ns)| (kind.to_owned(), ns.to_owned()));
    table.lines().filter_map(pair).collect()
}

#[test]
fn all_its_namespaces_belong_to_it() {
    both(|case, bundle| {
        if !case.tool("lsns").arg("--help").output().stdout().contains("ONS") {
            return skip("lsns doesn't know owners");
        }
        for (kind, _) in OWNED {
            bundle.namespace(kind);
        }
        bundle.sh("sleep 1000");
        case.detach(bundle);
        let pid = case.pid();
        let user = link(format!("/proc/{pid}/ns/user"));
        let owners = owners(case, pid);
        for (kind, file) in OWNED {
            assert_ne!(
                link(format!("/proc/{pid}/ns/{file}")),
                link(format!("/proc/self/ns/{file}"))
            );
            assert_eq!(owners.get(file).map(String::as_str), Some(number(&user)), "{kind}");
        }
        case.delete_force();
    });
}

/// A file system is mounted by whoever's namespace owns it: for another one's the kernel refuses it.
#[test]
fn its_root_mounts_proc_sys_and_mqueue_and_they_are_its_own() {
    both(|case, bundle| {
        bundle.sh(
            "touch /dev/mqueue/queue && stat -c '%n %u' /dev/mqueue /dev/mqueue/queue /proc/1; \
                   ls /sys/class/net; awk '{print $5, $(NF-2)}' /proc/self/mountinfo",
        );
        let said = case.run(bundle).output().stdout();
        for line in ["/dev/mqueue 0", "/dev/mqueue/queue 0", "/proc/1 0", "lo"] {
            assert!(said.lines().any(|own| own == line), "{line}: {said}");
        }
        for line in ["/proc proc", "/dev/mqueue mqueue", "/dev/pts devpts"] {
            assert!(said.lines().any(|own| own == line), "{line}: {said}");
        }
    });
}

/// Joins the holder's user namespace, which has one user and one group.
fn join_unmapped(bundle: &mut Bundle, holder: &Holder) {
    for member in ["uidMappings", "gidMappings"] {
        bundle.config["linux"].as_object_mut().unwrap().remove(member);
    }
    bundle.join("user", &holder.namespace("user"));
    // The namespace knows no group 5.
    for mount in bundle.list("/mounts") {
        if let Some(options) = mount["options"].as_array_mut() {
            options.retain(|option| option != "gid=5");
        }
    }
}

/// A joined namespace that belongs to the joined user namespace: it can be joined by its root alone.
#[test]
fn the_user_namespace_is_joined_before_what_belongs_to_it() {
    let kinds = [("network", "net"), ("ipc", "ipc"), ("uts", "uts")];
    for case in [as_root(), Case::plain()].into_iter().flatten() {
        let flags = ["--user", "--map-root-user", "--net", "--ipc", "--uts"];
        let holder = Holder::new(&case, &flags);
        let mut bundle = case.bundle();
        join_unmapped(&mut bundle, &holder);
        bundle.config.as_object_mut().unwrap().remove("hostname");
        for (kind, file) in kinds {
            bundle.join(kind, &holder.namespace(file));
        }
        bundle.sh("for n in user net ipc uts; do readlink /proc/self/ns/$n; done; sleep 1000");
        let files = ["user", "net", "ipc", "uts"];
        let expected: String =
            files.iter().map(|file| link(holder.namespace(file)) + "\n").collect();
        let mut run = case.run(&bundle).spawn();
        wait::until("the container's words", || run.stdout() == expected || !run.runs());
        assert_eq!(run.stdout(), expected);
        let exec = case.exec(&["readlink", "/proc/self/ns/net"]).output();
        assert_eq!(exec.stdout(), link(holder.namespace("net")) + "\n", "exec");
        case.delete_force();
        run.wait().exits(137);
        holder.end();
    }
}

/// Holds a network namespace and a user namespace, with links to them, while a command runs.
const HOLD: &str = r#"
set -e
trap 'kill -KILL $HOLDERS' EXIT
hold() {
    unshare --kill-child --fork $2 sleep 1000 &
    until P=$(cat /proc/$!/task/$!/children) && P=${P% } && [ "$P" ] &&
        [ $(readlink /proc/$P/exe) != $(readlink /proc/$!/exe) ]; do sleep 0.05; done
    ln -s /proc/$P/ns/$1 $1
    HOLDERS="$HOLDERS $!"
}
hold net --net
hold user '--user --map-root-user'
readlink $(readlink user) $(readlink net)
"$@"
"#;

/// A network namespace that belongs to the caller's own user namespace, beside a user namespace below it, as
/// `podman run --userns=container:A --network=container:B` of a plain user: over the first only the caller's own root has rights.
#[test]
fn root_of_a_user_namespace_joins_what_is_its_own_before_a_user_namespace_below() {
    for case in [as_root(), Case::plain()].into_iter().flatten() {
        let place = case.folder("namespaces");
        let mut bundle = case.bundle();
        bundle.without_mount("/sys").without_mount("/sys/fs/cgroup").without_mount("/dev/pts");
        for member in ["uidMappings", "gidMappings"] {
            bundle.config["linux"].as_object_mut().unwrap().remove(member);
        }
        bundle.join("user", &place.join("user")).join("network", &place.join("net"));
        bundle.sh("readlink /proc/self/ns/user; readlink /proc/self/ns/net").write();
        let line = format!("cd {}; {HOLD}", place.display());
        let outer =
            case.tool("unshare").args(["--user", "--map-root-user", "sh", "-c", &line, "sh"]);
        let run = outer.arg(case.program()).arg("--root").arg(case.state_root());
        let said = run.args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id).output().stdout();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 4, "{said}");
        assert_eq!(lines[..2], lines[2..]);
    }
}

/// Otherwise files of id-mapped mounts would belong to the wrong users. Podman writes a mapping of root alone where it knows
/// none.
#[test]
fn mappings_beside_a_joined_user_namespace_are_those_of_it() {
    let Some(case) = as_root() else { return };
    let mut holder = mapped(&case);
    holder.sh("sleep 1000");
    case.detach(&holder);
    let namespace = format!("/proc/{}/ns/user", case.pid());
    let mut bundle = case.bundle_at("second");
    case.give_rootfs(&bundle, 100_000);
    bundle.join("user", Path::new(&namespace)).args(&["cat", "/proc/self/uid_map"]);
    let run = |users: Value, groups: Value| {
        let mut bundle = Bundle::new(bundle.path.clone(), bundle.config.clone());
        bundle.config["linux"]["uidMappings"] = users;
        bundle.config["linux"]["gidMappings"] = groups;
        bundle.write();
        let run = case.coble().args(["run", "--bundle"]).arg(&bundle.path);
        run.arg(format!("{}-second", case.id))
    };
    let range = |inside, host, size| json!({"containerID": inside, "hostID": host, "size": size});
    let whole = json!([range(0, 100_000, 65536)]);
    let split = json!([range(1000, 101_000, 64536), range(0, 100_000, 1000)]);
    let (stand_in, other) = (json!([range(0, 0, 1)]), json!([range(0, 200_000, 65536)]));
    for right in [&whole, &split, &stand_in] {
        let said = run(right.clone(), right.clone()).output().stdout();
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["0", "100000", "65536"]);
    }
    let words = "namespaces enabled, but both namespace path and non-matching mapping specified";
    for (users, groups, member) in [
        (&other, &whole, "/linux/uidMappings"),
        (&whole, &other, "/linux/gidMappings"),
        (&whole, &json!([]), "/linux/gidMappings"),
        (&stand_in, &whole, "/linux/uidMappings"),
    ] {
        run(users.clone(), groups.clone()).output().refused(&[member, words]);
    }
    case.delete_force();
}

/// The case's runtime as root with a group more.
fn in_a_group(case: &Case) -> Cmd {
    let setpriv = Cmd::new("setpriv", &case.id, &case.dir.join("output"));
    setpriv.args(["--groups", "4242"]).arg(case.program()).arg("--root").arg(case.state_root())
}

/// What `/proc/self/status` says of a process without groups.
const NO_GROUPS: &str = "Groups:\t";

/// Where setgroups(2) is denied they could not be dropped any more, and the namespace's owner may look into the process.
#[test]
fn roots_groups_stay_outside_of_a_joined_user_namespace() {
    let Some(case) = as_root() else { return };
    let holder = Holder::new(&case, &["--user", "--map-root-user"]);
    let mut bundle = case.bundle();
    join_unmapped(&mut bundle, &holder);
    let groups = ["grep", "Groups", "/proc/self/status"];
    bundle.args(&groups).write();
    let run = in_a_group(&case).args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id);
    assert_eq!(run.output().stdout().trim_end_matches([' ', '\n']), NO_GROUPS);

    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let exec = in_a_group(&case).args(["exec", &case.id]).args(groups);
    assert_eq!(exec.output().stdout().trim_end_matches([' ', '\n']), NO_GROUPS, "exec");
    case.delete_force();
    holder.end();
}

/// A joined namespace that belongs to the host: the root of the new user namespace could not join it.
#[test]
fn what_belongs_to_the_host_is_joined_before_the_user_namespace_is_made() {
    let Some(case) = Case::root() else { return };
    let kinds = [("network", "net"), ("ipc", "ipc"), ("uts", "uts")];
    let holder = Holder::new(&case, &["--net", "--ipc", "--uts"]);
    let mut bundle = mapped(&case);
    // mqueue and sysfs belong to the ipc and network namespaces' owner, which is not the container.
    bundle.without_mount("/dev/mqueue").without_mount("/sys");
    bundle.config.as_object_mut().unwrap().remove("hostname");
    for (kind, file) in kinds {
        bundle.join(kind, &holder.namespace(file));
    }
    bundle.sh("for n in net ipc uts; do readlink /proc/self/ns/$n; done; id -u");
    let expected: String =
        kinds.iter().map(|(_, file)| link(holder.namespace(file)) + "\n").collect();
    assert_eq!(case.run(&bundle).output().stdout(), expected + "0\n");
    holder.end();
}
