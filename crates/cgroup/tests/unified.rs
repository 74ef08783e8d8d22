//! cgroup v2 alone, on the real kernel: each test runs a copy of itself that sees no other hierarchy.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod common;

use std::fs;
use std::path::Path;

use coble_cgroup::{Applied, Cgroup, Creation, Error, Hierarchy, Kind};
use coble_spec::{DeviceRule, HugepageLimit, Pids, Rdma, Resources};
use coble_sys::bpf::{self, Instruction};
use coble_sys::rustix::fd::AsFd;
use common::{
    AS_NOBODY, Made, Opener, Process, UNIFIED, can_open, is_inside, is_root, path, run_inside, skip,
};

/// Whether this is the copy; starts it otherwise.
fn is_in_view() -> bool {
    if is_inside() {
        assert_eq!(Hierarchy::detect().unwrap().kind(), Kind::Unified);
        return true;
    }
    if is_root() {
        run_inside(&UNIFIED);
    } else {
        skip("needs root");
    }
    false
}

fn read(cgroup: &Cgroup, file: &str) -> String {
    fs::read_to_string(Path::new(cgroup.dir().unwrap()).join(file)).unwrap()
}

fn write(cgroup: &Cgroup, file: &str, value: &str) {
    fs::write(Path::new(cgroup.dir().unwrap()).join(file), value).unwrap();
}

fn top_controllers() -> Vec<String> {
    let text = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_cgroup_comes_with_all_controllers_and_goes_without_a_trace() {
    if !is_in_view() {
        return;
    }
    let made = Made::new("/a/b");
    let dir = made.dir().unwrap().to_owned();
    assert_eq!(dir, format!("/sys/fs/cgroup{}/a/b", path()));
    assert!(Path::new(&made.record().to_link_target()).is_dir());
    let mut enabled: Vec<String> =
        read(&made, "cgroup.controllers").split_whitespace().map(str::to_owned).collect();
    let mut available = top_controllers();
    enabled.sort();
    available.sort();
    assert_eq!(enabled, available);
    made.remove().unwrap();
    assert!(
        !Path::new(&format!("/sys/fs/cgroup{}", path())).exists(),
        "parents that it made are left"
    );
    made.remove().unwrap();
}

#[test]
fn the_id_is_beside_the_own_cgroup() {
    if !is_in_view() {
        return;
    }
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned();
    let parent = Path::new(&own).parent().unwrap_or(Path::new("/")).to_owned();
    let cgroup = Cgroup::locate(&Hierarchy::detect().unwrap(), "", "name").unwrap();
    let expected = format!("/sys/fs/cgroup{}/name", parent.to_str().unwrap().trim_end_matches('/'));
    assert_eq!(cgroup.dir(), Some(&*expected));
}

#[test]
fn a_parent_that_was_there_stays() {
    if !is_in_view() {
        return;
    }
    let parent = Made::new("");
    let child = Made::new("/child");
    child.remove().unwrap();
    assert!(Path::new(parent.dir().unwrap()).exists());
}

#[test]
fn a_cgroup_in_use_is_refused_and_left_alone() {
    if !is_in_view() {
        return;
    }
    let made = Made::new("");
    let nested = Made::new("/nested");
    let process = Process::idle();
    nested.enter(process.pid(), false).unwrap();
    let error = common::locate(&path()).create(false).unwrap_err();
    assert_eq!(error.to_string(), "container's cgroup is not empty: 1 process(es) found");
    assert_eq!(made.procs().unwrap(), [process.pid()]);
    drop(process);
    write(&made, "cgroup.freeze", "1");
    assert!(made.frozen().unwrap() && !nested.frozen().unwrap());
    let error = common::locate(&path()).create(false).unwrap_err();
    assert_eq!(error.to_string(), "container's cgroup unexpectedly frozen");
    let error = common::locate(&(path() + "/below")).create(false).unwrap_err();
    let dir = made.dir().unwrap();
    assert_eq!(error, Error::FrozenAbove { path: dir.to_owned() });
    assert!(!fs::exists(format!("{dir}/below")).unwrap(), "what was made of it is taken away");
    write(&made, "cgroup.freeze", "0");
    assert!(!made.frozen().unwrap());
    assert_eq!(common::locate(&path()).create(false).unwrap(), Creation::Done);
}

#[test]
fn kill_reaches_frozen_and_nested_processes_and_remove_waits_for_them() {
    if !is_in_view() {
        return;
    }
    let made = Made::new("");
    let nested = ["/frozen/deep", "/other"].map(Made::new);
    let processes: Vec<Process> = (0..20).map(|_| Process::idle()).collect();
    for (index, process) in processes.iter().enumerate() {
        nested[index % 2].enter(process.pid(), false).unwrap();
    }
    write(&nested[0], "cgroup.freeze", "1");
    let found = Cgroup::from_record(&made.record()).unwrap();
    assert_eq!(found.procs().unwrap().len(), 20);
    found.kill().unwrap();
    found.remove().unwrap();
    assert!(!Path::new(made.dir().unwrap()).exists());
    processes.into_iter().for_each(Process::wait_killed);
    found.kill().unwrap();
    assert!(found.procs().unwrap().is_empty() && !found.frozen().unwrap());
}

#[test]
fn device_rules_hold_and_can_be_changed() {
    if !is_in_view() {
        return;
    }
    let mut made = Made::new("");
    let deny = DeviceRule { allow: false, access: "rwm".to_owned(), ..DeviceRule::default() };
    let mut resources = Resources { devices: vec![deny], ..Resources::default() };
    assert!(can_open(&made, "/dev/kmsg"));
    assert_eq!(made.apply(&resources, &[], false), Ok(Applied::All));
    assert!(!can_open(&made, "/dev/kmsg"));
    assert!(can_open(&made, "/dev/null"));
    let kmsg = DeviceRule {
        allow: true,
        kind: "c".to_owned(),
        major: Some(1),
        minor: Some(11),
        access: "r".to_owned(),
    };
    resources.devices.push(kmsg);
    // The one that is found again replaces the rules; added to the old ones they would still deny.
    let mut found = Cgroup::from_record(&made.record()).unwrap();
    assert_eq!(found.apply(&resources, &[], false), Ok(Applied::All));
    assert!(can_open(&made, "/dev/kmsg"));
    resources.devices[1].minor = Some(12);
    assert_eq!(made.apply(&resources, &[], false), Ok(Applied::All));
    assert!(!can_open(&made, "/dev/kmsg"));
    let all = DeviceRule { allow: true, access: "rwm".to_owned(), ..DeviceRule::default() };
    let resources = Resources { devices: vec![all], ..Resources::default() };
    assert_eq!(found.apply(&resources, &[], false), Ok(Applied::All));
    assert!(can_open(&made, "/dev/kmsg"));
}

#[test]
fn limits_are_set_and_unified_has_the_last_word() {
    if !is_in_view() {
        return;
    }
    if !top_controllers().contains(&"hugetlb".to_owned()) {
        return skip("the kernel has no hugetlb controller in cgroup v2");
    }
    let mut made = Made::new("");
    let page_size = "2MB".to_owned();
    let mut resources = Resources {
        hugepage_limits: vec![HugepageLimit { page_size, limit: 4 << 20 }],
        ..Resources::default()
    };
    made.apply(&resources, &[], false).unwrap();
    assert_eq!(read(&made, "hugetlb.2MB.max").trim(), "4194304");
    resources.unified = [("hugetlb.2MB.max".to_owned(), "max".to_owned())].into();
    made.apply(&resources, &[], false).unwrap();
    assert_eq!(read(&made, "hugetlb.2MB.max").trim(), "max");
    resources.unified = [("nosuch.max".to_owned(), "1".to_owned())].into();
    let error = made.apply(&resources, &[], false).unwrap_err().to_string();
    assert!(error.starts_with("/linux/resources/unified/nosuch.max: "), "{error}");
    assert!(error.contains("controller nosuch is not available"), "{error}");
    assert!(error.ends_with(": the kernel knows none of that name"), "{error}");
}

fn hugepages(page_size: &str) -> Resources {
    let page_size = page_size.to_owned();
    let limit = HugepageLimit { page_size, limit: 4 << 20 };
    Resources { hugepage_limits: vec![limit], ..Resources::default() }
}

#[test]
fn a_controller_is_enabled_from_above_and_a_refusal_says_where() {
    if !is_in_view() {
        return;
    }
    if !top_controllers().contains(&"hugetlb".to_owned()) {
        return skip("the kernel has no hugetlb controller in cgroup v2");
    }
    let parent = Made::new("");
    let mut made = Made::new("/child");
    made.apply(&hugepages("2MB"), &[], false).unwrap();
    write(&parent, "cgroup.subtree_control", "-hugetlb");
    let error = made.apply(&hugepages("2MB"), &[], false).unwrap_err().to_string();
    let (above, dir) = (parent.dir().unwrap(), made.dir().unwrap());
    let expected = format!(
        "/linux/resources/hugepageLimits/0: the cgroup controller hugetlb is not available in {dir}: echo +hugetlb \
         >{above}/cgroup.subtree_control enables it"
    );
    assert_eq!(error, expected);
    // It is enabled again on the way to a new one.
    drop(made);
    let mut made = Made::new("/child");
    made.apply(&hugepages("2MB"), &[], false).unwrap();
    assert_eq!(read(&made, "hugetlb.2MB.max").trim(), "4194304");
}

#[test]
fn a_controller_is_not_enabled_beside_processes() {
    if !is_in_view() {
        return;
    }
    if !top_controllers().contains(&"hugetlb".to_owned()) {
        return skip("the kernel has no hugetlb controller in cgroup v2");
    }
    let parent = Made::new("");
    let process = Process::idle();
    parent.enter(process.pid(), false).unwrap();
    let mut made = Made::new("/child");
    let error = made.apply(&hugepages("2MB"), &[], false).unwrap_err().to_string();
    let (above, dir) = (parent.dir().unwrap(), made.dir().unwrap());
    // Some controllers can be enabled there, for threads.
    let remedy = match read(&made, "cgroup.type").trim() {
        "threaded" => {
            "this cgroup is threaded, and can have cpu, cpuset, perf_event, pids alone".to_owned()
        }
        _ => format!(
            "echo +hugetlb >{above}/cgroup.subtree_control enables it once no process is in that cgroup itself"
        ),
    };
    let expected = format!(
        "/linux/resources/hugepageLimits/0: the cgroup controller hugetlb is not available in {dir}: {remedy}"
    );
    assert_eq!(error, expected);
    made.remove().unwrap();
    process.finish();
    made.create(false).unwrap();
    made.apply(&hugepages("2MB"), &[], false).unwrap();
}

#[test]
fn a_page_size_that_the_machine_lacks_is_refused() {
    if !is_in_view() {
        return;
    }
    if !top_controllers().contains(&"hugetlb".to_owned()) {
        return skip("the kernel has no hugetlb controller in cgroup v2");
    }
    let mut made = Made::new("");
    let error = made.apply(&hugepages("3MB"), &[], false).unwrap_err().to_string();
    let expected = format!(
        "/linux/resources/hugepageLimits/0: the cgroup controller hugetlb has no {}/hugetlb.3MB.max on this kernel: \
         the sizes that this machine has are those in /sys/kernel/mm/hugepages",
        made.dir().unwrap()
    );
    assert_eq!(error, expected);
}

#[test]
fn a_limit_without_its_controller_is_refused() {
    if !is_in_view() {
        return;
    }
    let pids = Resources { pids: Some(Pids { limit: Some(9) }), ..Resources::default() };
    let limits = Rdma { hca_handles: Some(1), hca_objects: None };
    let rdma = Resources { rdma: [("x".to_owned(), limits)].into(), ..Resources::default() };
    let available = top_controllers();
    let Some((name, resources)) = [("pids", pids), ("rdma", rdma)]
        .into_iter()
        .find(|(name, _)| !available.contains(&(*name).to_owned()))
    else {
        return skip("the kernel has every controller");
    };
    let mut made = Made::new("");
    match made.apply(&resources, &[], false).unwrap_err() {
        Error::NoController { controller, remedy, .. } => {
            assert_eq!(controller, name);
            let in_v1 = format!(
                "cgroup v1 has it, and has to give it up: umount its hierarchy, or start the kernel with \
                 cgroup_no_v1={name}"
            );
            let option = name.to_uppercase();
            let not_built = format!(
                "the kernel is built without CONFIG_CGROUP_{option}, or was started with cgroup_disable={name}"
            );
            let table = fs::read_to_string("/proc/cgroups").unwrap();
            let is_known = table.lines().any(|line| line.split('\t').next() == Some(name));
            assert_eq!(remedy, if is_known { in_v1 } else { not_built });
        }
        other => panic!("{other}"),
    }
}

#[test]
fn below_threads_there_are_only_threads() {
    if !is_in_view() {
        return;
    }
    let parent = Made::new("");
    let sibling = Made::new("/sibling");
    let domain: Vec<String> = top_controllers().iter().map(|name| format!("-{name}")).collect();
    write(&parent, "cgroup.subtree_control", &domain.join(" "));
    write(&sibling, "cgroup.type", "threaded");
    assert_eq!(read(&parent, "cgroup.type").trim(), "domain threaded");
    let made = Made::new("/made");
    assert_eq!(read(&made, "cgroup.type").trim(), "threaded");
    let process = Process::idle();
    made.enter(process.pid(), false).unwrap();
    assert_eq!(made.procs().unwrap(), [process.pid()]);
    // The kernel's own kill is not for threads.
    made.kill().unwrap();
    process.wait_killed();
    made.remove().unwrap();
}

#[test]
fn without_rights_only_what_may_be_left_out_is() {
    if is_inside() {
        return assert_rights_are_missing();
    }
    if !is_root() {
        return skip("needs root");
    }
    run_inside(&[&UNIFIED[..], &AS_NOBODY].concat());
}

fn assert_rights_are_missing() {
    let hierarchy = Hierarchy::detect().unwrap();
    let mut explicit = common::locate(&path());
    assert!(explicit.create(true).unwrap_err().is_permission());
    let mut strict = Cgroup::locate(&hierarchy, "", "coble-test-strict").unwrap();
    assert!(strict.create(false).unwrap_err().is_permission());
    let mut cgroup = Cgroup::locate(&hierarchy, "", "coble-test-nobody").unwrap();
    assert_eq!(cgroup.create(true).unwrap(), Creation::NoPermission);
    assert_eq!(cgroup.record().to_link_target(), "none");
    assert_eq!(cgroup.apply(&Resources::default(), &[], true), Ok(Applied::WithoutDeviceRules));
    let limited = Resources { pids: Some(Pids { limit: Some(9) }), ..Resources::default() };
    assert!(matches!(cgroup.apply(&limited, &[], true), Err(Error::NoController { .. })));
    assert!(cgroup.fd().unwrap().is_none() && !cgroup.needs_enter());
    cgroup.enter(1, false).unwrap();
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
}

/// The ids of the programs that judge the cgroup's devices.
fn programs(cgroup: &Cgroup) -> Vec<u32> {
    let mut ids = [0; 64];
    let fd = cgroup.fd().unwrap().unwrap();
    let count = bpf::prog_query(fd, bpf::CGROUP_DEVICE, &mut ids).unwrap();
    ids[..count].to_vec()
}

#[test]
fn device_rules_change_without_a_moment_in_between() {
    if !is_in_view() {
        return;
    }
    let mut made = Made::new("");
    let resources = |allow, minors| Resources {
        devices: common::device_rules(allow, minors),
        ..Resources::default()
    };
    made.apply(&resources(true, 1..9), &[], false).unwrap();
    let first = programs(&made);
    assert_eq!(first.len(), 1);
    let opener = Opener::start(&made, "/dev/null", "/dev/kmsg");
    for round in 0..300 {
        made.update(&resources(round % 3 != 0, round..round + 40), Some(&[])).unwrap();
        assert_eq!(programs(&made).len(), 1, "the former one is gone");
    }
    assert_ne!(programs(&made), first);
    let opened = opener.end();
    assert!(opened.times > 300 && opened.refused == 0 && opened.given == 0, "{opened:?}");
    let all = DeviceRule { allow: true, access: "rwm".to_owned(), ..DeviceRule::default() };
    let all = Resources { devices: vec![all], ..Resources::default() };
    made.update(&all, Some(&[])).unwrap();
    assert_eq!(programs(&made), [0_u32; 0], "nothing is left to be judged");
}

/// What somebody else has attached stays, and has its say.
#[test]
fn programs_of_others_stay() {
    if !is_in_view() {
        return;
    }
    let mut made = Made::new("");
    // Its answer is no.
    let no = [
        Instruction { code: 0xb4, ..Instruction::default() },
        Instruction { code: 0x95, ..Instruction::default() },
    ];
    let program = bpf::prog_load(bpf::PROG_TYPE_CGROUP_DEVICE, &no, c"GPL", c"others").unwrap();
    let fd = made.fd().unwrap().unwrap();
    bpf::prog_attach(fd, program.as_fd(), bpf::CGROUP_DEVICE, None).unwrap();
    let resources = Resources { devices: common::device_rules(true, 1..3), ..Resources::default() };
    made.apply(&resources, &[], false).unwrap();
    made.update(&Resources::default(), Some(&[])).unwrap();
    assert_eq!(programs(&made).len(), 2);
    assert!(!can_open(&made, "/dev/null"));
    bpf::prog_detach(made.fd().unwrap().unwrap(), program.as_fd(), bpf::CGROUP_DEVICE).unwrap();
    assert!(can_open(&made, "/dev/null"));
}
