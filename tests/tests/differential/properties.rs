//! One configuration for each property, so that a failure names it.

mod cgroups;
mod mounts;
mod namespaces;
mod process;

use serde_json::{Value, json};

use crate::compare;
use crate::ground::{Ground, Runtime};
use crate::setup::Setup;

/// Both accept each of the setups, and what is seen is the same.
#[track_caller]
pub(crate) fn same(setups: &[Setup]) {
    let Some(ground) = Ground::new() else { return };
    for setup in setups {
        let compared = compare::both(&ground, setup);
        let told: Vec<String> = compared.differences.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{}\n{setup}", told.join("\n"));
        assert_eq!(compared.refused, None, "{setup}");
    }
}

pub(crate) fn least() -> Setup {
    Setup::least()
}

/// With another `process`.
fn process(process: Value) -> Setup {
    least().with(json!({ "process": process }))
}

/// With another `linux`.
fn linux(linux: Value) -> Setup {
    least().with(json!({ "linux": linux }))
}

fn resources(resources: Value) -> Setup {
    linux(json!({ "resources": resources }))
}

/// With a device file system, as engines have it.
pub(crate) fn dev() -> Setup {
    let options = ["nosuid", "strictatime", "mode=755", "size=65536k"];
    least().mount("tmpfs", "tmpfs", "/dev", &options)
}
