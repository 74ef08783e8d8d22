//! Attacks from containers of plain users and of user namespaces on what is the host's, each of which has to fail. Nothing is
//! masked, and their root has every right that it can have, so that the user namespace alone is in the way.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use coble_tests::{Bundle, Case, Cmd, NamedUser, PLAIN_ID, V2, skip};
use rustix::process::geteuid;
use serde_json::{Value, json};

/// Every right, and nothing masked or read-only.
fn bare(bundle: &mut Bundle) {
    let all = [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "SETFCAP",
        "NET_ADMIN",
        "NET_RAW",
        "SYS_ADMIN",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "MKNOD",
        "SYS_RESOURCE",
    ];
    let all: Value = all.iter().map(|name| format!("CAP_{name}")).collect();
    for set in ["bounding", "effective", "permitted"] {
        bundle.config["process"]["capabilities"][set] = all.clone();
    }
    bundle.config["linux"]["maskedPaths"] = json!([]);
    bundle.config["linux"]["readonlyPaths"] = json!([]);
    bundle.writable();
}

/// A plain user's container, and root's with a user namespace, both with the host's `/sys` to write.
fn both(test: impl Fn(&Case, &mut Bundle)) {
    let root = if geteuid().is_root() { Case::root() } else { None };
    for (case, is_root) in [(Case::plain(), false), (root, true)] {
        let Some(case) = case else { continue };
        let mut bundle = case.bundle();
        if is_root {
            bundle.user_namespace(100_000, 65536).without_mount("/sys");
            case.give_rootfs(&bundle, 100_000);
        } else {
            bundle.without_mount("/sys");
        }
        bundle.without_mount("/sys/fs/cgroup");
        bundle.mount("bind", "/sys", "/sys", &["rbind", "rw"]);
        bare(&mut bundle);
        test(&case, &mut bundle);
        case.assert_clean();
    }
}

/// A line that names the files below some folders that can be opened for writing; nothing is written.
fn writable(folders: &str) -> String {
    format!(
        "touch /tmp/control; find {folders} /tmp/control -type f 2>/dev/null | while read -r file; do \
         if {{ true >> \"$file\"; }} 2>/dev/null; then echo \"$file\"; fi; done; echo end"
    )
}

#[test]
fn no_kernel_parameter_of_the_host_can_be_written() {
    both(|case, bundle| {
        bundle.sh(&writable("/proc/sys /proc/sysrq-trigger /proc/irq /proc/bus"));
        let said = case.run(bundle).output().stdout();
        // Those of the container's own namespaces: ipc_namespaces(7), uts_namespaces(7), namespaces(7), pid_namespaces(7).
        let is_own = |path: &str| {
            let name = path.strip_prefix("/proc/sys/").unwrap_or_default();
            let kernel = [
                "auto_msgmni",
                "domainname",
                "hostname",
                "msg_next_id",
                "msgmax",
                "msgmnb",
                "msgmni",
                "ns_last_pid",
                "pid_max",
                "sem",
                "sem_next_id",
                "shm_next_id",
                "shm_rmid_forced",
                "shmall",
                "shmmax",
                "shmmni",
            ];
            let is_kernel = name.strip_prefix("kernel/").is_some_and(|name| kernel.contains(&name));
            is_kernel || ["fs/mqueue/", "user/", "net/"].iter().any(|own| name.starts_with(own))
        };
        let mut lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.pop(), Some("end"));
        assert!(lines.contains(&"/proc/sys/user/max_user_namespaces"), "nothing was tried: {said}");
        let foreign: Vec<_> = lines.into_iter().filter(|path| !is_own(path)).collect();
        assert_eq!(foreign, ["/tmp/control"]);
    });
}

#[test]
fn the_hosts_network_keeps_its_parameters() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bare(&mut bundle);
    bundle.without_namespace("network").sh(&writable("/proc/sys/net"));
    assert_eq!(case.run(&bundle).output().stdout(), "/tmp/control\nend\n");
}

#[test]
fn no_file_of_sysfs_can_be_written() {
    both(|case, bundle| {
        // Cgroups that are a plain user's own have tests of their own: this mount gives them to the container. None is the
        // container's in root's case, whose ids are nobody's on the host.
        let is_mapped = bundle.config["linux"]["uidMappings"][0]["hostID"] == 100_000;
        let cgroups = if is_mapped { "/sys/fs/cgroup" } else { "" };
        let all = "/sys/kernel /sys/power /sys/module /sys/fs/[!c]* /sys/class /sys/bus /sys/devices /sys/firmware \
                   /sys/block /sys/dev /sys/hypervisor";
        bundle.sh(&writable(&format!("{all} {cgroups}")));
        let said = case.run(bundle).output().stdout();
        // These are open to everybody, and the kernel asks for rights at each write.
        let own = |line: &&str| !line.starts_with("/sys/kernel/security/");
        assert_eq!(said.lines().filter(own).collect::<Vec<_>>(), ["/tmp/control", "end"]);
    });
}

/// Runs a container of a plain user who has a cgroup, at `own` in one that is delegated, and moves everybody out of it.
fn run_delegated(case: &Case, bundle: &Bundle) -> String {
    bundle.write();
    let line = format!(
        "{V2}; D=/sys/fs/cgroup/{}-delegated; mkdir -p $D/own; \
         chown -R {PLAIN_ID}:{PLAIN_ID} $D; echo $$ > $D/own/cgroup.procs; \
         setpriv --reuid {PLAIN_ID} --regid {PLAIN_ID} --clear-groups \"$@\"; \
         echo $$ > /sys/fs/cgroup/cgroup.procs; find $D -depth -type d -exec rmdir {{}} +",
        case.id
    );
    let run = Cmd::new("unshare", &case.id, &case.dir.join("output"))
        .args(["--mount", "--propagation", "private", "sh", "-c", &line, "sh"])
        .arg(case.program())
        .arg("--root")
        .arg(case.state_root())
        .args(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(&case.id);
    run.output().stdout()
}

/// A plain user's case with cgroups to be delegated.
fn delegated() -> Option<Case> {
    if !geteuid().is_root() {
        skip("needs root to delegate a cgroup");
        return None;
    }
    Case::root_v2()?;
    Case::plain()
}

/// CVE-2023-25809: the cgroups are the user's own, and the container has no cgroup namespace.
#[test]
fn delegated_cgroups_of_the_caller_can_not_be_written() {
    let Some(case) = delegated() else { return };
    let mut bundle = case.bundle();
    let capabilities = bundle.config["process"]["capabilities"].clone();
    bare(&mut bundle);
    // With CAP_SYS_ADMIN it could make the mount writable, as any other of its mounts.
    bundle.config["process"]["capabilities"] = capabilities;
    bundle.without_namespace("cgroup").without_mount("/sys/fs/cgroup");
    bundle.mount("cgroup", "cgroup", "/sys/fs/cgroup", &["nosuid", "noexec", "nodev", "rw"]);
    bundle.sh(&format!(
        "find /sys/fs/cgroup -name cgroup.procs | grep -q {id}-delegated && echo seen; \
         mount -o remount,bind,rw /sys/fs/cgroup 2>/dev/null && echo remounted; \
         find /sys/fs/cgroup -name '{id}*' -type d -exec mkdir '{{}}/made' ';' 2>/dev/null; {}",
        writable("/sys/fs/cgroup"),
        id = case.id
    ));
    assert_eq!(run_delegated(&case, &bundle), "seen\n/tmp/control\nend\n");
    case.assert_clean();
}

/// Whoever may mount sees no other cgroup than the container's own.
#[test]
fn with_a_cgroup_namespace_no_right_shows_more_than_the_own_cgroup() {
    let Some(case) = delegated() else { return };
    let mut bundle = case.bundle();
    bare(&mut bundle);
    bundle.namespace("cgroup").sh(
        "mkdir /tmp/cg; mount -t cgroup2 none /tmp/cg && echo mounted; \
         for top in /sys/fs/cgroup /tmp/cg; do ls -d $top/*delegated $top/own $top/*/own 2>/dev/null; \
         cat $top/cgroup.procs | head -n 1; done; cat /proc/self/cgroup | grep ^0; true",
    );
    bundle.without_mount("/sys/fs/cgroup");
    bundle.mount("cgroup", "cgroup", "/sys/fs/cgroup", &["rw"]);
    assert_eq!(run_delegated(&case, &bundle), "mounted\n1\n1\n0::/\n");
    case.assert_clean();
}

/// A group can take rights away (user_namespaces(7), CVE-2014-8989): nobody gets rid of it in a container.
#[test]
fn a_group_that_takes_rights_away_stays() {
    if !geteuid().is_root() {
        return skip("needs root to be in a group");
    }
    let Some(case) = Case::plain() else { return };
    let secret = case.file("secret", "secret\n");
    chown(&secret, Some(0), Some(4242)).unwrap();
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o604)).unwrap();
    let mut bundle = case.bundle();
    bare(&mut bundle);
    bundle.mount("bind", secret.to_str().unwrap(), "/secret", &["bind"]);
    bundle.sh("cat /secret; cat /proc/self/setgroups; grep Groups /proc/self/status").write();
    let run = |groups: &str| {
        let id = PLAIN_ID.to_string();
        let user = ["--reuid", &id, "--regid", &id, groups];
        let user = Cmd::new("setpriv", &case.id, &case.dir.join("output")).args(user);
        let coble = user.arg(case.program()).arg("--root").arg(case.state_root());
        coble.args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id).output()
    };
    let without = run("--clear-groups").stdout();
    assert!(without.starts_with("secret\ndeny\n"), "{without}");
    let within = run("--groups=4242");
    assert!(within.stdout.starts_with("deny\nGroups:\t65534"), "{within}");
    assert!(within.stderr.contains("/secret"), "{within}");
}

#[test]
fn a_group_that_the_caller_is_not_in_can_not_be_had() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bare(&mut bundle);
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    for (groups, words) in [
        (["--additional-gids", "5"], "cannot set any additional groups in a rootless container"),
        (
            ["--user", "0:5"],
            "become user 0, group 5 (the user namespace denies setgroups) (/user): setresgid: invalid",
        ),
    ] {
        case.exec_with(&groups, &["id"]).output().fails(255, &[words]);
    }
    bundle.config["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 0, "size": 1}]);
    let id = format!("{}-other", case.id);
    bundle.write();
    let run = case.coble().args(["run", "--bundle"]).arg(&bundle.path).arg(id);
    run.output().refused(&["/linux/gidMappings"]);
    case.delete_force();
}

/// Rights of a file count with `no_new_privs` as little as anywhere else; without, they do, inside.
#[test]
fn no_new_privileges_hold() {
    let Some(case) = Case::plain() else { return };
    let lines = "coble-plain:2000000:65536\n";
    let Some(user) = NamedUser::new(&case, lines, lines) else { return };
    let mut bundle = case.bundle();
    let user = user.prepared(&NamedUser::with_suid(&bundle.rootfs()));
    bare(&mut bundle);
    for member in ["uidMappings", "gidMappings"] {
        bundle.config["linux"][member] = json!([
            {"containerID": 0, "hostID": PLAIN_ID, "size": 1},
            {"containerID": 1, "hostID": 2_000_000, "size": 65536},
        ]);
    }
    // A program with the set-user-ID bit that says who it is: the user of an example is the effective one.
    let program = bundle.inside("/bin/teller");
    fs::copy(case.program(), &program).unwrap();
    chown(&program, Some(PLAIN_ID), Some(PLAIN_ID)).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    fs::set_permissions(bundle.inside("/tmp"), PermissionsExt::from_mode(0o777)).unwrap();
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    bundle.sh("cd /tmp; rm -f config.json; teller spec --rootless; ls -ln config.json | tr -s ' ' | cut -d ' ' -f 3");
    for (no_new, owner) in [(true, "1000\n"), (false, "0\n")] {
        bundle.config["process"]["noNewPrivileges"] = no_new.into();
        let _ = fs::remove_file(bundle.inside("/tmp/config.json"));
        bundle.write();
        let run = user.coble().args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id);
        assert_eq!(run.output().stdout(), owner, "{no_new}");
    }
}

/// CVE-2024-21626 and its like: what the caller has open, and what coble opens.
#[test]
fn descriptors_of_the_host_are_not_in_sight() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bare(&mut bundle);
    let open = "exec 7</etc/passwd 8</ 9</proc/self/ns/mnt; exec \"$@\"";
    let leaking = |words: &[&str]| {
        let coble = case.tool("sh").args(["-c", open, "sh"]).arg(case.program());
        coble.arg("--root").arg(case.state_root()).args(words).output()
    };
    let look = "for fd in /proc/self/fd/*; do readlink $fd; done; true";
    bundle.sh("sleep 1000").write();
    let place = bundle.path.clone();
    let path = place.to_str().unwrap();
    leaking(&["run", "--detach", "--bundle", path, &case.id]).ok();
    for words in [vec!["sh", "-c", look], vec!["sh", "-c", "ls /proc/1/fd"]] {
        let exec = [&["exec", &case.id][..], &words].concat();
        let said = leaking(&exec).stdout();
        let is_outside = |line: &str| line.contains("passwd") || line.contains("mnt:");
        let is_kept = |line: &str| matches!(line, "/" | "7" | "8" | "9");
        assert!(!said.lines().any(|line| is_outside(line) || is_kept(line)), "{said}");
    }
    case.delete_force();
    for nth in 3..=20 {
        bundle.args(&["pwd"]).config["process"]["cwd"] = format!("/proc/self/fd/{nth}").into();
        bundle.write();
        let output = leaking(&["run", "--bundle", path, &case.id]);
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output}");
        case.assert_clean();
    }
}

/// CVE-2022-29162: what is inherited comes with the files of programs that ask for it.
#[test]
fn no_capability_is_inheritable() {
    both(|case, bundle| {
        let look = ["grep", "-E", "^Cap(Inh|Eff|Amb)", "/proc/self/status"];
        bundle.sh("sleep 1000");
        case.detach(bundle);
        let plain = case.exec(&look).output().stdout();
        let more = case.exec_with(&["--cap", "CAP_NET_RAW"], &look).output().stdout();
        for said in [plain, more] {
            assert!(said.contains("CapInh:\t0000000000000000\n"), "{said}");
            assert!(said.contains("CapAmb:\t0000000000000000\n"), "{said}");
            assert!(!said.contains("CapEff:\t0000000000000000\n"), "{said}");
        }
        case.delete_force();
    });
}

/// CVE-2025-31133: what a masked path shows is the host's own null device, whatever stands in its place in `/dev`. A `/dev` that
/// is bound gets no devices, so that what is planted is still there when paths are masked.
#[test]
fn a_planted_null_unmasks_nothing() {
    let root = if geteuid().is_root() { Case::root() } else { None };
    for case in [Case::plain(), root].into_iter().flatten() {
        for plant in ["link", "file", "folder"] {
            let mut bundle = case.bundle_at(plant);
            let (dev, target) =
                (case.folder(&format!("dev-{plant}")), case.folder("target").join(plant));
            fs::write(&target, "host\n").unwrap();
            chown(&target, Some(owner(&bundle)), None).unwrap();
            match plant {
                "link" => std::os::unix::fs::symlink(&target, dev.join("null")).unwrap(),
                "file" => fs::write(dev.join("null"), "Linux\n").unwrap(),
                _ => fs::create_dir(dev.join("null")).unwrap(),
            }
            for point in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
                bundle.without_mount(point);
            }
            bundle.mount("bind", dev.to_str().unwrap(), "/dev", &["bind"]);
            bundle.config["linux"]["maskedPaths"] = json!(["/proc/version", "/proc/uptime"]);
            bundle.sh("cat /proc/version /proc/uptime; stat -c '%t:%T' /proc/version; ls /dev");
            assert_eq!(case.run(&bundle).output().stdout(), "1:3\nnull\n", "{plant}");
            assert_eq!(fs::read_to_string(&target).unwrap(), "host\n", "{plant}");
            case.assert_clean();
        }
    }
}

fn owner(bundle: &Bundle) -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(bundle.rootfs()).unwrap().uid()
}
