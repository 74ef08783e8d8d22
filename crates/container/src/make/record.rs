//! What is recorded of a container that is being made.

use std::time::SystemTime;

use coble_spec::{Hooks, OCI_VERSION, Spec};
use coble_sys::rustix::fd::AsFd;

use super::Making;
use crate::compile::listed;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::state::Record;
use crate::timestamp::rfc3339;

impl Making {
    /// Records the container, tells who is to know its process, and lets it go on.
    pub(super) fn write_record(&mut self) -> Result<()> {
        let record = self.record()?;
        if self.bundle.is_given {
            self.entry.write_config(&self.bundle.spec)?;
        }
        if let Some(filter) = &self.filter {
            self.entry.write_filter(filter)?;
        }
        self.entry.write(&record)?;
        self.is_recorded = true;
        let sockets = std::mem::take(&mut self.pidfd_sockets);
        let executor = self.executor()?;
        sockets.iter().try_for_each(|socket| socket.send(executor.pidfd.as_fd()))?;
        executor.answer()
    }

    fn record(&self) -> Result<Record> {
        let spec = &self.bundle.spec;
        let cgroup = self.cgroup.as_ref().ok_or_else(|| Error::new("no cgroup was located"))?;
        let kept = |hooks: &Hooks| Hooks {
            poststart: hooks.poststart.clone(),
            poststop: hooks.poststop.clone(),
            ..Hooks::default()
        };
        Ok(Record {
            oci_version: OCI_VERSION.to_owned(),
            id: self.id.clone(),
            bundle: self.bundle.path.to_string_lossy().into_owned(),
            rootfs: self.bundle.rootfs.to_string_lossy().into_owned(),
            created: rfc3339(SystemTime::now()),
            owner: self.facts.uid,
            annotations: spec.annotations.clone(),
            init: Init::of(self.executor()?.pid)?,
            cgroup: cgroup.record(),
            former_oom_kills: self.former_oom_kills,
            is_filtered: self.filter.is_some(),
            intel_rdt: self.group.clone(),
            namespaces: listed(spec).to_vec(),
            memory_swap: memory_swap(spec),
            device_rules: None,
            setgroups: self.launch.setgroups,
            personality: spec.linux.as_ref().and_then(|linux| linux.personality.clone()),
            memory_policy: spec.linux.as_ref().and_then(|linux| linux.memory_policy.clone()),
            mount_label: spec
                .linux
                .as_ref()
                .map_or(String::new(), |linux| linux.mount_label.clone()),
            has_keyring: !self.launch.no_new_keyring,
            process: spec.process.clone().unwrap_or_default(),
            hooks: spec.hooks.as_ref().map(kept).filter(|hooks| *hooks != Hooks::default()),
            runc: None,
        })
    }
}

/// The limit of memory and swap together, for a later `update`.
fn memory_swap(spec: &Spec) -> Option<i64> {
    let resources = spec.linux.as_ref()?.resources.as_ref()?;
    resources.memory.as_ref()?.swap.filter(|&swap| swap != 0)
}
