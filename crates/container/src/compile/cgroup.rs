//! `/sys/fs/cgroup` as the container sees it.

use coble_cgroup::ContainerMount;
use coble_plan::{ListBuf, Plan, Step, mount as bits};
use coble_spec::NamespaceKind;

use super::mounts::{Wanted, first_propagation, mount_context, propagation, read_only_now};
use super::text::c_string;
use super::{Job, Namespaces};
use crate::error::{Error, Result};
use crate::mount_options::{attr, ms};

/// `/sys/fs/cgroup`: of cgroup v2 one mount, of v1 a directory with one for each hierarchy. Where a host has both,
/// the type `cgroup2` is the container's part of v2 alone.
pub(super) fn cgroup(
    job: &Job<'_>,
    namespaces: &Namespaces,
    wanted: &Wanted<'_>,
    plan: &mut Plan,
) -> Result<()> {
    if wanted.options.needs_mount() {
        return Err(wanted.refusal("cgroups have no iversion"));
    }
    let user = namespaces.has(NamespaceKind::User) || job.facts.is_rootless();
    if !job.facts.is_unified() {
        return match job.legacy {
            [] => bind_host_cgroup(job, wanted, None, user, plan),
            legacy if wanted.mount.kind == "cgroup2" => {
                let unified = legacy.iter().find(|mount| mount.is_v2());
                let unified =
                    unified.ok_or_else(|| wanted.refusal("the host has cgroup v1 alone"))?;
                bind_host_cgroup(job, wanted, Some(&unified.dir), user, plan)
            }
            legacy => legacy_cgroup(job, wanted, legacy, plan),
        };
    }
    // A mount from outside a cgroup namespace of its own would set the options of the host's mount, and wait
    // for a grace period of the kernel; the mount that is there shows the same.
    if !namespaces.has(NamespaceKind::Cgroup) {
        return bind_host_cgroup(job, wanted, None, user, plan);
    }
    // Only the owner of the cgroup namespace may mount it anew.
    let owns = namespaces.makes(NamespaceKind::Cgroup) && namespaces.makes(NamespaceKind::User);
    if user && !owns {
        return bind_host_cgroup(job, wanted, job.unified, user, plan);
    }
    new_cgroup2(wanted, plan)
}

/// What the whole hierarchy of cgroup v2 has or has not (Linux, admin-guide/cgroup-v2.rst, "Mounting"). The kernel
/// takes it from the first cgroup namespace alone and ignores it elsewhere; engines copy the host's into
/// configurations.
const HIERARCHY: [&str; 7] = [
    "nsdelegate",
    "favordynmods",
    "nofavordynmods",
    "memory_localevents",
    "memory_recursiveprot",
    "memory_hugetlb_accounting",
    "pids_localevents",
];

/// What a mount of the type `cgroup` asks of its file system.
fn cgroup_data(wanted: &Wanted<'_>) -> Vec<String> {
    let options = &wanted.options;
    let data = options.data.iter().map(ToString::to_string);
    let flags = options.fsconfig_flags().filter(|flag| !matches!(*flag, "ro" | "rw"));
    data.filter(|datum| !HIERARCHY.contains(&datum.as_str()))
        .chain(flags.map(str::to_owned))
        .collect()
}

fn new_cgroup2(wanted: &Wanted<'_>, plan: &mut Plan) -> Result<()> {
    let options: ListBuf = cgroup_data(wanted).iter().collect();
    let step = Step::MountFs {
        fstype: c"cgroup2",
        source: c"cgroup",
        destination: &wanted.destination,
        options: options.as_list(),
        attributes: wanted.options.attr_set,
        flags: wanted.flags,
        propagation: first_propagation(&wanted.options),
    };
    plan.push(step, wanted.origin.clone());
    Ok(())
}

/// The host's mount. What is not the container's own is read-only for a user namespace, whose root is some
/// user of the host (CVE-2023-25809).
fn bind_host_cgroup(
    job: &Job<'_>,
    wanted: &Wanted<'_>,
    own: Option<&str>,
    user: bool,
    plan: &mut Plan,
) -> Result<()> {
    let source = c_string(own.unwrap_or("/sys/fs/cgroup"))?;
    wanted.check_recursive()?;
    if let Some(datum) = cgroup_data(wanted).first() {
        let reason = format!("the host's cgroups can't be shown with another option: {datum:?}");
        return Err(wanted.refusal(&reason));
    }
    let read_only = if own.is_none() && user { attr::RDONLY } else { 0 };
    if read_only != 0 && wanted.flags & bits::CLASSIC_ATTRIBUTES != 0 {
        let origin = &wanted.origin;
        let words = format!(
            "config.json: {origin}: the host's cgroups can't be shown read-only to a user namespace without \
             mount_setattr (Linux 5.12)"
        );
        return Err(Error::config(origin, words));
    }
    let set = wanted.options.attr_set;
    // The host's attributes stay. An access time mode is a value, which can't be set without being cleared.
    let clear = if set & attr::ATIME != 0 { attr::ATIME } else { 0 };
    let step = Step::MountBind {
        source: &source,
        destination: &wanted.destination,
        set,
        clear,
        set_recursive: wanted.options.recursive_set | read_only,
        clear_recursive: wanted.options.recursive_clr & !read_only,
        flags: wanted.flags | bits::RECURSIVE,
        propagation: match first_propagation(&wanted.options) {
            0 => no_peers(job),
            asked => asked,
        },
    };
    plan.push(step, wanted.origin.clone());
    Ok(())
}

/// What keeps a mount that shows the host's cgroups from being the host's peer: nobody has asked for the host's mount
/// to be bound. Where `linux.rootfsPropagation` leaves the host's mounts as they are, it is made a slave.
fn no_peers(job: &Job<'_>) -> u32 {
    match propagation(job) {
        0 => 0,
        asked if asked & ms::REC != 0 && asked & (ms::SLAVE | ms::PRIVATE) != 0 => 0,
        _ => (ms::SLAVE | ms::REC) as u32,
    }
}

fn legacy_cgroup(
    job: &Job<'_>,
    wanted: &Wanted<'_>,
    mounts: &[ContainerMount],
    plan: &mut Plan,
) -> Result<()> {
    let top = wanted.destination.to_string_lossy();
    let mut data = cgroup_data(wanted);
    if !data.iter().any(|datum| datum.starts_with("mode=")) {
        data.insert(0, "mode=755".to_owned());
    }
    data.extend(Some(mount_context(job)).filter(|context| !context.is_empty()));
    let options: ListBuf = data.iter().collect();
    let step = Step::MountFs {
        fstype: c"tmpfs",
        source: c"tmpfs",
        destination: &wanted.destination,
        options: options.as_list(),
        attributes: wanted.options.attr_set & !attr::RDONLY,
        flags: wanted.flags,
        propagation: first_propagation(&wanted.options),
    };
    plan.push(step, wanted.origin.clone());
    for mount in mounts {
        let source = c_string(mount.dir.as_str())?;
        let destination = c_string(format!("{top}/{}", mount.name))?;
        let step = Step::MountBind {
            source: &source,
            destination: &destination,
            set: wanted.options.attr_set,
            clear: wanted.options.attr_clr,
            set_recursive: 0,
            clear_recursive: 0,
            flags: wanted.flags,
            propagation: no_peers(job),
        };
        plan.push(step, wanted.origin.clone());
        for link in &mount.links {
            let (target, path) =
                (c_string(mount.name.as_str())?, c_string(format!("{top}/{link}"))?);
            plan.push(Step::Symlink { target: &target, path: &path }, wanted.origin.clone());
        }
    }
    if wanted.options.attr_set & attr::RDONLY != 0 {
        read_only_now(wanted, plan);
    }
    Ok(())
}
