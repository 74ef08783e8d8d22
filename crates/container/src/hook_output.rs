//! Where hooks write to: the files that the annotations `run.oci.hooks.stdout` and `run.oci.hooks.stderr` name, as
//! crun(1) has them.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use coble_spec::Hooks;

use crate::error::{Error, Result};

/// The annotation that names the file of standard output.
pub(crate) const HOOKS_STDOUT: &str = "run.oci.hooks.stdout";
/// The annotation that names the file of standard error.
pub(crate) const HOOKS_STDERR: &str = "run.oci.hooks.stderr";

/// The files, each of which is written at its end. What has no file stands in the error of a hook that fails.
#[derive(Debug, Default)]
pub(crate) struct HookOutput {
    /// Standard output's and standard error's.
    files: [Option<File>; 2],
}

impl HookOutput {
    /// Opens the files, or makes them, for their owner alone: what hooks say may be secret.
    ///
    /// # Errors
    /// A file that can't be opened, by its annotation.
    pub(crate) fn open(annotations: &BTreeMap<String, String>) -> Result<Self> {
        let [stdout, stderr] = [HOOKS_STDOUT, HOOKS_STDERR].map(|name| {
            let Some(path) = annotations.get(name) else { return Ok(None) };
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
            file.map(Some).map_err(|error| Error::at("open", path, error).within(name))
        });
        Ok(Self { files: [stdout?, stderr?] })
    }

    /// The same for the hooks of a container that is made; without those no file is opened.
    ///
    /// # Errors
    /// As [`HookOutput::open`].
    pub(crate) fn for_create(
        hooks: Option<&Hooks>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let is_empty = |hooks: &Hooks| {
            let lists = [&hooks.prestart, &hooks.create_runtime, &hooks.create_container];
            lists.into_iter().chain([&hooks.start_container]).all(Vec::is_empty)
        };
        if hooks.is_none_or(is_empty) { Ok(Self::default()) } else { Self::open(annotations) }
    }

    /// Another handle of standard output's file and of standard error's.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn streams(&self) -> Result<[Option<File>; 2]> {
        let [stdout, stderr] = &self.files;
        let clone = |file: &Option<File>| {
            let cloned = file.as_ref().map(File::try_clone).transpose();
            cloned.map_err(|error| Error::at("clone", "a hook's output", error))
        };
        Ok([clone(stdout)?, clone(stderr)?])
    }

    /// Their numbers, -1 for none.
    pub(crate) fn numbers(&self) -> [i32; 2] {
        self.files.each_ref().map(|file| file.as_ref().map_or(-1, AsRawFd::as_raw_fd))
    }

    /// Those that are there.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.files.iter().flatten().map(AsFd::as_fd)
    }
}
