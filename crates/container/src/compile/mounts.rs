//! The root and what is mounted below it.

use std::ffi::CString;
use std::path::Path;

use coble_plan::{ListBuf, Plan, Step, mount as bits};
use coble_spec::{Linux, Mount, NamespaceKind};

use super::cgroup::cgroup;
use super::cgroup_wait::CgroupWait;
use super::text::{c_path, c_string, clean};
use super::{Job, Namespaces, proc_mounts};
use crate::error::{Error, Result};
use crate::id_map::lines;
use crate::mount_ids::MountIds;
use crate::mount_options::{MountOptions, attr, ms};
use crate::root_ids::{POINTER, root_ids};
use crate::selinux::{Labelling, MountLabel};

/// fsconfig(2) takes values of at most this many bytes.
const FSCONFIG_VALUE_MAX: usize = 255;

/// A mount of the configuration, sorted out.
pub(super) struct Wanted<'a> {
    pub(super) mount: &'a Mount,
    pub(super) options: MountOptions,
    pub(super) destination: CString,
    pub(super) origin: String,
    pub(super) flags: u32,
    /// How its ids are mapped.
    ids: Option<MountIds>,
    /// The SELinux context, if its root gets it as an attribute.
    label: Option<String>,
}

impl Wanted<'_> {
    pub(super) fn refusal(&self, reason: &str) -> Error {
        bad_options(&self.origin, reason)
    }

    /// Attributes of all below can't be set one by one: the child does not know what is there.
    pub(super) fn check_recursive(&self) -> Result<()> {
        if self.options.is_recursive() && self.flags & bits::CLASSIC_ATTRIBUTES != 0 {
            return Err(self.refusal("a change of all below needs mount_setattr(2) (Linux 5.12)"));
        }
        Ok(())
    }
}

/// Opens the root, in a mount tree that does not tell the host what happens in it.
pub(super) fn open_root(job: &Job<'_>, namespaces: &Namespaces, plan: &mut Plan) -> Result<()> {
    let root = c_path(job.rootfs)?;
    if !namespaces.has(NamespaceKind::Mount) {
        plan.push(Step::OpenDirectory { path: &root }, "/root/path");
        return Ok(());
    }
    let asked = propagation(job);
    let origin = if asked == 0 { "" } else { "/linux/rootfsPropagation" };
    let flags = match asked {
        0 => ms::SLAVE | ms::REC,
        // What can't be bound can't be used for what follows; the root becomes so at the end.
        _ if asked & ms::UNBINDABLE != 0 => ms::PRIVATE | ms::REC,
        _ => asked,
    };
    plan.push(Step::Propagation { flags: flags as u32 }, origin);
    if flags & ms::REC == 0 || flags & (ms::SLAVE | ms::PRIVATE) == 0 {
        let flags = if flags & ms::SLAVE != 0 { ms::SLAVE } else { ms::PRIVATE };
        plan.push(Step::ParentPropagation { path: &root, flags: flags as u32 }, origin);
    }
    let wrong =
        |reason: String| Error::config(POINTER, format!("config.json: {POINTER}: {reason}"));
    if let Some(ids) = root_ids(job.spec).map_err(wrong)? {
        can_map_ids(job).map_err(|reason| wrong(reason.to_owned()))?;
        map_ids(&ids, POINTER, plan)?;
    }
    plan.push(Step::OpenRoot { path: &root }, "/root/path");
    Ok(())
}

/// `linux.rootfsPropagation` as flags of mount(2); 0 if it is not there.
pub(super) fn propagation(job: &Job<'_>) -> u64 {
    let name = job.spec.linux.as_ref().map_or("", |linux| linux.rootfs_propagation.as_str());
    name.parse().map_or(0, crate::mount_options::Propagation::mount_flags)
}

/// Adds the mounts of the configuration.
pub(super) fn mounts(
    job: &Job<'_>,
    namespaces: &Namespaces,
    wait: &mut CgroupWait,
    plan: &mut Plan,
) -> Result<()> {
    for (index, mount) in job.spec.mounts.iter().enumerate() {
        let mut wanted = sort_out(job, mount, index)?;
        let source = job.bundle.join(&mount.source);
        wait.end_before(mount, &source, &wanted.options, namespaces, plan);
        if namespaces.has(NamespaceKind::User) && !job.facts.is_rootless() {
            wanted.flags |= bits::ASK_SOURCE;
        }
        if wanted.options.remount {
            remount(&wanted, plan)?;
        } else if wanted.options.binds(&mount.kind) {
            let source = c_path(&source)?;
            map_wanted_ids(job, &wanted, plan)?;
            if let Some(fd) = job.sources.get(index).copied().flatten() {
                plan.push(Step::HoldSource { fd, source: &source }, wanted.origin.clone());
            }
            bind(&wanted, &source, plan)?;
        } else if mount.kind == "cgroup" || mount.kind == "cgroup2" {
            cgroup(job, namespaces, &wanted, plan)?;
        } else {
            file_system(job, &wanted, plan)?;
            relabel(&wanted, plan)?;
        }
        more_propagation(job, &wanted, plan);
    }
    Ok(())
}

fn bad_options(origin: &str, reason: &str) -> Error {
    let pointer = format!("{origin}/options");
    let words = format!("config.json: {pointer}: {reason}");
    Error::config(pointer, words)
}

fn sort_out<'a>(job: &Job<'_>, mount: &'a Mount, index: usize) -> Result<Wanted<'a>> {
    let is_own = job.options.adds_mount && index + 1 == job.spec.mounts.len();
    let origin = if is_own { String::new() } else { format!("/mounts/{index}") };
    let mut options = MountOptions::parse(&mount.options)
        .map_err(|error| bad_options(&origin, &error.to_string()))?;
    if makes_fs(mount, &options) {
        options.reach_the_mount();
    }
    let none = Linux::default();
    let ids =
        MountIds::of(mount, &options, job.spec.linux.as_ref().unwrap_or(&none)).map_err(|bad| {
            Error::new(format!("config.json: {origin}/{}: {}", bad.member, bad.reason))
        })?;
    let mut label = None;
    if let Some(wanted) = MountLabel::of(job.spec).filter(|_| makes_fs(mount, &options)) {
        match Labelling::of(&mount.kind) {
            Labelling::None => {}
            Labelling::Option => options.data.push(wanted.datum()),
            Labelling::Attribute => label = Some(wanted.context),
        }
    }
    let path = below_root(job, &mount.destination);
    let mut flags = classic(job);
    if job.options.only_held {
        // What is taken back, or removed later, is found again.
        flags |= bits::NO_SYMLINKS;
        if options.binds(&mount.kind) {
            // The parent has done it.
            options.propagation.clear();
            flags |= bits::HELD;
        }
    }
    if matches!(mount.kind.as_str(), "proc" | "sysfs") {
        flags |= bits::NO_SYMLINKS;
    }
    flags |= proc_mounts::flags(&path, mount, &options).map_err(|reason| {
        let pointer = format!("{origin}/destination");
        let words = format!("config.json: {pointer}: {reason}");
        Error::config(pointer, words)
    })?;
    Ok(Wanted { mount, options, destination: c_string(path)?, origin, flags, ids, label })
}

fn makes_fs(mount: &Mount, options: &MountOptions) -> bool {
    !options.remount && !options.binds(&mount.kind)
}

/// A destination as seen from the root. Some engines write the path that it has on the host.
pub(super) fn below_root(job: &Job<'_>, destination: &str) -> String {
    let path = clean(destination);
    let below = job.rootfs.to_str().and_then(|root| path.strip_prefix(root));
    match below {
        Some("") => "/".to_owned(),
        Some(below) if below.starts_with('/') => below.to_owned(),
        _ => path,
    }
}

fn classic(job: &Job<'_>) -> u32 {
    if job.facts.has_mount_setattr { 0 } else { bits::CLASSIC_ATTRIBUTES }
}

fn remount(wanted: &Wanted<'_>, plan: &mut Plan) -> Result<()> {
    let options = &wanted.options;
    wanted.check_recursive()?;
    let step = Step::Remount {
        destination: &wanted.destination,
        set: options.attr_set,
        clear: options.attr_clr,
        flags: wanted.flags,
        propagation: first_propagation(options),
    };
    plan.push(step, wanted.origin.clone());
    if options.is_recursive() {
        let step = Step::Remount {
            destination: &wanted.destination,
            set: options.recursive_set,
            clear: options.recursive_clr,
            flags: wanted.flags | bits::RECURSIVE,
            propagation: 0,
        };
        plan.push(step, wanted.origin.clone());
    }
    Ok(())
}

fn bind(wanted: &Wanted<'_>, source: &CString, plan: &mut Plan) -> Result<()> {
    let options = &wanted.options;
    wanted.check_recursive()?;
    let recursive = if options.recursive { bits::RECURSIVE } else { 0 };
    let step = Step::MountBind {
        source,
        destination: &wanted.destination,
        set: options.attr_set,
        clear: options.attr_clr,
        set_recursive: options.recursive_set,
        clear_recursive: options.recursive_clr,
        flags: wanted.flags | recursive,
        propagation: first_propagation(options),
    };
    plan.push(step, wanted.origin.clone());
    Ok(())
}

/// Has the parent map the ids of the mount whose step comes next.
fn map_wanted_ids(job: &Job<'_>, wanted: &Wanted<'_>, plan: &mut Plan) -> Result<()> {
    let Some(ids) = &wanted.ids else { return Ok(()) };
    can_map_ids(job).map_err(|reason| wanted.refusal(reason))?;
    map_ids(ids, &wanted.origin, plan)
}

fn can_map_ids(job: &Job<'_>) -> std::result::Result<(), &'static str> {
    match job.facts {
        facts if !facts.has_mount_setattr => {
            Err("id-mapped mounts need mount_setattr(2) (Linux 5.12)")
        }
        facts if facts.uid != 0 => {
            Err("id-mapped mounts are not supported for rootless containers")
        }
        _ => Ok(()),
    }
}

/// Before what mounts it.
fn map_ids(ids: &MountIds, origin: &str, plan: &mut Plan) -> Result<()> {
    let (uids, gids) = (c_string(lines(&ids.uids))?, c_string(lines(&ids.gids))?);
    let step = Step::MapIds { uids: &uids, gids: &gids, recursive: u32::from(ids.recursive) };
    plan.push(step, origin.to_owned());
    Ok(())
}

fn file_system(job: &Job<'_>, wanted: &Wanted<'_>, plan: &mut Plan) -> Result<()> {
    let options = &wanted.options;
    let data_fits = || {
        let short = |value: &Option<String>| {
            value.as_ref().is_none_or(|value| value.len() <= FSCONFIG_VALUE_MAX)
        };
        options.data.iter().all(|datum| short(&datum.value))
    };
    // overlayfs reads backslashes and commas of its paths from mount(2) in its own way.
    if wanted.mount.kind == "overlay" || options.needs_mount() || !data_fits() {
        return through_mount(wanted, plan);
    }
    let late = is_filled_later(wanted);
    let list: ListBuf = options
        .data
        .iter()
        .map(ToString::to_string)
        .chain(options.fsconfig_flags().filter(|flag| *flag != "ro").map(str::to_owned))
        .collect();
    let mut flags = wanted.flags;
    if options.superblock_set & ms::RDONLY != 0 && !late {
        flags |= bits::SUPERBLOCK_RDONLY;
    }
    if wanted.mount.kind == "tmpfs" && !options.data.iter().any(|datum| datum.key == "mode") {
        flags |= bits::INHERIT_MODE;
    }
    if options.copy_up {
        flags |= bits::COPY_UP;
    }
    let (kind, source) =
        (c_string(wanted.mount.kind.as_str())?, c_string(wanted.mount.source.as_str())?);
    let step = Step::MountFs {
        fstype: &kind,
        source: &source,
        destination: &wanted.destination,
        options: list.as_list(),
        attributes: if late { options.attr_set & !attr::RDONLY } else { options.attr_set },
        flags,
        propagation: first_propagation(options),
    };
    map_wanted_ids(job, wanted, plan)?;
    plan.push(step, wanted.origin.clone());
    Ok(())
}

/// A tmpfs, and whatever lies on `/dev`, becomes read-only only once all is made that goes into it.
fn is_filled_later(wanted: &Wanted<'_>) -> bool {
    wanted.mount.kind == "tmpfs" || wanted.destination.as_bytes() == b"/dev"
}

fn relabel(wanted: &Wanted<'_>, plan: &mut Plan) -> Result<()> {
    let Some(label) = &wanted.label else { return Ok(()) };
    let label = c_string(label.as_str())?;
    let step = Step::Relabel { path: &wanted.destination, label: &label };
    plan.push(step, MountLabel::POINTER);
    Ok(())
}

fn through_mount(wanted: &Wanted<'_>, plan: &mut Plan) -> Result<()> {
    let options = &wanted.options;
    if options.copy_up {
        return Err(wanted.refusal("tmpcopyup can't go with options that need mount(2)"));
    }
    if wanted.ids.is_some() {
        let kind = &wanted.mount.kind;
        let reason =
            format!("the ids of a mount of the type {kind:?} can't be mapped with these options");
        return Err(wanted.refusal(&reason));
    }
    let (kind, source) =
        (c_string(wanted.mount.kind.as_str())?, c_string(wanted.mount.source.as_str())?);
    let data = c_string(options.data_string())?;
    let late = if is_filled_later(wanted) { ms::RDONLY } else { 0 };
    let step = Step::MountClassic {
        fstype: &kind,
        source: &source,
        destination: &wanted.destination,
        ms_flags: (options.mount_flags(0) | options.superblock_set) & !late,
        data: &data,
        flags: wanted.flags,
        propagation: first_propagation(options),
    };
    plan.push(step, wanted.origin.clone());
    Ok(())
}

pub(super) fn first_propagation(options: &MountOptions) -> u32 {
    options.propagation.first().map_or(0, |propagation| propagation.mount_flags() as u32)
}

/// A list such as `slave,shared` is applied one by one, as mount(8) does.
fn more_propagation(job: &Job<'_>, wanted: &Wanted<'_>, plan: &mut Plan) {
    for propagation in wanted.options.propagation.iter().skip(1) {
        let step = Step::Remount {
            destination: &wanted.destination,
            set: 0,
            clear: 0,
            flags: classic(job),
            propagation: propagation.mount_flags() as u32,
        };
        plan.push(step, wanted.origin.clone());
    }
}

pub(super) fn read_only_now(wanted: &Wanted<'_>, plan: &mut Plan) {
    let step = Step::Remount {
        destination: &wanted.destination,
        set: attr::RDONLY,
        clear: 0,
        flags: wanted.flags,
        propagation: 0,
    };
    plan.push(step, wanted.origin.clone());
}

/// Makes read-only what things have been put into by now.
pub(super) fn later_read_only(job: &Job<'_>, plan: &mut Plan) -> Result<()> {
    for (index, mount) in job.spec.mounts.iter().enumerate() {
        let wanted = sort_out(job, mount, index)?;
        let is_new_fs = makes_fs(mount, &wanted.options);
        let read_only = wanted.options.attr_set & attr::RDONLY != 0;
        if is_new_fs && read_only && is_filled_later(&wanted) {
            read_only_now(&wanted, plan);
        }
    }
    Ok(())
}

/// Closes what the container must not read or write.
pub(super) fn restrict(job: &Job<'_>, plan: &mut Plan) -> Result<()> {
    let flags = classic(job);
    later_read_only(job, plan)?;
    let context = c_string(mount_context(job))?;
    if let Some(linux) = &job.spec.linux {
        for (index, path) in unlike(&linux.readonly_paths) {
            let path = c_string(path)?;
            plan.push(
                Step::ReadonlyPath { path: &path, flags },
                format!("/linux/readonlyPaths/{index}"),
            );
        }
        for (index, path) in unlike(&linux.masked_paths) {
            let path = c_string(path)?;
            let step = Step::MaskPath { path: &path, flags, context: &context };
            plan.push(step, format!("/linux/maskedPaths/{index}"));
        }
    }
    if job.spec.root.as_ref().is_some_and(|root| root.readonly) {
        plan.push(Step::ReadonlyRoot { flags }, "/root/readonly");
    }
    Ok(())
}

/// The SELinux context of a new file system as one of its options; empty for none.
pub(super) fn mount_context(job: &Job<'_>) -> String {
    MountLabel::of(job.spec).map_or(String::new(), |label| label.option())
}

/// The paths with their places, each once: a second mount on the first one would change nothing.
fn unlike(paths: &[String]) -> Vec<(usize, String)> {
    let mut list: Vec<(usize, String)> = Vec::new();
    for (index, path) in paths.iter().map(|path| clean(path)).enumerate() {
        if !list.iter().any(|(_, other)| *other == path) {
            list.push((index, path));
        }
    }
    list
}

/// Makes the root the root.
pub(super) fn change_root(job: &Job<'_>, namespaces: &Namespaces, plan: &mut Plan) -> Result<()> {
    if !namespaces.has(NamespaceKind::Mount) {
        plan.push(Step::Chroot {}, "/root/path");
        return Ok(());
    }
    let asked = propagation(job);
    if job.options.no_pivot {
        if asked & ms::PRIVATE != 0 {
            // The host's mounts stay below the root, and what is unmounted there would stay in use here.
            let pointer = "/linux/rootfsPropagation";
            let words = "rootfsPropagation of [r]private is not safe without pivot_root";
            return Err(Error::config(pointer, format!("config.json: {pointer}: {words}")));
        }
        let outside = |path: &Path| !path.starts_with(job.rootfs);
        for path in job.options.host_mounts.iter().filter(|path| outside(path)) {
            let path = c_path(path)?;
            plan.push(Step::HideMount { path: &path }, "");
        }
        plan.push(Step::MoveRoot {}, "/root/path");
    } else {
        let has_peers = u32::from(asked != 0);
        plan.push(Step::PivotRoot { has_peers }, "/root/path");
    }
    if asked & (ms::SHARED | ms::UNBINDABLE) != 0 {
        plan.push(Step::RootPropagation { flags: asked as u32 }, "/linux/rootfsPropagation");
    }
    Ok(())
}
