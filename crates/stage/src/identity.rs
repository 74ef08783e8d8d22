//! Who the program runs as and what it may do.

use core::ffi::CStr;

use coble_plan::List;
use coble_sys::rustix::fs::{Gid, Mode, Uid};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::process::{Signal, chdir, set_parent_process_death_signal, setrlimit};
use coble_sys::rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use coble_sys::{SchedAttr, getcwd, libc, resource, rlimit, sched_setattr};

use crate::array::Array;
use crate::bytes::Bytes;
use crate::context::Context;
use crate::fault::{During, Fault, Outcome};
use crate::procfs::write_proc;

/// [`coble_plan::Step::OomScoreAdj`]
pub(crate) fn oom_score_adj(context: &mut Context<'_>, value: i32) -> Outcome {
    let mut text = Bytes::<16>::new();
    if value < 0 {
        text.push(b"-")?;
    }
    text.push_number(value.unsigned_abs())?;
    write_proc(context, c"self/oom_score_adj", text.as_bytes())
}

/// [`coble_plan::Step::Rlimit`]
pub(crate) fn limit(number: u32, soft: u64, hard: u64) -> Outcome {
    let resource = resource(number).ok_or_else(|| Fault::words("no such limit"))?;
    setrlimit(resource, rlimit(soft, hard)).during("setrlimit")
}

/// [`coble_plan::Step::Scheduler`]
pub(crate) fn schedule(attr: &SchedAttr) -> Outcome {
    sched_setattr(attr).during("sched_setattr")
}

/// [`coble_plan::Step::Bound`]
pub(crate) fn bound(keep: u64) -> Outcome {
    for capability in 0..64 {
        let one = 1u64 << capability;
        if keep & one == 0 {
            match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(one)) {
                // The kernel knows no capability of that number, and so none above.
                Err(Errno::INVAL) => break,
                outcome => outcome.during("prctl")?,
            }
        }
    }
    Ok(())
}

/// [`coble_plan::Step::SetUser`]: capabilities are kept until they are set.
pub(crate) fn set_user(uid: u32, gid: u32, groups: List<'_>, setgroups: u32) -> Outcome {
    const DENIED: u32 = 0;
    const MAY_BE_DENIED: u32 = 2;
    const KEPT: u32 = 3;
    set_keep_capabilities(true).during("prctl")?;
    if !matches!(setgroups, DENIED | KEPT) {
        match set_groups(groups) {
            Err(fault)
                if fault.errno == libc::EPERM
                    && setgroups == MAY_BE_DENIED
                    && groups.is_empty() => {}
            outcome => outcome?,
        }
    }
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    set_thread_res_gid(gid, gid, gid).during("setresgid")?;
    set_thread_res_uid(uid, uid, uid).during("setresuid")?;
    // A change of user takes the death signal away, prctl(2).
    set_parent_process_death_signal(Some(Signal::KILL)).during("prctl")
}

/// [`coble_plan::Step::DropGroups`]
pub(crate) fn drop_groups(may_be_denied: bool) -> Outcome {
    match set_thread_groups(&[]) {
        Err(Errno::PERM) if may_be_denied => Ok(()),
        outcome => outcome.during("setgroups"),
    }
}

fn set_groups(groups: List<'_>) -> Outcome {
    let mut ids = Array::new(groups.len(), Gid::ROOT)?;
    for (slot, text) in ids.as_mut_slice().iter_mut().zip(groups) {
        let number = text.to_str().ok().and_then(|text| text.parse().ok());
        *slot = Gid::from_raw(number.ok_or_else(|| Fault::words("a group is no number"))?);
    }
    set_thread_groups(ids.as_mut_slice()).during("setgroups")
}

/// [`coble_plan::Step::SetCapabilities`]
pub(crate) fn set_sets(effective: u64, permitted: u64, inheritable: u64, ambient: u64) -> Outcome {
    let sets = CapabilitySets {
        effective: CapabilitySet::from_bits_retain(effective),
        permitted: CapabilitySet::from_bits_retain(permitted),
        inheritable: CapabilitySet::from_bits_retain(inheritable),
    };
    set_capabilities(None, sets).during("capset")?;
    clear_ambient_capability_set().during("prctl")?;
    for capability in 0..64 {
        let one = 1u64 << capability;
        if ambient & one != 0 {
            configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(one), true)
                .during("prctl")?;
        }
    }
    Ok(())
}

/// [`coble_plan::Step::Umask`]
pub(crate) fn set_umask(mask: u32) {
    coble_sys::rustix::process::umask(Mode::from_raw_mode(mask));
}

/// [`coble_plan::Step::ChangeDirectory`]: the directory may be one that only the user may enter.
pub(crate) fn change_directory(context: &mut Context<'_>, path: &CStr) -> Outcome {
    match chdir(path) {
        Err(Errno::ACCESS) => {
            context.directory_pending = true;
            Ok(())
        }
        outcome => outcome.on("chdir", path),
    }
}

/// [`coble_plan::Step::ConfirmDirectory`]: a descriptor that leaked could lead out of the root.
pub(crate) fn confirm_directory(context: &Context<'_>, path: &CStr) -> Outcome {
    if context.directory_pending {
        chdir(path).on("chdir", path)?;
    }
    let mut buffer = [0; 4096];
    match getcwd(&mut buffer) {
        Ok(directory) if directory.to_bytes().first() == Some(&b'/') => Ok(()),
        Ok(_) | Err(Errno::NOENT) => {
            Err(Fault::words("the working directory lies outside the container's root")
                .with(path.to_bytes()))
        }
        Err(errno) => Err(errno).on("getcwd", path),
    }
}

/// [`coble_plan::Step::AppArmor`] and [`coble_plan::Step::SelinuxLabel`]: what the program gets at its exec.
pub(crate) fn label_exec(context: &mut Context<'_>, path: &CStr, label: &CStr) -> Outcome {
    write_proc(context, path, label.to_bytes())
}
