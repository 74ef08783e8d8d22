//! System calls through which containers have been left, or that reach parts of the kernel where flaws are found again
//! and again.
//!
//! What is here was gathered from capabilities(7) and the calls' own man pages (section 2), from the reasons that Docker
//! gives for what its profile denies (docs.docker.com, "Seccomp security profiles for Docker"), and from the flaws that are
//! named.

use crate::arch::Arch;

/// A call that few containers need and that is worth a thought.
pub(crate) struct Danger {
    pub(crate) name: &'static str,
    /// What it takes besides the filter's consent; empty if nothing.
    pub(crate) capability: &'static str,
    pub(crate) reason: &'static str,
    /// The arguments that make it one, if not all do: which argument, and a value.
    pub(crate) argument: Option<(usize, u64)>,
    /// Whether the kernel takes only the lower 32 bits of that argument, whatever the others are.
    pub(crate) is_short: bool,
}

const fn danger(name: &'static str, capability: &'static str, reason: &'static str) -> Danger {
    Danger { name, capability, reason, argument: None, is_short: false }
}

const fn if_argument(
    name: &'static str,
    argument: (usize, u64),
    capability: &'static str,
    reason: &'static str,
) -> Danger {
    Danger { name, capability, reason, argument: Some(argument), is_short: true }
}

/// The same where the kernel refuses unknown bits in the upper half, too.
const fn whole(danger: Danger) -> Danger {
    Danger { is_short: false, ..danger }
}

/// `CLONE_NEWUSER` (include/uapi/linux/sched.h).
const CLONE_NEWUSER: u64 = 0x1000_0000;
/// Families of sockets (include/linux/socket.h).
const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;
/// `ADDR_NO_RANDOMIZE` (include/uapi/linux/personality.h).
const ADDR_NO_RANDOMIZE: u64 = 0x0004_0000;

const MOUNTS: &str = "changes mounts, and so what masks and read-only paths hide";
const KEYS: &str = "keyrings are not the container's own, keyrings(7)";
const MODULES: &str = "loads code into the kernel, or removes it";
const USERS: &str =
    "a new user namespace gives every capability in it, and with them most of the kernel's code";
const MEMORY: &str = "reads and writes the memory of other processes";
const TIME: &str = "sets the host's clock";
const PORTS: &str = "gives access to the ports of devices";
const KEXEC: &str = "replaces the kernel";

/// By name.
pub(crate) static DANGERS: &[Danger] = &[
    danger("acct", "CAP_SYS_PACCT", "has the kernel write of the whole host's processes, acct(2)"),
    danger("add_key", "", KEYS),
    danger(
        "bpf",
        "CAP_BPF",
        "loads programs into the kernel; its verifier has let bad ones pass (CVE-2021-3490)",
    ),
    danger("clock_settime", "CAP_SYS_TIME", TIME),
    danger("clock_settime64", "CAP_SYS_TIME", TIME),
    if_argument("clone", (0, CLONE_NEWUSER), "", USERS),
    danger("clone3", "", "makes namespaces, and no filter can see its flags, which are in memory"),
    danger("create_module", "CAP_SYS_MODULE", MODULES),
    danger("delete_module", "CAP_SYS_MODULE", MODULES),
    danger("finit_module", "CAP_SYS_MODULE", MODULES),
    danger(
        "fsconfig",
        "CAP_SYS_ADMIN",
        "has let containers be left (CVE-2022-0185); reaches every file system's reader of options",
    ),
    danger("fsmount", "CAP_SYS_ADMIN", MOUNTS),
    danger("fsopen", "CAP_SYS_ADMIN", MOUNTS),
    danger("fspick", "CAP_SYS_ADMIN", MOUNTS),
    danger("init_module", "CAP_SYS_MODULE", MODULES),
    danger("io_uring_enter", "", "makes calls that no filter sees"),
    danger(
        "io_uring_setup",
        "",
        "leads to calls that no filter sees, in code with many flaws (CVE-2022-29582, CVE-2023-2598)",
    ),
    danger("ioperm", "CAP_SYS_RAWIO", PORTS),
    danger("iopl", "CAP_SYS_RAWIO", PORTS),
    danger(
        "kcmp",
        "CAP_SYS_PTRACE",
        "tells where objects of the kernel lie, relative to one another",
    ),
    danger("kexec_file_load", "CAP_SYS_BOOT", KEXEC),
    danger("kexec_load", "CAP_SYS_BOOT", KEXEC),
    danger(
        "keyctl",
        "",
        "keyrings are not the container's own, and have had flaws (CVE-2016-0728)",
    ),
    danger("lookup_dcookie", "CAP_SYS_ADMIN", "tells paths of the host"),
    danger("mount", "CAP_SYS_ADMIN", MOUNTS),
    danger("mount_setattr", "CAP_SYS_ADMIN", MOUNTS),
    danger("move_mount", "CAP_SYS_ADMIN", MOUNTS),
    danger("nfsservctl", "CAP_SYS_ADMIN", "commands the kernel's server of files"),
    danger(
        "open_by_handle_at",
        "CAP_DAC_READ_SEARCH",
        "opens any file of a file system, above the container's root, too (the exploit \"shocker\")",
    ),
    danger("open_tree", "CAP_SYS_ADMIN", MOUNTS),
    danger(
        "perf_event_open",
        "CAP_PERFMON",
        "watches the kernel and other processes, in code with many flaws (CVE-2013-2094)",
    ),
    if_argument(
        "personality",
        (0, ADDR_NO_RANDOMIZE),
        "",
        "takes from programs the random places of their memory",
    ),
    danger("pidfd_getfd", "CAP_SYS_PTRACE", "takes open files out of other processes"),
    danger(
        "pivot_root",
        "CAP_SYS_ADMIN",
        "changes the root of all processes in the mount namespace",
    ),
    danger("process_vm_readv", "", MEMORY),
    danger("process_vm_writev", "", MEMORY),
    danger(
        "ptrace",
        "",
        "commands other processes; before Linux 4.8 a traced one could leave its filter",
    ),
    danger("query_module", "CAP_SYS_MODULE", MODULES),
    danger("quotactl", "CAP_SYS_ADMIN", "sets limits of the host's file systems"),
    danger("quotactl_fd", "CAP_SYS_ADMIN", "sets limits of the host's file systems"),
    danger("reboot", "CAP_SYS_BOOT", "restarts the host, from the first pid namespace"),
    danger("request_key", "", KEYS),
    danger(
        "setns",
        "CAP_SYS_ADMIN",
        "enters namespaces, also the host's where one of its files is in reach",
    ),
    danger("settimeofday", "CAP_SYS_TIME", TIME),
    if_argument(
        "socket",
        (0, AF_ALG),
        "",
        "AF_ALG: the kernel's ciphers, whose flaws have made users root (copy.fail)",
    ),
    if_argument(
        "socket",
        (0, AF_VSOCK),
        "",
        "AF_VSOCK: reaches the host of a virtual machine, past network namespaces",
    ),
    danger("stime", "CAP_SYS_TIME", TIME),
    danger("swapoff", "CAP_SYS_ADMIN", "changes the host's swap"),
    danger("swapon", "CAP_SYS_ADMIN", "changes the host's swap"),
    danger("syslog", "CAP_SYSLOG", "reads the kernel's log, where addresses are told"),
    danger("umount", "CAP_SYS_ADMIN", MOUNTS),
    danger("umount2", "CAP_SYS_ADMIN", MOUNTS),
    whole(if_argument("unshare", (0, CLONE_NEWUSER), "", USERS)),
    danger("uselib", "", "old code that no program needs"),
    danger(
        "userfaultfd",
        "",
        "stops the kernel where it reads memory, which makes races easy to win",
    ),
    danger("vm86", "", "an old mode of the processor, with code of its own in the kernel"),
    danger("vm86old", "", "an old mode of the processor, with code of its own in the kernel"),
];

/// The argument of clone(2) that has the flags: on s390 it is the second one.
pub(crate) fn argument(danger: &Danger, arch: Arch) -> Option<(usize, u64)> {
    let is_swapped = danger.name == "clone" && arch.has_setup();
    danger.argument.map(|(index, value)| (if is_swapped { 1 } else { index }, value))
}
