//! Netlink messages as bytes (netlink(7)): a header, a fixed part, attributes; each at a multiple of four.

use coble_sys::rustix::io::Errno;

use super::Refusal;

/// `struct nlmsghdr`: length, type, flags, sequence number, port; in the processor's order.
const HEADER: usize = 16;
/// `struct nlattr`: length and type.
const ATTRIBUTE: usize = 4;
/// Types of attributes are the lower bits; the others say how the value is written.
const ATTRIBUTE_KIND: u16 = 0x3fff;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
/// The list has changed while it was told.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// All there is: `NLM_F_ROOT | NLM_F_MATCH`.
pub(super) const NLM_F_DUMP: u16 = 0x300;
/// What must not be there yet: `NLM_F_CREATE | NLM_F_EXCL`.
pub(super) const NLM_F_NEW: u16 = 0x600;

/// `MAX_ERRNO` of the kernel, as it answers it.
const LAST_ERRNO: i32 = -4095;

/// The kernel's words in an answer.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A request to be sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// One of this type, with the fixed part that belongs to it. The kernel answers it in any case.
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(fixed);
        let mut request = Self { bytes };
        request.pad();
        request
    }

    /// Adds an attribute.
    ///
    /// # Errors
    /// `EMSGSIZE`: its length would not fit into 16 bits. Cut to them, the rest of the value would be taken for further
    /// attributes.
    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Result<Self, Errno> {
        let length = u16::try_from(ATTRIBUTE + value.len()).map_err(|_| Errno::MSGSIZE)?;
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.pad();
        Ok(self)
    }

    /// The same for a name, which ends with a NUL.
    pub(super) fn name(self, kind: u16, name: &str) -> Result<Self, Errno> {
        self.attribute(kind, &[name.as_bytes(), &[0]].concat())
    }

    fn pad(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }

    /// The whole, with its length and number.
    pub(super) fn finish(&self, sequence: u32) -> Result<Vec<u8>, Errno> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::MSGSIZE)?;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(bytes)
    }
}

/// A message of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    flags: u16,
    pub(super) sequence: u32,
    pub(super) payload: &'a [u8],
}

/// How a request came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Refused(Refusal),
}

impl Message<'_> {
    pub(super) fn is_interrupted(&self) -> bool {
        self.flags & NLM_F_DUMP_INTR != 0
    }

    /// `None` if this is not the answer's end.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        if !matches!(self.kind, NLMSG_ERROR | NLMSG_DONE) {
            return None;
        }
        let Some(number) = number(self.payload, 0) else {
            return Some(Outcome::Refused(Errno::BADMSG.into()));
        };
        let number = number as i32;
        if number >= 0 {
            return Some(Outcome::Done);
        }
        // The request's header comes before the attributes of an error.
        let before = if self.kind == NLMSG_ERROR { 4 + HEADER } else { 4 };
        let attributes = self.payload.get(before..).unwrap_or_default();
        let words = attribute(attributes, NLMSGERR_ATTR_MSG).map(text).unwrap_or_default();
        // More than the kernel has is none of its answers.
        let errno = match number {
            LAST_ERRNO..0 => Errno::from_raw_os_error(-number),
            _ => Errno::BADMSG,
        };
        Some(Outcome::Refused(Refusal { errno, words }))
    }
}

/// The messages of a datagram; `None` for one that is torn, and nothing after it.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Option<Message<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let message = first(bytes);
        bytes = message.map_or(&[], |(_, rest)| rest);
        Some(message.map(|(message, _)| message))
    })
}

fn first(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = number(bytes, 0)? as usize;
    let message = Message {
        kind: half(bytes, 4)?,
        flags: half(bytes, 6)?,
        sequence: number(bytes, 8)?,
        payload: bytes.get(HEADER..length)?,
    };
    Some((message, bytes.get(aligned(length)..).unwrap_or_default()))
}

/// Types and values; what follows a torn one is left out.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(half(bytes, 0)?);
        let kind = half(bytes, 2)? & ATTRIBUTE_KIND;
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of this type.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(other, _)| *other == kind).map(|(_, value)| value)
}

/// A text up to its NUL.
pub(super) fn text(value: &[u8]) -> String {
    let text = value.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Four bytes as a number.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        Request::new(kind, 0, payload).finish(7).unwrap()
    }

    /// An error as the kernel writes it with both options of the socket.
    fn refusal(errno: i32, words: &str) -> Vec<u8> {
        let mut fixed = (-errno).to_ne_bytes().to_vec();
        fixed.extend([0; HEADER]);
        let request = Request::new(NLMSG_ERROR, 0, &fixed);
        request.name(NLMSGERR_ATTR_MSG, words).unwrap().finish(7).unwrap()
    }

    #[test]
    fn a_request_is_written_as_netlink_has_it() {
        let request = Request::new(18, 0x300, &[1, 2]).name(3, "lo").unwrap();
        let bytes = request.attribute(28, &9_u32.to_ne_bytes()).unwrap().finish(5).unwrap();
        let mut expected = 36_u32.to_ne_bytes().to_vec();
        expected.extend(18_u16.to_ne_bytes());
        expected.extend(0x305_u16.to_ne_bytes());
        expected.extend(5_u32.to_ne_bytes());
        expected.extend([0; 4]);
        expected.extend([1, 2, 0, 0]);
        expected.extend(7_u16.to_ne_bytes());
        expected.extend(3_u16.to_ne_bytes());
        expected.extend(*b"lo\0\0");
        expected.extend(8_u16.to_ne_bytes());
        expected.extend(28_u16.to_ne_bytes());
        expected.extend(9_u32.to_ne_bytes());
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        let request = || Request::new(16, 0, &[]);
        let most = usize::from(u16::MAX) - ATTRIBUTE;
        assert!(request().attribute(1, &vec![b'x'; most]).is_ok());
        for length in [most + 1, most + 5, 1 << 16, 1 << 20] {
            let refused = request().attribute(1, &vec![b'x'; length]).map(drop);
            assert_eq!(refused, Err(Errno::MSGSIZE), "{length}");
        }
    }

    #[test]
    fn messages_and_attributes_come_back() {
        let request = Request::new(16, 0, &[5; 16]).name(3, "eth0").unwrap();
        let one = request.attribute(0x8000 | 52, &[1, 2, 3, 4]).unwrap().finish(7).unwrap();
        let both = [one, message(NLMSG_DONE, &0_u32.to_ne_bytes())].concat();
        let read: Vec<_> = messages(&both).map(Option::unwrap).collect();
        assert_eq!((read.len(), read[0].kind, read[0].sequence), (2, 16, 7));
        let found: Vec<_> = attributes(&read[0].payload[16..]).collect();
        assert_eq!(found, [(3, &b"eth0\0"[..]), (52, &[1, 2, 3, 4][..])]);
        assert_eq!(attribute(&read[0].payload[16..], 3).map(text), Some("eth0".into()));
        assert_eq!((read[0].outcome(), read[1].outcome()), (None, Some(Outcome::Done)));
    }

    #[test]
    fn a_refusal_has_the_kernels_words() {
        let outcome = |bytes: &[u8]| messages(bytes).next().unwrap().unwrap().outcome();
        let refused =
            |errno, words: &str| Some(Outcome::Refused(Refusal { errno, words: words.to_owned() }));
        assert_eq!(outcome(&refusal(17, "in use")), refused(Errno::EXIST, "in use"));
        let bare = message(NLMSG_ERROR, &(-19_i32).to_ne_bytes());
        assert_eq!(outcome(&bare), refused(Errno::NODEV, ""));
        assert_eq!(outcome(&message(NLMSG_ERROR, &[])), refused(Errno::BADMSG, ""));
        assert_eq!(
            outcome(&message(NLMSG_DONE, &(-1_i32).to_ne_bytes())),
            refused(Errno::PERM, "")
        );
    }

    #[test]
    fn torn_and_forged_bytes_end() {
        let whole = [refusal(17, "in use"), refusal(1, "")].concat();
        let walk = |bytes: &[u8]| {
            for message in messages(bytes).flatten() {
                let _ = message.outcome();
                assert!(attributes(message.payload).count() <= bytes.len());
            }
        };
        (0..whole.len()).for_each(|end| walk(&whole[..end]));
        assert_eq!(messages(&whole[..20]).collect::<Vec<_>>(), [None]);
        let mut random = crate::prng::Prng(11);
        for _ in 0..20_000 {
            let mut forged = whole.clone();
            let place = random.below(forged.len());
            forged[place] = random.below(256) as u8;
            walk(&forged);
        }
    }
}
