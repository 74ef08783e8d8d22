//! A library that makes containers and works with them: what the command `coble` does, as functions.
//!
//! `config.json` becomes a plan, which is data; the plan is executed by a small program of its own (coble-stage), which
//! becomes the container's first process; this process only starts it, listens to it and records it. No daemon is
//! needed: a container that one program has made can be used by another, which has the same state folder.
//!
//! | Verb | Function | What it does |
//! |---|---|---|
//! | create | [`Create::execute`] | makes a container whose process waits |
//! | start | [`start()`] | lets that process run |
//! | run | [`Run::spawn`], [`Run::execute`] | both at once; the second also waits for the end, and deletes |
//! | exec | [`Exec::spawn`], [`Exec::execute`] | one more process; the second also waits for its end |
//! | kill | [`kill()`] | sends a signal |
//! | pause, resume | [`pause()`], [`resume()`] | holds all processes of a container, and lets them go on |
//! | update | [`Update::execute`] | changes limits |
//! | events | [`Events::watch`], [`stats()`] | what a container uses, and each kill for want of memory |
//! | delete | [`delete()`] | removes what is left |
//! | state | [`state()`] | where in its life a container is |
//! | list | [`list()`] | all containers of a state folder |
//! | ps | [`processes`] | the processes of a container |
//! | mounts | [`add_mounts`], [`remove_mounts`] | changes what is mounted in a container that is there |
//! | features | [`features()`] | what a configuration may ask for |
//! | plan | [`plan()`] | what create would do, in words |
//! | spec | [`example()`] | a configuration to begin with |
//! | try | [`Try`] | a command over the host's own files |
//!
//! The types of configurations are those of [`spec`]; [`validate()`] checks one without a host.
//!
//! ```no_run
//! # fn main() -> Result<(), coble_container::Error> {
//! use coble_container::{Create, Signal, delete, kill, start};
//!
//! let root = "/run/mine";
//! let create = Create {
//!     root: root.into(),
//!     id: "web".into(),
//!     bundle: "/srv/web".into(),
//!     ..Create::default()
//! };
//! let mut made = create.execute()?;
//! start(root.as_ref(), "web")?;
//! kill(root.as_ref(), "web", Signal::TERM, false)?;
//! println!("{}", made.child.wait()?);
//! delete(root.as_ref(), "web", false)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! Every function returns its error; nothing is logged. An [`Error`] is one line for people, and an [`ErrorKind`] for
//! programs. After an error nothing is left of a new container.
//!
//! # Threads
//!
//! No function starts a thread, and none has state of its own: whatever is known of a container is in its state folder,
//! where each container is locked for itself (flock(2)). So all of them can be called from any number of threads at
//! once, for different containers and for the same one. They block: an asynchronous program calls them where it may
//! block (tokio's `spawn_blocking`), and may poll the pidfd of a [`Child`].
//!
//! What a program with several threads can rely on:
//!
//! - The working directory, the environment, the file mode mask, the signal handlers and the limits of the process stay
//!   as they are. For an instant the calling thread blocks its signals, where a new user namespace is combined with
//!   joined ones it is in those, and where network devices are moved it is in the container's network namespace; it
//!   comes back from them before the function returns.
//! - Every descriptor is close-on-exec from the beginning, so that a program which another thread starts gets none.
//! - A container gets no descriptor of the process but its standard streams and those of [`Create::preserve_fds`].
//! - Only children that a function has made itself are waited for, each by its pidfd.
//! - A container or process that was made outlives the thread that made it, and the process.
//!
//! What it has to see to:
//!
//! - [`Run::execute`] and [`Exec::execute`] without `detach`, and [`Try`], take the process into service. They are
//!   made for commands, and say what they change.
//! - The container's first process is a child of this process: somebody has to wait for it ([`Child::wait`]), or a zombie
//!   stays until the program ends.
//! - A part of the program that waits for any child (wait(2) with -1), or that ignores SIGCHLD, takes the status of
//!   hooks and helpers away; hooks then count as failed.
//! - A process that another thread forks (fork(2)) and that runs no other program keeps copies of all descriptors: a
//!   function may then wait for its end.
//! - A time namespace can't be joined together with a new user namespace (time_namespaces(7)).
//!
//! # Rights
//!
//! Root makes every kind of container, a plain user those with a user namespace of their own. `docs/security.md` says
//! what is trusted, `SPECIFICATION.md` what is promised.

mod agent;
mod bundle;
mod caller_groups;
mod capability;
mod cgroup_place;
mod child;
mod compile;
mod console;
mod create;
mod delegation;
mod delete;
mod descriptors;
mod error;
mod events;
mod example;
mod exec;
mod executor;
mod explain;
mod facts;
mod features;
mod filter;
mod foreground;
mod hook_output;
mod hooks;
mod host_mounts;
mod host_namespaces;
mod hot_mounts;
mod id_helper;
mod id_map;
mod id_ranges;
mod init;
mod interrupt;
mod kill;
mod list;
mod loan;
mod make;
mod may_lack;
mod memory_policy;
mod mount_ids;
mod mount_mapper;
mod mount_options;
mod netlink;
mod network_devices;
mod no_cgroup;
mod notify;
mod number_list;
mod observe;
mod out_of_memory;
mod overlay;
mod passwd;
mod pause;
mod pid_file;
mod pidfd_socket;
mod plan;
mod processes;
mod processors;
mod prologue;
mod receive;
mod refused_clone;
mod relay;
mod rendezvous;
mod resctrl;
mod resume;
mod rlimit;
mod root_ids;
mod run;
mod runc;
mod scheduler;
mod sealed;
mod search_path;
mod selinux;
mod send_fd;
mod signal;
mod sources;
mod start;
mod state;
mod state_root;
mod stats;
mod status;
mod store;
mod streams;
mod subgroup;
mod supervisor;
mod sysctl;
mod timestamp;
mod told_state;
mod tracer;
mod update;
mod user_namespace;
mod user_network;
mod validate;

#[cfg(test)]
mod prng;

pub use capability::NAMES as CAPABILITIES;
pub use child::{Child, Spawned};
/// Control groups, as [`Facts`] has them.
pub use coble_cgroup as cgroup;
pub use coble_cgroup::SubCgroups;
/// Filters of system calls: profiles, what they come to, and the one that comes with coble.
pub use coble_seccomp as seccomp;
/// The OCI configuration as plain data.
pub use coble_spec as spec;
pub use create::Create;
pub use delete::delete;
pub use descriptors::Activation;
pub use error::{Error, ErrorKind, Result};
pub use events::{Event, Events};
pub use example::{ExampleHost, config_text, example, example_config};
pub use exec::{Additions, Exec, ExecProcess};
pub use facts::Facts;
pub use features::features;
pub use hot_mounts::{add_mounts, remove_mounts};
pub use kill::kill;
pub use list::{list, names};
pub use observe::{Denial, Observe, Observed};
pub use overlay::Try;
pub use pause::pause;
pub use plan::{PrintedPlan, PrintedStep, plan};
pub use processes::processes;
pub use resctrl::{
    CacheInfo, IntelRdtStats, MemoryBandwidthInfo, Occupancy, Traffic, intel_rdt_stats,
};
pub use resume::resume;
pub use run::{Finished, Run};
pub use signal::{Signal, UnknownSignal};
pub use start::{start, start_notifying};
pub use state::{State, Status};
pub use state_root::{default_root, temporary_root, usual_root};
pub use stats::{NetworkInterface, Stats, stats};
pub use status::state;
pub use streams::Streams;
pub use timestamp::rfc3339;
pub use update::Update;
pub use user_network::UserNetwork;
pub use validate::{Invalid, MAX_ID, validate, validate_id, validate_process, validate_resources};

/// Every type of the library can be sent to and used by other threads.
#[cfg(test)]
const _: () = {
    const fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Create>();
    is_shared::<Run>();
    is_shared::<Exec>();
    is_shared::<Try>();
    is_shared::<Spawned>();
    is_shared::<Finished>();
    is_shared::<State>();
    is_shared::<Error>();
    is_shared::<Facts>();
    is_shared::<PrintedPlan>();
    is_shared::<spec::Spec>();
    is_shared::<cgroup::Cgroup>();
};
