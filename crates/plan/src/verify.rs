//! What must hold of the order of a plan's steps, whatever the configuration.

use core::fmt;
use std::string::String;

use crate::{Plan, Step, mount};

/// A step that stands in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disorder {
    /// Its index.
    pub step: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Disorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.step + 1, self.reason)
    }
}

/// The stretches of a plan; a step never stands in an earlier one than the step before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Join,
    Isolate,
    Open,
    Mount,
    Change,
    Restrict,
    Run,
}

/// Checks a plan.
///
/// # Errors
/// [`Disorder`] for the first step that breaks a rule: namespaces are joined first; the root is opened
/// before anything is mounted below it and changed after the last mount; a source is held for the mount that
/// follows, and ids are mapped for the mount that follows; nothing that depends on the cgroup, and nothing that others
/// can get at, comes before a wait for the cgroup; what the root hides from is restricted afterwards; capabilities are
/// set after the user; a filter of system calls stands right before the program; the last
/// step, and no other, runs the program.
pub fn verify(plan: &Plan) -> Result<(), Disorder> {
    let mut reached = Phase::Join;
    let mut user_set = false;
    let mut root_open = false;
    let (mut is_held, mut is_mapped, mut is_filtered) = (false, false, false);
    let mut in_cgroup = !plan.iter().any(|(step, _)| matches!(step, Step::AwaitCgroup {}));
    let disorder = |step, reason: &str| Err(Disorder { step, reason: reason.into() });
    for (index, (step, _)) in plan.iter().enumerate() {
        let phase = phase(&step).unwrap_or(reached);
        if phase < reached {
            return disorder(index, &std::format!("{} after the {reached:?} phase", step.name()));
        }
        if phase == Phase::Mount && !root_open {
            return disorder(index, "no root has been opened");
        }
        if !in_cgroup && needs_cgroup(&step) {
            return disorder(index, "the process is not in its cgroup yet");
        }
        if is_held && !matches!(step, Step::MountBind { .. }) {
            return disorder(index, "a source is held that is not mounted next");
        }
        if is_mapped && !takes_mapping(&step) {
            return disorder(index, "ids are mapped of what is not mounted next");
        }
        if is_filtered && !matches!(step, Step::Exec { .. }) {
            return disorder(index, "calls are filtered of what is not the program");
        }
        is_filtered = matches!(step, Step::Seccomp { .. } | Step::SeccompFile { .. });
        is_held = matches!(step, Step::HoldSource { .. });
        is_mapped = matches!(step, Step::MapIds { .. });
        if matches!(step, Step::SetCapabilities { .. }) && !user_set {
            return disorder(index, "capabilities are set before the user");
        }
        if matches!(step, Step::Bound { .. }) && user_set {
            return disorder(index, "the bounding set is dropped after the user is set");
        }
        if ends(&step) != (index + 1 == plan.len()) {
            return disorder(index, "the program must be the last step");
        }
        in_cgroup |= matches!(step, Step::AwaitCgroup {});
        root_open |= opens_root(&step);
        user_set |= matches!(step, Step::SetUser { .. });
        reached = phase;
    }
    if plan.is_empty() { disorder(0, "there are no steps") } else { Ok(()) }
}

/// Nothing comes after it.
fn ends(step: &Step<'_>) -> bool {
    matches!(step, Step::Exec { .. } | Step::Finish {})
}

fn opens_root(step: &Step<'_>) -> bool {
    matches!(
        step,
        Step::OpenRoot { .. }
            | Step::OpenDirectory { .. }
            | Step::UseDirectory { .. }
            | Step::UseCurrentRoot {}
    )
}

/// What the cgroup decides about, or takes account of; processes that others can get at; and what is not coble's own
/// program any more.
fn needs_cgroup(step: &Step<'_>) -> bool {
    match step {
        Step::Unshare { kinds } => *kinds & NEW_CGROUP != 0,
        Step::Setns { kind, .. } => *kind & WITH_OTHERS != 0,
        Step::MountFs { fstype, flags, .. } => {
            *flags & mount::COPY_UP != 0 || fstype.to_bytes().starts_with(b"cgroup")
        }
        Step::MountBind { source, .. } => source.to_bytes().starts_with(b"/sys/fs/cgroup"),
        Step::JoinProcess { .. }
        | Step::DelegateCgroup { .. }
        | Step::EnterPidNamespace { .. }
        | Step::AwaitRecord {}
        | Step::RuntimeHooks {}
        | Step::NetworkDevices {}
        | Step::Hook { .. }
        | Step::AwaitStart {}
        | Step::Exec { .. } => true,
        _ => false,
    }
}

fn takes_mapping(step: &Step<'_>) -> bool {
    matches!(
        step,
        Step::OpenRoot { .. }
            | Step::HoldSource { .. }
            | Step::MountBind { .. }
            | Step::MountFs { .. }
    )
}

/// `CLONE_NEWCGROUP`, clone(2).
const NEW_CGROUP: u32 = 0x0200_0000;
/// `CLONE_NEWNS`, `CLONE_NEWUSER` and `CLONE_NEWPID`: who is in one may get at a process that joins it.
const WITH_OTHERS: u32 = 0x0002_0000 | 0x1000_0000 | 0x2000_0000;

/// Where a step belongs; `None` for those that belong to more than one stretch.
fn phase(step: &Step<'_>) -> Option<Phase> {
    Some(match step {
        // A cgroup namespace is made as late as its cgroup.
        Step::Unshare { kinds } if *kinds == NEW_CGROUP => return None,
        Step::AwaitCgroup {}
        | Step::MapIds { .. }
        | Step::Hook { .. }
        | Step::Console { .. }
        | Step::AppArmor { .. }
        | Step::SelinuxLabel { .. }
        | Step::SelinuxKeyLabel { .. } => return None,
        Step::Processors { .. }
        | Step::OomScoreAdj { .. }
        | Step::Setns { .. }
        | Step::JoinProcess { .. }
        | Step::DropGroups { .. }
        | Step::BecomeRoot {}
        | Step::ConfirmMappings {} => Phase::Join,
        Step::Unshare { .. }
        | Step::TimeNamespace { .. }
        | Step::EnterPidNamespace { .. }
        | Step::NewSession {}
        | Step::DelegateCgroup { .. }
        | Step::SessionKeyring { .. }
        | Step::LoopbackUp {}
        | Step::KeepLoopbackInside { .. } => Phase::Isolate,
        Step::Propagation { .. }
        | Step::ParentPropagation { .. }
        | Step::OpenRoot { .. }
        | Step::OpenDirectory { .. }
        | Step::UseDirectory { .. }
        | Step::UseCurrentRoot {} => Phase::Open,
        Step::MountFs { .. }
        | Step::MountClassic { .. }
        | Step::HoldSource { .. }
        | Step::MountBind { .. }
        | Step::Remount { .. }
        | Step::Relabel { .. }
        | Step::Unmount { .. }
        | Step::Mknod { .. }
        | Step::BindDevice { .. }
        | Step::Symlink { .. }
        | Step::MakeDirectory { .. }
        | Step::AwaitRecord {}
        | Step::NetworkDevices {}
        | Step::RuntimeHooks {}
        | Step::Sysctl { .. }
        | Step::Hostname { .. }
        | Step::Domainname { .. }
        | Step::MaskPath { .. }
        | Step::ReadonlyPath { .. }
        | Step::ReadonlyRoot { .. }
        | Step::HideMount { .. } => Phase::Mount,
        Step::PivotRoot { .. } | Step::MoveRoot {} | Step::Chroot {} => Phase::Change,
        Step::Seccomp { .. } | Step::SeccompFile { .. } | Step::Exec { .. } | Step::Finish {} => {
            Phase::Run
        }
        _ => Phase::Restrict,
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::{List, ListBuf, Steps};

    const EXEC: Step<'_> = Step::Exec { args: EMPTY, env: EMPTY };
    const EMPTY: List<'_> = List { count: 0, bytes: &[] };
    const OPEN: Step<'_> = Step::OpenRoot { path: c"/bundle/rootfs" };
    const USER: Step<'_> = Step::SetUser { uid: 0, gid: 0, groups: EMPTY, setgroups: 1 };
    const CAPABILITIES: Step<'_> =
        Step::SetCapabilities { effective: 0, permitted: 0, inheritable: 0, ambient: 0 };

    fn plan(steps: &[Step<'_>]) -> Plan {
        let mut plan = Plan::default();
        for step in steps {
            plan.push(*step, "");
        }
        plan
    }

    fn reason(steps: &[Step<'_>]) -> (usize, String) {
        let disorder = verify(&plan(steps)).unwrap_err();
        (disorder.step, disorder.reason)
    }

    #[test]
    fn a_plan_in_order_is_accepted() {
        let mask = Step::MaskPath { path: c"/proc/kcore", flags: 0, context: c"" };
        let bound = Step::Bound { keep: 0 };
        let steps = [
            Step::NewSession {},
            OPEN,
            mask,
            Step::PivotRoot { has_peers: 0 },
            bound,
            USER,
            CAPABILITIES,
            EXEC,
        ];
        assert_eq!(verify(&plan(&steps)), Ok(()));
    }

    #[test]
    fn labels_are_asked_for_while_the_hosts_proc_is_there() {
        let (apparmor, selinux) =
            (Step::AppArmor { label: c"exec a" }, Step::SelinuxLabel { label: c"b" });
        let steps =
            [OPEN, apparmor, selinux, Step::PivotRoot { has_peers: 0 }, USER, CAPABILITIES, EXEC];
        assert_eq!(verify(&plan(&steps)), Ok(()));
    }

    #[test]
    fn disorder_is_found() {
        let mask = Step::MaskPath { path: c"/proc/kcore", flags: 0, context: c"" };
        assert_eq!(reason(&[]).0, 0);
        assert_eq!(reason(&[mask, OPEN, EXEC]).1, "no root has been opened");
        assert_eq!(reason(&[OPEN, Step::PivotRoot { has_peers: 0 }, mask, EXEC]).0, 2);
        let hold = Step::HoldSource { fd: 9, source: c"/data" };
        assert_eq!(reason(&[OPEN, hold, mask, EXEC]).0, 2);
        let map = Step::MapIds { uids: c"0 1 1\n", gids: c"0 1 1\n", recursive: 0 };
        assert_eq!(reason(&[OPEN, map, mask, EXEC]).0, 2);
        assert_eq!(reason(&[OPEN, map, hold, mask, EXEC]).0, 3);
        assert_eq!(reason(&[map, Step::OpenDirectory { path: c"/" }, EXEC]).0, 1);
        assert_eq!(reason(&[CAPABILITIES, USER, EXEC]).0, 0);
        assert_eq!(reason(&[USER, Step::Bound { keep: 0 }, EXEC]).0, 1);
        assert_eq!(reason(&[EXEC, USER]).0, 0);
        assert_eq!(reason(&[USER]).0, 0);
    }

    #[test]
    fn nothing_that_needs_the_cgroup_comes_before_the_wait_for_it() {
        let cgroups = Step::MountFs {
            fstype: c"cgroup2",
            source: c"cgroup",
            destination: c"/sys/fs/cgroup",
            options: EMPTY,
            attributes: 0,
            flags: 0,
            propagation: 0,
        };
        let unshare = Step::Unshare { kinds: NEW_CGROUP };
        let wait = Step::AwaitCgroup {};
        assert_eq!(verify(&plan(&[OPEN, wait, unshare, cgroups, EXEC])), Ok(()));
        assert_eq!(verify(&plan(&[unshare, OPEN, cgroups, EXEC])), Ok(()));
        let user = Step::Setns { kind: 0x1000_0000, path: c"/proc/1/ns/user" };
        let late = "the process is not in its cgroup yet";
        for step in [cgroups, unshare, user, Step::EnterPidNamespace { keep_proc: 0 }] {
            let steps = match step {
                Step::MountFs { .. } => [OPEN, step, wait, EXEC],
                _ => [step, OPEN, wait, EXEC],
            };
            assert_eq!(reason(&steps).1, late, "{step:?}");
        }
        assert_eq!(reason(&[OPEN, Step::AwaitRecord {}, wait, EXEC]).1, late);
        let network = Step::Setns { kind: 0x4000_0000, path: c"/proc/1/ns/net" };
        assert_eq!(verify(&plan(&[network, OPEN, wait, EXEC])), Ok(()));
    }

    #[test]
    fn steps_come_back_from_the_wire() {
        let options: ListBuf = ["mode=755", "", "size=64k"].iter().collect();
        let mount = Step::MountFs {
            fstype: c"tmpfs",
            source: c"",
            destination: c"/dev",
            options: options.as_list(),
            attributes: u64::MAX - 1,
            flags: 3,
            propagation: 0,
        };
        let steps = [mount, Step::OomScoreAdj { value: -998 }, Step::NewSession {}, EXEC];
        let plan = plan(&steps);
        let back: Vec<_> = Steps::new(plan.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(back, steps);
        let Step::MountFs { options, .. } = back[0] else { panic!() };
        assert_eq!(options.iter().collect::<Vec<_>>(), [c"mode=755", c"", c"size=64k"]);
    }

    #[test]
    fn torn_and_forged_bytes_end_with_an_error() {
        let options: ListBuf = ["a=b", "c"].iter().collect();
        let steps = [
            Step::Exec { args: options.as_list(), env: options.as_list() },
            Step::Hostname { name: c"box" },
        ];
        let whole = plan(&steps);
        let bytes = whole.as_bytes();
        for end in 1..bytes.len() {
            let read: Vec<_> = Steps::new(&bytes[..end]).collect();
            let torn = read.iter().position(Result::is_err);
            assert!(torn.is_none() || torn == Some(read.len() - 1), "{end}");
            assert!(read.len() <= steps.len());
        }
        let mut random = 0x9e37_79b9_u32;
        for _ in 0..20_000 {
            let mut forged = bytes.to_vec();
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let position = random as usize % forged.len();
            forged[position] ^= (random >> 24) as u8;
            assert!(Steps::new(&forged).count() <= forged.len());
        }
    }
}
