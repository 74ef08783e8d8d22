//! A bundle: `config.json` and a root file system (bundle.md).

use std::io;
use std::path::{Path, PathBuf};

use coble_spec::Spec;

use crate::create::Create;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::validate::{validate, validate_read};

/// A bundle that was read and checked.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// Absolute, without symbolic links.
    pub(crate) rootfs: PathBuf,
    pub(crate) spec: Spec,
    /// What its configuration is called.
    name: PathBuf,
    /// Whether the configuration is another one than the bundle's `config.json`.
    pub(crate) is_given: bool,
}

impl Bundle {
    /// Reads the bundle and its configuration: that which is given, that of another file, or its `config.json`.
    ///
    /// # Errors
    /// No or a bad configuration, or no directory that can be a root.
    pub(crate) fn read(create: &Create) -> Result<Self> {
        let path = &create.bundle;
        let path =
            path.canonicalize().map_err(|error| Error::at("open the bundle", path, error))?;
        let is_given = create.spec.is_some() || create.config.is_some();
        let (spec, name) = match (&create.spec, &create.config) {
            (Some(_), Some(_)) => return Err(Error::new("a configuration and a file with one")),
            (Some(spec), None) => (checked(spec)?, PathBuf::from("config")),
            (None, Some(file)) => (read_config(file)?, file.clone()),
            (None, None) => {
                let file = path.join("config.json");
                (read_config(&file)?, file)
            }
        };
        let rootfs = find_rootfs(&path, &spec)?;
        can_be_recorded("bundle", &path)?;
        can_be_recorded("root file system", &rootfs)?;
        Ok(Self { path, rootfs, spec, name, is_given })
    }

    /// What the container's programs run under.
    ///
    /// # Errors
    /// It can't be meant, or not be carried out.
    pub(crate) fn filter(&self) -> Result<Option<Filter>> {
        Filter::of(&self.spec).map_err(|error| {
            Error::config(&error.pointer, format!("{}: {error}", self.name.display()))
        })
    }

    /// Whether there is such a filter.
    pub(crate) fn has_filter(&self) -> bool {
        self.spec.linux.as_ref().is_some_and(|linux| linux.seccomp.is_some())
    }
}

/// Records are JSON, and so is the state that hooks get: in another name they would lead elsewhere.
fn can_be_recorded(what: &str, path: &Path) -> Result<()> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(Error::new(format!("the path of the {what} is not UTF-8: {path:?}"))),
    }
}

fn checked(spec: &Spec) -> Result<Spec> {
    validate(spec).map_err(|error| Error::config(&error.pointer, format!("config: {error}")))?;
    Ok(spec.clone())
}

/// A `config.json` that was checked, but for its filter.
///
/// # Errors
/// It is not there, or bad.
pub(crate) fn read_config(path: &Path) -> Result<Spec> {
    let text = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::config("", format!("JSON specification file {} not found", path.display()))
        }
        _ => Error::at("read", path, error),
    })?;
    let spec = coble_spec::parse(&text)
        .map_err(|error| Error::config(error.pointer(), format!("{}: {error}", path.display())))?;
    validate_read(&spec, &text)
        .map_err(|error| Error::config(&error.pointer, format!("{}: {error}", path.display())))?;
    Ok(spec)
}

/// The root must be a directory and no symbolic link: who may change the link may choose the root.
fn find_rootfs(bundle: &Path, spec: &Spec) -> Result<PathBuf> {
    let root = spec.root.as_ref().ok_or_else(|| {
        let config = bundle.join("config.json");
        Error::config("/root", format!("{}: /root: missing", config.display()))
    })?;
    let path = bundle.join(&root.path);
    let bad = |why: &str| {
        Error::config("/root/path", format!("invalid rootfs {}: {why}", path.display()))
    };
    let metadata =
        path.symlink_metadata().map_err(|error| Error::at("invalid rootfs", &path, error))?;
    if metadata.is_symlink() {
        return Err(bad("not an absolute path, or a symlink"));
    }
    if !metadata.is_dir() {
        return Err(bad("not a directory"));
    }
    path.canonicalize().map_err(|error| Error::at("invalid rootfs", &path, error))
}
