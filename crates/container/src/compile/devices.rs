//! Device nodes and the links of `/dev`.

use coble_plan::{Plan, Step};
use coble_spec::{Device, NamespaceKind};
use coble_sys::libc;

use super::mounts::below_root;
use super::text::{c_string, clean};
use super::{Job, Namespaces};
use crate::error::Result;
use crate::mount_options::MountOptions;

/// What every container has, with major and minor number (config-linux.md, "Default Devices").
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Links that every container has (runtime-linux.md, "Dev symbolic links").
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// One more, where the host has what it points to.
const CORE_LINK: (&str, &str) = ("/proc/kcore", "/dev/core");

/// What stands in for a mode that is not given.
const DEFAULT_MODE: u32 = 0o666;

/// Adds nodes and links, unless the container has the host's own `/dev`, which is no one's to fill, or shares the
/// host's mounts.
pub(super) fn devices(job: &Job<'_>, namespaces: &Namespaces, plan: &mut Plan) -> Result<()> {
    if !namespaces.has(NamespaceKind::Mount) || has_bound_dev(job) {
        return Ok(());
    }
    let bound = namespaces.has(NamespaceKind::User) || !job.facts.is_initial_user_namespace;
    let configured = job.spec.linux.as_ref().map_or(&[][..], |linux| &linux.devices);
    let is_configured = |path: &str| configured.iter().any(|device| clean(&device.path) == path);
    for (path, major, minor) in DEFAULT.iter().filter(|(path, ..)| !is_configured(path)) {
        let device = Device {
            path: (*path).to_owned(),
            kind: "c".to_owned(),
            major: i64::from(*major),
            minor: i64::from(*minor),
            ..Device::default()
        };
        node(&device, bound, "", plan)?;
    }
    for (index, device) in configured.iter().enumerate() {
        node(device, bound, &format!("/linux/devices/{index}"), plan)?;
    }
    let core = job.facts.has_kcore.then_some(CORE_LINK);
    for (target, path) in LINKS.into_iter().chain(core) {
        let (target, path) = (c_string(target)?, c_string(path)?);
        plan.push(Step::Symlink { target: &target, path: &path }, "");
    }
    Ok(())
}

fn has_bound_dev(job: &Job<'_>) -> bool {
    job.spec.mounts.iter().any(|mount| {
        let is_bind =
            || MountOptions::parse(&mount.options).is_ok_and(|options| options.binds(&mount.kind));
        below_root(job, &mount.destination) == "/dev" && is_bind()
    })
}

fn node(device: &Device, bound: bool, origin: &str, plan: &mut Plan) -> Result<()> {
    let path = c_string(clean(&device.path))?;
    let kind = match device.kind.as_str() {
        "b" => libc::S_IFBLK,
        "p" => libc::S_IFIFO,
        _ => libc::S_IFCHR,
    };
    let major = u32::try_from(device.major).unwrap_or(0);
    let minor = u32::try_from(device.minor).unwrap_or(0);
    // A fifo is nobody's device: it can be made anywhere.
    if bound && kind != libc::S_IFIFO {
        let step = Step::BindDevice { path: &path, kind, major, minor };
        plan.push(step, origin.to_owned());
        return Ok(());
    }
    let says_nothing = (device.file_mode, device.uid, device.gid) == (None, None, None);
    let step = Step::Mknod {
        path: &path,
        mode: kind | device.file_mode.map_or(DEFAULT_MODE, |mode| mode & 0o7777),
        major,
        minor,
        uid: device.uid.unwrap_or(0),
        gid: device.gid.unwrap_or(0),
        keep: u32::from(says_nothing),
    };
    plan.push(step, origin.to_owned());
    Ok(())
}
