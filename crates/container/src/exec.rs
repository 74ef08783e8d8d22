//! `exec`: runs one more process in a container.

mod cgroup;
mod gate;
mod process;

use std::path::{Path, PathBuf};

use coble_cgroup::{Cgroup, SubCgroups};
use coble_plan::{Plan, Step};
use coble_spec::{NamespaceKind, Process};
use coble_sys::rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{CWD, Mode, OFlags, openat};

use crate::agent::{self, Agent};
use crate::caller_groups::CallerGroups;
use crate::capability;
use crate::child::Spawned;
use crate::compile::{
    Assumption, Namespaces, assume_process, c_string, clone_flag, console_step, key_label_step,
    keyring_name, label_steps, personality_step,
};
use crate::console::{check_console, hand_over};
use crate::delegation;
use crate::descriptors::Activation;
use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Executor, Said, Start};
use crate::explain::explain;
use crate::filter::{self, Delivery, Filter};
use crate::foreground::{Foreground, Signals};
use crate::make::NOT_STARTED;
use crate::memory_policy::policy_step;
use crate::out_of_memory::OomKills;
use crate::pid_file::write_pid_file;
use crate::pidfd_socket::{EXEC, PidfdSocket};
use crate::processors::Processors;
use crate::relay::Relay;
use crate::run::Finished;
use crate::runc::bundle_process;
use crate::selinux;
use crate::state::{Record, Status};
use crate::status::status_of;
use crate::store::{await_made, read_filter};
use crate::streams::Streams;
use crate::told_state::ToldState;
use crate::validate::validate_process;
use gate::Gate;
pub use process::{Additions, ExecProcess};

const HELD: &str = "cannot exec in a paused container (use --ignore-paused to override)";

/// A process to run in a container (not part of the runtime specification; as `runc exec`).
#[derive(Clone, Debug, Default)]
pub struct Exec {
    /// The state folder.
    pub root: PathBuf,
    /// The container.
    pub id: String,
    /// The process.
    pub process: ExecProcess,
    /// Return once the program runs.
    pub detach: bool,
    /// Where the process id is written.
    pub pid_file: Option<PathBuf>,
    /// Unix socket that gets the terminal, as for [`Create`](crate::Create).
    pub console_socket: Option<PathBuf>,
    /// Unix stream socket that gets a pidfd of the process, beside the word `setns`.
    pub pidfd_socket: Option<PathBuf>,
    /// The program's standard streams.
    pub streams: Streams,
    /// Sockets that the program gets from descriptor 3 on.
    pub activation: Activation,
    /// How many of this process's descriptors the program gets besides, as for [`Create`](crate::Create).
    pub preserve_fds: u32,
    /// Go on in a paused container.
    pub ignore_paused: bool,
    /// Where below the container's cgroup it runs.
    pub cgroups: SubCgroups,
}

impl Exec {
    /// Runs the process to its end, or with `detach` to its start.
    ///
    /// Without `detach` it takes the whole process into service, as a command does that stands in for the program:
    /// every signal that reaches the calling thread is passed on, SIGCHLD gets its default action back, and the
    /// standard streams are relayed if the process has a terminal. [`Exec::spawn`] does nothing of this.
    ///
    /// # Errors
    /// The container does not run, or the first step that fails.
    pub fn execute(&self) -> Result<Finished> {
        if self.detach {
            let Spawned { warnings, .. } = self.spawn()?;
            return Ok(Finished { warnings, ..Finished::default() });
        }
        let (record, process) = self.look(true)?;
        let signals = Signals::take(false)?;
        let cgroup = Cgroup::from_record(&record.cgroup)?;
        let oom_kills = OomKills::from_now_on(&cgroup);
        let (executor, relay) =
            self.begin(&record, &process).map_err(|error| oom_kills.explain(error))?;
        let foreground = Foreground {
            signals: &signals,
            pidfd: executor.pidfd.as_fd(),
            pid: executor.pid,
            relay,
            notify: None,
            supervisor: None,
        };
        let (ended, lost) = foreground.attend()?;
        let status = ended.status();
        let mut warnings = capability::warnings(&process);
        warnings.extend(lost);
        if record.is_filtered {
            warnings.extend(filter::killed(&ended));
        }
        if status != 0 {
            warnings.extend(oom_kills.warning(&self.id));
        }
        Ok(Finished { status, warnings, observed: None })
    }

    /// Runs the process and returns once its program runs, whatever `detach` says. It stays when the calling thread
    /// ends.
    ///
    /// Somebody has to wait for the child: a container's first process ends only once all others of its pid namespace
    /// have been waited for (pid_namespaces(7)).
    ///
    /// # Errors
    /// The container does not run, or the first step that fails.
    pub fn spawn(&self) -> Result<Spawned> {
        let (record, process) = self.look(false)?;
        let (executor, _) = self.begin(&record, &process)?;
        Ok(Spawned { child: executor.into_child(), warnings: capability::warnings(&process) })
    }

    /// The container and the process, if it can be run there.
    fn look(&self, stays: bool) -> Result<(Record, Process)> {
        let (record, stage) = await_made(&self.root, &self.id)?;
        self.refuse(status_of(&record, stage)?)?;
        if !self.ignore_paused {
            let cgroup = Cgroup::from_record(&record.cgroup)?;
            cgroup.refuse_frozen_above().map_err(|error| Error::from(error).within(HELD))?;
        }
        let process = self.describe(&record)?;
        validate_process(&process)
            .map_err(|error| Error::config(&error.pointer, format!("process: {error}")))?;
        check_console(process.terminal, self.console_socket.as_deref(), stays)?;
        self.streams.check(process.terminal)?;
        Ok((record, process))
    }

    fn refuse(&self, status: Status) -> Result<()> {
        let words = match status {
            Status::Stopped => return Err(stopped()),
            Status::Paused if !self.ignore_paused => HELD,
            Status::Creating => "cannot exec in a container that is being created",
            Status::Created | Status::Running | Status::Paused => return Ok(()),
        };
        Err(Error::of(ErrorKind::WrongStatus(status), words))
    }

    /// Until the program runs. Also returns its terminal, if no socket takes it.
    fn begin(&self, record: &Record, process: &Process) -> Result<(Executor, Option<Relay>)> {
        let socket = self.pidfd_socket.as_deref();
        let socket = socket.map(|path| PidfdSocket::connect(path, EXEC)).transpose()?;
        let mut running = self.launch(record, process)?;
        running.pidfd_socket = socket;
        let relay = running.await_program(self.console_socket.as_deref())?;
        write_pid_file(self.pid_file.as_deref(), running.executor()?.pid)?;
        Ok((running.release()?, relay))
    }

    /// The process as a whole.
    fn describe(&self, record: &Record) -> Result<Process> {
        if record.runc.is_none() {
            return Ok(self.process.merge(&record.process));
        }
        match &self.process {
            ExecProcess::Whole(_) => Ok(self.process.merge(&record.process)),
            ExecProcess::Additions(_) => Ok(self.process.merge(&bundle_process(record)?)),
        }
    }

    /// Where nothing is said, it goes to the cgroup that the container's processes manage, if there is one.
    fn sub_cgroups(&self, record: &Record) -> SubCgroups {
        // runc doesn't know of such cgroups.
        let delegated = match record.runc {
            None => delegation::path(&record.annotations),
            Some(_) => None,
        };
        match delegated {
            Some(path) if self.cgroups.is_empty() => SubCgroups::of_all(&path),
            _ => self.cgroups.clone(),
        }
    }

    /// What the container's own process runs under.
    fn filter(&self, record: &Record) -> Result<Option<Filter>> {
        match &record.runc {
            Some(runc) => runc.filter(),
            None if record.is_filtered => read_filter(&self.root, &self.id).map(Some),
            None => Ok(None),
        }
    }

    fn launch(&self, record: &Record, process: &Process) -> Result<Running> {
        let (preserve_fds, environment) = self.activation.passed_on(self.preserve_fds)?;
        let target = record.init.pidfd()?.ok_or_else(stopped)?;
        let filter = self.filter(record)?;
        let assumption = Assumption {
            process,
            origin: "",
            setgroups: record.setgroups,
            environment: &environment,
            filter: filter.as_ref().map(|filter| (Delivery::Planned(filter), "")),
        };
        let root = root_of(record)?;
        let processors =
            Processors::of(process.exec_cpu_affinity.as_ref()).map_err(|(member, reason)| {
                Error::new(format!("/execCPUAffinity/{member}: {reason}"))
            })?;
        // Looked up only if it matters.
        let has_selinux = !process.selinux_label.is_empty() && selinux::is_active();
        let has_groups_to_drop =
            record.has(NamespaceKind::User) && record.setgroups.may_be_denied();
        let groups = has_groups_to_drop.then(CallerGroups::look).transpose()?;
        let caller = Caller { has_selinux, groups };
        let plan = compile(record, &target, root.as_ref(), &assumption, &processors, &caller)?;
        let keep: Vec<_> =
            [Some(&target), root.as_ref()].into_iter().flatten().map(AsFd::as_fd).collect();
        let cgroup = Cgroup::from_record(&record.cgroup)?.below(&self.sub_cgroups(record))?;
        let gate = Gate::of(record, process, &cgroup);
        let start = |directory: Option<BorrowedFd<'_>>, started| {
            processors.start(|| {
                Executor::start(&Start {
                    plan: &plan,
                    namespaces: &Namespaces::default(),
                    cgroup: directory,
                    gated: gate.is_needed(started),
                    listener: None,
                    preserve_fds,
                    keep: &keep,
                    streams: self.streams.descriptors(),
                })
            })
        };
        let (executor, started) =
            cgroup::start_in(&cgroup, record, !self.cgroups.is_empty(), start)?;
        let running = Running {
            executor: Some(executor),
            plan,
            pidfd_socket: None,
            agent: filter.and_then(|filter| {
                let told = || ToldState::of_record(record, Status::Running).text(record.init.pid);
                filter.agent.map(|agent| (agent, told()))
            }),
        };
        gate.pass(running.executor()?, started)?;
        Ok(running)
    }
}

/// The executor of an exec. What is dropped before it is released is ended.
struct Running {
    executor: Option<Executor>,
    plan: Plan,
    /// Who gets its pidfd once it is the process that stays.
    pidfd_socket: Option<PidfdSocket>,
    /// Who answers the notifications of its filter, and what it is told of the container.
    agent: Option<(Agent, String)>,
}

impl Running {
    fn executor(&self) -> Result<&Executor> {
        self.executor.as_ref().ok_or_else(|| Error::new("no executor was started"))
    }

    /// Its program runs.
    fn release(mut self) -> Result<Executor> {
        self.executor.take().ok_or_else(|| Error::new("no executor was started"))
    }

    fn send_pidfd(&mut self) -> Result<()> {
        let Some(socket) = self.pidfd_socket.take() else { return Ok(()) };
        socket.send(self.executor()?.pidfd.as_fd())
    }

    /// Gives the listener of the filter to the agent.
    fn give_listener(&self, listener: BorrowedFd<'_>) -> Result<()> {
        let executor = self.executor()?;
        let (agent, state) = self.agent.as_ref().ok_or_else(agent::none)?;
        agent.send(listener, executor.pid, state)?;
        executor.answer_listened()
    }

    /// Listens to the executor until the program runs. Returns its terminal, if no socket takes it.
    fn await_program(&mut self, socket: Option<&Path>) -> Result<Option<Relay>> {
        let mut relay = None;
        let mut is_ready = false;
        loop {
            match self.executor()?.listen(None)? {
                Said::Ready => {
                    is_ready = true;
                    self.send_pidfd()?;
                }
                Said::Nothing if !is_ready => {
                    return Err(self.executor()?.silence().within(NOT_STARTED));
                }
                Said::Nothing => return Ok(relay),
                Said::Console(terminal) => {
                    relay = hand_over(terminal, socket)?;
                    self.executor()?.answer()?;
                }
                Said::Moved(pid) => {
                    if let Some(executor) = &mut self.executor {
                        executor.follow(pid)?;
                    }
                }
                Said::Listener(listener) => self.give_listener(listener.as_fd())?,
                Said::Failed { step, errno, action, detail } => {
                    let error = explain(&self.plan, step, errno, &action, &detail);
                    return Err(error.within(NOT_STARTED));
                }
                Said::Asks(_) => {
                    return Err(Error::new("the executor said what it has no step for"));
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(executor) = &self.executor {
            executor.destroy();
        }
    }
}

/// The root directory of a container that shares the host's mounts: no namespace leads there.
fn root_of(record: &Record) -> Result<Option<OwnedFd>> {
    if record.has(NamespaceKind::Mount) {
        return Ok(None);
    }
    let path = format!("/proc/{}/root", record.init.pid);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, &path, flags, Mode::empty())
        .map_err(|errno| Error::at("open", &path, errno))?;
    // The number may have changed hands before it was opened.
    if record.init.is_alive()? { Ok(Some(root)) } else { Err(stopped()) }
}

fn stopped() -> Error {
    Error::of(ErrorKind::WrongStatus(Status::Stopped), "cannot exec in a stopped container")
}

/// What a plan depends on beside the container and the process.
struct Caller {
    has_selinux: bool,
    /// Where a user namespace is joined that may deny setgroups(2).
    groups: Option<CallerGroups>,
}

/// The plan of an exec: into the container's namespaces, and from there as its own process.
fn compile(
    record: &Record,
    target: &OwnedFd,
    root: Option<&OwnedFd>,
    assumption: &Assumption<'_>,
    processors: &Processors,
    caller: &Caller,
) -> Result<Plan> {
    let mut plan = Plan::default();
    let process = assumption.process;
    processors.step(assumption.origin, &mut plan);
    if let Some(value) = process.oom_score_adj {
        plan.push(Step::OomScoreAdj { value }, "/oomScoreAdj");
    }
    // Before the host's /proc is out of reach; a child inherits what its exec is to get.
    label_steps(process, "", caller.has_selinux, &mut plan)?;
    if record.has_keyring {
        key_label_step(process, "", &mut plan)?;
    }
    let has = |kind| record.has(kind);
    let kinds = record.namespaces.iter().fold(0, |kinds, other| kinds | clone_flag(other.kind));
    if let Some(step) = caller.groups.and_then(|groups| groups.drop_step(assumption.setgroups)) {
        plan.push(step, "");
    }
    if kinds != 0 {
        plan.push(Step::JoinProcess { pidfd: target.as_raw_fd(), kinds }, "");
    }
    if has(NamespaceKind::User) {
        plan.push(Step::BecomeRoot {}, "");
    }
    if has(NamespaceKind::Pid) {
        plan.push(Step::EnterPidNamespace { keep_proc: 0 }, "");
    }
    plan.push(Step::NewSession {}, "");
    if record.has_keyring {
        plan.push(Step::SessionKeyring { name: &c_string(keyring_name(&record.id))? }, "");
    }
    match root {
        Some(root) => plan.push(Step::UseDirectory { fd: root.as_raw_fd() }, ""),
        None if process.terminal => plan.push(Step::UseCurrentRoot {}, ""),
        None => {}
    }
    if process.terminal {
        plan.push(console_step(process, false), "/terminal");
    }
    if root.is_some() {
        plan.push(Step::Chroot {}, "");
    }
    personality_step(record.personality.as_ref(), &mut plan);
    policy_step(record.memory_policy.as_ref(), &mut plan)?;
    assume_process(assumption, &mut plan, |_| Ok(()))?;
    Ok(plan)
}

#[cfg(test)]
mod tests;
