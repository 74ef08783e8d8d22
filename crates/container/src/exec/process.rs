//! What an exec'ed process is like: the container's own, and what differs.

use coble_spec::{CpuAffinity, Process};

/// How a process is described.
#[derive(Clone, Debug)]
pub enum ExecProcess {
    /// Wholly, as in `config.json`.
    Whole(Box<Process>),
    /// By what differs from the container's own process.
    Additions(Additions),
}

/// What differs from the container's own process.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Further variables, `NAME=value`.
    pub env: Vec<String>,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// User, and group if one is given.
    pub user: Option<(u32, Option<u32>)>,
    /// Further groups.
    pub additional_gids: Vec<u32>,
    /// Further capabilities: bounding, effective, permitted, and ambient if they are inheritable already.
    pub capabilities: Vec<String>,
    /// Whether PR_SET_NO_NEW_PRIVS is set, whatever the container's own process has.
    pub no_new_privileges: Option<bool>,
    /// AppArmor profile.
    pub apparmor_profile: Option<String>,
    /// SELinux context.
    pub selinux_label: Option<String>,
}

impl Default for ExecProcess {
    fn default() -> Self {
        Self::Additions(Additions::default())
    }
}

impl ExecProcess {
    /// The whole process, with the container's own as what is not said.
    pub(super) fn merge(&self, base: &Process) -> Process {
        let additions = match self {
            Self::Whole(process) => return completed(process, base),
            Self::Additions(additions) => additions,
        };
        let mut process = base.clone();
        process.args.clone_from(&additions.args);
        process.terminal = additions.terminal;
        process.console_size = None;
        process.env.extend_from_slice(&additions.env);
        process.no_new_privileges = additions.no_new_privileges.unwrap_or(base.no_new_privileges);
        if let Some(cwd) = &additions.cwd {
            process.cwd.clone_from(cwd);
        }
        if let Some((uid, gid)) = additions.user {
            process.user.uid = uid;
            process.user.gid = gid.unwrap_or(process.user.gid);
        }
        process.user.additional_gids.extend_from_slice(&additions.additional_gids);
        additions.add_capabilities(&mut process);
        let replace = |label: &mut String, new: &Option<String>| {
            if let Some(new) = new {
                label.clone_from(new);
            }
        };
        replace(&mut process.apparmor_profile, &additions.apparmor_profile);
        replace(&mut process.selinux_label, &additions.selinux_label);
        process
    }
}

/// A process that is described wholly, with what runc takes from `container` where it isn't said: a process must not
/// be freer than the container for want of a word.
fn completed(process: &Process, container: &Process) -> Process {
    let mut process = process.clone();
    let or = |own: &mut String, other: &String| {
        if own.is_empty() {
            own.clone_from(other);
        }
    };
    or(&mut process.apparmor_profile, &container.apparmor_profile);
    or(&mut process.selinux_label, &container.selinux_label);
    if process.rlimits.is_empty() {
        process.rlimits.clone_from(&container.rlimits);
    }
    process.capabilities = process.capabilities.or_else(|| container.capabilities.clone());
    process.user.umask = process.user.umask.or(container.user.umask);
    process.oom_score_adj = process.oom_score_adj.or(container.oom_score_adj);
    process.scheduler = process.scheduler.or_else(|| container.scheduler.clone());
    process.io_priority = process.io_priority.or_else(|| container.io_priority.clone());
    let is_said = |affinity: &CpuAffinity| *affinity != CpuAffinity::default();
    process.exec_cpu_affinity =
        process.exec_cpu_affinity.filter(is_said).or_else(|| container.exec_cpu_affinity.clone());
    process
}

impl Additions {
    /// Never inheritable: a program with file capabilities would gain them (CVE-2022-29162). Ambient where the
    /// process has them as inheritable ones anyway, so that a plain user's program gets them.
    fn add_capabilities(&self, process: &mut Process) {
        if self.capabilities.is_empty() {
            return;
        }
        let sets = process.capabilities.get_or_insert_default();
        for name in &self.capabilities {
            let name = name.to_uppercase();
            let ambient = sets.inheritable.contains(&name).then_some(&mut sets.ambient);
            let others = [&mut sets.bounding, &mut sets.effective, &mut sets.permitted];
            for set in others.into_iter().chain(ambient) {
                if !set.contains(&name) {
                    set.push(name.clone());
                }
            }
        }
    }
}
