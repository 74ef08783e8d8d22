//! The program that takes the executor's place.

use core::ffi::{CStr, c_char};
use core::ptr::null;

use coble_plan::{List, Message, filter_action};
use coble_sys::rustix::fd::{FromRawFd, OwnedFd};
use coble_sys::rustix::fs::{
    Access, AtFlags, CWD, FileType, Mode, OFlags, accessat, fstat, openat, stat,
};
use coble_sys::rustix::io::{Errno, pread, read, retry_on_intr};
use coble_sys::rustix::process::set_parent_process_death_signal;
use coble_sys::{FILTER_FLAG_NEW_LISTENER, execve, seccomp_set_mode_filter, sigprocmask};

use crate::array::Array;
use crate::bytes::{Bytes, PathBytes};
use crate::context::{Context, Filter};
use crate::fault::{During, Fault, Outcome};
use crate::listener;
use crate::rendezvous::tell;

/// A null-terminated array of C strings.
pub(crate) struct Pointers(Array<*const c_char>);

impl Pointers {
    /// Points to each string of `list`, and to `extra` at the end.
    pub(crate) fn new(list: List<'_>, extra: Option<&CStr>) -> Outcome<Self> {
        let mut array = Array::new(list.len() + usize::from(extra.is_some()) + 1, null())?;
        for (slot, text) in array.as_mut_slice().iter_mut().zip(list.iter().chain(extra)) {
            *slot = text.as_ptr();
        }
        Ok(Self(array))
    }

    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        self.0.as_ptr()
    }
}

/// [`coble_plan::Step::FindProgram`]: as execvp(3) searches, with the user's own rights.
pub(crate) fn find(context: &mut Context<'_>, name: &CStr, path: &CStr) -> Outcome {
    if name.to_bytes().contains(&b'/') {
        check_program(name).map_err(|fault| fault.with(name.to_bytes()))?;
        context.program = PathBytes::from(name.to_bytes())?;
        return Ok(());
    }
    for directory in path.to_bytes().split(|&byte| byte == b':') {
        let mut candidate = PathBytes::from(if directory.is_empty() { b"." } else { directory })?;
        candidate.push(b"/")?;
        candidate.push(name.to_bytes())?;
        if check_program(candidate.as_c_str()).is_ok() {
            context.program = candidate;
            return Ok(());
        }
    }
    Err(Fault::words("executable file not found in $PATH").with(name.to_bytes()))
}

fn check_program(path: &CStr) -> Outcome {
    let kind = FileType::from_raw_mode(stat(path).during("stat")?.st_mode);
    if kind == FileType::Directory {
        return Err(Fault::new(Errno::ISDIR, "exec"));
    }
    match accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        // Linux 5.8; before it the real ids are asked for, which are the same by now.
        Err(Errno::NOSYS) => accessat(CWD, path, Access::EXEC_OK, AtFlags::empty()),
        outcome => outcome,
    }
    .during("exec")
}

/// [`coble_plan::Step::Exec`]
pub(crate) fn exec(context: &mut Context<'_>, args: List<'_>, env: List<'_>) -> Outcome {
    let home = (!context.home.is_empty()).then(|| context.home.as_c_str());
    let args = Pointers::new(args, None)?;
    let env = Pointers::new(env, home)?;
    if context.starter.is_none() {
        tell(context, Message::Ready)?;
    }
    set_parent_process_death_signal(None).during("prctl")?;
    sigprocmask(0).during("rt_sigprocmask")?;
    load_filter(context)?;
    // SAFETY: both arrays end with a null pointer and point to strings that outlive the call.
    let errno = unsafe { execve(context.program.as_c_str(), args.as_ptr(), env.as_ptr()) };
    Err(Fault::new(errno, "execve").with(context.program.as_bytes()))
}

/// [`coble_plan::Step::SeccompFile`]
pub(crate) fn take_filter(context: &mut Context<'_>, fd: i32) -> Outcome {
    // SAFETY: the parent hands this descriptor down for this step alone.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    let length = fstat(&file).during(filter_action::READ)?.st_size as usize;
    let mut bytes =
        Array::new(length, 0).map_err(|fault| Fault { action: filter_action::READ, ..fault })?;
    let read = pread(&file, bytes.as_mut_slice(), 0).during(filter_action::READ)?;
    let Some((flags, program)) = bytes.leak().split_first_chunk().filter(|_| read == length) else {
        return Err(Fault::words(filter_action::READ));
    };
    let flags = u32::from_ne_bytes(*flags);
    context.filter = Some(Filter { step: context.step, flags, program });
    Ok(())
}

/// [`coble_plan::Step::Seccomp`]: of all that this process does, the filter has to let execve(2) pass, and nothing else.
fn load_filter(context: &mut Context<'_>) -> Outcome {
    let Some(Filter { step, flags, program }) = context.filter else { return Ok(()) };
    let exec = core::mem::replace(&mut context.step, step);
    match flags & FILTER_FLAG_NEW_LISTENER {
        0 => seccomp_set_mode_filter(flags, program).during(filter_action::LOAD)?,
        _ => listener::load(context, flags, program)?,
    }
    context.step = exec;
    Ok(())
}

/// [`coble_plan::Step::FindHome`]: the sixth field of the line in `/etc/passwd` whose third is the user, as
/// passwd(5) has it; `/` if there is none. The file is hostile: lines that are too long are passed over.
pub(crate) fn find_home(context: &mut Context<'_>, uid: u32) -> Outcome {
    context.home = PathBytes::from(b"HOME=")?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut line = Bytes::<2048>::new();
    let mut whole = true;
    if let Ok(file) = openat(CWD, c"/etc/passwd", flags, Mode::empty()) {
        let mut chunk = [0; 4096];
        let mut left = PASSWD_MAX;
        while let Ok(length @ 1..) = retry_on_intr(|| read(&file, &mut chunk)) {
            for &byte in &chunk[..length] {
                if byte != b'\n' {
                    whole &= line.push(&[byte]).is_ok();
                    continue;
                }
                if whole && push_home(&mut context.home, line.as_bytes(), uid)? {
                    return Ok(());
                }
                line.clear();
                whole = true;
            }
            left -= length.min(left);
            if left == 0 {
                break;
            }
        }
    }
    if !(whole && push_home(&mut context.home, line.as_bytes(), uid)?) {
        context.home.push(b"/")?;
    }
    Ok(())
}

/// Bytes of `/etc/passwd` that are read at most.
const PASSWD_MAX: usize = 16 << 20;

fn push_home(home: &mut PathBytes, line: &[u8], uid: u32) -> Outcome<bool> {
    let mut fields = line.split(|&byte| byte == b':');
    let id = fields.nth(2).and_then(number);
    let (Some(id), Some(directory)) = (id, fields.nth(2)) else { return Ok(false) };
    // A comment is no entry, and a NUL would end the variable early.
    if id != uid || line[0] == b'#' || directory.contains(&0) {
        return Ok(false);
    }
    home.push(if directory.is_empty() { b"/" } else { directory })?;
    Ok(true)
}

/// Decimal digits and nothing else.
fn number(text: &[u8]) -> Option<u32> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}
