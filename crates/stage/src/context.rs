//! What later steps need of earlier ones: descriptors, and what was found at run time.

use core::ffi::CStr;

use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::process::{DumpableBehavior, fchdir, set_dumpable_behavior};

use crate::Inherited;
use crate::bytes::PathBytes;
use crate::fault::{During, Fault, Outcome};

/// A filter of system calls that is loaded right before the program runs.
#[derive(Clone, Copy)]
pub(crate) struct Filter<'a> {
    /// Index of its step.
    pub(crate) step: u32,
    pub(crate) flags: u32,
    pub(crate) program: &'a [u8],
}

/// The paths of [`Context::resolve`].
const MOUNTED: [&[u8]; 2] = [b"/proc", b"/sys"];

pub(crate) struct Context<'a> {
    /// Index of the step that runs.
    pub(crate) step: u32,
    pub(crate) inherited: Inherited<'a>,
    /// `start`, once it has come.
    pub(crate) starter: Option<OwnedFd>,
    root: Option<OwnedFd>,
    /// The container's `/proc` and `/sys`, once they are mounted: whoever can change the root could put something else
    /// there before what is below them is masked.
    mounted: [Option<OwnedFd>; 2],
    /// The directory in which the last node was made, and its path.
    pub(crate) parent: Option<(PathBytes, OwnedFd)>,
    /// `/proc` of the host, known to be a procfs.
    pub(crate) host_proc: Option<OwnedFd>,
    /// Whether the parent has said that this process is in its cgroup.
    pub(crate) is_in_cgroup: bool,
    /// Whether the parent has said that it goes on before it was asked.
    pub(crate) is_answered: bool,
    /// What the next bind mount shows.
    pub(crate) source: Option<OwnedFd>,
    /// The step that says how the ids of the next mount are mapped.
    pub(crate) mapping: Option<u32>,
    /// The null device that masks files, where it was mounted first.
    pub(crate) null: Option<OwnedFd>,
    /// The empty directory that masks others, where it was mounted first.
    pub(crate) mask: Option<OwnedFd>,
    is_forgetful: bool,
    /// What filters the program's system calls.
    pub(crate) filter: Option<Filter<'a>>,
    /// Whether the working directory could not be entered yet.
    pub(crate) directory_pending: bool,
    /// `HOME=...`, if it was looked up.
    pub(crate) home: PathBytes,
    /// Path of the program.
    pub(crate) program: PathBytes,
}

impl<'a> Context<'a> {
    pub(crate) fn new(inherited: Inherited<'a>) -> Self {
        Self {
            step: u32::MAX,
            inherited,
            starter: None,
            root: None,
            mounted: [None, None],
            parent: None,
            host_proc: None,
            is_in_cgroup: false,
            is_answered: false,
            source: None,
            mapping: None,
            null: None,
            mask: None,
            is_forgetful: false,
            filter: None,
            directory_pending: false,
            home: PathBytes::new(),
            program: PathBytes::new(),
        }
    }

    /// Who is told of a failure: `start` once it has come, the parent before.
    pub(crate) fn report_to(&self) -> BorrowedFd<'_> {
        self.starter.as_ref().map_or(self.inherited.parent, AsFd::as_fd)
    }

    /// The root below which paths are resolved.
    pub(crate) fn root(&self) -> Outcome<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd).ok_or_else(|| Fault::words("no root has been opened"))
    }

    /// Keeps what was mounted at a path below the root, where paths are looked for below it.
    pub(crate) fn keep(&mut self, path: &CStr, mount: OwnedFd) {
        match MOUNTED.iter().position(|known| *known == path.to_bytes()) {
            Some(index) => self.mounted[index] = Some(mount),
            // It covers them.
            None if path == c"/" => self.mounted = [None, None],
            None => {}
        }
    }

    /// Where a path is looked for, and what it is from there.
    pub(crate) fn resolve<'p>(&self, path: &'p CStr) -> Outcome<(BorrowedFd<'_>, &'p CStr)> {
        for (prefix, mount) in MOUNTED.iter().zip(&self.mounted) {
            let below = path.to_bytes_with_nul().strip_prefix(*prefix);
            match (below, mount) {
                (Some(b"\0"), Some(mount)) => return Ok((mount.as_fd(), c".")),
                (Some([b'/', below @ ..]), Some(mount)) => {
                    let below = CStr::from_bytes_with_nul(below);
                    return Ok((mount.as_fd(), below.unwrap_or(c".")));
                }
                _ => {}
            }
        }
        Ok((self.root()?, path))
    }

    /// It becomes the working directory, too: that is where hooks before the change of root run.
    pub(crate) fn set_root(&mut self, root: OwnedFd) -> Outcome {
        fchdir(&root).during("fchdir")?;
        self.root = Some(root);
        self.parent = None;
        Ok(())
    }

    /// Closes what the steps up to the change of root have opened, and lets nobody look into this process any
    /// more: programs of the container may run beside it from here on.
    pub(crate) fn forget(&mut self) -> Outcome {
        if self.is_forgetful {
            return Ok(());
        }
        self.is_forgetful = true;
        self.root = None;
        self.mounted = [None, None];
        self.parent = None;
        self.host_proc = None;
        self.source = None;
        self.null = None;
        self.mask = None;
        set_dumpable_behavior(DumpableBehavior::NotDumpable).during("prctl")
    }
}
