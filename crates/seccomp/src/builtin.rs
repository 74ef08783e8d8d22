//! Profiles that come with coble.

use coble_spec::Seccomp;

use crate::arch::Arch;

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
