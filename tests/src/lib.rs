//! What the end-to-end tests share.
//!
//! A test makes a [`Case`], which owns a folder, a state root and a container id of its own, builds a
//! [`Bundle`] in it, and runs the real binary through [`Cmd`], which never waits longer than its deadline.
//! When the case ends, whatever it left behind fails the test: see [`leftovers`].
//!
//! The binary comes from the environment variable `COBLE`, or else from the build folder that the test
//! itself was built into.

mod bundle;
mod case;
mod cmd;
mod console;
mod disk;
pub mod docker;
mod fd_socket;
mod holder;
mod host_cgroup;
pub mod leftovers;
mod mount_table;
mod named_user;
mod output;
mod plain_user;
pub mod podman;
mod pty;
mod rootfs;
mod runtime;
mod skip;
mod stand_in;
mod view;
pub mod wait;

pub use bundle::Bundle;
pub use case::Case;
pub use cmd::{Background, Cmd};
pub use console::ConsoleSocket;
pub use disk::Disk;
pub use fd_socket::FdSocket;
pub use holder::Holder;
pub use host_cgroup::HostCgroup;
pub use mount_table::MountLine;
pub use named_user::NamedUser;
pub use output::Output;
pub use plain_user::{PLAIN_ID, PLAIN_NAME};
pub use pty::{Terminal, exit_code};
pub use rootfs::{busybox, rootfs};
pub use runtime::{binary, name};
pub use skip::skip;
pub use stand_in::{Answer, Call, Socket, StandIn};
pub use view::{V2, View};
