//! Values of D-Bus, as far as properties of units have them, and their encoding.

use std::fmt;

/// A value with its type (D-Bus Specification, "Type System").
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Byte(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    Double(f64),
    Text(String),
    /// Values of one type, whose signature is given since there may be none.
    Array(&'static str, Vec<Value>),
    Struct(Vec<Value>),
}

impl Value {
    /// Its type, such as `t` or `a(ss)`.
    pub(crate) fn signature(&self) -> String {
        let one = match self {
            Self::Bool(_) => "b",
            Self::Byte(_) => "y",
            Self::I16(_) => "n",
            Self::U16(_) => "q",
            Self::I32(_) => "i",
            Self::U32(_) => "u",
            Self::I64(_) => "x",
            Self::U64(_) => "t",
            Self::Double(_) => "d",
            Self::Text(_) => "s",
            Self::Array(element, _) => return format!("a{element}"),
            Self::Struct(fields) => {
                let fields: String = fields.iter().map(Self::signature).collect();
                return format!("({fields})");
            }
        };
        one.to_owned()
    }

    /// Appends its encoding.
    pub(crate) fn encode(&self, out: &mut Encoder) {
        match self {
            Self::Bool(value) => out.u32(u32::from(*value)),
            Self::Byte(value) => out.fixed(&[*value]),
            Self::I16(value) => out.fixed(&value.to_le_bytes()),
            Self::U16(value) => out.fixed(&value.to_le_bytes()),
            Self::I32(value) => out.fixed(&value.to_le_bytes()),
            Self::U32(value) => out.u32(*value),
            Self::I64(value) => out.fixed(&value.to_le_bytes()),
            Self::U64(value) => out.fixed(&value.to_le_bytes()),
            Self::Double(value) => out.fixed(&value.to_le_bytes()),
            Self::Text(value) => out.text(value),
            Self::Array(element, values) => {
                out.array(alignment(element), |out| {
                    values.iter().for_each(|value| value.encode(out));
                });
            }
            Self::Struct(fields) => {
                out.align(8);
                fields.iter().for_each(|field| field.encode(out));
            }
        }
    }
}

/// To what multiple a value of this type is aligned.
fn alignment(signature: &str) -> usize {
    match signature.as_bytes().first() {
        Some(b'y' | b'g' | b'v') => 1,
        Some(b'n' | b'q') => 2,
        Some(b'x' | b't' | b'd' | b'(') => 8,
        _ => 4,
    }
}

/// As texts of properties have it: the type, and the value.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Byte(value) => write!(f, "{value:#04x}"),
            Self::I16(value) => write!(f, "{value}"),
            Self::U16(value) => write!(f, "{value}"),
            Self::I32(value) => write!(f, "{value}"),
            Self::U32(value) => write!(f, "{value}"),
            Self::I64(value) => write!(f, "{value}"),
            Self::U64(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Array(_, values) => list(f, '[', values, ']'),
            Self::Struct(fields) => list(f, '(', fields, ')'),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, open: char, values: &[Value], close: char) -> fmt::Result {
    write!(f, "{open}")?;
    for (index, value) in values.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{value}")?;
    }
    write!(f, "{close}")
}

/// Takes values and gives bytes, the least significant one first (D-Bus Specification, "Marshaling").
#[derive(Debug, Default)]
pub(crate) struct Encoder(pub(crate) Vec<u8>);

impl Encoder {
    pub(crate) fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    /// A number, which is aligned to its size.
    pub(crate) fn fixed<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.align(N);
        self.0.extend(bytes);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.fixed(&value.to_le_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    pub(crate) fn signature(&mut self, signature: &str) {
        self.0.push(u8::try_from(signature.len()).unwrap_or(u8::MAX));
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    /// A value that carries its type.
    pub(crate) fn variant(&mut self, value: &Value) {
        self.signature(&value.signature());
        value.encode(self);
    }

    /// The elements that `fill` appends; the length doesn't count what aligns the first one.
    pub(crate) fn array(&mut self, alignment: usize, fill: impl FnOnce(&mut Self)) {
        self.u32(0);
        let place = self.0.len() - 4;
        self.align(alignment);
        let start = self.0.len();
        fill(self);
        let length = u32::try_from(self.0.len() - start).unwrap_or(u32::MAX);
        self.0[place..place + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// A message that is too long for its length is refused before it is sent.
    fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &Value) -> Vec<u8> {
        let mut out = Encoder::default();
        out.variant(value);
        out.0
    }

    #[test]
    fn a_number_is_aligned_to_its_size() {
        assert_eq!(encoded(&Value::Bool(true)), *b"\x01b\0\0\x01\0\0\0");
        assert_eq!(encoded(&Value::U64(258)), *b"\x01t\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0");
        assert_eq!(encoded(&Value::Byte(7)), *b"\x01y\0\x07");
    }

    #[test]
    fn a_text_has_its_length_before_and_a_zero_behind() {
        assert_eq!(encoded(&Value::Text("ab".to_owned())), *b"\x01s\0\0\x02\0\0\0ab\0");
    }

    #[test]
    fn the_length_of_an_array_leaves_out_the_first_alignment() {
        let pair = |a: &str, b| Value::Struct(vec![Value::Text(a.to_owned()), Value::U64(b)]);
        let array = Value::Array("(st)", vec![pair("a", 1)]);
        assert_eq!(array.signature(), "a(st)");
        let expected = [
            &b"\x05a(st)\0\0"[..],
            &[16, 0, 0, 0, 0, 0, 0, 0],
            b"\x01\0\0\0a\0\0\0\x01\0\0\0\0\0\0\0",
        ];
        assert_eq!(encoded(&array), expected.concat());
        let none = [&b"\x05a(ss)\0\0"[..], &[0; 8]].concat();
        assert_eq!(encoded(&Value::Array("(ss)", vec![])), none);
        assert_eq!(
            encoded(&Value::Array("u", vec![Value::U32(9)])),
            *b"\x02au\0\x04\0\0\0\x09\0\0\0"
        );
    }

    #[test]
    fn values_are_shown() {
        let strings = ["a", "b"].map(|text| Value::Text(text.to_owned())).to_vec();
        assert_eq!(Value::Array("s", strings).to_string(), r#"["a", "b"]"#);
        assert_eq!(Value::Array("y", vec![Value::Byte(3)]).to_string(), "[0x03]");
    }
}
