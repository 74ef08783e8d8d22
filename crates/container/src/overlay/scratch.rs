//! The directory that holds the bundle while its container runs.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use coble_sys::rustix::fs::{XattrFlags, removexattr, setxattr};
use coble_sys::rustix::io::Errno;

/// A directory of this run.
pub(super) struct Scratch {
    /// Absolute.
    path: PathBuf,
    /// Whether it was there before, so that it isn't ours to remove.
    found: bool,
}

impl Scratch {
    /// Its absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the directory that the user has named. It is made, mode 0700, if it is not there.
    ///
    /// # Errors
    /// It has something in it already, is no directory or can't be made; with its path.
    pub(super) fn take(directory: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let absolute = std::path::absolute(directory).and_then(|path| {
            let found = match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => true,
                made => made.map(|()| false)?,
            };
            if fs::read_dir(&path)?.next().is_some() {
                return Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty));
            }
            // The kernel is told of directories in it, and it shall not matter what links led there.
            Ok(Self { path: fs::canonicalize(path)?, found })
        });
        absolute.map_err(|error| (directory.to_owned(), error))
    }

    /// Makes the directory `name`, mode 0700, in the first of `places` that will do.
    ///
    /// With `user_xattr` a place whose files can have `user.` attributes goes before one whose can't (tmpfs before
    /// Linux 6.6): overlayfs in a user namespace keeps its marks there, and without them a directory can't
    /// take the place of one that was removed.
    ///
    /// # Errors
    /// That of the last place, if none will do, with the place's path.
    pub(super) fn make(
        places: &[PathBuf],
        name: &str,
        user_xattr: bool,
    ) -> Result<Self, (PathBuf, io::Error)> {
        let mut second_best: Option<Self> = None;
        let mut failure = (PathBuf::from(name), io::Error::from(io::ErrorKind::NotFound));
        for place in places {
            let path = place.join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) if user_xattr && !has_user_xattr(&path) => match &second_best {
                    None => second_best = Some(Self { path, found: false }),
                    Some(_) => Self { path, found: false }
                        .remove()
                        .map_err(|error| (place.clone(), error))?,
                },
                Ok(()) => {
                    if let Some(other) = second_best {
                        other.remove().map_err(|error| (place.clone(), error))?;
                    }
                    return Ok(Self { path, found: false });
                }
                Err(error) => failure = (path, error),
            }
        }
        second_best.ok_or(failure)
    }

    /// Removes all that is in the directory, and the directory if it was made here.
    ///
    /// A container has filled it as it liked: directories that nobody may enter, a tree deeper than any path is
    /// long. So each directory is given rights and moved up to the top before it is emptied, and neither
    /// recursion nor a long path is needed. Nothing else may be at work in it: the container has ended.
    ///
    /// # Errors
    /// That of the system call that failed.
    pub(super) fn remove(self) -> io::Result<()> {
        let mut moved: u64 = 0;
        let mut waiting = vec![self.path.clone()];
        while let Some(directory) = waiting.pop() {
            fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                if !entry.file_type()?.is_dir() {
                    fs::remove_file(entry.path())?;
                } else if directory == self.path {
                    waiting.push(entry.path());
                } else {
                    waiting.push(move_up(&entry.path(), &self.path, &mut moved)?);
                }
            }
            if directory != self.path {
                fs::remove_dir(&directory)?;
            }
        }
        if self.found { Ok(()) } else { fs::remove_dir(&self.path) }
    }
}

/// Moves a directory into `top` under a number that is free there.
fn move_up(directory: &Path, top: &Path, moved: &mut u64) -> io::Result<PathBuf> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    loop {
        *moved += 1;
        let to = top.join(moved.to_string());
        // Not over an empty directory that is waiting there: rename(2) would replace it.
        if fs::symlink_metadata(&to).is_err() {
            return fs::rename(directory, &to).map(|()| to);
        }
    }
}

fn has_user_xattr(path: &Path) -> bool {
    const NAME: &str = "user.coble";
    let set = setxattr(path, NAME, b"y", XattrFlags::empty());
    match set.and_then(|()| removexattr(path, NAME)) {
        Ok(()) => true,
        Err(error) => error != Errno::OPNOTSUPP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> PathBuf {
        let name =
            format!("coble-scratch-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn the_first_place_that_exists_is_taken() {
        let there = place();
        let places = [there.join("missing"), there.clone()];
        let scratch = Scratch::make(&places, "x", false).unwrap();
        assert_eq!(scratch.path, there.join("x"));
        assert_eq!(fs::metadata(&scratch.path).unwrap().permissions().mode() & 0o7777, 0o700);
        let (path, error) = Scratch::make(&places, "x", false).map(|_| ()).unwrap_err();
        assert_eq!((path, error.kind()), (there.join("x"), io::ErrorKind::AlreadyExists));
        scratch.remove().unwrap();
        fs::remove_dir(there).unwrap();
    }

    #[test]
    fn a_named_directory_must_be_empty_and_stays_if_it_was_there() {
        let there = place();
        let name = there.join("bundle");
        let scratch = Scratch::take(&name).unwrap();
        fs::write(name.join("file"), "x").unwrap();
        assert!(Scratch::take(&name).is_err());
        assert!(Scratch::take(&name.join("file")).is_err());
        scratch.remove().unwrap();
        assert!(!name.exists());
        fs::create_dir(&name).unwrap();
        Scratch::take(&name).unwrap().remove().unwrap();
        fs::remove_dir(name).unwrap();
        fs::remove_dir(there).unwrap();
    }

    #[test]
    fn a_hostile_tree_is_removed() {
        let there = place();
        let scratch = Scratch::make(std::slice::from_ref(&there), "x", true).unwrap();
        let top = &scratch.path;
        fs::create_dir_all(top.join("1/2/3")).unwrap();
        fs::write(top.join("1/2/file"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", top.join("1/link")).unwrap();
        fs::set_permissions(top.join("1/2"), Permissions::from_mode(0o000)).unwrap();
        // A tree whose path no system call takes, built from its far end.
        fs::create_dir(top.join("0")).unwrap();
        for _ in 0..600 {
            let (from, to) = (top.join("0"), top.join("next"));
            fs::create_dir(&to).unwrap();
            fs::rename(&from, to.join("0123456789".repeat(10))).unwrap();
            fs::rename(&to, &from).unwrap();
        }
        scratch.remove().unwrap();
        fs::remove_dir(there).unwrap();
    }
}
