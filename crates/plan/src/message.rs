//! What the executor tells the parent, one datagram a message.

use crate::wire::{Field, Reader};

/// Upper bound of an encoded message's length.
pub const MESSAGE_MAX: usize = 4096 + 256;

/// The byte that the parent answers with when the executor may go on.
pub const GO_ON: u8 = 1;

/// The byte that it answers with to what is asked before the container is recorded: [`Message::ConfirmMappings`],
/// [`Message::MapIds`], [`Message::Relabel`] and [`Message::DelegateCgroup`]. Another one than [`GO_ON`], which the parent sends unasked as soon as it is.
pub const DONE: u8 = 2;

/// The byte that [`crate::Step::AwaitCgroup`] waits for; it may come before it is waited for.
pub const IN_CGROUP: u8 = 4;

/// The byte that [`Message::Listener`] is answered with.
pub const LISTENED: u8 = 5;

/// The action of a [`Failure`] that an owner without an id in the user namespace explains, user_namespaces(7).
pub const NOBODYS: &str = "make the mount point in a directory of nobody's";

/// The actions of a [`Failure`] to load a filter of system calls. `start` knows no steps, and tells by them that it was
/// no hook that failed.
pub mod filter_action {
    /// The file with the filter is read.
    pub const READ: &str = "read the filter";
    /// The filter is loaded, seccomp(2).
    pub const LOAD: &str = "seccomp";
    /// What waits until the listener has been taken is prepared, userfaultfd(2).
    pub const WAIT: &str = "userfaultfd";
    /// The thread that hands the listener over is started, clone3(2).
    pub const THREAD: &str = "clone3 of the thread that hands the listener over";
    /// All of them.
    pub const ALL: [&str; 4] = [READ, LOAD, WAIT, THREAD];
}

/// The byte that comes with the descriptor that [`Message::OpenSource`] asks for.
pub const OPENED: u8 = 3;

/// A message of the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A step failed; nothing follows.
    Failed(Failure<'a>),
    /// The runtime's hooks are due; the executor waits for one byte.
    RuntimeHooks,
    /// Network devices are due; the executor waits for one byte.
    NetworkDevices,
    /// The process is in the joined user namespace, whose mappings are to be compared; the executor waits for [`DONE`].
    ConfirmMappings,
    /// The process is to be put into a cgroup of its own; the executor waits for [`DONE`].
    DelegateCgroup,
    /// The terminal's other end comes with this message; the executor waits for one byte.
    Console,
    /// A new mount comes with this message, whose ids the parent has to map; the executor waits for
    /// [`DONE`].
    MapIds {
        /// Index of the [`crate::Step::MapIds`] that says how.
        step: u32,
    },
    /// The source of a bind mount can't be reached; the executor waits for [`OPENED`] with a detached copy of it.
    OpenSource {
        /// Index of the [`crate::Step::MountBind`].
        step: u32,
    },
    /// What comes with this message is to get the SELinux context of a step; the executor waits for [`DONE`]. In a user
    /// namespace it may belong to the host's root.
    Relabel {
        /// Index of the [`crate::Step::Relabel`].
        step: u32,
    },
    /// The filter is loaded, and its listener comes with this message, seccomp_unotify(2). The executor waits for
    /// [`LISTENED`], and ends if that doesn't come.
    Listener,
    /// Everything is done but waiting for `start`, or running the program.
    Ready,
    /// The executor goes on in another process, a child of the parent.
    Moved {
        /// Its pid in the pid namespace in which the executor was made.
        pid: i32,
    },
    /// That process is there; before anything else that it says. Its pid is the sender's, as the kernel tells it
    /// (`SO_PASSCRED`, unix(7)).
    Arrived,
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Index of the step in the plan, from 0; `u32::MAX` before the first.
    pub step: u32,
    /// Error number, errno(3); 0 where there is none.
    pub errno: i32,
    /// What was being done: a system call or a few words.
    pub action: &'a [u8],
    /// What it was done to, or the kernel's own words; may be empty.
    pub detail: &'a [u8],
}

impl<'a> Message<'a> {
    /// Writes the message into `buffer` and returns its length. A detail that is too long is cut.
    pub fn encode(&self, buffer: &mut [u8; MESSAGE_MAX]) -> usize {
        let mut end = 0;
        let mut put = |bytes: &[u8]| {
            let fits = bytes.len().min(MESSAGE_MAX - end);
            buffer[end..end + fits].copy_from_slice(&bytes[..fits]);
            end += fits;
        };
        match self {
            Self::Failed(failure) => {
                let action = &failure.action[..failure.action.len().min(255)];
                put(&[0]);
                put(&failure.step.to_le_bytes());
                put(&failure.errno.to_le_bytes());
                put(&[action.len() as u8]);
                put(action);
                put(failure.detail);
            }
            Self::RuntimeHooks => put(&[1]),
            Self::Console => put(&[2]),
            Self::Ready => put(&[3]),
            Self::Moved { pid } => {
                put(&[4]);
                put(&pid.to_le_bytes());
            }
            Self::MapIds { step } => {
                put(&[5]);
                put(&step.to_le_bytes());
            }
            Self::NetworkDevices => put(&[6]),
            Self::Arrived => put(&[7]),
            Self::DelegateCgroup => put(&[8]),
            Self::ConfirmMappings => put(&[12]),
            Self::Relabel { step } => {
                put(&[9]);
                put(&step.to_le_bytes());
            }
            Self::OpenSource { step } => {
                put(&[10]);
                put(&step.to_le_bytes());
            }
            Self::Listener => put(&[11]),
        }
        end
    }

    /// Reads a message; `None` if it is none.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(match u8::read(&mut reader)? {
            0 => Self::Failed(Failure {
                step: u32::read(&mut reader)?,
                errno: i32::read(&mut reader)?,
                action: {
                    let length = u8::read(&mut reader)?;
                    reader.take(length.into())?
                },
                detail: reader.rest(),
            }),
            1 => Self::RuntimeHooks,
            2 => Self::Console,
            3 => Self::Ready,
            4 => Self::Moved { pid: i32::read(&mut reader)? },
            5 => Self::MapIds { step: u32::read(&mut reader)? },
            6 => Self::NetworkDevices,
            7 => Self::Arrived,
            8 => Self::DelegateCgroup,
            12 => Self::ConfirmMappings,
            9 => Self::Relabel { step: u32::read(&mut reader)? },
            10 => Self::OpenSource { step: u32::read(&mut reader)? },
            11 => Self::Listener,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let failure =
            Failure { step: 7, errno: 2, action: b"openat2", detail: b"/proc: \xff no text" };
        for message in [
            Message::Failed(failure),
            Message::RuntimeHooks,
            Message::Console,
            Message::Ready,
            Message::Moved { pid: 4_194_304 },
            Message::MapIds { step: 12 },
            Message::NetworkDevices,
            Message::Arrived,
            Message::OpenSource { step: 3 },
            Message::Listener,
            Message::DelegateCgroup,
            Message::ConfirmMappings,
            Message::Relabel { step: 3 },
        ] {
            let mut buffer = [0; MESSAGE_MAX];
            let length = message.encode(&mut buffer);
            assert_eq!(Message::decode(&buffer[..length]), Some(message));
        }
    }

    #[test]
    fn a_long_detail_is_cut_and_a_torn_message_is_none() {
        let detail = [b'x'; 3 * MESSAGE_MAX];
        let failure = Failure { step: 0, errno: 1, action: b"a", detail: &detail };
        let mut buffer = [0; MESSAGE_MAX];
        let length = Message::Failed(failure).encode(&mut buffer);
        assert_eq!(length, MESSAGE_MAX);
        assert!(Message::decode(&buffer[..length]).is_some());
        for length in 0..11 {
            assert_eq!(Message::decode(&buffer[..length]), None, "{length}");
        }
        assert_eq!(Message::decode(&[10]), None);
    }
}
