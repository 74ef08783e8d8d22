//! The steps.

use core::ffi::CStr;

use crate::List;
use crate::wire::{Field, Reader};

macro_rules! steps {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)? },)*) => {
        /// One action of a container's first process.
        ///
        /// Paths below the root are resolved inside it, whatever links they hold; paths on the host are
        /// those of the mount namespace before the root is changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Step<'a> {
            $($(#[$meta])* $name { $($(#[$field_meta])* $field: $type),* },)*
        }

        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Tag { $($name),* }

        impl<'a> Step<'a> {
            pub(crate) fn read(reader: &mut Reader<'a>) -> Option<Self> {
                let tag = u8::read(reader)?;
                $(if tag == Tag::$name as u8 {
                    return Some(Self::$name { $($field: Field::read(reader)?),* });
                })*
                None
            }

            #[cfg(feature = "std")]
            pub(crate) fn write(&self, bytes: &mut std::vec::Vec<u8>) {
                match self {
                    $(Self::$name { $($field),* } => {
                        bytes.push(Tag::$name as u8);
                        $($field.write(bytes);)*
                    })*
                }
            }

            /// The step's name, as it stands in machine-readable output.
            #[cfg(feature = "std")]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name),)* }
            }
        }
    };
}

steps! {
    /// Lets the process run on some processors, or on all that its cgroup has, sched_setaffinity(2).
    Processors {
        /// Processor N is bit N % 8 of byte N / 8; empty for all.
        mask: &'a [u8],
    },
    /// Joins the namespace at a path on the host, setns(2).
    Setns {
        /// `CLONE_NEW*` of its kind.
        kind: u32,
        /// Path on the host.
        path: &'a CStr,
    },
    /// Joins namespaces of the process behind an inherited pidfd, setns(2) (Linux 5.8).
    JoinProcess {
        /// Number of the descriptor.
        pidfd: i32,
        /// `CLONE_NEW*` bits.
        kinds: u32,
    },
    /// Drops the further groups of the caller, setgroups(2), before a user namespace is joined that may deny it.
    DropGroups {
        /// Whether the caller's own user namespace may deny it as well; then they are passed over.
        may_be_denied: u32,
    },
    /// Becomes user and group 0 of a user namespace that was just joined.
    BecomeRoot {},
    /// Has the parent see that the joined user namespace maps ids as the configuration says: from outside, as that does.
    ConfirmMappings {},
    /// Makes new namespaces that clone3(2) could not make, unshare(2).
    Unshare {
        /// `CLONE_NEW*` bits.
        kinds: u32,
    },
    /// Makes a time namespace, sets its offsets and enters it, time_namespaces(7).
    TimeNamespace {
        /// What `/proc/self/timens_offsets` takes; may be empty.
        offsets: &'a CStr,
    },
    /// Goes on in a new child, which is in the pid namespace that was joined; its parent is the caller's.
    EnterPidNamespace {
        /// Whether later steps need the host's `/proc`.
        keep_proc: u32,
    },
    /// Leads a session of its own, setsid(2).
    NewSession {},
    /// Waits until this process is in its cgroup, with all limits and device rules: systemd makes the cgroup around it
    /// while the steps before this one run. From here on a step may depend on the cgroup, and what others can get at may
    /// begin.
    AwaitCgroup {},
    /// Has the parent put this process into a cgroup below the container's, for the program to manage, cgroups(7).
    DelegateCgroup {
        /// Path below the container's cgroup.
        path: &'a CStr,
    },
    /// Sets the SELinux context of the keyrings that this process makes until its exec.
    SelinuxKeyLabel {
        /// What `attr/keycreate` takes, proc_pid_attr(5).
        label: &'a CStr,
    },
    /// Joins a session keyring of its own, keyctl(2).
    SessionKeyring {
        /// Name of the keyring.
        name: &'a CStr,
    },
    /// Brings the loopback interface up, netdevice(7).
    LoopbackUp {},
    /// Keeps packets to 127.0.0.0/8 in the network namespace, rtnetlink(7).
    KeepLoopbackInside {
        /// The interface that leads outside.
        interface: &'a CStr,
        /// IPv4 address of the gateway; the first byte of its usual form is the highest.
        gateway: u32,
        /// That of a resolver beside it.
        resolver: u32,
    },
    /// Writes `/proc/self/oom_score_adj`, proc_pid_oom_score_adj(5).
    OomScoreAdj {
        /// -1000 to 1000.
        value: i32,
    },
    /// Sets the propagation of every mount, mount_namespaces(7).
    Propagation {
        /// `MS_SLAVE`, `MS_PRIVATE`, `MS_SHARED` or `MS_UNBINDABLE`, with `MS_REC` or without.
        flags: u32,
    },
    /// Sets the propagation of the mount in which a path lies, so that what is mounted there doesn't reach the
    /// host.
    ParentPropagation {
        /// Path on the host.
        path: &'a CStr,
        /// `MS_PRIVATE` or `MS_SLAVE`.
        flags: u32,
    },
    /// Mounts the root file system over itself; it is the root of what follows.
    OpenRoot {
        /// Path on the host.
        path: &'a CStr,
    },
    /// Takes a directory of the host as the root, without mounting it: the container shares the host's mounts.
    OpenDirectory {
        /// Path on the host.
        path: &'a CStr,
    },
    /// Takes an inherited descriptor as the root.
    UseDirectory {
        /// Number of the descriptor.
        fd: i32,
    },
    /// Takes the root of the joined mount namespace as the root of what follows.
    UseCurrentRoot {},
    /// Makes a new file system and mounts it, fsopen(2), fsmount(2), move_mount(2).
    MountFs {
        /// Name of the file system.
        fstype: &'a CStr,
        /// Its source.
        source: &'a CStr,
        /// Path below the root; made if it is missing.
        destination: &'a CStr,
        /// `key` and `key=value`, fsconfig(2).
        options: List<'a>,
        /// `MOUNT_ATTR_*` of the mount.
        attributes: u64,
        /// Bits of [`crate::mount`].
        flags: u32,
        /// Propagation flags, 0 for none.
        propagation: u32,
    },
    /// The same through mount(2), for options that fsconfig(2) can't take.
    MountClassic {
        /// Name of the file system.
        fstype: &'a CStr,
        /// Its source.
        source: &'a CStr,
        /// Path below the root; made if it is missing.
        destination: &'a CStr,
        /// `MS_*`.
        ms_flags: u64,
        /// Options with commas.
        data: &'a CStr,
        /// Bits of [`crate::mount`].
        flags: u32,
        /// Propagation flags, 0 for none.
        propagation: u32,
    },
    /// Takes an inherited copy of the mounts at a path of the host, for the bind mount that follows: in the container the
    /// path means something else.
    HoldSource {
        /// Number of the descriptor, open_tree(2).
        fd: i32,
        /// The path.
        source: &'a CStr,
    },
    /// Has the parent map the ids of the mount that follows, mount_setattr(2) with `MOUNT_ATTR_IDMAP` (Linux 5.12):
    /// a user namespace's root may not. Without lines they are mapped as the container's user namespace does.
    MapIds {
        /// Lines of `/proc/PID/uid_map`, user_namespaces(7): the id in the file system, on the host, how many.
        uids: &'a CStr,
        /// Lines of `/proc/PID/gid_map`.
        gids: &'a CStr,
        /// Whether those of the mounts below it are mapped too.
        recursive: u32,
    },
    /// Mounts a path of the host, open_tree(2), mount_setattr(2), move_mount(2).
    MountBind {
        /// Path on the host.
        source: &'a CStr,
        /// Path below the root; made if it is missing.
        destination: &'a CStr,
        /// `MOUNT_ATTR_*` to set on the mount.
        set: u64,
        /// `MOUNT_ATTR_*` to clear on the mount.
        clear: u64,
        /// `MOUNT_ATTR_*` to set on the mount and all below.
        set_recursive: u64,
        /// `MOUNT_ATTR_*` to clear on the mount and all below.
        clear_recursive: u64,
        /// Bits of [`crate::mount`].
        flags: u32,
        /// Propagation flags, 0 for none.
        propagation: u32,
    },
    /// Changes the attributes of a mount, mount_setattr(2).
    Remount {
        /// Path below the root.
        destination: &'a CStr,
        /// `MOUNT_ATTR_*` to set.
        set: u64,
        /// `MOUNT_ATTR_*` to clear.
        clear: u64,
        /// Bits of [`crate::mount`].
        flags: u32,
        /// Propagation flags, 0 for none.
        propagation: u32,
    },
    /// Has the parent give what is mounted on a path its SELinux context, setxattr(2) of `security.selinux`.
    Relabel {
        /// Path below the root.
        path: &'a CStr,
        /// The context.
        label: &'a CStr,
    },
    /// Unmounts what is mounted on a path, with all below, umount(2) with `MNT_DETACH`.
    Unmount {
        /// Path below the root, without symbolic links.
        path: &'a CStr,
    },
    /// Makes a device node, mknod(2).
    Mknod {
        /// Path below the root.
        path: &'a CStr,
        /// Type and permission bits.
        mode: u32,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Whether the very node that is there already keeps its own mode and owner; anything else that is
        /// there is refused.
        keep: u32,
    },
    /// Mounts a device node of the host where none can be made; its mode and owner stay the host's.
    BindDevice {
        /// Path on the host and below the root.
        path: &'a CStr,
        /// Type bits, which the host's node must have.
        kind: u32,
        /// Major number, which it must have.
        major: u32,
        /// Minor number, which it must have.
        minor: u32,
    },
    /// Makes a symbolic link; one that is there stays.
    Symlink {
        /// What it points to.
        target: &'a CStr,
        /// Path below the root.
        path: &'a CStr,
    },
    /// Makes a directory, with its parents, unless it is there.
    MakeDirectory {
        /// Path below the root.
        path: &'a CStr,
    },
    /// Waits until the parent has recorded the container: neither a hook nor the program runs without a state.
    AwaitRecord {},
    /// Has the parent move network devices into the network namespace, and waits for it.
    NetworkDevices {},
    /// Lets the parent run the hooks that belong to the runtime's namespaces, and waits.
    RuntimeHooks {},
    /// Runs a hook in the container's namespaces.
    Hook {
        /// Program.
        path: &'a CStr,
        /// Its arguments.
        args: List<'a>,
        /// Its environment.
        env: List<'a>,
        /// Whether the `HOME` that was looked up is added.
        home: u32,
        /// Its file mode mask, umask(2).
        umask: u32,
        /// Milliseconds until it is killed; 0 for never.
        timeout: u32,
        /// Inherited descriptor that becomes standard output; -1 for none.
        stdout: i32,
        /// Inherited descriptor that becomes standard error; -1 for none.
        stderr: i32,
        /// The container's state on standard input, up to the process id ...
        state_head: &'a CStr,
        /// ... and from there on.
        state_tail: &'a CStr,
    },
    /// Makes a terminal, puts it at the standard streams and hands the other end to the parent.
    Console {
        /// Rows; 0 for the kernel's own.
        height: u32,
        /// Columns.
        width: u32,
        /// Whether it is mounted on `/dev/console`.
        mount: u32,
    },
    /// Sets a kernel parameter, sysctl(8).
    Sysctl {
        /// Path below `/proc/sys`.
        path: &'a CStr,
        /// What is written.
        value: &'a CStr,
    },
    /// Sets the host name, sethostname(2).
    Hostname {
        /// The name.
        name: &'a CStr,
    },
    /// Sets the NIS domain name, setdomainname(2).
    Domainname {
        /// The name.
        name: &'a CStr,
    },
    /// Covers a path so that it can't be read; a missing one is passed over.
    MaskPath {
        /// Path below the root.
        path: &'a CStr,
        /// Bits of [`crate::mount`].
        flags: u32,
        /// The SELinux context of the empty directory that covers another, `key=value` of fsconfig(2); may be empty.
        context: &'a CStr,
    },
    /// Makes a path and all below read-only; a missing one is passed over.
    ReadonlyPath {
        /// Path below the root.
        path: &'a CStr,
        /// Bits of [`crate::mount`].
        flags: u32,
    },
    /// Makes the root read-only, but not what is mounted below.
    ReadonlyRoot {
        /// Bits of [`crate::mount`].
        flags: u32,
    },
    /// Changes the root and drops the old one, pivot_root(2).
    PivotRoot {
        /// Whether mounts of the old root may still be peers of the host's, which must not be unmounted with it.
        has_peers: u32,
    },
    /// Unmounts a host's mount that would stay visible below a moved root, or covers it.
    HideMount {
        /// Path on the host.
        path: &'a CStr,
    },
    /// Moves the root over `/`, where pivot_root(2) can't work.
    MoveRoot {},
    /// Changes the root alone, chroot(2): the container shares the host's mounts.
    Chroot {},
    /// Sets the propagation of the changed root, mount_namespaces(7).
    RootPropagation {
        /// As in [`Step::Propagation`].
        flags: u32,
    },
    /// Sets PR_SET_NO_NEW_PRIVS, prctl(2).
    NoNewPrivileges {},
    /// Sets a limit, setrlimit(2).
    Rlimit {
        /// `RLIMIT_*`.
        resource: u32,
        /// The value in force.
        soft: u64,
        /// The ceiling.
        hard: u64,
    },
    /// Sets the scheduling attributes, sched_setattr(2).
    Scheduler {
        /// `SCHED_*`.
        policy: u32,
        /// nice(2) value.
        nice: i32,
        /// Static priority.
        priority: u32,
        /// `SCHED_FLAG_*`.
        flags: u64,
        /// Nanoseconds.
        runtime: u64,
        /// Nanoseconds.
        deadline: u64,
        /// Nanoseconds.
        period: u64,
    },
    /// Sets the I/O priority, ioprio_set(2).
    IoPriority {
        /// Class << 13 | level.
        value: u32,
    },
    /// Sets the execution domain, personality(2).
    Personality {
        /// `PER_*`.
        persona: u32,
    },
    /// Sets the NUMA memory policy, set_mempolicy(2).
    MemoryPolicy {
        /// `MPOL_*`, with flags.
        mode: u32,
        /// Node N is bit N % 8 of byte N / 8; the length is a multiple of 8.
        nodes: &'a [u8],
    },
    /// Drops capabilities from the bounding set, prctl(2).
    Bound {
        /// Bit N keeps capability N.
        keep: u64,
    },
    /// Becomes a user, setgroups(2), setresgid(2), setresuid(2).
    SetUser {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
        /// Further groups, decimal.
        groups: List<'a>,
        /// 0 where setgroups(2) is denied by the user namespace; 2 where it may be, which is tolerated if
        /// there are no further groups; 3 where the caller's groups stay; else 1.
        setgroups: u32,
    },
    /// Sets four sets of capabilities, capset(2), prctl(2).
    SetCapabilities {
        /// Bit N is capability N.
        effective: u64,
        /// Bit N is capability N.
        permitted: u64,
        /// Bit N is capability N.
        inheritable: u64,
        /// Bit N is capability N.
        ambient: u64,
    },
    /// Sets the file mode mask, umask(2).
    Umask {
        /// Permission bits that are not given.
        mask: u32,
    },
    /// Changes to the working directory; `EACCES` is left to [`Step::ConfirmDirectory`].
    ChangeDirectory {
        /// Path inside the container.
        path: &'a CStr,
    },
    /// Makes sure that the working directory lies inside the root.
    ConfirmDirectory {
        /// Path inside the container.
        path: &'a CStr,
    },
    /// Gives the standard streams to the user who will use them, fchown(2). The group stays what it is.
    OwnStreams {
        /// Owner.
        uid: u32,
        /// Whether they are the container's terminal. If not, pipes alone are given.
        terminal: u32,
    },
    /// Sets the AppArmor profile that the program gets.
    AppArmor {
        /// What `attr/exec` takes.
        label: &'a CStr,
    },
    /// Sets the SELinux context that the program gets.
    SelinuxLabel {
        /// What `attr/exec` takes.
        label: &'a CStr,
    },
    /// Looks `HOME` up in the container's `/etc/passwd`.
    FindHome {
        /// Whose.
        uid: u32,
    },
    /// Finds the program that [`Step::Exec`] runs.
    FindProgram {
        /// Its name; searched for if it has no slash.
        name: &'a CStr,
        /// Directories with colons between them.
        path: &'a CStr,
    },
    /// Says that the container is there and waits for `start`.
    AwaitStart {},
    /// Says that all is done, and ends: there is no program to run.
    Finish {},
    /// Filters the system calls of the program, seccomp(2). The program is the next step, so that nothing else of this
    /// process has to pass.
    Seccomp {
        /// `SECCOMP_FILTER_FLAG_*`; with `SECCOMP_FILTER_FLAG_NEW_LISTENER` somebody takes the listener before
        /// the program runs, [`crate::Message::Listener`].
        flags: u32,
        /// `struct sock_filter`, one after the other.
        program: &'a [u8],
    },
    /// The same with a filter that the parent makes meanwhile. It is there once [`Step::AwaitRecord`] is over.
    SeccompFile {
        /// Number of the descriptor of a file that has the flags, 32 bits in the machine's order, and the program.
        fd: i32,
    },
    /// Runs the program, execve(2).
    Exec {
        /// Its arguments.
        args: List<'a>,
        /// Its environment, without a `HOME` that [`Step::FindHome`] finds.
        env: List<'a>,
    },
}
