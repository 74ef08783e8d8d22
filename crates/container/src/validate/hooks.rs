//! `hooks` (config.md, "POSIX-platform Hooks").

use coble_spec::{Hook, Hooks};

use super::text::quoted;
use super::{Invalid, process};

/// Every kind by its name, in the order in which they run.
pub(crate) fn kinds(hooks: &Hooks) -> [(&'static str, &[Hook]); 6] {
    [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("createContainer", &hooks.create_container),
        ("startContainer", &hooks.start_container),
        ("poststart", &hooks.poststart),
        ("poststop", &hooks.poststop),
    ]
}

pub(super) fn check(hooks: &Hooks) -> Result<(), Invalid> {
    for (name, list) in kinds(hooks) {
        for (index, hook) in list.iter().enumerate() {
            one(hook).map_err(|invalid| invalid.below(&format!("/hooks/{name}/{index}")))?;
        }
    }
    Ok(())
}

fn one(hook: &Hook) -> Result<(), Invalid> {
    if !hook.path.starts_with('/') {
        let reason = format!("{} is not an absolute path", quoted(&hook.path));
        return Err(Invalid::at("/path", reason));
    }
    if hook.timeout.is_some_and(|seconds| seconds <= 0) {
        return Err(Invalid::at("/timeout", "a timeout must be greater than zero"));
    }
    process::environment(&hook.env)
}
