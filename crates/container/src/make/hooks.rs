//! The hooks that the maker of a container runs.

use super::Making;
use crate::error::{Error, Result};
use crate::hook_output::HookOutput;
use crate::hooks::{self, Attend, Setting};
use crate::interrupt::Watch;
use crate::state::Status;
use crate::told_state::ToldState;
use coble_sys::rustix::fd::AsFd;

impl Making {
    /// Runs the hooks that belong to the runtime's namespaces.
    ///
    /// # Errors
    /// A hook that fails.
    pub(super) fn run_hooks(&self) -> Result<()> {
        let Some(hooks) = &self.bundle.spec.hooks else { return Ok(()) };
        let state = self.state_text(Status::Creating)?;
        let mut watch = Watch {
            interrupt: self.interrupt.as_ref(),
            process: Some(self.executor()?.pidfd.as_fd()),
        };
        let setting = self.setting(&state, &self.hook_output);
        hooks::run("prestart", &hooks.prestart, &setting, &mut watch)?;
        hooks::run("createRuntime", &hooks.create_runtime, &setting, &mut watch)
    }

    /// Runs the hooks that follow the program's start. Who answers for the program's calls does so meanwhile: a hook may
    /// wait for the program.
    ///
    /// # Errors
    /// A hook that fails.
    pub(crate) fn run_poststart(&mut self) -> Result<()> {
        if self.bundle.spec.hooks.as_ref().is_none_or(|hooks| hooks.poststart.is_empty()) {
            return Ok(());
        }
        let mut supervisor = self.supervisor.take();
        let ran = match &mut supervisor {
            Some(supervisor) => self.run_poststart_with(supervisor),
            None => self.run_poststart_with(&mut Watch::default()),
        };
        self.supervisor = supervisor;
        ran
    }

    fn run_poststart_with(&self, attendant: &mut dyn Attend) -> Result<()> {
        let Some(hooks) = &self.bundle.spec.hooks else { return Ok(()) };
        let state = self.state_text(Status::Running)?;
        let output = HookOutput::open(&self.bundle.spec.annotations)?;
        let setting = self.setting(&state, &output);
        hooks::run("poststart", &hooks.poststart, &setting, attendant)
    }

    /// Runs the hooks that follow the container's end. Returns those that failed.
    pub(super) fn run_poststop(&self) -> Vec<Error> {
        let Some(hooks) = &self.bundle.spec.hooks else { return Vec::new() };
        let (annotations, bundle) = (&self.bundle.spec.annotations, &self.bundle.path);
        let state = match self.state_text(Status::Stopped) {
            Ok(state) => state,
            Err(error) => return vec![error],
        };
        hooks::run_poststop(&hooks.poststop, &state, bundle, annotations)
    }

    fn setting<'a>(&'a self, state: &'a str, output: &'a HookOutput) -> Setting<'a> {
        Setting { state, bundle: &self.bundle.path, output }
    }

    /// The container's state as hooks read it.
    pub(super) fn state_text(&self, status: Status) -> Result<String> {
        let told = ToldState::of_spec(&self.bundle.spec, &self.id, &self.bundle.path, status);
        Ok(told.text(self.executor()?.pid))
    }
}
