//! What later steps need of earlier ones: descriptors, and what was found at run time.

use core::cell::OnceCell;

use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::process::{DumpableBehavior, fchdir, set_dumpable_behavior};

use crate::Inherited;
use crate::bytes::PathBytes;
use crate::fault::{During, Fault, Outcome};
use crate::kernel_mounts::KernelMounts;

/// A filter of system calls that is loaded right before the program runs.
#[derive(Clone, Copy)]
pub(crate) struct Filter<'a> {
    /// Index of its step.
    pub(crate) step: u32,
    pub(crate) flags: u32,
    pub(crate) program: &'a [u8],
}

pub(crate) struct Context<'a> {
    /// Index of the step that runs.
    pub(crate) step: u32,
    pub(crate) inherited: Inherited<'a>,
    /// `start`, once it has come.
    pub(crate) starter: Option<OwnedFd>,
    root: Option<OwnedFd>,
    /// The directory in which the last node was made, and its path.
    pub(crate) parent: Option<(PathBytes, OwnedFd)>,
    /// `/proc` of the host, known to be a procfs.
    pub(crate) host_proc: OnceCell<OwnedFd>,
    /// Whether the parent has said that this process is in its cgroup.
    pub(crate) is_in_cgroup: bool,
    /// Whether the parent has said that it goes on before it was asked.
    pub(crate) is_answered: bool,
    /// The container's procfs and sysfs.
    pub(crate) kernel_mounts: KernelMounts,
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
            parent: None,
            host_proc: OnceCell::new(),
            is_in_cgroup: false,
            is_answered: false,
            kernel_mounts: KernelMounts::default(),
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
        self.parent = None;
        self.host_proc = OnceCell::new();
        self.kernel_mounts = KernelMounts::default();
        self.source = None;
        self.null = None;
        self.mask = None;
        set_dumpable_behavior(DumpableBehavior::NotDumpable).during("prctl")
    }
}
