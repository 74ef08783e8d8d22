//! The library: from a bundle to a running container.
//!
//! `config.json` becomes a plan ([`compile`]), the plan is executed by the container's first process
//! (coble-stage), and this process only starts it, listens to it and records it. One file per verb; no thread is
//! started, nothing is logged, every error is returned.
//!
//! ```no_run
//! # fn main() -> Result<(), coble_container::Error> {
//! use coble_container::{Create, Run, default_root};
//!
//! let create = Create {
//!     root: default_root()?,
//!     id: "one".into(),
//!     bundle: "/srv/one".into(),
//!     ..Create::default()
//! };
//! let finished = Run { create, ..Run::default() }.execute()?;
//! # Ok(())
//! # }
//! ```

mod bundle;
mod capability;
mod compile;
mod console;
mod create;
mod delete;
mod descriptors;
mod error;
mod example;
mod exec;
mod executor;
mod facts;
mod features;
mod foreground;
mod hooks;
mod host_mounts;
mod host_namespaces;
mod id_map;
mod init;
mod interrupt;
mod kill;
mod list;
mod loan;
mod make;
mod memory_policy;
mod mount_ids;
mod mount_mapper;
mod mount_options;
mod number_list;
mod overlay;
mod pause;
mod pid_file;
mod plan;
mod processors;
mod prologue;
mod relay;
mod rendezvous;
mod resctrl;
mod resume;
mod rlimit;
mod run;
mod scheduler;
mod sealed;
mod signal;
mod sources;
mod start;
mod state;
mod status;
mod store;
mod sysctl;
mod timestamp;
mod update;
mod user_namespace;
mod validate;

#[cfg(test)]
mod prng;

pub use create::Create;
pub use delete::delete;
pub use error::{Error, ErrorKind, Result};
pub use example::{ExampleHost, config_text, example, example_config};
pub use exec::{Additions, Exec, ExecProcess};
pub use facts::{Facts, WITHOUT};
pub use features::features;
pub use kill::kill;
pub use list::{list, processes};
pub use overlay::Try;
pub use pause::pause;
pub use plan::{PrintedPlan, PrintedStep, plan};
pub use resctrl::{
    CacheInfo, IntelRdtStats, MemoryBandwidthInfo, Occupancy, Traffic, intel_rdt_stats,
    update_intel_rdt,
};
pub use resume::resume;
pub use run::{Finished, Run};
pub use signal::{Signal, UnknownSignal};
pub use start::start;
pub use state::{State, Status};
pub use status::state;
pub use store::default_root;
pub use timestamp::rfc3339;
pub use update::Update;
pub use validate::{Invalid, MAX_ID, validate, validate_id, validate_process, validate_resources};
