//! Messages of D-Bus (D-Bus Specification, "Message Protocol"): the calls that are made, and what comes back.

use super::value::{Encoder, Value};

/// The part of a message that has its lengths.
pub(crate) const PROLOGUE: usize = 16;
/// The longest message of D-Bus.
const LONGEST: usize = 128 << 20;

const CALL: u8 = 1;
const LITTLE_ENDIAN: u8 = b'l';
const VERSION: u8 = 1;

/// Fields of the header.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SENDER: u8 = 7;
const SIGNATURE: u8 = 8;

/// A call of a method.
pub(crate) struct Call<'a> {
    pub(crate) destination: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) member: &'a str,
    pub(crate) signature: &'a str,
    /// Begins at a multiple of 8.
    pub(crate) body: Encoder,
}

impl Call<'_> {
    /// The message with the number `serial`.
    pub(crate) fn encode(&self, serial: u32) -> Vec<u8> {
        let mut out = Encoder(vec![LITTLE_ENDIAN, CALL, 0, VERSION]);
        out.u32(u32::try_from(self.body.0.len()).unwrap_or(u32::MAX));
        out.u32(serial);
        let fields = [
            (PATH, "o", self.path),
            (INTERFACE, "s", self.interface),
            (MEMBER, "s", self.member),
            (DESTINATION, "s", self.destination),
            (SIGNATURE, "g", self.signature),
        ];
        out.array(8, |out| {
            for (code, kind, text) in fields.into_iter().filter(|(.., text)| !text.is_empty()) {
                out.align(8);
                out.fixed(&[code]);
                out.signature(kind);
                if kind == "g" { out.signature(text) } else { out.text(text) }
            }
        });
        out.align(8);
        out.0.extend(&self.body.0);
        out.0
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// The answer to the call with that number.
    Reply { to: u32, sender: String, body: Vec<Value> },
    /// The refusal of the call with that number.
    Error { to: u32, name: String, words: String },
    /// Something has happened.
    Signal { sender: String, interface: String, member: String, body: Vec<Value> },
    /// A call to us.
    Call,
}

/// How long the message is that begins with these bytes.
///
/// `None` if it is none that can be read here.
pub(crate) fn length(prologue: &[u8; PROLOGUE]) -> Option<usize> {
    if prologue[0] != LITTLE_ENDIAN || prologue[3] != VERSION {
        return None;
    }
    let number = |at: usize| {
        let bytes = prologue[at..at + 4].try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let (body, fields) = (number(4)?, number(12)?);
    let length = PROLOGUE.checked_add(fields.checked_next_multiple_of(8)?)?.checked_add(body)?;
    (length <= LONGEST).then_some(length)
}

impl Message {
    /// Reads a whole message. `None` if it is none. Of a body of other types than there are in answers that are
    /// waited for, the values up to the first such are given.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let fields = Fields::decode(bytes)?;
        let mut body = Decoder { bytes, at: bytes.len().checked_sub(fields.body)? };
        let types = fields.signature.chars();
        let body: Vec<Value> = types.map_while(|kind| body.value(kind)).collect();
        Some(match *bytes.get(1)? {
            CALL => Self::Call,
            2 => Self::Reply { to: fields.to?, sender: fields.sender, body },
            3 => {
                let words = match body.into_iter().next() {
                    Some(Value::Text(words)) => words,
                    _ => String::new(),
                };
                Self::Error { to: fields.to?, name: fields.error, words }
            }
            4 => {
                let Fields { sender, interface, member, .. } = fields;
                Self::Signal { sender, interface, member, body }
            }
            _ => return None,
        })
    }
}

/// The header's fields that matter.
#[derive(Default)]
struct Fields {
    /// The length of the body.
    body: usize,
    to: Option<u32>,
    /// Who it is of, as a bus says it; empty without one.
    sender: String,
    interface: String,
    member: String,
    error: String,
    signature: String,
}

impl Fields {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut input = Decoder { bytes, at: 4 };
        found.body = usize::try_from(input.u32()?).ok()?;
        input.at = 12;
        let length = usize::try_from(input.u32()?).ok()?;
        let end = input.at.checked_add(length)?;
        while input.at < end {
            input.align(8)?;
            let code = input.take(1)?[0];
            let kind = input.signature()?;
            let value = input.value(kind.chars().next()?)?;
            match (code, value) {
                (INTERFACE, Value::Text(text)) => found.interface = text,
                (MEMBER, Value::Text(text)) => found.member = text,
                (ERROR_NAME, Value::Text(text)) => found.error = text,
                (SENDER, Value::Text(text)) => found.sender = text,
                (SIGNATURE, Value::Text(text)) => found.signature = text,
                (REPLY_SERIAL, Value::U32(serial)) => found.to = Some(serial),
                _ => {}
            }
        }
        Some(found)
    }
}

/// Gives the values of a message, which is hostile until it is read.
struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(to)?;
        Some(())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.align(4)?;
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let text = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        (self.take(1)? == [0]).then_some(text)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.take(1)?[0];
        self.text(usize::from(length))
    }

    /// A value of a basic type, or a variant of one; paths and signatures are given as text.
    fn value(&mut self, kind: char) -> Option<Value> {
        Some(match kind {
            's' | 'o' => {
                let length = usize::try_from(self.u32()?).ok()?;
                Value::Text(self.text(length)?)
            }
            'g' => Value::Text(self.signature()?),
            'u' => Value::U32(self.u32()?),
            'b' => Value::Bool(self.u32()? == 1),
            'y' => Value::Byte(self.take(1)?[0]),
            // One of a basic type, as properties of a manager are.
            'v' => match self.signature()?.as_bytes() {
                [kind] if *kind != b'v' => self.value(char::from(*kind))?,
                _ => return None,
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Vec<u8> {
        let mut body = Encoder::default();
        body.text("u");
        Call { destination: "d.d", path: "/p", interface: "i.i", member: "M", signature: "s", body }
            .encode(7)
    }

    /// An answer as a bus sends it.
    fn message(kind: u8, fields: &[(u8, &str, Value)], signature: &str, body: &Encoder) -> Vec<u8> {
        let mut out = Encoder(vec![LITTLE_ENDIAN, kind, 1, VERSION]);
        out.u32(body.0.len() as u32);
        out.u32(9);
        out.array(8, |out| {
            for (code, kind, value) in fields {
                out.align(8);
                out.fixed(&[*code]);
                out.signature(kind);
                value.encode(out);
            }
            out.align(8);
            out.fixed(&[SIGNATURE]);
            out.signature("g");
            out.signature(signature);
        });
        out.align(8);
        out.0.extend(&body.0);
        out.0
    }

    fn prologue(bytes: &[u8]) -> &[u8; PROLOGUE] {
        bytes[..PROLOGUE].try_into().unwrap()
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_call_is_as_long_as_it_says() {
        let call = call();
        assert_eq!(call[..12], *b"l\x01\0\x01\x06\0\0\0\x07\0\0\0");
        assert_eq!(length(prologue(&call)), Some(call.len()));
        assert!(call.ends_with(b"\x01\0\0\0u\0"));
        assert_eq!(Message::decode(&call), Some(Message::Call));
    }

    #[test]
    fn answers_are_read() {
        let mut body = Encoder::default();
        body.text("/job/1");
        let reply = message(2, &[(REPLY_SERIAL, "u", Value::U32(7))], "o", &body);
        let expected = Message::Reply { to: 7, sender: String::new(), body: vec![text("/job/1")] };
        assert_eq!(Message::decode(&reply), Some(expected));

        let fields = [(REPLY_SERIAL, "u", Value::U32(7)), (ERROR_NAME, "s", text("org.x.Unknown"))];
        let refusal = message(3, &fields, "s", &body);
        let expected =
            Message::Error { to: 7, name: "org.x.Unknown".to_owned(), words: "/job/1".to_owned() };
        assert_eq!(Message::decode(&refusal), Some(expected));
    }

    #[test]
    fn signals_are_read_as_far_as_they_are_known() {
        let mut body = Encoder::default();
        body.u32(4);
        body.text("/job/4");
        let fields = [
            (INTERFACE, "s", text("i")),
            (MEMBER, "s", text("JobRemoved")),
            (SENDER, "s", text(":1.1")),
        ];
        let signal = message(4, &fields, "uoas", &body);
        let expected = Message::Signal {
            sender: ":1.1".to_owned(),
            interface: "i".to_owned(),
            member: "JobRemoved".to_owned(),
            body: vec![Value::U32(4), text("/job/4")],
        };
        assert_eq!(Message::decode(&signal), Some(expected));
    }

    #[test]
    fn torn_and_forged_messages_are_no_messages() {
        let mut body = Encoder::default();
        body.text("/job/1");
        let reply = message(2, &[(REPLY_SERIAL, "u", Value::U32(7))], "o", &body);
        for end in 0..reply.len() {
            // Whatever it says, it must not panic.
            let _ = Message::decode(&reply[..end]);
        }
        for at in 0..reply.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut forged = reply.clone();
                forged[at] = byte;
                let _ = Message::decode(&forged);
            }
        }
        let mut endless = reply.clone();
        endless[4..8].fill(0xff);
        assert_eq!(length(prologue(&endless)), None);
        let mut big_endian = reply;
        big_endian[0] = b'B';
        assert_eq!(length(prologue(&big_endian)), None);
    }
}
