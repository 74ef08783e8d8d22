//! The class of service that a container is in, and its monitoring group.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use coble_spec::IntelRdt;
use serde::{Deserialize, Serialize};

use super::{Resctrl, read, refused, schemata};
use crate::error::{Error, Result};

/// Where a container is in the resctrl file system, and what of that was made for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    pub(super) resctrl: Resctrl,
    /// The directory of the class below it; empty for the default class.
    class: String,
    /// Whether the configuration names the class, which then outlives the container.
    is_named: bool,
    /// Whether there was no such class before.
    is_made: bool,
    /// Name of the monitoring group, if one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monitor: Option<String>,
}

impl Group {
    /// Finds the place of the container `id`. Nothing is changed.
    ///
    /// # Errors
    /// A class that is only named is not there, or one that is there is not as the configuration says.
    pub(crate) fn locate(resctrl: &Resctrl, wanted: &IntelRdt, id: &str) -> Result<Self> {
        let class = match wanted.clos_id.as_str() {
            "" => id,
            "/" => "",
            name => name,
        };
        let monitors = wanted.enable_monitoring || wanted.enable_cmt || wanted.enable_mbm;
        let mut group = Self {
            resctrl: resctrl.clone(),
            class: class.to_owned(),
            is_named: !wanted.clos_id.is_empty(),
            is_made: false,
            monitor: monitors.then(|| id.to_owned()),
        };
        let directory = group.directory();
        group.is_made = match directory.try_exists() {
            Ok(is_there) => !is_there,
            Err(error) => return Err(Error::at("look for the class", &directory, error)),
        };
        if group.is_named && group.is_made && schemata::lines(wanted).is_empty() {
            let words = format!(
                "clos dir not accessible (must be pre-created when schemata, l3CacheSchema and memBwSchema are empty): \
                 {}: no such file or directory",
                directory.display()
            );
            return Err(refused("/closID", &words));
        }
        if group.is_named && !group.is_made {
            group.compare(wanted)?;
        }
        Ok(group)
    }

    /// The old members must be what the class has already; `schemata` may change it.
    fn compare(&self, wanted: &IntelRdt) -> Result<()> {
        let mut lines = schemata::old_lines(wanted).peekable();
        if lines.peek().is_none() {
            return Ok(());
        }
        let path = self.directory().join("schemata");
        let existing = read(&path)?;
        let step =
            self.resctrl.info("MB", "bandwidth_gran").ok().and_then(|text| text.parse().ok());
        match lines.find(|line| !schemata::holds(&existing, line, step)) {
            Some(line) => {
                let place = self.directory();
                let place = place.display();
                let words = format!("{place} is there with another configuration than {line:?}");
                Err(refused("/closID", &words))
            }
            None => Ok(()),
        }
    }

    /// Takes over what another runtime has recorded: the directory of the class, that of its monitoring group, and
    /// whether the configuration named the class. `None` if they are not in the file system at `root`.
    pub(crate) fn adopt(
        root: &Path,
        class: &str,
        monitor: Option<&str>,
        is_named: bool,
    ) -> Option<Self> {
        let class_path = Path::new(class);
        let class = class_path.strip_prefix(root).ok()?.to_str()?.to_owned();
        let is_own_root = class.is_empty() && !is_named;
        if !root.is_absolute() || class.contains('/') || class == ".." || is_own_root {
            return None;
        }
        let name_of = |path: &str| {
            let name = Path::new(path).strip_prefix(class_path.join("mon_groups")).ok()?;
            let name = name.file_name()?.to_str().filter(|own| Path::new(own) == name)?;
            Some(name.to_owned())
        };
        let monitor = match monitor {
            Some(path) => Some(name_of(path)?),
            None => None,
        };
        let resctrl = Resctrl { root: root.to_owned() };
        Some(Self { resctrl, class, is_named, is_made: !is_named, monitor })
    }

    /// Makes what is missing and limits the class.
    ///
    /// # Errors
    /// The kernel's. What has been made then is known to [`Group::take_back`].
    pub(crate) fn make(&mut self, wanted: &IntelRdt) -> Result<()> {
        let directory = self.directory();
        let monitor = self.monitor.take();
        if std::mem::take(&mut self.is_made) {
            self.make_directory(&directory)?;
            self.is_made = true;
        }
        self.limit(schemata::lines(wanted))?;
        if let Some(name) = monitor {
            self.make_directory(&directory.join("mon_groups").join(&name))?;
            self.monitor = Some(name);
        }
        Ok(())
    }

    fn make_directory(&self, path: &Path) -> Result<()> {
        fs::create_dir(path).map_err(|error| self.resctrl.failed("make", path, error))
    }

    pub(super) fn limit<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let path = self.directory().join("schemata");
        // The kernel takes a resource only once a write.
        lines.into_iter().try_for_each(|line| self.resctrl.write(&path, &format!("{line}\n")))
    }

    /// Moves the process into it; its children follow.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn enter(&self, pid: i32) -> Result<()> {
        // Only who is in the class can be in its monitoring group.
        let directories = std::iter::once(self.directory()).chain(self.monitor_directory());
        let mut files = directories.map(|directory| directory.join("tasks"));
        files.try_for_each(|file| self.resctrl.write(&file, &pid.to_string()))
    }

    /// The same for a further process of the container. If somebody has removed the class, the container's other
    /// processes are in the default class, and so is this one.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn join(&self, pid: i32) -> Result<()> {
        if self.directory().is_dir() { self.enter(pid) } else { Ok(()) }
    }

    /// Removes what was made for a container that has ended: a class that the configuration names stays.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn remove(&self) -> Result<()> {
        if self.is_made && !self.is_named {
            // Its monitoring groups go with it.
            return self.remove_directory(&self.directory());
        }
        self.monitor_directory().map_or(Ok(()), |directory| self.remove_directory(&directory))
    }

    /// Removes what was made for a container that could not be made. A class that another container has joined in
    /// the meantime stays.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn take_back(&self) -> Result<()> {
        self.monitor_directory().map_or(Ok(()), |directory| self.remove_directory(&directory))?;
        let tasks = fs::read_to_string(self.directory().join("tasks")).unwrap_or_default();
        if self.is_made && tasks.trim().is_empty() {
            return self.remove_directory(&self.directory());
        }
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        match fs::remove_dir(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(self.resctrl.failed("remove", path, error))
            }
            _ => Ok(()),
        }
    }

    /// That of the class.
    pub(super) fn directory(&self) -> PathBuf {
        let root = &self.resctrl.root;
        if self.class.is_empty() { root.clone() } else { root.join(&self.class) }
    }

    pub(super) fn monitor_directory(&self) -> Option<PathBuf> {
        self.monitor.as_ref().map(|name| self.directory().join("mon_groups").join(name))
    }

    /// The record as the target of a symbolic link, which can be made in one step.
    pub(crate) fn to_link_target(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::new(format!("resctrl: {error}")))
    }

    /// What [`Group::to_link_target`] wrote; `None` if it is something else.
    pub(crate) fn from_link_target(target: &str) -> Option<Self> {
        serde_json::from_str(target).ok()
    }
}
