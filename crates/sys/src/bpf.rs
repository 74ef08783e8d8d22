//! bpf(2): programs that decide about a cgroup's devices.

use core::ffi::CStr;

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Result;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::arch::syscall;
use crate::errand;

const BPF_PROG_LOAD: usize = 5;
const BPF_PROG_ATTACH: usize = 8;
const BPF_PROG_DETACH: usize = 9;
const BPF_PROG_GET_FD_BY_ID: usize = 13;
const BPF_OBJ_GET_INFO_BY_FD: usize = 15;
const BPF_PROG_QUERY: usize = 16;

/// `BPF_PROG_TYPE_CGROUP_DEVICE` (Linux 4.15).
pub const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
/// `BPF_CGROUP_DEVICE`, where such a program is attached.
pub const CGROUP_DEVICE: u32 = 6;
/// `BPF_F_ALLOW_MULTI`: the cgroup and those below it may have further programs; all of them must agree.
pub const F_ALLOW_MULTI: u32 = 1 << 1;
const F_REPLACE: u32 = 1 << 2;

/// Bytes of a program's name, the closing zero included.
pub const NAME_LENGTH: usize = 16;

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination register in the lower half, source register in the upper one.
    pub registers: u8,
    /// Jump distance or distance in memory.
    pub offset: i16,
    /// Constant operand.
    pub immediate: i32,
}

/// `union bpf_attr`, as 32-bit words, longer than any kernel's so far. The kernel accepts what it doesn't
/// know as long as it is zero, and writes its answers into the union whatever length it was told.
#[repr(C, align(8))]
struct Attr([u32; 64]);

impl Attr {
    fn new<const N: usize>(words: [u32; N]) -> Self {
        let mut attr = Self([0; 64]);
        attr.0[..N].copy_from_slice(&words);
        attr
    }

    /// Puts an address into the 64-bit field that begins at word `index`.
    fn pointer<T>(&mut self, index: usize, pointer: *const T) {
        let bytes = (pointer as u64).to_ne_bytes();
        let [a, b, c, d, e, f, g, h] = bytes;
        self.0[index] = u32::from_ne_bytes([a, b, c, d]);
        self.0[index + 1] = u32::from_ne_bytes([e, f, g, h]);
    }

    /// # Safety
    /// The addresses in the union must be valid for what `command` does with them.
    unsafe fn call(&mut self, command: usize) -> Result<usize> {
        let args = [command, self.0.as_mut_ptr() as usize, size_of::<Self>(), 0, 0, 0];
        // SAFETY: the union lives through the call and has the size that is given; the caller answers for
        // the addresses in it.
        unsafe { syscall(libc::SYS_bpf, args) }
    }
}

fn word(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

/// Loads a program of the type `kind` and returns its descriptor, close-on-exec. `name` is cut to
/// [`NAME_LENGTH`] and may have letters, digits, `_` and `.`.
///
/// # Errors
/// As bpf(2): `EPERM` without the right to do so, and before Linux 5.11 also when `RLIMIT_MEMLOCK` is used
/// up ([`prog_load_unlimited`]); `EINVAL` or `EACCES` for a program that the verifier refuses.
pub fn prog_load(
    kind: u32,
    program: &[Instruction],
    license: &CStr,
    name: &CStr,
) -> Result<OwnedFd> {
    let mut attr = Attr::new([kind, program.len() as u32]);
    attr.pointer(2, program.as_ptr());
    attr.pointer(4, license.as_ptr());
    let name = name.to_bytes();
    for (index, chunk) in name[..name.len().min(NAME_LENGTH - 1)].chunks(4).enumerate() {
        let mut four = [0; 4];
        four[..chunk.len()].copy_from_slice(chunk);
        attr.0[12 + index] = u32::from_ne_bytes(four);
    }
    // SAFETY: the program has the length that is given, the licence is a C string; the kernel only reads.
    let fd = unsafe { attr.call(BPF_PROG_LOAD) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// [`prog_load`] without a limit of locked memory. The limit is the whole process's, so a child lifts its own.
///
/// # Errors
/// As clone3(2) and bpf(2); `EPERM` also without the right to lift the limit (`CAP_SYS_RESOURCE`).
pub fn prog_load_unlimited(
    kind: u32,
    program: &[Instruction],
    license: &CStr,
    name: &CStr,
) -> Result<OwnedFd> {
    let load = |&(kind, program, license, name): &(u32, &[Instruction], &CStr, &CStr)| {
        setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })?;
        prog_load(kind, program, license, name)
    };
    // SAFETY: `load` makes system calls only.
    unsafe { errand::fetch(&(kind, program, license, name), load) }
}

/// Attaches a program to a cgroup v2 directory (`O_PATH` will do) with [`F_ALLOW_MULTI`], in the place of
/// `old` if that is given (Linux 5.6).
///
/// # Errors
/// As bpf(2): `EPERM` without the right to do so or where a cgroup above forbids it, `ENOENT` if `old` is not
/// attached there.
pub fn prog_attach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    attach_type: u32,
    old: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let flags = F_ALLOW_MULTI | if old.is_some() { F_REPLACE } else { 0 };
    let old = old.map_or(0, word);
    let mut attr = Attr::new([word(cgroup), word(program), attach_type, flags, old]);
    // SAFETY: the call takes numbers only.
    unsafe { attr.call(BPF_PROG_ATTACH) }.map(drop)
}

/// Takes a program off a cgroup v2 directory.
///
/// # Errors
/// As bpf(2); `ENOENT` if it is not attached there.
pub fn prog_detach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    attach_type: u32,
) -> Result<()> {
    let mut attr = Attr::new([word(cgroup), word(program), attach_type]);
    // SAFETY: the call takes numbers only.
    unsafe { attr.call(BPF_PROG_DETACH) }.map(drop)
}

/// Puts the ids of the programs that are attached to the cgroup itself into `ids` and returns how many they
/// are.
///
/// # Errors
/// As bpf(2); `ENOSPC` if there are more than fit.
pub fn prog_query(cgroup: BorrowedFd<'_>, attach_type: u32, ids: &mut [u32]) -> Result<usize> {
    let mut attr = Attr::new([word(cgroup), attach_type]);
    attr.pointer(4, ids.as_mut_ptr());
    attr.0[6] = ids.len() as u32;
    // SAFETY: the kernel writes at most as many ids as the length says.
    unsafe { attr.call(BPF_PROG_QUERY) }?;
    Ok((attr.0[6] as usize).min(ids.len()))
}

/// A descriptor, close-on-exec, of the program with that id.
///
/// # Errors
/// As bpf(2); `ENOENT` if it is gone, `EPERM` without the right to do so.
pub fn prog_get_fd_by_id(id: u32) -> Result<OwnedFd> {
    let mut attr = Attr::new([id]);
    // SAFETY: the call takes numbers only.
    let fd = unsafe { attr.call(BPF_PROG_GET_FD_BY_ID) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// The name that a program was loaded with, filled up with zeros.
///
/// # Errors
/// As bpf(2).
pub fn prog_name(program: BorrowedFd<'_>) -> Result<[u8; NAME_LENGTH]> {
    /// The beginning of `struct bpf_prog_info`; the kernel writes no more than it is told.
    #[repr(C, align(8))]
    struct Info {
        rest: [u8; 64],
        name: [u8; NAME_LENGTH],
    }
    let mut info = Info { rest: [0; 64], name: [0; NAME_LENGTH] };
    let mut attr = Attr::new([word(program), size_of::<Info>() as u32]);
    attr.pointer(2, &raw mut info);
    // SAFETY: the structure lives through the call and has the size that is given; its other fields are
    // zero, so that the kernel finds no further address in it.
    unsafe { attr.call(BPF_OBJ_GET_INFO_BY_FD) }?;
    Ok(info.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel writes its answers behind what it was told the length of: `BPF_PROG_QUERY` a revision at byte 56, since
    /// Linux 6.17 whatever length that was.
    #[test]
    fn the_union_is_full_and_zero() {
        let attr = Attr::new([1, 2, 3]);
        assert_eq!(size_of::<Attr>(), 256, "more than the union of any kernel");
        assert_eq!(attr.0[..3], [1, 2, 3]);
        assert!(attr.0[3..].iter().all(|&word| word == 0));
    }

    #[test]
    fn an_address_takes_two_words() {
        let mut attr = Attr::new([0; 1]);
        attr.pointer(2, 0x0102_0304_0506_0708_u64 as *const u8);
        let halves = [attr.0[2].to_ne_bytes(), attr.0[3].to_ne_bytes()];
        let whole = 0x0102_0304_0506_0708_u64.to_ne_bytes();
        assert_eq!((&halves[0][..], &halves[1][..]), whole.split_at(4));
    }
}
