//! Profiles that come with coble.

use coble_spec::Seccomp;

use crate::arch::Arch;
use crate::engine::{EngineProfile, Setting};
use crate::error::Error;
use crate::tree::Tree;

/// The profile that Docker Engine gives to containers, in the engines' format.
///
/// Its names and conditions are those of `seccomp/default.json` in github.com/moby/profiles, version seccomp/v0.2.3 of
/// 2026-05-06 (commit 836ae4d37ef2), which Docker Engine 29 has. To bring it up to a later version, take the members
/// names, action, errnoRet, args, includes and excludes of each rule, in the same order.
///
/// Two rules are added, the ones that deny sockets of AF_ALG (38) and AF_VSOCK (40) by the lower half of the argument. The
/// kernel looks at that half alone, so that without them a family with any bit set above it would pass as one that is
/// greater than 40. libseccomp leaves them out, for their action is the default one: under other runtimes the profile has
/// the effect of Docker's.
pub const DEFAULT: &str = include_str!("default.json");

/// The capabilities that Docker gives a container (moby, daemon/pkg/oci/caps/defaults.go).
pub const DOCKERS_CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// [`DEFAULT`] as a section of a `config.json`, for a container with [`DOCKERS_CAPABILITIES`].
///
/// # Errors
/// None; a test reads it for every architecture.
pub fn default_section(native: Arch) -> Result<Seccomp, Error> {
    /// The oldest that coble runs on; no rule asks for a newer one.
    const KERNEL: (u32, u32) = (5, 10);
    let tree: Tree =
        coble_spec::parse(DEFAULT.as_bytes()).map_err(|error| Error::at("", error.to_string()))?;
    let capability = |name: &str| Some(DOCKERS_CAPABILITIES.contains(&name));
    let setting = Setting { arch: native, kernel: KERNEL, capability: &capability };
    Ok(EngineProfile::read(&tree)?.resolve(&setting)?.section)
}

/// No filter, as a profile: every call is made, whatever programs the kernel runs.
pub fn unconfined(native: Arch) -> Seccomp {
    let others: &[Arch] = match native {
        Arch::X86_64 => &[Arch::X86, Arch::X32],
        Arch::AARCH64 => &[Arch::ARM],
        _ => &[],
    };
    let architectures = others.iter().map(|arch| arch.name()).collect();
    Seccomp { default_action: "SCMP_ACT_ALLOW".to_owned(), architectures, ..Seccomp::default() }
}
