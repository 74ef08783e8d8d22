//! What `coble spec` writes: a configuration to start from, the same one as runc 1.5 writes.

use coble_spec::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, NamespaceKind, OCI_VERSION,
    Process, Resources, Rlimit, Root, Spec,
};

use crate::error::{Error, Result};
use crate::facts::Facts;

/// The facts of the host that the example depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExampleHost {
    /// For a container of a plain user: the user and group id that stand behind the container's root.
    pub rootless: Option<(u32, u32)>,
    /// Whether `/sys/fs/cgroup` is cgroup v2 alone; then the container gets a cgroup namespace.
    pub cgroup2: bool,
}

/// The example configuration: `sh` on a terminal over a read-only `rootfs`.
///
/// With [`ExampleHost::rootless`] it has a user namespace in which root is that user, no network namespace,
/// the host's `/sys` instead of a new one (the kernel mounts sysfs only for the owner of the network
/// namespace), no mount options with ids that are not mapped, and no resources.
pub fn example(host: ExampleHost) -> Spec {
    let spec = Spec {
        oci_version: OCI_VERSION.to_owned(),
        process: Some(process()),
        root: Some(Root { path: "rootfs".to_owned(), readonly: true }),
        hostname: "runc".to_owned(),
        mounts: mounts(),
        linux: Some(linux(host.cgroup2)),
        ..Spec::default()
    };
    match host.rootless {
        Some((uid, gid)) => rootless(spec, uid, gid),
        None => spec,
    }
}

/// The text of a configuration as Go's encoder writes it with a tab for each level, without a last newline.
///
/// # Errors
/// None in practice: a [`Spec`] has nothing that JSON can't write.
pub fn config_text(spec: &Spec) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(4096);
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, tabs);
    serde::Serialize::serialize(spec, &mut writer)?;
    Ok(text)
}

/// The text of the example for this host; `rootless` for one that the caller can run without being root.
///
/// # Errors
/// As [`Facts::look`].
pub fn example_config(rootless: bool) -> Result<Vec<u8>> {
    let facts = Facts::look()?;
    let rootless = rootless.then_some((facts.uid, facts.gid));
    let spec = example(ExampleHost { rootless, cgroup2: facts.is_unified() });
    config_text(&spec).map_err(|error| Error::new(error.to_string()))
}

fn process() -> Process {
    let capabilities = strings(&["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    Process {
        terminal: true,
        args: strings(&["sh"]),
        env: strings(&[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM=xterm",
        ]),
        cwd: "/".to_owned(),
        capabilities: Some(Capabilities {
            bounding: capabilities.clone(),
            effective: capabilities.clone(),
            permitted: capabilities,
            ..Capabilities::default()
        }),
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), hard: 1024, soft: 1024 }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mounts() -> Vec<Mount> {
    let dev = ["nosuid", "strictatime", "mode=755", "size=65536k"];
    let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let shm = ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"];
    let cgroup = ["nosuid", "noexec", "nodev", "relatime", "ro"];
    vec![
        mount("/proc", "proc", "proc", &[]),
        mount("/dev", "tmpfs", "tmpfs", &dev),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount("/dev/shm", "tmpfs", "shm", &shm),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &cgroup),
    ]
}

fn linux(cgroup2: bool) -> Linux {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    let all = DeviceRule { allow: false, access: "rwm".to_owned(), ..DeviceRule::default() };
    let kinds = [Pid, Network, Ipc, Uts, Mount].into_iter().chain(cgroup2.then_some(Cgroup));
    Linux {
        resources: Some(Resources { devices: vec![all], ..Resources::default() }),
        namespaces: kinds.map(namespace).collect(),
        masked_paths: strings(&[
            "/proc/acpi",
            "/proc/asound",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/proc/sched_debug",
            "/sys/firmware",
            "/proc/scsi",
        ]),
        readonly_paths: strings(&[
            "/proc/bus",
            "/proc/fs",
            "/proc/irq",
            "/proc/sys",
            "/proc/sysrq-trigger",
        ]),
        ..Linux::default()
    }
}

fn rootless(mut spec: Spec, uid: u32, gid: u32) -> Spec {
    for mount in &mut spec.mounts {
        mount.options.retain(|option| !option.starts_with("gid=") && !option.starts_with("uid="));
        if mount.destination == "/sys" {
            *mount =
                self::mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);
        }
    }
    if let Some(linux) = &mut spec.linux {
        linux.namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
        linux.namespaces.push(namespace(NamespaceKind::User));
        linux.uid_mappings = vec![IdMapping { container_id: 0, host_id: uid, size: 1 }];
        linux.gid_mappings = vec![IdMapping { container_id: 0, host_id: gid, size: 1 }];
        linux.resources = None;
    }
    spec
}

fn namespace(kind: NamespaceKind) -> Namespace {
    Namespace { kind, path: String::new() }
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: strings(options),
        ..Mount::default()
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rootless: Option<(u32, u32)>, cgroup2: bool) -> String {
        String::from_utf8(config_text(&example(ExampleHost { rootless, cgroup2 })).unwrap())
            .unwrap()
    }

    #[test]
    fn root_without_cgroup2() {
        assert_eq!(text(None, false), include_str!("example/root.json").trim_end());
    }

    #[test]
    fn plain_user_with_cgroup2() {
        assert_eq!(
            text(Some((1000, 1001)), true),
            include_str!("example/rootless.json").trim_end()
        );
    }

    #[test]
    fn cgroup2_adds_one_namespace() {
        let before = "\t\t\t{\n\t\t\t\t\"type\": \"mount\"\n\t\t\t}\n";
        let after = "\t\t\t{\n\t\t\t\t\"type\": \"mount\"\n\t\t\t},\n\t\t\t{\n\t\t\t\t\"type\": \"cgroup\"\n\t\t\t}\n";
        assert_eq!(text(None, true), text(None, false).replace(before, after));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for rootless in [None, Some((1, 2))] {
            let spec = example(ExampleHost { rootless, cgroup2: true });
            assert_eq!(coble_spec::parse::<Spec>(&config_text(&spec).unwrap()).unwrap(), spec);
        }
    }
}
