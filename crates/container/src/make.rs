//! Makes a container, up to where `create` and `run` part.

mod abandon;
mod cgroup;
mod hooks;
mod listen;
mod readiness;
mod record;

use std::path::PathBuf;

use coble_cgroup::Cgroup;
use coble_plan::{Step, verify};
use coble_spec::NamespaceKind;
use coble_sys::rustix::fd::{AsFd, AsRawFd, OwnedFd};

use crate::bundle::Bundle;
use crate::capability;
use crate::cgroup_place::locate;
use crate::child::Spawned;
use crate::compile::{Job, Launch, Options, compile, listed};
use crate::console::check_console;
use crate::create::Create;
use crate::delegation;
use crate::delete::end_all;
use crate::error::{Error, Result};
use crate::executor::{Executor, Said, Start};
use crate::explain::explain;
use crate::facts::Facts;
use crate::filter::{Delivery, Filter};
use crate::hook_output::HookOutput;
use crate::host_mounts::kernel_mounts;
use crate::host_namespaces::refuse_host_sysctls;
use crate::id_map::map_ids;
use crate::id_ranges;
use crate::interrupt::Interrupt;
use crate::loan::Loan;
use crate::may_lack::MayLack;
use crate::network_devices::{NetworkDevices, refuse_host_devices};
use crate::notify::{self, Notify};
use crate::observe::Observe;
use crate::pidfd_socket::PidfdSocket;
use crate::relay::Relay;
use crate::rendezvous::Listener;
use crate::resctrl::{Group, Resctrl};
use crate::sealed;
use crate::status::has_own_pids;
use crate::store::Entry;
use crate::streams::Streams;
use crate::supervisor::Supervisor;
use crate::user_network::{Attendant, UserNetwork};

/// What a container is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It waits for `start`.
    Create,
    /// It runs at once, and the caller goes away.
    Detached,
    /// It runs at once, and the caller stays.
    Foreground,
}

/// A container that is being made. What is dropped before [`Making::keep`] is undone.
#[derive(Debug)]
pub(crate) struct Making {
    pub(crate) bundle: Bundle,
    pub(crate) entry: Entry,
    /// Who answers for the program's system calls, where they are looked at.
    pub(crate) supervisor: Option<Supervisor>,
    /// The terminal, where no socket takes it.
    pub(crate) relay: Option<Relay>,
    /// Who is told that the program is ready.
    pub(crate) notify: Option<Notify>,
    /// Whether the caller is to end, who stays.
    interrupt: Option<Interrupt>,
    purpose: Purpose,
    id: String,
    facts: Facts,
    cgroup: Option<Cgroup>,
    former_oom_kills: u64,
    group: Option<Group>,
    launch: Launch,
    executor: Option<Executor>,
    /// What has been moved, as long as it can be put back.
    devices: Option<NetworkDevices>,
    /// Who connects its network namespace with the host's.
    attendant: Option<Attendant>,
    console_socket: Option<PathBuf>,
    streams: Streams,
    pidfd_sockets: Vec<PidfdSocket>,
    /// What the container's programs run under, once it is compiled, and where the executor finds it.
    filter: Option<Filter>,
    filter_file: Option<OwnedFd>,
    /// No cgroup was wanted.
    no_cgroup: bool,
    may_lack: MayLack,
    /// For want of rights, a part of it at least.
    lacks_cgroup: bool,
    hook_output: HookOutput,
    /// The executor may go on to where hooks run.
    is_recorded: bool,
    kept: bool,
}

impl Making {
    /// Does everything up to the executor's start.
    ///
    /// # Errors
    /// The first step that fails; then nothing is left.
    pub(crate) fn begin(
        create: &Create,
        purpose: Purpose,
        observe: Observe,
        network: Option<&UserNetwork>,
    ) -> Result<Self> {
        let bundle = Bundle::read(create)?;
        refuse_host_sysctls(&bundle.spec)?;
        let resctrl = Resctrl::wanted_by(&bundle.spec)?;
        let terminal = bundle.spec.process.as_ref().is_some_and(|process| process.terminal);
        check_console(terminal, create.console_socket.as_deref(), purpose == Purpose::Foreground)?;
        create.streams.check(terminal)?;
        let mut options = options(create, purpose, observe, network)?;
        let pidfd_sockets = PidfdSocket::all(create, &bundle.spec.annotations)?;
        let spec = &bundle.spec;
        let hook_output = HookOutput::for_create(spec.hooks.as_ref(), &spec.annotations)?;
        let facts = Facts::look()?;
        refuse_host_devices(&bundle.spec, &facts)?;
        id_ranges::check(&bundle.spec, &facts)?;
        let stays = purpose == Purpose::Foreground;
        let interrupt = stays.then(Interrupt::watch).transpose()?;
        let is_plain = bundle.has_filter() && !options.observe.is_wanted();
        let filter_file = is_plain.then(sealed::empty).transpose()?;
        let entry = Entry::make(&create.root, &create.id)?;
        let may_lack = MayLack::of(create.rootless, &bundle.spec, &facts);
        let mut making = Self {
            bundle,
            entry,
            supervisor: None,
            relay: None,
            notify: None,
            interrupt,
            purpose,
            id: create.id.clone(),
            facts,
            cgroup: None,
            former_oom_kills: 0,
            group: None,
            launch: Launch::default(),
            executor: None,
            devices: None,
            attendant: None,
            console_socket: create.console_socket.clone(),
            streams: create.streams.clone(),
            pidfd_sockets,
            filter: None,
            filter_file,
            no_cgroup: create.no_cgroup,
            may_lack,
            lacks_cgroup: false,
            hook_output,
            is_recorded: false,
            kept: false,
        };
        if let Some(socket) = &create.notify_socket {
            making.make_notify(socket)?;
        }
        making.make_cgroup(locate(create, &making.bundle.spec, &making.facts)?)?;
        if let Some(resctrl) = &resctrl {
            making.make_group(resctrl)?;
        }
        options.awaits_cgroup = making.is_scope();
        making.launch = making.compile(options)?;
        making.start_executor(network).map_err(|error| making.explain_memory(error))?;
        Ok(making)
    }

    fn make_group(&mut self, resctrl: &Resctrl) -> Result<()> {
        let linux = self.bundle.spec.linux.as_ref();
        let Some(wanted) = linux.and_then(|linux| linux.intel_rdt.as_ref()) else { return Ok(()) };
        let mut group = Group::locate(resctrl, wanted, &self.id)?;
        self.entry.record_group(&group)?;
        let made = group.make(wanted);
        self.group = Some(group);
        made
    }

    fn compile(&self, options: Options) -> Result<Launch> {
        let cgroup = self.cgroup.as_ref();
        let legacy = cgroup.map(Cgroup::mounts).unwrap_or_default();
        let launch = compile(&Job {
            spec: &self.bundle.spec,
            filter: self.filter_file.as_ref().map(|file| Delivery::Later(file.as_raw_fd())),
            id: &self.id,
            bundle: &self.bundle.path,
            rootfs: &self.bundle.rootfs,
            facts: &self.facts,
            legacy: &legacy,
            sources: &[],
            hook_output: self.hook_output.numbers(),
            unified: cgroup.and_then(Cgroup::dir),
            options,
        })?;
        debug_assert_eq!(verify(&launch.plan), Ok(()));
        Ok(launch)
    }

    fn start_executor(&mut self, network: Option<&UserNetwork>) -> Result<()> {
        let listener = match self.purpose {
            Purpose::Create => Some(Listener::bind(&self.entry)?),
            _ => None,
        };
        let is_scope = self.is_scope();
        if !is_scope && self.cgroup.as_ref().is_some_and(|cgroup| cgroup.unit_name().is_some()) {
            let starting = self.start_unit(None)?;
            self.await_unit(starting)?;
        }
        let enters = !is_scope && self.cgroup.as_ref().is_some_and(Cgroup::needs_enter);
        let maps = self.launch.namespaces.makes(NamespaceKind::User);
        let gated = enters || maps || self.group.is_some() || network.is_some();
        let is_in_unified = self.spawn(listener.as_ref(), gated)?;
        if !is_scope {
            if !gated && self.limits_memory() {
                self.executor()?.await_own_memory();
            }
            self.limit()?;
        }
        let pid = self.executor()?.pid;
        if let Some(linux) = self.bundle.spec.linux.as_ref().filter(|_| maps) {
            map_ids(pid, linux, &self.facts)?;
        }
        if let Some(cgroup) = self.cgroup.as_ref().filter(|_| enters) {
            cgroup.enter(pid, is_in_unified)?;
        }
        if let Some(group) = &self.group {
            group.enter(pid)?;
        }
        self.lend()?;
        if let Some(network) = network {
            self.attendant = Some(network.start(pid, self.interrupt.as_ref())?);
        }
        if gated {
            self.executor()?.answer()?;
        }
        self.make_filter()?;
        if is_scope {
            self.make_scope().map_err(|error| self.cause(error))?;
        }
        if !self.launch.plan.moves() {
            self.write_record()?;
        }
        Ok(())
    }

    /// Starts the executor's process with the descriptors that its plan names. Returns whether it is in its cgroup of v2
    /// from the beginning.
    fn spawn(&mut self, listener: Option<&Listener>, gated: bool) -> Result<bool> {
        // A scope is not there yet.
        let cgroup = self.cgroup.as_ref().filter(|cgroup| !cgroup.is_scope());
        let directory = cgroup.map(Cgroup::fd).transpose()?.flatten();
        let mut keep = Vec::new();
        keep.extend(self.filter_file.as_ref().map(AsFd::as_fd));
        // A hook's step sees to it that nothing else gets them.
        if self.launch.plan.iter().any(|(step, _)| matches!(step, Step::Hook { .. })) {
            keep.extend(self.hook_output.descriptors());
        }
        self.executor = Some(Executor::start(&Start {
            plan: &self.launch.plan,
            namespaces: &self.launch.namespaces,
            cgroup: directory,
            gated,
            listener: listener.map(AsFd::as_fd),
            preserve_fds: self.launch.preserve_fds,
            keep: &keep,
            streams: self.streams.descriptors(),
        })?);
        Ok(directory.is_some())
    }

    /// Compiles the filter, while the executor works.
    fn make_filter(&mut self) -> Result<()> {
        self.filter = self.bundle.filter()?;
        match (&self.filter, self.filter_file.take()) {
            (Some(filter), Some(file)) => sealed::fill(file, &filter.to_file()),
            _ => Ok(()),
        }
    }

    /// systemd can't take in a process that has ended meanwhile: then the reason is why it has.
    fn cause(&self, error: Error) -> Error {
        let Ok(executor) = self.executor() else { return error };
        match executor.last_words() {
            Some(Said::Failed { step, errno, action, detail }) => {
                explain(&self.launch.plan, step, errno, &action, &detail).within(NOT_STARTED)
            }
            Some(Said::Nothing) => executor.silence().within(NOT_STARTED),
            _ => error,
        }
    }

    /// Gives the executor what it can't take itself in a user namespace.
    fn lend(&self) -> Result<()> {
        if !self.launch.namespaces.has(NamespaceKind::User) {
            return Ok(());
        }
        if let Some(process) = &self.bundle.spec.process {
            Loan::of(process).give(self.executor()?.pid);
        }
        Ok(())
    }

    /// Moves the executor into the cgroup that the program is to manage.
    fn delegate_cgroup(&self) -> Result<()> {
        let path = delegation::path(&self.bundle.spec.annotations).unwrap_or_default();
        let pid = self.executor()?.pid;
        let owner = match self.launch.namespaces.has(NamespaceKind::User) {
            true => delegation::root_of(pid)?,
            false => None,
        };
        let cgroup = self.cgroup.as_ref().ok_or_else(|| Error::new("no cgroup was located"))?;
        Ok(cgroup.delegate(&path, pid, owner)?)
    }

    fn give_devices(&mut self) -> Result<()> {
        let Some(linux) = &self.bundle.spec.linux else { return Ok(()) };
        let mut devices = NetworkDevices::open(self.executor()?.pid)?;
        let given = devices.give(&linux.net_devices);
        // In a namespace that others are in, they may have put something else in a device's place.
        if self.launch.namespaces.makes(NamespaceKind::Network) {
            self.devices = Some(devices);
        }
        given
    }

    /// What the program doesn't get although it asks for it.
    pub(crate) fn warnings(&self) -> Vec<Error> {
        self.bundle.spec.process.as_ref().map_or_else(Vec::new, capability::warnings)
    }

    /// The executor, which has become the container's first process.
    pub(crate) fn executor(&self) -> Result<&Executor> {
        self.executor.as_ref().ok_or_else(|| Error::new("no executor was started"))
    }

    /// The container stays.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    /// The container stays, and its first process is the caller's.
    pub(crate) fn leave(mut self) -> Result<Spawned> {
        let warnings = self.warnings();
        let executor = self.executor.take().ok_or_else(|| Error::new("no executor was started"))?;
        self.keep();
        Ok(Spawned { child: executor.into_child(), warnings })
    }

    /// The container has ended: removes what is left of it and runs the hooks that follow. Returns those that
    /// failed, as warnings.
    ///
    /// # Errors
    /// Something can't be removed.
    pub(crate) fn finish(mut self) -> Result<Vec<Error>> {
        self.kept = true;
        if let Some(cgroup) = &self.cgroup {
            end_all(&self.entry, cgroup, has_own_pids(listed(&self.bundle.spec)))?;
        }
        self.group.as_ref().map_or(Ok(()), Group::remove)?;
        self.entry.remove()?;
        Ok(self.run_poststop())
    }
}

/// What the caller wants of the plan.
fn options(
    create: &Create,
    purpose: Purpose,
    observe: Observe,
    network: Option<&UserNetwork>,
) -> Result<Options> {
    let (preserve_fds, mut environment) = create.activation.passed_on(create.preserve_fds)?;
    environment.extend(create.notify_socket.iter().map(|_| notify::VARIABLE.to_owned()));
    Ok(Options {
        no_pivot: create.no_pivot,
        no_new_keyring: create.no_new_keyring,
        preserve_fds,
        environment,
        adds_mount: create.notify_socket.is_some(),
        awaits_cgroup: false,
        await_start: purpose == Purpose::Create,
        host_mounts: if create.no_pivot { kernel_mounts()? } else { Vec::new() },
        observe,
        only_held: false,
        rootless: create.rootless,
        leads_outside: network.is_some(),
    })
}

/// What clients look for before the reason.
pub(crate) const NOT_STARTED: &str = "unable to start container process";
