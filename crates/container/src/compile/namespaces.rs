//! Namespaces: which are made, which are joined, and when.

use std::ffi::CString;

use coble_plan::{Plan, Step};
use coble_spec::{Linux, Namespace, NamespaceKind, Spec, reference_token};
use coble_sys::libc;

use super::cgroup_wait::CgroupWait;
use super::process::setgroups;
use super::text::c_string;
use super::{Job, clone_flag as flag_of, key_label_step};
use crate::caller_groups::CallerGroups;
use crate::delegation;
use crate::error::{Error, Result};
use crate::id_map::meant;
use crate::sysctl;
use crate::user_network::{GATEWAY, INTERFACE, RESOLVER};

/// The kinds of namespaces of a container, each with where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Namespaces {
    /// `CLONE_NEW*` of those that clone3(2) makes.
    pub(crate) cloned: u64,
    /// Those that the parent joins before it makes the child, since the child can't once it is in a new user
    /// namespace.
    pub(crate) inherited: Vec<(NamespaceKind, CString)>,
    joined: Vec<(NamespaceKind, String, usize)>,
    made: Vec<(NamespaceKind, usize)>,
}

/// The `CLONE_NEW*` bit of a kind.
pub(crate) fn clone_flag(kind: NamespaceKind) -> u32 {
    match kind {
        NamespaceKind::User => libc::CLONE_NEWUSER as u32,
        NamespaceKind::Mount => libc::CLONE_NEWNS as u32,
        NamespaceKind::Pid => libc::CLONE_NEWPID as u32,
        NamespaceKind::Network => libc::CLONE_NEWNET as u32,
        NamespaceKind::Ipc => libc::CLONE_NEWIPC as u32,
        NamespaceKind::Uts => libc::CLONE_NEWUTS as u32,
        NamespaceKind::Cgroup => libc::CLONE_NEWCGROUP as u32,
        NamespaceKind::Time => libc::CLONE_NEWTIME as u32,
    }
}

/// The namespaces that `config.json` lists.
pub(crate) fn listed(spec: &Spec) -> &[Namespace] {
    spec.linux.as_ref().map_or(&[], |linux| &linux.namespaces)
}

impl Namespaces {
    pub(super) fn of(job: &Job<'_>) -> Result<Self> {
        let mut all = Self::default();
        for (index, namespace) in listed(job.spec).iter().enumerate() {
            if namespace.path.is_empty() {
                all.made.push((namespace.kind, index));
            } else {
                all.joined.push((namespace.kind, namespace.path.clone(), index));
            }
        }
        if all.makes(NamespaceKind::User) {
            all.inherit_joined()?;
        }
        // Made together by one call, but for: the cgroup namespace, whose root is the cgroup of whoever makes it;
        // the time namespace, whose offsets must be set before anything is in it; the ipc namespace in a new user
        // namespace, for its mqueue belongs to who makes it, and before the ids are mapped that is nobody; and
        // all of them where a user namespace has to be joined first, which is to own them.
        if !all.joins(NamespaceKind::User) {
            let has_nobody = all.makes(NamespaceKind::User);
            let is_cloned = |kind: &NamespaceKind| match kind {
                NamespaceKind::Cgroup | NamespaceKind::Time => false,
                NamespaceKind::Ipc => !has_nobody,
                _ => true,
            };
            let kinds = all.made.iter().map(|(kind, _)| *kind);
            let cloned = kinds.filter(is_cloned).map(|kind| u64::from(flag_of(kind)));
            all.cloned = cloned.fold(0, |flags, flag| flags | flag);
        }
        Ok(all)
    }

    /// Moves what is joined to what the parent joins.
    fn inherit_joined(&mut self) -> Result<()> {
        for (kind, path, index) in self.joined.drain(..) {
            if kind == NamespaceKind::Mount {
                return Err(Error::config(
                    format!("/linux/namespaces/{index}/path"),
                    format!(
                        "config.json: /linux/namespaces/{index}/path: a mount namespace can't be joined from a \
                     new user namespace"
                    ),
                ));
            }
            self.inherited.push((kind, c_string(path)?));
        }
        Ok(())
    }

    /// Whether a new one of this kind is made.
    pub(crate) fn makes(&self, kind: NamespaceKind) -> bool {
        self.made.iter().any(|(made, _)| *made == kind)
    }

    /// Whether one of this kind is joined by its path.
    pub(crate) fn joins(&self, kind: NamespaceKind) -> bool {
        self.joined.iter().any(|(joined, ..)| *joined == kind)
            || self.inherited.iter().any(|(joined, _)| *joined == kind)
    }

    /// Whether the container has one of this kind that is not the host's.
    pub(crate) fn has(&self, kind: NamespaceKind) -> bool {
        self.makes(kind) || self.joins(kind)
    }

    /// Those that are made, and their places in the configuration.
    pub(crate) fn made(&self) -> &[(NamespaceKind, usize)] {
        &self.made
    }

    /// Those of the made ones that clone3(2) leaves to a step.
    fn left(&self) -> impl Iterator<Item = (NamespaceKind, usize)> {
        let left = |kind: &NamespaceKind| self.cloned & u64::from(flag_of(*kind)) == 0;
        self.made.iter().copied().filter(move |(kind, _)| left(kind))
    }
}

fn pointer(index: usize) -> String {
    format!("/linux/namespaces/{index}")
}

/// Joins namespaces by their paths.
pub(super) fn join(job: &Job<'_>, namespaces: &Namespaces, plan: &mut Plan) -> Result<()> {
    let mut joined: Vec<_> = namespaces.joined.iter().collect();
    // Root, of a user namespace too, has rights over its own namespaces and over those of every user namespace below, and
    // loses the former by joining one; a plain user gains rights only there. The mount namespace comes last, since it
    // changes what the paths mean.
    let user_rank = if job.facts.administers { 2 } else { 0 };
    joined.sort_by_key(|(kind, ..)| match kind {
        NamespaceKind::User => user_rank,
        NamespaceKind::Mount => 3,
        _ => 1,
    });
    for (kind, path, index) in joined {
        let path = c_string(path.as_str())?;
        if *kind == NamespaceKind::User {
            let groups = CallerGroups::of(job.facts).drop_step(setgroups(job, namespaces));
            groups.into_iter().for_each(|step| plan.push(step, pointer(*index)));
        }
        plan.push(Step::Setns { kind: flag_of(*kind), path: &path }, pointer(*index));
        if *kind == NamespaceKind::User {
            plan.push(Step::BecomeRoot {}, pointer(*index));
            if job.spec.linux.as_ref().is_some_and(|linux| meant(linux) != [&[], &[]]) {
                plan.push(Step::ConfirmMappings {}, "/linux/uidMappings");
            }
        }
    }
    Ok(())
}

/// Makes those of the namespaces that clone3(2) left to a step of their own.
pub(super) fn made_by_step(
    namespaces: &Namespaces,
    is_wanted: impl Fn(NamespaceKind) -> bool,
    plan: &mut Plan,
) {
    for (kind, index) in namespaces.left().filter(|(kind, _)| is_wanted(*kind)) {
        plan.push(Step::Unshare { kinds: flag_of(kind) }, pointer(index));
    }
}

/// Makes what clone3(2) did not make, and sets up what is new.
pub(super) fn isolate(
    job: &Job<'_>,
    namespaces: &Namespaces,
    wait: &CgroupWait,
    plan: &mut Plan,
) -> Result<()> {
    let comes_later = |kind| match kind {
        NamespaceKind::Time => true,
        NamespaceKind::Cgroup => wait.brings_namespace(),
        _ => false,
    };
    made_by_step(namespaces, |kind| !comes_later(kind), plan);
    // The cgroup namespace has the container's cgroup as its root; from here on the process is in one below.
    if let Some(path) = delegation::path(&job.spec.annotations) {
        plan.push(Step::DelegateCgroup { path: &c_string(path)? }, delegation::POINTER);
    }
    let has_own_step = |kind| namespaces.left().find(|(left, _)| *left == kind);
    if let Some((_, index)) = has_own_step(NamespaceKind::Time) {
        let offsets = c_string(time_offsets(job.spec.linux.as_ref()))?;
        let origin =
            if offsets.is_empty() { pointer(index) } else { "/linux/timeOffsets".to_owned() };
        plan.push(Step::TimeNamespace { offsets: &offsets }, origin);
    }
    let joined = namespaces.joined.iter().find(|(kind, ..)| *kind == NamespaceKind::Pid);
    let entered = joined.map(|(.., index)| *index);
    let entered = entered.or(has_own_step(NamespaceKind::Pid).map(|(_, index)| index));
    if let Some(index) = entered {
        plan.push(Step::EnterPidNamespace { keep_proc: 1 }, pointer(index));
    }
    plan.push(Step::NewSession {}, "");
    if !job.options.no_new_keyring {
        if let Some(process) = &job.spec.process {
            key_label_step(process, "/process", plan)?;
        }
        let name = c_string(keyring_name(job.id))?;
        plan.push(Step::SessionKeyring { name: &name }, "");
    }
    let made = namespaces.made.iter().find(|(kind, _)| *kind == NamespaceKind::Network);
    if let Some((_, index)) = made {
        plan.push(Step::LoopbackUp {}, pointer(*index));
        if job.options.leads_outside {
            let (gateway, resolver) = (GATEWAY.into(), RESOLVER.into());
            let step = Step::KeepLoopbackInside { interface: INTERFACE, gateway, resolver };
            plan.push(step, pointer(*index));
        }
    }
    Ok(())
}

/// The session keyring of a container, which its exec'ed processes join too.
pub(crate) fn keyring_name(id: &str) -> String {
    format!("_ses.{id}")
}

/// Lines of `/proc/PID/timens_offsets`, time_namespaces(7).
fn time_offsets(linux: Option<&Linux>) -> String {
    let offsets = linux.into_iter().flat_map(|linux| &linux.time_offsets);
    offsets
        .map(|(clock, offset)| format!("{clock} {} {}\n", offset.secs, offset.nanosecs))
        .collect()
}

/// Names and kernel parameters of the namespaces.
pub(super) fn names(job: &Job<'_>, plan: &mut Plan) -> Result<()> {
    let spec = job.spec;
    if !spec.hostname.is_empty() {
        let name = c_string(spec.hostname.as_str())?;
        plan.push(Step::Hostname { name: &name }, "/hostname");
    }
    if !spec.domainname.is_empty() {
        let name = c_string(spec.domainname.as_str())?;
        plan.push(Step::Domainname { name: &name }, "/domainname");
    }
    for (key, value) in spec.linux.iter().flat_map(|linux| &linux.sysctl) {
        let path = sysctl::path(key).ok_or_else(|| {
            Error::config("/linux/sysctl", format!("config.json: /linux/sysctl: bad key {key:?}"))
        })?;
        let (path, value) = (c_string(path)?, c_string(value.as_str())?);
        let origin = format!("/linux/sysctl/{}", reference_token(key));
        plan.push(Step::Sysctl { path: &path, value: &value }, origin);
    }
    Ok(())
}
