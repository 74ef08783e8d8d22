//! Which machine is asked for.

use std::fmt;

use crate::Result;
use crate::flags::Flags;

/// How the machine's cgroups are mounted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cgroups {
    /// Version 2 alone.
    Unified,
    /// Version 1, and version 2 beside it without controllers.
    Hybrid,
    /// Version 1 alone.
    Legacy,
}

impl Cgroups {
    /// The flag, without its dashes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::Hybrid => "hybrid",
            Self::Legacy => "legacy",
        }
    }
}

/// What can be chosen.
#[derive(Clone, Copy)]
pub(super) struct Setup {
    pub(super) cgroups: Cgroups,
    /// systemd is process 1, and the tests run as a plain user, too.
    pub(super) systemd: bool,
    /// SELinux is active, in place of AppArmor.
    pub(super) selinux: bool,
}

impl Setup {
    /// Takes the flags of a setup; `--unified` is the default.
    pub(super) fn from_flags(flags: &mut Flags) -> Result<Self> {
        let all = [Cgroups::Unified, Cgroups::Hybrid, Cgroups::Legacy];
        let mut chosen = all.into_iter().filter(|mode| flags.switch(&format!("--{}", mode.name())));
        let cgroups = chosen.next().unwrap_or(Cgroups::Unified);
        if let Some(other) = chosen.next() {
            return Err(format!("--{} and --{} exclude each other", cgroups.name(), other.name()));
        }
        drop(chosen);
        Ok(Self { cgroups, systemd: flags.switch("--systemd"), selinux: flags.switch("--selinux") })
    }

    /// The kernel's command line. What is in it besides the setup makes the emulation faster.
    pub(super) fn command_line(self) -> String {
        let mut words = vec![
            "console=ttyS0 panic=-1 loglevel=4 mitigations=off rodata=off nokaslr",
            "cryptomgr.notests random.trust_cpu=on systemd.unit=vm.service",
            // On a busy host the test finds too few ticks of the emulated timer, and the kernel gives up.
            "no_timer_check",
        ];
        words.push(match self.cgroups {
            Cgroups::Unified => "cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1",
            Cgroups::Hybrid => "systemd.unified_cgroup_hierarchy=0",
            Cgroups::Legacy => {
                "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1"
            }
        });
        if self.selinux {
            words.push("security=selinux selinux=1 enforcing=0");
        }
        words.join(" ")
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = |on, what| if on { what } else { "" };
        let (systemd, selinux) = (more(self.systemd, ", systemd"), more(self.selinux, ", SELinux"));
        write!(f, "{} cgroups{systemd}{selinux}", self.cgroups.name())
    }
}
