//! Device rules that were in force before they were replaced, so that they can be set back.

use coble_sys::rustix::fd::OwnedFd;
use coble_sys::rustix::io::Errno;

use super::exceptions::{self, Exceptions};
use super::{attach, rule};
use crate::{Cgroup, Error};

/// What enforced a container's rules: those of the configuration, and what a hook may have added.
#[derive(Debug)]
pub(crate) enum Former {
    /// Nothing that could be replaced.
    Nothing,
    /// v1's list.
    List(Exceptions),
    /// Our program with v2; none if everything was allowed.
    Program(Option<OwnedFd>),
}

impl Former {
    /// What is in force now.
    ///
    /// # Errors
    /// [`Error::Os`]; [`Error::Unreadable`].
    pub(crate) fn look(cgroup: &Cgroup) -> Result<Self, Error> {
        if let Some(place) = cgroup.of("devices") {
            return exceptions::read(place).map(Self::List);
        }
        match (cgroup.unified(), cgroup.fd()?) {
            (Some(place), Some(fd)) => {
                let found = attach::find(fd).map_err(|errno| failed(place.dir(), errno))?;
                Ok(Self::Program(found))
            }
            _ => Ok(Self::Nothing),
        }
    }

    /// Puts it into force again.
    ///
    /// # Errors
    /// As [`super::apply`]; [`Error::Unreadable`] for a list that doesn't tell all.
    pub(crate) fn restore(self, cgroup: &Cgroup) -> Result<(), Error> {
        match (self, cgroup.of("devices"), cgroup.unified(), cgroup.fd()?) {
            (Self::List(list), Some(place), ..) if !list.default_allow => {
                exceptions::write(cgroup, place, &list)
            }
            // What had been excepted from that can't be read.
            (Self::List(_), Some(place), ..) => Err(Error::Unreadable {
                path: format!("{}/devices.list", place.dir()),
                reason: "it doesn't tell what was denied".to_owned(),
            }),
            (Self::Program(program), None, Some(place), Some(fd)) => {
                attach::restore(fd, program.as_ref()).map_err(|errno| failed(place.dir(), errno))
            }
            _ => Ok(()),
        }
    }
}

fn failed(dir: &str, errno: Errno) -> Error {
    Error::os("look for device rules of", dir, errno).at(rule::POINTER)
}
