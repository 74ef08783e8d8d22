//! runc's `state.json` as a [`Record`].

use std::collections::BTreeMap;
use std::path::Path;

use coble_cgroup::{Cgroup, Hierarchy};
use coble_plan::{MEMORY_POLICIES, MEMORY_POLICY_FLAGS, RLIMITS};
use coble_spec::{
    Capabilities, CpuAffinity, Hook, Hooks, MemoryPolicy, Namespace, NamespaceKind, Personality,
    Process, Rlimit,
};
use coble_sys::rustix::process::geteuid;

use super::Runc;
pub(super) use super::format::State;
use super::format::{self, Config, Mark};
use crate::error::{Error, Result};
use crate::host_mounts::resctrl_mount;
use crate::init::Init;
use crate::resctrl::Group;
use crate::state::{Record, Setgroups};

/// Reads the text of a `state.json` that is not coble's own; `None` if it isn't runc's either.
///
/// # Errors
/// It is runc's, and something in it can't be understood. The place in it is named.
pub(crate) fn record(text: &[u8], id: &str) -> Result<Option<Record>> {
    let Some(state) = read(text, id)? else { return Ok(None) };
    let paths = state.cgroup_paths.clone().unwrap_or_default();
    let rootless = state.config.rootless_cgroups;
    let by_systemd = state.config.cgroups.as_ref().is_some_and(|own| own.systemd);
    let cgroup = Cgroup::adopt(&Hierarchy::detect()?, &paths, rootless, by_systemd)
        .map_err(|error| Error::new(format!("/cgroup_paths: {error}")))?;
    let group = match &state.config.intel_rdt {
        Some(_) => group(&state, &resctrl_mount()?.unwrap_or_default())?,
        None => None,
    };
    translate(state, &cgroup, group).map(Some)
}

pub(super) fn read(text: &[u8], id: &str) -> Result<Option<State>> {
    let is_runc = coble_spec::parse::<Mark>(text).is_ok_and(|mark| mark.init_process_pid.is_some());
    if !is_runc {
        return Ok(None);
    }
    let state = coble_spec::parse(text).map_err(|error| Error::new(error.to_string()))?;
    check(&state, id)?;
    Ok(Some(state))
}

fn check(state: &State, id: &str) -> Result<()> {
    if state.init_process_pid <= 0 {
        return Err(Error::new(format!(
            "/init_process_pid: {} is no process",
            state.init_process_pid
        )));
    }
    if state.id != id {
        return Err(Error::new(format!("/id: {:?} is another container", state.id)));
    }
    Ok(())
}

/// The resctrl class, in the file system at `root`.
pub(super) fn group(state: &State, root: &Path) -> Result<Option<Group>> {
    let Some(wanted) = &state.config.intel_rdt else { return Ok(None) };
    let path = state.intel_rdt_path.as_deref().unwrap_or_default();
    let monitor = state.intel_rdt_mon_path.as_deref().filter(|path| !path.is_empty());
    let group = Group::adopt(root, path, monitor, !wanted.clos_id.is_empty());
    let missing = || Error::new(format!("/intel_rdt_path: {path:?}: no resctrl class is there"));
    group.ok_or_else(missing).map(Some)
}

pub(super) fn translate(state: State, cgroup: &Cgroup, group: Option<Group>) -> Result<Record> {
    let (bundle, annotations) = labels(state.config.labels.as_deref().unwrap_or_default());
    let mut config = state.config;
    let runc = Some(Runc { filter: config.seccomp.take() });
    Ok(Record {
        process: process(&config)?,
        memory_policy: config.memory_policy.as_ref().map(memory_policy).transpose()?,
        memory_swap: config.cgroups.and_then(|own| own.memory_swap).filter(|&swap| swap != 0),
        personality: config.personality.as_ref().map(personality).transpose()?,
        namespaces: namespaces(config.namespaces.as_deref().unwrap_or_default())?,
        oci_version: config.version,
        id: state.id,
        bundle,
        rootfs: config.rootfs,
        created: state.created,
        // A directory that belongs to anybody else is refused.
        owner: geteuid().as_raw(),
        annotations,
        init: Init { pid: state.init_process_pid, start_time: state.init_process_start },
        cgroup: cgroup.record(),
        former_oom_kills: 0,
        is_filtered: false,
        device_rules: None,
        setgroups: Setgroups::Unknown,
        mount_label: config.mount_label.unwrap_or_default(),
        has_keyring: !config.no_new_keyring,
        hooks: config.hooks.map(hooks),
        intel_rdt: group,
        runc,
    })
}

/// The bundle's path, and the annotations. runc puts the path behind them, so an annotation called `bundle` is
/// not taken for it.
fn labels(labels: &[String]) -> (String, BTreeMap<String, String>) {
    let mut bundle = String::new();
    let mut annotations = BTreeMap::new();
    for (name, value) in labels.iter().filter_map(|label| label.split_once('=')) {
        if name == "bundle" {
            value.clone_into(&mut bundle);
        } else {
            annotations.insert(name.to_owned(), value.to_owned());
        }
    }
    (bundle, annotations)
}

fn process(config: &Config) -> Result<Process> {
    let mut process = Process {
        capabilities: config.capabilities.as_ref().map(capabilities),
        rlimits: rlimits(config.rlimits.as_deref().unwrap_or_default())?,
        no_new_privileges: config.no_new_privileges,
        apparmor_profile: config.apparmor_profile.clone().unwrap_or_default(),
        selinux_label: config.process_label.clone().unwrap_or_default(),
        oom_score_adj: config.oom_score_adj,
        scheduler: config.scheduler.clone(),
        io_priority: config.io_priority.clone(),
        exec_cpu_affinity: config.exec_cpu_affinity.as_ref().map(affinity),
        ..Process::default()
    };
    process.user.umask = config.umask;
    Ok(process)
}

fn capabilities(sets: &format::Capabilities) -> Capabilities {
    let names = |set: &Option<Vec<String>>| set.clone().unwrap_or_default();
    Capabilities {
        bounding: names(&sets.bounding),
        effective: names(&sets.effective),
        inheritable: names(&sets.inheritable),
        permitted: names(&sets.permitted),
        ambient: names(&sets.ambient),
    }
}

fn rlimits(limits: &[format::Rlimit]) -> Result<Vec<Rlimit>> {
    let named = |(index, limit): (usize, &format::Rlimit)| {
        let kind = RLIMITS.get(limit.kind).ok_or_else(|| {
            Error::new(format!("/config/rlimits/{index}/type: {} is unknown", limit.kind))
        })?;
        Ok(Rlimit { kind: (*kind).to_owned(), hard: limit.hard, soft: limit.soft })
    };
    limits.iter().enumerate().map(named).collect()
}

fn namespaces(namespaces: &[format::Namespace]) -> Result<Vec<Namespace>> {
    let translated = |(index, namespace): (usize, &format::Namespace)| {
        let kind = kind(&namespace.kind).ok_or_else(|| {
            Error::new(format!("/config/namespaces/{index}/type: {:?} is unknown", namespace.kind))
        })?;
        Ok(Namespace { kind, path: namespace.path.clone() })
    };
    namespaces.iter().enumerate().map(translated).collect()
}

fn kind(name: &str) -> Option<NamespaceKind> {
    Some(match name {
        "NEWUSER" => NamespaceKind::User,
        "NEWNS" => NamespaceKind::Mount,
        "NEWPID" => NamespaceKind::Pid,
        "NEWNET" => NamespaceKind::Network,
        "NEWIPC" => NamespaceKind::Ipc,
        "NEWUTS" => NamespaceKind::Uts,
        "NEWCGROUP" => NamespaceKind::Cgroup,
        "NEWTIME" => NamespaceKind::Time,
        _ => return None,
    })
}

fn personality(personality: &format::Personality) -> Result<Personality> {
    let domain = match personality.domain {
        0 => "LINUX",
        8 => "LINUX32",
        other => {
            return Err(Error::new(format!("/config/personality/domain: {other} is unknown")));
        }
    };
    Ok(Personality { domain: domain.to_owned(), flags: Vec::new() })
}

fn memory_policy(policy: &format::MemoryPolicy) -> Result<MemoryPolicy> {
    let unknown = |member: &str, value: usize| {
        Error::new(format!("/config/memory_policy/{member}: {value} is unknown"))
    };
    let mode = MEMORY_POLICIES.get(policy.mode).ok_or_else(|| unknown("mode", policy.mode))?;
    let is_set = |(_, flag): &&(&str, u32)| policy.flags & flag != 0;
    let flags: Vec<_> = MEMORY_POLICY_FLAGS.iter().filter(is_set).collect();
    if flags.iter().fold(0, |all, (_, flag)| all | flag) != policy.flags {
        return Err(unknown("flags", policy.flags as usize));
    }
    Ok(MemoryPolicy {
        mode: (*mode).to_owned(),
        nodes: policy.nodes.as_deref().map(list).unwrap_or_default(),
        flags: flags.into_iter().map(|(name, _)| (*name).to_owned()).collect(),
    })
}

/// runc runs the others itself, those called `poststart` at `create` already.
fn hooks(hooks: format::Hooks) -> Hooks {
    let poststop = hooks.poststop.unwrap_or_default().into_iter().map(hook).collect();
    Hooks { poststop, ..Hooks::default() }
}

fn hook(hook: format::Hook) -> Hook {
    const SECOND: i64 = 1_000_000_000;
    Hook {
        path: hook.path,
        args: hook.args.unwrap_or_default(),
        env: hook.env.unwrap_or_default(),
        timeout: hook.timeout.map(|nanoseconds| (nanoseconds / SECOND).max(1)),
    }
}

fn affinity(affinity: &format::CpuAffinity) -> CpuAffinity {
    let list = |words: &Option<Vec<u64>>| words.as_deref().map(list).unwrap_or_default();
    CpuAffinity { initial: list(&affinity.initial), last: list(&affinity.r#final) }
}

/// Such as `0,1,7`.
fn list(words: &[u64]) -> String {
    let bits = words.iter().enumerate().flat_map(|(word, bits)| {
        (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| 64 * word + bit)
    });
    bits.map(|processor| processor.to_string()).collect::<Vec<_>>().join(",")
}
