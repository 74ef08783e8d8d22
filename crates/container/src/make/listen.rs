//! What the executor says while a container is made, and what is done then.

use coble_sys::rustix::fd::{AsFd, OwnedFd};

use super::{Making, NOT_STARTED, Purpose};
use crate::agent::{self, Agent};
use crate::console::hand_over;
use crate::error::{Error, Result};
use crate::executor::{Request, Said};
use crate::explain::explain;
use crate::id_map::confirm_mappings;
use crate::interrupt::Watch;
use crate::mount_mapper::MountMapper;
use crate::selinux;
use crate::sources::open_source;
use crate::state::Status;
use crate::supervisor::Supervisor;

impl Making {
    /// Listens to the executor until the container waits for `start`, or the program runs.
    ///
    /// # Errors
    /// A step that failed, or a hook.
    pub(crate) fn await_ready(&mut self) -> Result<()> {
        self.hear_out().map_err(|error| self.explain_memory(error))
    }

    fn hear_out(&mut self) -> Result<()> {
        let mut is_ready = false;
        let mut mapper = MountMapper::default();
        loop {
            match self.listen()? {
                Said::Nothing if is_ready => {
                    // The program runs, and the network namespace is its own to end.
                    self.devices = None;
                    return self.entry.set_made();
                }
                Said::Nothing => return Err(self.silence()?.within(NOT_STARTED)),
                Said::Asks(request) => self.grant(request, &mut mapper)?,
                Said::Console(console) => {
                    self.relay = hand_over(console, self.console_socket.as_deref())?;
                    self.executor()?.answer()?;
                }
                Said::Ready if self.purpose == Purpose::Create => {
                    self.agent().map_or(Ok(()), Agent::look_for)?;
                    return self.entry.set_made();
                }
                Said::Ready => is_ready = true,
                Said::Moved(pid) => {
                    let executor = self.executor.as_mut();
                    if executor.map_or(Ok(false), |executor| executor.follow(pid))? {
                        self.lend()?;
                        self.write_record()?;
                    }
                }
                Said::Listener(listener) => self.give_listener(listener)?,
                Said::Failed { step, errno, action, detail } => {
                    let plan = &self.launch.plan;
                    return Err(explain(plan, step, errno, &action, &detail).within(NOT_STARTED));
                }
            }
        }
    }

    /// Does what the executor waits for.
    fn grant(&mut self, request: Request, mapper: &mut MountMapper) -> Result<()> {
        let plan = &self.launch.plan;
        match request {
            Request::DelegateCgroup => {
                self.delegate_cgroup()?;
                self.executor()?.answer_done()
            }
            Request::ConfirmMappings => {
                let linux = self.bundle.spec.linux.as_ref();
                let executor = self.executor()?;
                linux.map_or(Ok(()), |linux| confirm_mappings(executor.pid, linux))?;
                executor.answer_done()
            }
            Request::NetworkDevices => {
                self.give_devices()?;
                self.executor()?.answer()
            }
            Request::RuntimeHooks => {
                self.run_hooks()?;
                self.executor()?.answer()
            }
            Request::MapIds(step, mount) => {
                let executor = self.executor()?;
                mapper
                    .map(plan, step, mount.as_fd(), executor.pid)
                    .map_err(|error| error.within(NOT_STARTED))?;
                executor.answer_done()
            }
            Request::Relabel(step, file) => {
                selinux::relabel(plan, step, file.as_fd())
                    .map_err(|error| error.within(NOT_STARTED))?;
                self.executor()?.answer_done()
            }
            Request::OpenSource(step) => {
                let executor = self.executor()?;
                let source =
                    open_source(plan, step, executor).map_err(|error| error.within(NOT_STARTED))?;
                executor.answer_opened(source.as_fd())
            }
        }
    }

    /// Hears what the executor says next. Meanwhile the program's calls are answered for, of which running it is the
    /// first.
    fn listen(&mut self) -> Result<Said> {
        while let Some(supervisor) = &mut self.supervisor {
            let executor =
                self.executor.as_ref().ok_or_else(|| Error::new("no executor was started"))?;
            let watch = Watch { interrupt: self.interrupt.as_ref(), process: None };
            if watch.first_of(executor.as_fd(), &supervisor.watch().collect::<Vec<_>>())? {
                break;
            }
            supervisor.attend()?;
        }
        self.executor()?.listen(self.interrupt.as_ref())
    }

    /// Who answers the notifications of the filter.
    fn agent(&self) -> Option<&Agent> {
        self.filter.as_ref()?.agent.as_ref()
    }

    /// Gives the listener of the filter to the agent.
    fn give_listener(&mut self, listener: OwnedFd) -> Result<()> {
        if let Some(watched) = self.launch.watched.take() {
            let executor = self.executor()?;
            self.supervisor = Some(Supervisor::begin(listener, watched, executor.pid)?);
            return self.executor()?.answer_listened();
        }
        let executor = self.executor()?;
        let agent = self.agent().ok_or_else(agent::none)?;
        agent.send(listener.as_fd(), executor.pid, &self.state_text(Status::Created)?)?;
        executor.answer_listened()
    }
}
