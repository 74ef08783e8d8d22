//! Where the cgroup of a unit will be.

use coble_sys::rustix::process::geteuid;

use super::bus::Bus;
use super::patience::Patience;
use super::unit::{Location, Manager, POINTER, Unit};
use crate::hierarchy::own_memberships;
use crate::membership::memberships;
use crate::place::Place;
use crate::{Cgroup, Error, Hierarchy, Kind};

/// sd_booted(3).
const BOOTED: &str = "/run/systemd/system";

impl Cgroup {
    /// Says where the cgroup of the container `id` is that systemd is to make, with `cgroups_path` as
    /// `slice:prefix:name`, empty for `:coble:ID`. The unit is `prefix-name.scope` in `slice`, of which `a-b.slice` lies in
    /// `a.slice`; a `name` that ends with `.slice` is a slice itself. Without a slice it is `system.slice`.
    ///
    /// With `is_user` the unit is one of the manager of the user whose process this is, in `user.slice` there. `below` is
    /// a clean path from the unit's cgroup to the container's, empty if they are one.
    ///
    /// # Errors
    /// [`Error::Value`] for another form of path; [`Error::Systemd`] if systemd doesn't run here;
    /// [`Error::NoController`] for a user on a machine with cgroup v1, whose hierarchies aren't delegated to users.
    pub fn locate_unit(
        hierarchy: &Hierarchy,
        cgroups_path: &str,
        id: &str,
        is_user: bool,
        below: &str,
    ) -> Result<Self, Error> {
        let (manager, slice) = match is_user {
            true => (Manager::User, "user.slice"),
            false => (Manager::System, "system.slice"),
        };
        let location = Location::parse(cgroups_path, id, manager, slice)?;
        if !std::path::Path::new(BOOTED).is_dir() {
            return Err(Error::NoSystemd);
        }
        if is_user && hierarchy.kind() != Kind::Unified {
            return Err(Error::value(POINTER, "a user's systemd has cgroups with cgroup v2 alone"));
        }
        let path = match manager {
            Manager::System => location.path,
            Manager::User => below_manager(&user_root()?, &location.path),
        };
        let mounts = hierarchy.unified.iter().chain(&hierarchy.legacy);
        let places =
            mounts.map(|mount| Place::new(&mount.controllers, &mount.point, &path).below(below));
        Ok(Self::of_unit(places.collect(), Unit { below: below.to_owned(), ..location.unit }))
    }
}

fn below_manager(root: &str, path: &str) -> String {
    if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") }
}

/// The cgroup of the user's manager, without a slash before it: the one that this process is in, or the one that
/// user@.service(5) has. Root of a user namespace can't tell which user he is outside, so the manager is asked.
fn user_root() -> Result<String, Error> {
    let text = own_memberships()?;
    let own = memberships(&text)?;
    let own = own.iter().find(|own| own.controllers.is_empty()).map_or("", |own| own.path);
    match (manager_above(own), geteuid()) {
        (Some(root), _) => Ok(root),
        (None, uid) if uid.is_root() => {
            Bus::connect(Manager::User, Patience::to_change())?.control_group()
        }
        (None, uid) => Ok(format!("user.slice/user-{uid}.slice/user@{uid}.service")),
    }
}

fn manager_above(own: &str) -> Option<String> {
    let mut end = 0;
    for part in own.trim_start_matches('/').split('/') {
        end += part.len() + 1;
        if part.starts_with("user@") && part.ends_with(".service") {
            return own.get(1..end).map(str::to_owned);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_found_above() {
        let own = "/user.slice/user-7.slice/user@7.service/app.slice/run-1.scope";
        assert_eq!(manager_above(own).unwrap(), "user.slice/user-7.slice/user@7.service");
        assert_eq!(manager_above("/user@7.service").unwrap(), "user@7.service");
        assert_eq!(manager_above("/user.slice/user-7.slice/session-1.scope"), None);
        assert_eq!(manager_above("/"), None);
    }
}
