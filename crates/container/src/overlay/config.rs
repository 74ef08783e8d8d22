//! The bundle's `config.json`: the example with the host's tree in place of a root file system. Pure.

use std::path::Path;

use coble_spec::{Deferred, Mount, Namespace, NamespaceKind, Seccomp, Spec};

use super::layout::{Part, Show, escape};
use super::points::is_below;
use super::resolvers::RESOLVERS;
use crate::example::{ExampleHost, example};

/// Programs are looked for here if the caller has no `PATH`.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables that name sockets and descriptors of the caller's session, none of which the container has.
const OUTSIDE: [&str; 10] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "SSH_AGENT_PID",
    "SSH_AUTH_SOCK",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
];

/// What the configuration depends on.
pub(super) struct Setting<'a> {
    /// The bundle's directory, absolute.
    pub(super) bundle: &'a Path,
    /// The user and group behind the container's root, if there is to be a user namespace.
    pub(super) rootless: Option<(u32, u32)>,
    /// The parts of the tree.
    pub(super) parts: &'a [Part],
    /// For each part the name of its directory in `layers`.
    pub(super) layers: &'a [String],
    /// The filter of system calls.
    pub(super) seccomp: Option<&'a Seccomp>,
    /// The program and its arguments; the caller's shell if empty.
    pub(super) command: &'a [String],
    /// Whether the bundle has a `resolv.conf`.
    pub(super) network: bool,
    /// The caller's environment.
    pub(super) environment: &'a [(String, String)],
    /// The caller's directory.
    pub(super) directory: Option<&'a str>,
    /// Whether standard input and output are terminals.
    pub(super) terminal: bool,
}

/// The configuration.
pub(super) fn config(setting: &Setting<'_>) -> Spec {
    let mut spec = example(ExampleHost { rootless: setting.rootless, cgroup2: true });
    spec.hostname = "coble".to_owned();
    if let Some(root) = &mut spec.root {
        root.readonly = false;
    }
    if let Some(process) = &mut spec.process {
        process.terminal = setting.terminal;
        process.args = arguments(setting);
        process.env = environment(setting.environment);
        process.cwd = directory(setting.directory, setting.parts).to_owned();
        // The caller's own limits stay.
        process.rlimits.clear();
    }
    own_network(&mut spec);
    if let Some(linux) = &mut spec.linux {
        linux.seccomp = setting.seccomp.cloned().map(Deferred::from);
    }
    let parts = setting.parts.iter().zip(setting.layers);
    spec.mounts = parts
        .filter_map(|(part, layer)| mount(part, layer, setting))
        .chain(std::mem::take(&mut spec.mounts))
        .chain(setting.network.then(|| resolvers(setting.bundle)))
        .collect();
    spec
}

/// Gives a plain user's container a network namespace, and with it a `/sys` of its own.
fn own_network(spec: &mut Spec) {
    let Some(linux) = &mut spec.linux else { return };
    if linux.namespaces.iter().all(|namespace| namespace.kind != NamespaceKind::Network) {
        linux.namespaces.push(Namespace { kind: NamespaceKind::Network, path: String::new() });
    }
    for sys in spec.mounts.iter_mut().filter(|mount| mount.destination == "/sys") {
        sys.kind = "sysfs".to_owned();
        sys.source = "sysfs".to_owned();
        sys.options.retain(|option| option != "rbind");
    }
}

fn mount(part: &Part, layer: &str, setting: &Setting<'_>) -> Option<Mount> {
    let (kind, source, mut options) = match part.show {
        Show::Empty | Show::Link => return None,
        Show::ReadOnlyDirectory | Show::ReadOnlyFile => {
            ("bind", part.path.as_str(), vec!["bind".to_owned(), "ro".to_owned()])
        }
        Show::Overlay => ("overlay", "overlay", overlay_options(part, layer, setting)),
    };
    options.extend(["nosuid".to_owned(), "nodev".to_owned()]);
    Some(Mount {
        destination: part.path.clone(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options,
        ..Mount::default()
    })
}

/// A mount and no file of an overlay's: where `/etc/resolv.conf` is a link into `/run`, which is empty, its target is made.
fn resolvers(bundle: &Path) -> Mount {
    Mount {
        destination: "/etc/resolv.conf".to_owned(),
        kind: "bind".to_owned(),
        source: format!("{}/{RESOLVERS}", bundle.display()),
        options: ["bind", "nosuid", "nodev", "noexec"].map(str::to_owned).into(),
        ..Mount::default()
    }
}

fn overlay_options(part: &Part, layer: &str, setting: &Setting<'_>) -> Vec<String> {
    let layer = escape(&format!("{}/layers/{layer}", setting.bundle.display()));
    let mut options = vec![
        format!("lowerdir={}", escape(&part.path)),
        format!("upperdir={layer}/upper"),
        format!("workdir={layer}/work"),
    ];
    // In a user namespace overlayfs may write no other attributes than these.
    if setting.rootless.is_some() {
        options.push("userxattr".to_owned());
    }
    options
}

fn arguments(setting: &Setting<'_>) -> Vec<String> {
    if !setting.command.is_empty() {
        return setting.command.to_vec();
    }
    let shell = setting.environment.iter().find(|(name, _)| name == "SHELL");
    let shell = shell.map(|(_, path)| path).filter(|path| path.starts_with('/'));
    vec![shell.map_or("/bin/sh", String::as_str).to_owned()]
}

/// The caller's environment without [`OUTSIDE`].
fn environment(variables: &[(String, String)]) -> Vec<String> {
    let inside = variables.iter().filter(|(name, _)| !OUTSIDE.contains(&name.as_str()));
    let path = variables.iter().all(|(name, _)| name != "PATH").then(|| PATH.to_owned());
    path.into_iter().chain(inside.map(|(name, value)| format!("{name}={value}"))).collect()
}

/// The caller's directory if the container has it, or `/`.
fn directory<'a>(directory: Option<&'a str>, parts: &[Part]) -> &'a str {
    let covers = |path: &str, part: &&Part| part.path == path || is_below(path, &part.path);
    let is_there = |path: &&str| {
        let covering = parts.iter().filter(|part| covers(path, part));
        let part = covering.max_by_key(|part| part.path.len());
        part.is_some_and(|part| part.show != Show::Empty || part.path == *path)
    };
    directory.filter(is_there).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn part(path: &str, show: Show) -> Part {
        Part { path: path.to_owned(), show }
    }

    fn spec(rootless: Option<(u32, u32)>) -> Spec {
        let parts = [
            part("/boot", Show::ReadOnlyDirectory),
            part("/bin", Show::Link),
            part("/proc", Show::Empty),
            part("/usr", Show::Overlay),
        ];
        config(&Setting {
            bundle: Path::new("/tmp/a,b"),
            rootless,
            parts: &parts,
            layers: &["boot", "bin", "proc", "usr"].map(str::to_owned),
            seccomp: None,
            command: &[],
            network: false,
            environment: &[("SHELL".into(), "/bin/zsh".into()), ("DISPLAY".into(), ":0".into())],
            directory: Some("/usr/src"),
            terminal: true,
        })
    }

    #[test]
    fn parts_become_mounts_before_the_usual_ones() {
        let mounts = spec(None).mounts;
        let all: Vec<&str> = mounts.iter().map(|mount| mount.destination.as_str()).collect();
        assert_eq!(all[..4], ["/boot", "/usr", "/proc", "/dev"]);
        assert_eq!(mounts[0].options, ["bind", "ro", "nosuid", "nodev"]);
        let overlay = [
            "lowerdir=/usr",
            "upperdir=/tmp/a\\,b/layers/usr/upper",
            "workdir=/tmp/a\\,b/layers/usr/work",
            "nosuid",
            "nodev",
        ];
        assert_eq!(mounts[1].options, overlay);
    }

    #[test]
    fn a_plain_user_gets_every_namespace_and_a_sysfs() {
        let spec = spec(Some((1000, 1000)));
        assert!(spec.mounts[1].options.contains(&"userxattr".to_owned()));
        let sys = spec.mounts.iter().find(|mount| mount.destination == "/sys").unwrap();
        assert_eq!((&*sys.kind, &*sys.source), ("sysfs", "sysfs"));
        assert_eq!(sys.options, ["nosuid", "noexec", "nodev", "ro"]);
        let kinds: BTreeSet<_> = spec.linux.unwrap().namespaces.iter().map(|n| n.kind).collect();
        let time = BTreeSet::from([NamespaceKind::Time]);
        assert_eq!(&kinds | &time, NamespaceKind::ALL.into_iter().collect());
        assert!(!kinds.contains(&NamespaceKind::Time));
    }

    #[test]
    fn the_shell_and_the_environment_are_the_callers() {
        let process = spec(None).process.unwrap();
        assert_eq!(process.args, ["/bin/zsh"]);
        assert_eq!(process.env, [PATH, "SHELL=/bin/zsh"]);
        assert_eq!(process.cwd, "/usr/src");
        assert!(process.terminal && process.no_new_privileges && process.rlimits.is_empty());
    }

    #[test]
    fn a_directory_that_is_not_there_becomes_the_root() {
        let parts = [
            part("/home", Show::Empty),
            part("/home/user", Show::Overlay),
            part("/run", Show::Empty),
        ];
        for (wanted, given) in [
            (Some("/home/user/src"), "/home/user/src"),
            (Some("/home"), "/home"),
            (Some("/home/other"), "/"),
            (Some("/run/user/1000"), "/"),
            (Some("/"), "/"),
            (None, "/"),
        ] {
            assert_eq!(directory(wanted, &parts), given, "{wanted:?}");
        }
    }
}
