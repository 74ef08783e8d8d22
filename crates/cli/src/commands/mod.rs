//! One file for each command: its place in the table and what it does.

pub(crate) mod completion;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod features;
pub(crate) mod help;
mod input;
pub(crate) mod kill;
pub(crate) mod list;
mod matching;
pub(crate) mod mounts;
pub(crate) mod observe;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod ps;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod seccomp;
pub(crate) mod spec;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod try_;
pub(crate) mod update;
mod user;
