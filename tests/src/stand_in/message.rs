//! The messages of D-Bus that systemd and a runtime exchange (D-Bus Specification, "Message Protocol").

use std::io::Read;
use std::os::unix::net::UnixStream;

/// A call that has come.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The method's name.
    pub member: String,
    /// Its number.
    pub serial: u32,
    /// The unit that it is about; empty if it is about none.
    pub unit: String,
    /// The property `Slice` of a new unit.
    pub slice: String,
    /// The processes that are to go into the unit.
    pub pids: Vec<u32>,
    /// The cgroup below the unit's that they are to go into.
    pub below: String,
    /// The names of the properties, in order.
    pub properties: Vec<String>,
}

impl Call {
    /// The next one; `None` at the end.
    pub(super) fn read(stream: &mut UnixStream) -> Option<Self> {
        let mut head = [0; 16];
        stream.read_exact(&mut head).ok()?;
        let number = |at: usize| {
            let bytes = head.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(bytes)).ok()
        };
        let (body, fields) = (number(4)?, number(12)?.next_multiple_of(8));
        let mut rest = vec![0; fields + body];
        stream.read_exact(&mut rest).ok()?;
        let mut call = Self { serial: u32::try_from(number(8)?).ok()?, ..Self::default() };
        // Both parts begin at a multiple of 8, from which values are aligned.
        let mut input = Input { bytes: &rest[..fields], at: 0 };
        while input.at < number(12)? {
            input.align(8);
            let code = input.byte()?;
            let signature = input.signature()?;
            let value = input.value(&mut signature.as_str())?;
            if code == 3 {
                call.member = value.text;
            }
        }
        call.read_body(&mut Input { bytes: &rest[fields..], at: 0 });
        Some(call)
    }

    /// The path of the job that does it, if it takes one.
    pub(super) fn job(&self) -> Option<String> {
        let takes_one = matches!(self.member.as_str(), "StartTransientUnit" | "StopUnit");
        takes_one.then(|| format!("/org/freedesktop/systemd1/job/{}", self.serial))
    }

    fn read_body(&mut self, body: &mut Input<'_>) -> Option<()> {
        if body.bytes.is_empty() {
            return Some(());
        }
        self.unit = body.text()?;
        match self.member.as_str() {
            "StartTransientUnit" => {
                body.text()?;
                self.read_properties(body)
            }
            "SetUnitProperties" => {
                body.u32()?;
                self.read_properties(body)
            }
            "AttachProcessesToUnit" => {
                self.below = body.text()?;
                self.pids = body.value(&mut "au")?.numbers;
                Some(())
            }
            _ => Some(()),
        }
    }

    fn read_properties(&mut self, body: &mut Input<'_>) -> Option<()> {
        let length = body.u32()? as usize;
        body.align(8);
        let end = body.at + length;
        while body.at < end {
            body.align(8);
            let name = body.text()?;
            let signature = body.signature()?;
            let value = body.value(&mut signature.as_str())?;
            match name.as_str() {
                "Slice" => self.slice = value.text,
                "PIDs" => self.pids = value.numbers,
                _ => {}
            }
            self.properties.push(name);
        }
        Some(())
    }
}

/// What matters of a value.
#[derive(Default)]
struct Value {
    text: String,
    numbers: Vec<u32>,
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let start = self.at;
        self.at += length;
        self.bytes.get(start..self.at)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        self.align(4);
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn string(&mut self, length: usize) -> Option<String> {
        let text = String::from_utf8_lossy(self.take(length + 1)?);
        Some(text.trim_end_matches('\0').to_owned())
    }

    fn text(&mut self) -> Option<String> {
        let length = self.u32()?;
        self.string(length as usize)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.byte()?;
        self.string(length.into())
    }

    /// The value of the first type in the signature, which is taken from it.
    fn value(&mut self, signature: &mut &str) -> Option<Value> {
        let kind = signature.chars().next()?;
        *signature = &signature[1..];
        let mut found = Value::default();
        match kind {
            's' | 'o' => found.text = self.text()?,
            'g' => found.text = self.signature()?,
            'y' => drop(self.byte()?),
            'u' | 'b' | 'i' => found.numbers.push(self.u32()?),
            't' | 'x' | 'd' => {
                self.align(8);
                self.take(8)?;
            }
            '(' => {
                self.align(8);
                while !signature.starts_with(')') {
                    self.value(signature)?;
                }
                *signature = &signature[1..];
            }
            'a' => {
                let length = self.u32()? as usize;
                self.align(if signature.starts_with(['(', 't', 'x', 'd']) { 8 } else { 1 });
                let (end, element) = (self.at + length, *signature);
                while self.at < end {
                    *signature = element;
                    found.numbers.extend(self.value(signature)?.numbers);
                }
                if length == 0 {
                    *signature = &element[one(element)..];
                }
            }
            _ => return None,
        }
        Some(found)
    }
}

/// The length of the first type.
fn one(signature: &str) -> usize {
    match signature.as_bytes().first() {
        Some(b'(') => signature.find(')').map_or(1, |end| end + 1),
        Some(b'a') => 1 + one(&signature[1..]),
        _ => 1,
    }
}

/// The answer, with the path of a job or without one.
pub(super) fn reply(call: &Call, job: Option<&str>) -> Vec<u8> {
    let mut body = Vec::new();
    let signature = job.map_or("", |job| {
        text(&mut body, job);
        "o"
    });
    message(2, &[Field::Number(5, call.serial), SENDER], signature, &body)
}

/// The answer to a question for a property that is a text.
pub(super) fn property(call: &Call, value: &str) -> Vec<u8> {
    let mut body = vec![1, b's', 0];
    text(&mut body, value);
    message(2, &[Field::Number(5, call.serial)], "v", &body)
}

/// The refusal.
pub(super) fn refusal(call: &Call, name: &str, words: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, words);
    message(3, &[Field::Number(5, call.serial), Field::Text(4, "s", name)], "s", &body)
}

/// The stand-in's name on the bus.
const SENDER: Field<'_> = Field::Text(7, "s", ":1.1");
const MANAGER: Field<'_> = Field::Text(2, "s", "org.freedesktop.systemd1.Manager");

/// `JobRemoved` of a job that has done what it was to do.
pub(super) fn signal(job: &str, unit: &str) -> Vec<u8> {
    job_removed(job, unit, "done", [MANAGER, SENDER])
}

/// What others may say of the job: that it has failed.
pub(super) fn slander(job: &str, unit: &str) -> Vec<u8> {
    let others = Field::Text(7, "s", ":1.66");
    let another = Field::Text(2, "s", "org.example.Manager");
    let said = [[MANAGER, others], [another, SENDER]];
    said.map(|said| job_removed(job, unit, "failed", said)).concat()
}

fn job_removed(job: &str, unit: &str, result: &str, said: [Field<'_>; 2]) -> Vec<u8> {
    let mut body = 1u32.to_le_bytes().to_vec();
    for part in [job, unit, result] {
        text(&mut body, part);
    }
    let path = Field::Text(1, "o", "/org/freedesktop/systemd1");
    let [interface, sender] = said;
    message(4, &[path, interface, Field::Text(3, "s", "JobRemoved"), sender], "uoss", &body)
}

enum Field<'a> {
    Number(u8, u32),
    /// With its type, `s` or `o`.
    Text(u8, &'a str, &'a str),
}

fn message(kind: u8, fields: &[Field<'_>], signature: &str, body: &[u8]) -> Vec<u8> {
    // The fields begin 16 bytes behind the start, and so are aligned by themselves.
    let mut header = Vec::new();
    for field in fields {
        pad(&mut header, 8);
        match field {
            Field::Number(code, number) => {
                header.extend([*code, 1, b'u', 0]);
                header.extend(number.to_le_bytes());
            }
            Field::Text(code, kind, value) => {
                header.extend([*code, 1, kind.as_bytes()[0], 0]);
                text(&mut header, value);
            }
        }
    }
    if !signature.is_empty() {
        pad(&mut header, 8);
        header.extend([8, 1, b'g', 0, signature.len() as u8]);
        header.extend(signature.as_bytes());
        header.push(0);
    }
    let mut out = vec![b'l', kind, 1, 1];
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend((header.len() as u32).to_le_bytes());
    out.extend(header);
    pad(&mut out, 8);
    out.extend(body);
    out
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}
