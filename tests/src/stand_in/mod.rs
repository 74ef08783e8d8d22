//! A stand-in for systemd: it answers on a socket of its own as systemd does, makes the cgroups that it is asked for, and
//! counts the messages. What it answers can be told, so that it fails in ways that systemd does once in a year.

mod message;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

pub use message::Call;
use message::{property, refusal, reply, signal, slander};

use crate::{Case, Cmd};

/// What it does about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What systemd does.
    Do,
    /// Refuses it with that error's name and those words.
    Refuse(&'static str, &'static str),
    /// Ends the connection, as systemd does when it is executed anew.
    HangUp,
    /// Does it, and then ends the connection without a word.
    DoAndHangUp,
    /// Nothing at all.
    Ignore,
    /// Answers, and never ends the job.
    NoEnd,
    /// Does it, while others on the bus say that it has failed.
    DoSlandered,
    /// Says that it is done, and does nothing.
    Pretend,
}

/// The stand-in, which answers as long as the program runs.
#[derive(Debug)]
pub struct StandIn {
    /// What the runtime finds in the place of `/run/systemd`.
    folder: PathBuf,
    user: u32,
    shared: Arc<Shared>,
}

/// Where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// systemd's own.
    Private,
    /// That of the bus.
    Bus,
}

type Answers = dyn Fn(&Call, usize) -> Answer + Send + Sync;

struct Shared {
    /// Where cgroup v2 is mounted for this program.
    cgroups: PathBuf,
    /// The manager's own cgroup below it.
    root: String,
    user: u32,
    answer: Box<Answers>,
    calls: Mutex<Vec<String>>,
    units: Mutex<BTreeMap<String, PathBuf>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("root", &self.root).finish_non_exhaustive()
    }
}

impl StandIn {
    /// A manager for the user `user`, 0 for the system's, that listens in the case's folder. `answer` is asked about
    /// each call, with the number of those of the same name that came before.
    ///
    /// # Panics
    /// When it can't listen.
    #[must_use]
    pub fn new(
        case: &Case,
        user: u32,
        socket: Socket,
        answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let unified = Path::new("/sys/fs/cgroup/unified");
        let alone = !unified.join("cgroup.procs").exists();
        let cgroups = if alone { unified.parent().unwrap_or(unified) } else { unified };
        let shared = Arc::new(Shared {
            cgroups: cgroups.to_owned(),
            root: match user {
                0 => String::new(),
                _ => format!("user.slice/user-{user}.slice/user@{user}.service"),
            },
            user,
            answer: Box::new(answer),
            calls: Mutex::default(),
            units: Mutex::default(),
        });
        let folder = case.folder("run-systemd");
        fs::create_dir_all(folder.join("system")).expect("a folder");
        let socket = match socket {
            Socket::Private => folder.join("private"),
            Socket::Bus => folder.join("bus"),
        };
        let listener = UnixListener::bind(&socket).expect("a socket");
        fs::set_permissions(&socket, PermissionsExt::from_mode(0o777)).expect("chmod");
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(stream));
            }
        });
        Self { folder, user, shared }
    }

    /// The runtime where this is systemd and cgroup v2 is all there is.
    ///
    /// # Panics
    /// When a path isn't UTF-8.
    #[must_use]
    pub fn coble(&self, case: &Case) -> Cmd {
        self.coble_under(case, &[])
    }

    /// The same below another program, strace(1) perhaps.
    ///
    /// # Panics
    /// When a path isn't UTF-8.
    #[must_use]
    pub fn coble_under(&self, case: &Case, launcher: &[&str]) -> Cmd {
        let view = "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && \
                    mount -t tmpfs none /run && mkdir /run/systemd && mount --bind \"$1\" /run/systemd && \
                    shift && exec \"$@\"";
        let cmd = Cmd::new("unshare", &case.id, &case.dir.join("output"))
            .args(["--mount", "--propagation", "private", "sh", "-c", view, "sh"])
            .arg(&self.folder);
        let cmd = match self.user {
            0 => cmd.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/systemd/bus"),
            user => {
                let user = user.to_string();
                cmd.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"])
                    .args(["--inh-caps=-all", "--"])
                    .env("XDG_RUNTIME_DIR", "/run")
            }
        };
        cmd.args(launcher).arg(case.program()).arg("--root").arg(case.state_root())
    }

    /// The calls that have come since the last time, by their names.
    ///
    /// # Panics
    /// When it has panicked itself.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.calls.lock().expect("the calls"))
    }

    /// The directory of a unit, if there is such a unit.
    ///
    /// # Panics
    /// When it has panicked itself.
    #[must_use]
    pub fn unit(&self, name: &str) -> Option<PathBuf> {
        self.shared.units.lock().expect("the units").get(name).cloned()
    }

    /// Makes a unit as somebody else would.
    ///
    /// # Panics
    /// When it can't.
    pub fn make_unit(&self, slice: &str, name: &str) {
        self.shared.make(slice, name, &[]).expect("a unit");
    }
}

/// The slices that this program's stand-ins have made, and share.
static SLICES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

impl Drop for StandIn {
    /// Takes away the slices that no other stand-in uses any more.
    fn drop(&mut self) {
        let mut slices = SLICES.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = Vec::new();
        while let Some(slice) = slices.pop() {
            if fs::remove_dir(&slice).is_err() && slice.exists() {
                kept.insert(0, slice);
            }
        }
        *slices = kept;
    }
}

/// Makes a directory and those above it, and the unit's in it while nobody can take them away.
fn make_directories(path: &Path) -> std::io::Result<()> {
    let mut slices = SLICES.lock().unwrap_or_else(PoisonError::into_inner);
    let above: Vec<&Path> = path.ancestors().skip(1).filter(|above| !above.exists()).collect();
    for directory in above.into_iter().rev() {
        fs::create_dir(directory)?;
        slices.push(directory.to_owned());
    }
    fs::create_dir_all(path)
}

impl Shared {
    /// Answers until the other side has ended.
    fn serve(&self, mut stream: UnixStream) {
        // The credentials are the socket's.
        let greeting = until(&mut stream, b"BEGIN\r\n");
        if greeting.is_none() || stream.write_all(b"DATA\r\nOK 0\r\n").is_err() {
            return;
        }
        while let Some(call) = Call::read(&mut stream) {
            let before = {
                let mut calls = self.calls.lock().expect("the calls");
                calls.push(call.member.clone());
                calls.iter().filter(|name| **name == call.member).count() - 1
            };
            if self.answer(&call, (self.answer)(&call, before), &mut stream).is_none() {
                return;
            }
        }
    }

    fn answer(&self, call: &Call, answer: Answer, stream: &mut UnixStream) -> Option<()> {
        let mut send = |bytes: Vec<u8>| stream.write_all(&bytes).ok();
        match answer {
            Answer::Ignore => return Some(()),
            Answer::HangUp => return None,
            Answer::Refuse(name, words) => return send(refusal(call, name, words)),
            Answer::Do | Answer::DoAndHangUp | Answer::DoSlandered => {}
            Answer::NoEnd | Answer::Pretend => {}
        }
        if call.member == "Get" {
            // Nothing else is asked for but `ControlGroup`.
            return send(property(call, &format!("/{}", self.root)));
        }
        let done = match answer {
            Answer::Pretend => Ok(call.job()),
            _ => self.carry_out(call),
        };
        if answer == Answer::DoAndHangUp {
            return None;
        }
        match done {
            Err((name, words)) => send(refusal(call, name, &words)),
            Ok(None) => send(reply(call, None)),
            Ok(Some(job)) => {
                send(reply(call, Some(&job)))?;
                match answer {
                    Answer::NoEnd => Some(()),
                    Answer::DoSlandered => {
                        send(slander(&job, &call.unit))?;
                        send(signal(&job, &call.unit))
                    }
                    _ => send(signal(&job, &call.unit)),
                }
            }
        }
    }

    /// What systemd would do; the job that does it, if it takes one.
    fn carry_out(&self, call: &Call) -> Result<Option<String>, (&'static str, String)> {
        const FAILED: &str = "org.freedesktop.DBus.Error.Failed";
        let failed = |error: std::io::Error| (FAILED, error.to_string());
        match call.member.as_str() {
            "StartTransientUnit" => {
                if self.units.lock().expect("the units").contains_key(&call.unit) {
                    let words = format!("Unit {} already exists.", call.unit);
                    return Err(("org.freedesktop.systemd1.UnitExists", words));
                }
                self.make(&call.slice, &call.unit, &call.pids).map_err(failed)?;
                Ok(call.job())
            }
            "StopUnit" => {
                let Some(path) = self.units.lock().expect("the units").remove(&call.unit) else {
                    let words = format!("Unit {} not loaded.", call.unit);
                    return Err(("org.freedesktop.systemd1.NoSuchUnit", words));
                };
                // The runtime may have been faster.
                let _ = fs::remove_dir(path);
                Ok(call.job())
            }
            "AttachProcessesToUnit" => {
                let units = self.units.lock().expect("the units");
                let path = units.get(&call.unit).ok_or((FAILED, "no such unit".to_owned()))?;
                let path = path.join(call.below.trim_start_matches('/'));
                enter(&path, &call.pids).map_err(failed).map(|()| None)
            }
            _ => Ok(None),
        }
    }

    fn make(&self, slice: &str, unit: &str, pids: &[u32]) -> std::io::Result<()> {
        let mut path = self.cgroups.join(&self.root);
        let stem = slice.trim_end_matches(".slice");
        let ends = stem.match_indices('-').map(|(end, _)| end).chain([stem.len()]);
        for end in ends {
            path.push(format!("{}.slice", &stem[..end]));
        }
        path.push(unit);
        make_directories(&path)?;
        if self.user != 0 {
            for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
                chown(path.join(file), Some(self.user), Some(self.user))?;
            }
        }
        self.units.lock().expect("the units").insert(unit.to_owned(), path.clone());
        enter(&path, pids)
    }
}

fn enter(path: &Path, pids: &[u32]) -> std::io::Result<()> {
    pids.iter().try_for_each(|pid| fs::write(path.join("cgroup.procs"), pid.to_string()))
}

/// Reads up to that end.
fn until(stream: &mut UnixStream, end: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    while !text.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    Some(text)
}
