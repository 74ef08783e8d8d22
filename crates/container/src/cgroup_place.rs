//! Where a container's cgroup is to be.

use coble_cgroup::Cgroup;
use coble_spec::Spec;

use crate::create::Create;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::no_cgroup;
use crate::subgroup;
use crate::validate::{Invalid, quoted};

/// Where the container's cgroup will be, if it is to have one.
///
/// # Errors
/// It can't be there, or the container can't do without.
pub(crate) fn locate(create: &Create, spec: &Spec, facts: &Facts) -> Result<Cgroup> {
    let in_config = |bad: Invalid| Error::config(&bad.pointer, format!("config.json: {bad}"));
    if !create.systemd_cgroup {
        subgroup::refuse_without_systemd(&spec.annotations).map_err(in_config)?;
    }
    if create.no_cgroup {
        no_cgroup::check(spec, facts.is_rootless()).map_err(in_config)?;
        return Ok(Cgroup::nowhere());
    }
    let path = spec.linux.as_ref().map_or("", |linux| linux.cgroups_path.as_str());
    if create.systemd_cgroup {
        let (is_user, below) = (facts.is_rootless(), subgroup::path(&spec.annotations));
        return Ok(Cgroup::locate_unit(&facts.hierarchy, path, &create.id, is_user, &below)?);
    }
    refuse_systemds(path).map_err(in_config)?;
    Ok(Cgroup::locate(&facts.hierarchy, path, &create.id)?)
}

/// Refuses a path in systemd's form where systemd isn't asked: whoever writes it counts on the limits of a slice.
fn refuse_systemds(path: &str) -> std::result::Result<(), Invalid> {
    if path.contains('/') || path.split(':').count() != 3 {
        return Ok(());
    }
    let shown = quoted(path);
    let reason =
        format!("{shown} has systemd's form slice:prefix:name, and needs --systemd-cgroup");
    Err(Invalid::new("/linux/cgroupsPath", reason))
}
