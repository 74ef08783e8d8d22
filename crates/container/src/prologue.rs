//! What the parent does before the first step, in words.

use coble_cgroup::Cgroup;
use coble_spec::{IdMapping, IntelRdt, NamespaceKind};

use crate::compile::{Job, Namespaces, clone_flag};
use crate::may_lack::MayLack;
use crate::plan::PrintedStep;

/// The parent's actions, in order.
pub(crate) fn prologue(
    job: &Job<'_>,
    namespaces: &Namespaces,
    cgroup: &Cgroup,
) -> Vec<PrintedStep> {
    let mut steps = Vec::new();
    let mut push = |step: &'static str, action: String, origin: &str| {
        let origin = origin.to_owned();
        steps.push(PrintedStep { number: 0, by: "parent", step, action, origin });
    };
    let linux = job.spec.linux.as_ref();
    let path = if linux.is_some_and(|linux| !linux.cgroups_path.is_empty()) {
        "/linux/cgroupsPath"
    } else {
        ""
    };
    let may_lack = MayLack::of(job.options.rootless, job.spec, job.facts);
    let tolerate = |may: bool| if may { " (tolerate EACCES, EPERM, EROFS)" } else { "" };
    push("StateDirectory", "make the container's state directory and lock it".to_owned(), "");
    let unit = cgroup.unit_name();
    if let Some(unit) = unit.filter(|_| !cgroup.is_scope()) {
        push("MakeUnit", format!("have systemd make the unit {unit} with its limits"), path);
    }
    for dir in cgroup.dirs().filter(|_| unit.is_none()) {
        let tolerate = tolerate(may_lack.cgroup && path.is_empty());
        push("MakeCgroup", format!("make the cgroup {dir}{tolerate}"), path);
    }
    if let Some(rdt) = linux.and_then(|linux| linux.intel_rdt.as_ref()) {
        push("MakeResctrlClass", class_text(rdt, job.id), "/linux/intelRdt");
    }
    push("SealExecutor", "copy the executor and its plan into sealed memory".to_owned(), "");
    for (kind, path) in &namespaces.inherited {
        let text = format!("join the {kind} namespace at {}", path.to_string_lossy());
        push("JoinNamespace", text, "/linux/namespaces");
    }
    push("Clone", clone_text(namespaces, cgroup), "/linux/namespaces");
    if let Some(unit) = unit.filter(|_| cgroup.is_scope()) {
        push("MakeUnit", scope_text(unit, cgroup), path);
    }
    for (section, text) in resources(job) {
        push("ApplyResources", text, &format!("/linux/resources/{section}"));
    }
    let tolerate = tolerate(may_lack.device_rules);
    push("DeviceRules", format!("allow the default devices{tolerate}"), "");
    if let Some(linux) = linux.filter(|_| namespaces.makes(NamespaceKind::User)) {
        push("MapIds", mapping_text("users", &linux.uid_mappings), "/linux/uidMappings");
        push("MapIds", mapping_text("groups", &linux.gid_mappings), "/linux/gidMappings");
    }
    if cgroup.needs_enter() {
        push("EnterCgroup", "move the child into the v1 cgroups".to_owned(), path);
    }
    if linux.is_some_and(|linux| linux.intel_rdt.is_some()) {
        push(
            "EnterResctrlClass",
            "move the child into the resctrl class".to_owned(),
            "/linux/intelRdt",
        );
    }
    let first = job.options.preserve_fds.saturating_add(3);
    push("CloseDescriptors", format!("close descriptors from {first} on in the child"), "");
    push("Record", "write state.json".to_owned(), "");
    steps
}

/// The sections of `linux.resources` that are there.
fn resources(job: &Job<'_>) -> Vec<(&'static str, String)> {
    let Some(resources) = job.spec.linux.as_ref().and_then(|linux| linux.resources.as_ref()) else {
        return Vec::new();
    };
    let mut sections = Vec::new();
    let mut add = |name, text: Option<String>| sections.extend(text.map(|text| (name, text)));
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    add(
        "memory",
        resources.memory.as_ref().map(|m| limit("memory", json(serde_json::to_string(m)))),
    );
    add("cpu", resources.cpu.as_ref().map(|c| limit("processors", json(serde_json::to_string(c)))));
    add("pids", resources.pids.as_ref().map(|p| limit("tasks", json(serde_json::to_string(p)))));
    add(
        "blockIO",
        resources.block_io.as_ref().map(|b| limit("block I/O", json(serde_json::to_string(b)))),
    );
    add(
        "network",
        resources.network.as_ref().map(|n| limit("network", json(serde_json::to_string(n)))),
    );
    let some = |is_empty: bool, text: String| (!is_empty).then_some(text);
    let hugepages = &resources.hugepage_limits;
    add(
        "hugepageLimits",
        some(hugepages.is_empty(), limit("huge pages", json(serde_json::to_string(hugepages)))),
    );
    add(
        "rdma",
        some(
            resources.rdma.is_empty(),
            limit("RDMA", json(serde_json::to_string(&resources.rdma))),
        ),
    );
    add(
        "unified",
        some(
            resources.unified.is_empty(),
            limit("cgroup v2 files", json(serde_json::to_string(&resources.unified))),
        ),
    );
    let rules = resources.devices.len();
    let plural = if rules == 1 { "" } else { "s" };
    add("devices", some(rules == 0, format!("apply {rules} device rule{plural}")));
    sections
}

fn clone_text(namespaces: &Namespaces, cgroup: &Cgroup) -> String {
    let cloned = |kind: &NamespaceKind| namespaces.cloned & u64::from(clone_flag(*kind)) != 0;
    let kinds: Vec<&str> = namespaces
        .made()
        .iter()
        .map(|(kind, _)| *kind)
        .filter(cloned)
        .map(NamespaceKind::as_str)
        .collect();
    let into = if cgroup.dir().is_some() && !cgroup.is_scope() {
        ", straight into the cgroup"
    } else {
        ""
    };
    let kinds = if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") };
    format!("clone3 with new namespaces: {kinds}{into}")
}

fn scope_text(unit: &str, cgroup: &Cgroup) -> String {
    let below = match cgroup.depth_in_unit() {
        0 => String::new(),
        _ => format!(", and move it to {}", cgroup.dirs().next().unwrap_or_default()),
    };
    format!("have systemd make the unit {unit} with its limits around the child{below}")
}

/// Whether the class is there already can be seen on the host alone.
fn class_text(rdt: &IntelRdt, id: &str) -> String {
    match rdt.clos_id.as_str() {
        "" => format!("make the resctrl class {id:?} if it is missing"),
        "/" => "take the default resctrl class".to_owned(),
        name => format!("take or make the resctrl class {name:?}"),
    }
}

fn limit(what: &str, value: String) -> String {
    format!("limit {what}: {value}")
}

fn mapping_text(what: &str, mappings: &[IdMapping]) -> String {
    let ranges: Vec<String> = mappings
        .iter()
        .map(|m| {
            format!(
                "{}-{} to {}",
                m.container_id,
                u64::from(m.container_id) + u64::from(m.size) - 1,
                m.host_id
            )
        })
        .collect();
    format!("map {what} {}", ranges.join(", "))
}
