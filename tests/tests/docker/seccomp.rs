//! The profile `default` against the one that the engine gives to its containers.

use std::collections::BTreeSet;
use std::fs;

use coble_seccomp::{Arch, Difference, Profile, differences};
use coble_spec::{Seccomp, Spec};
use coble_tests::docker::Docker;
use coble_tests::{Cmd, binary};

/// Calls that versions of the engine treated otherwise before they came to what `default` has, and since which version
/// they don't, by the history of profiles/seccomp/default.json in github.com/moby/moby.
struct Change {
    /// Major, minor and patch number.
    since: [u32; 3],
    calls: &'static [&'static str],
    /// Whether it shows on x86-64 whatever the capabilities are.
    is_plain: bool,
    reason: &'static str,
}

const CHANGES: [Change; 10] = [
    Change {
        since: [23, 0, 0],
        calls: &["pkey_alloc", "pkey_free", "pkey_mprotect"],
        is_plain: true,
        reason: "they change a program's own memory alone",
    },
    Change {
        since: [23, 0, 0],
        calls: &["process_vm_readv", "process_vm_writev"],
        is_plain: false,
        reason: "as safe as ptrace, which was allowed before; with CAP_SYS_PTRACE they were, too",
    },
    Change {
        since: [23, 0, 0],
        calls: &["bpf", "clock_settime64", "perf_event_open"],
        is_plain: false,
        reason: "with the capability that is made for it",
    },
    Change {
        since: [24, 0, 3],
        calls: &["name_to_handle_at"],
        is_plain: false,
        reason: "harmless without open_by_handle_at",
    },
    Change {
        since: [25, 0, 0],
        calls: &["io_uring_enter", "io_uring_register", "io_uring_setup"],
        is_plain: true,
        reason: "its flaws; no longer allowed",
    },
    Change {
        since: [25, 0, 3],
        calls: &[
            "cachestat",
            "fchmodat2",
            "futex_requeue",
            "futex_wait",
            "futex_wake",
            "map_shadow_stack",
        ],
        is_plain: true,
        reason: "newer than the profile was",
    },
    Change {
        since: [25, 0, 3],
        calls: &["set_mempolicy_home_node"],
        is_plain: false,
        reason: "newer than the profile was; with CAP_SYS_NICE",
    },
    Change {
        since: [28, 2, 0],
        calls: &[
            "getxattrat",
            "listmount",
            "listxattrat",
            "mseal",
            "removexattrat",
            "setxattrat",
            "statmount",
            "uretprobe",
        ],
        is_plain: true,
        reason: "newer than the profile was",
    },
    Change {
        since: [28, 2, 0],
        calls: &["lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr"],
        is_plain: false,
        reason: "newer than the profile was, so that they failed with ENOSYS; with CAP_SYS_ADMIN",
    },
    Change {
        since: [29, 4, 2],
        calls: &["socket"],
        is_plain: true,
        reason: "AF_ALG, and before 23.0 AF_VSOCK, was allowed",
    },
];

/// What is stricter in `default` whatever the engine is: the lower half of socket's first argument counts.
const STRICTER: &str = "socket";

/// The engine's version: three numbers.
fn version(docker: &Docker) -> [u32; 3] {
    let text = docker.cli(&["version", "--format", "{{.Server.Version}}"]).output().stdout();
    let mut numbers = text.trim().split(|other: char| !other.is_ascii_digit());
    [(); 3].map(|()| numbers.next().and_then(|number| number.parse().ok()).expect("a number"))
}

/// The config.json of a container with these flags, as the runtime is given it.
fn config(docker: &Docker, flags: &[&str]) -> Spec {
    let container = docker.idle(flags);
    let engine = docker.dir().parent().expect("the engine's folder").to_owned();
    let tasks = engine.join("exec/containerd/daemon/io.containerd.runtime.v2.task/moby");
    let path = tasks.join(&container.id).join("config.json");
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    coble_spec::parse(&text).expect("a config.json")
}

/// `default` for a container with these capabilities, as `coble seccomp convert` writes it.
fn default(docker: &Docker, capabilities: &[String]) -> Seccomp {
    let mut convert = Cmd::new(binary(), "docker-seccomp", &docker.dir())
        .args(["seccomp", "convert", "default", "--cap", "NONE"]);
    for capability in capabilities {
        convert = convert.args(["--cap", capability]);
    }
    coble_spec::parse(convert.output().stdout().as_bytes()).expect("a section")
}

/// The calls of an architecture that a difference is about; numbers that no call has as such.
fn calls(arch: Arch, difference: &Difference) -> Vec<String> {
    let (first, last) = difference.numbers;
    let all = arch.calls();
    let within = all.iter().filter(|(number, _)| (first..=last).contains(number));
    let named: Vec<String> = within.map(|(_, name)| (*name).to_owned()).collect();
    match named.len() as u64 {
        count if count > u64::from(last - first) => named,
        _ => [named, vec![format!("{first} to {last}")]].concat(),
    }
}

/// What a configuration has of a filter.
fn written(spec: &Spec) -> Seccomp {
    let section = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref()).expect("a filter");
    section.read().expect("a section").into_owned()
}

/// Compares both profiles over all numbers with all arguments, and says of how many calls the outcome is the same.
fn compare(docker: &Docker, flags: &[&str]) -> usize {
    let spec = config(docker, flags);
    let capabilities =
        spec.process.clone().and_then(|process| process.capabilities).unwrap_or_default();
    let engines = written(&spec);
    let own = default(docker, &capabilities.bounding);
    let profiles =
        [&engines, &own].map(|section| Profile::read(section, Arch::NATIVE).expect("it"));
    assert_eq!(profiles[0].archs(), profiles[1].archs(), "{flags:?}");
    let programs = [0, 1].map(|which: usize| profiles[which].compile().expect("a program"));
    let version = version(docker);
    let newer = || CHANGES.iter().filter(|change| change.since > version);
    let mut equal = 0;
    for &arch in profiles[0].archs() {
        let found = differences(&programs[0], &programs[1], arch).expect("few ways");
        let mut different = BTreeSet::new();
        for difference in &found {
            for call in calls(arch, difference) {
                let change = newer().find(|change| change.calls.contains(&&*call));
                let is_stricter = call == STRICTER && difference.actions[1].is_denial();
                assert!(
                    change.is_some() || is_stricter,
                    "{flags:?} {call} on {}: {difference:?}",
                    arch.name()
                );
                different.insert(call);
            }
        }
        for change in newer().filter(|change| change.is_plain && arch == Arch::X86_64) {
            for call in change.calls {
                let reason = change.reason;
                assert!(different.contains(*call), "{flags:?}: {call} is the same now: {reason}");
            }
        }
        equal += arch.calls().iter().filter(|(_, name)| !different.contains(*name)).count();
    }
    equal
}

#[test]
fn the_default_profile_is_the_engines() {
    let Some(docker) = Docker::new() else { return };
    if docker.info()["SecurityOptions"].to_string().contains("seccomp") {
        for flags in [
            &[][..],
            &["--cap-add", "SYS_ADMIN"],
            // Root may lack this one, and then gives none of all.
            &["--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"],
            &["--cap-drop", "ALL"],
            &["--cap-drop", "ALL", "--cap-add", "SYS_PTRACE"],
        ] {
            let equal = compare(&docker, flags);
            assert!(equal > 900, "{flags:?}: {equal} calls of three architectures are the same");
        }
        return;
    }
    coble_tests::skip("the engine has no filters of system calls");
}

#[test]
fn what_is_unconfined_has_no_filter() {
    let Some(docker) = Docker::new() else { return };
    let spec = config(&docker, &["--security-opt", "seccomp=unconfined"]);
    assert!(spec.linux.is_some_and(|linux| linux.seccomp.is_none()));
}

#[test]
fn what_is_privileged_has_no_filter() {
    let Some(docker) = Docker::new() else { return };
    let own = fs::read_to_string("/proc/self/status").expect("status");
    let set = own.lines().find_map(|line| line.strip_prefix("CapPrm:")).expect("a set");
    let set = u64::from_str_radix(set.trim(), 16).expect("a set in hexadecimal");
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("cap_last_cap");
    if set != (2 << last.trim().parse::<u32>().expect("a number")) - 1 {
        coble_tests::skip("root lacks capabilities here");
        return;
    }
    let spec = config(&docker, &["--privileged"]);
    assert!(spec.linux.is_some_and(|linux| linux.seccomp.is_none()));
}

#[test]
fn the_engine_takes_what_convert_writes() {
    let Some(docker) = Docker::new() else { return };
    let capabilities = ["CAP_CHOWN".to_owned()];
    let folder = docker.dir();
    let section = folder.join("section.json");
    let own = default(&docker, &capabilities);
    fs::write(&section, serde_json::to_vec(&own).expect("JSON")).expect("a file");
    let convert = Cmd::new(binary(), "docker-seccomp", &folder);
    let convert = convert.args(["seccomp", "convert", "--to", "engine"]).arg(&section);
    let profile = folder.join("profile.json");
    fs::write(&profile, convert.output().stdout()).expect("a file");
    let option = format!("seccomp={}", profile.display());
    let spec = config(&docker, &["--security-opt", &option]);
    let taken = written(&spec);
    // Older engines pass over the error number of the default action, which is the usual one here.
    let programs = [&taken, &own].map(|section| {
        let profile = Profile::read(section, Arch::NATIVE).expect("a profile");
        profile.compile().expect("a program")
    });
    assert_eq!(taken.syscalls.len(), own.syscalls.len());
    assert_eq!(taken.architectures, own.architectures);
    assert!(programs[0] == programs[1], "the filter is another one");
}
