//! `plan`: what `create` would do.

use std::fmt;

use coble_cgroup::Cgroup;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::cgroup_place::locate;
use crate::compile::{Job, Options, compile};
use crate::create::Create;
use crate::error::Result;
use crate::facts::Facts;
use crate::filter::Delivery;
use crate::host_mounts::kernel_mounts;
use crate::prologue::prologue;

/// The steps that lead to a container's process, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PrintedPlan {
    /// In order.
    pub steps: Vec<PrintedStep>,
}

/// A step in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrintedStep {
    /// From 1.
    pub number: usize,
    /// `parent` or `child`.
    pub by: &'static str,
    /// Name of the step's kind.
    pub step: &'static str,
    /// What it does, in words.
    pub action: String,
    /// JSON pointer into `config.json`; empty for what every container gets.
    pub origin: String,
}

/// The plan of a container that `create` would make. Nothing is changed.
///
/// # Errors
/// As those of [`Create::execute`] that come before it changes anything.
pub fn plan(create: &Create) -> Result<PrintedPlan> {
    let bundle = Bundle::read(create)?;
    let facts = Facts::look()?;
    let cgroup = locate(create, &bundle.spec, &facts)?;
    let legacy = cgroup.mounts();
    let filter = bundle.filter()?;
    let job = Job {
        hook_output: [-1; 2],
        spec: &bundle.spec,
        filter: filter.as_ref().map(Delivery::Planned),
        id: &create.id,
        bundle: &bundle.path,
        rootfs: &bundle.rootfs,
        facts: &facts,
        legacy: &legacy,
        sources: &[],
        unified: cgroup.dir(),
        options: Options {
            no_pivot: create.no_pivot,
            no_new_keyring: create.no_new_keyring,
            awaits_cgroup: cgroup.is_scope(),
            await_start: true,
            rootless: create.rootless,
            host_mounts: if create.no_pivot { kernel_mounts()? } else { Vec::new() },
            ..Options::default()
        },
    };
    printed(&job, &cgroup)
}

/// What the parent and the child do for this job.
pub(crate) fn printed(job: &Job<'_>, cgroup: &Cgroup) -> Result<PrintedPlan> {
    let launch = compile(job)?;
    let mut steps = prologue(job, &launch.namespaces, cgroup);
    steps.extend(launch.plan.iter().map(|(step, origin)| PrintedStep {
        number: 0,
        by: "child",
        step: step.name(),
        action: step.to_string(),
        origin: origin.to_owned(),
    }));
    for (index, step) in steps.iter_mut().enumerate() {
        step.number = index + 1;
    }
    Ok(PrintedPlan { steps })
}

/// A line for each step: its number, who does it, what it does, and in brackets where it comes from.
impl fmt::Display for PrintedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.steps.len().to_string().len();
        for step in &self.steps {
            let origin = if step.origin.is_empty() { "default" } else { &step.origin };
            writeln!(f, "{:digits$}  {:6}  {}  [{origin}]", step.number, step.by, step.action)?;
        }
        Ok(())
    }
}
