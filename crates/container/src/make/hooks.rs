//! The hooks that the maker of a container runs.

use super::Making;
use crate::compile::state_parts;
use crate::error::Result;
use crate::hook_output::HookOutput;
use crate::hooks::{self, Attend, Setting};
use crate::interrupt::Watch;
use coble_sys::rustix::fd::AsFd;

impl Making {
    /// Runs the hooks that belong to the runtime's namespaces.
    ///
    /// # Errors
    /// A hook that fails.
    pub(super) fn run_hooks(&self) -> Result<()> {
        let Some(hooks) = &self.bundle.spec.hooks else { return Ok(()) };
        let state = self.state_text("creating")?;
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
        let state = self.state_text("running")?;
        let output = HookOutput::open(&self.bundle.spec.annotations)?;
        let setting = self.setting(&state, &output);
        hooks::run("poststart", &hooks.poststart, &setting, attendant)
    }

    fn setting<'a>(&'a self, state: &'a str, output: &'a HookOutput) -> Setting<'a> {
        Setting { state, bundle: &self.bundle.path, output }
    }

    /// The container's state as hooks read it.
    pub(super) fn state_text(&self, status: &str) -> Result<String> {
        let (spec, bundle) = (&self.bundle.spec, &self.bundle.path);
        let (head, tail) = state_parts(spec, &self.id, bundle, status)?;
        Ok(format!("{head}{}{tail}", self.executor()?.pid))
    }
}
