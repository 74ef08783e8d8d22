//! Names and numbers of signals, signal(7).

use std::fmt;
use std::str::FromStr;

/// Names without `SIG`, for x86_64 and aarch64; the first that stands for a number is its usual one.
const NAMES: [(&str, u8); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The first realtime signal that programs count from: 32 and 33 belong to the C library (signal(7)).
const RTMIN: u8 = 34;
/// The last signal that the kernel has.
const RTMAX: u8 = 64;

/// A signal that kill(2) takes: 0, which only probes, to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal(u8);

impl Signal {
    /// SIGKILL
    pub const KILL: Self = Self(9);
    /// SIGTERM
    pub const TERM: Self = Self(15);

    /// The number, as kill(2) takes it.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }
}

/// Its name such as `SIGTERM` or `SIGRTMIN+3`; the bare number where it has none.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => write!(f, "SIG{name}"),
            None if self.0 == RTMIN => f.write_str("SIGRTMIN"),
            None if self.0 > RTMIN => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Reads a number, or a name with or without `SIG`, in any case: `9`, `kill`, `SIGRTMIN+3`, `RTMAX-1`.
impl FromStr for Signal {
    type Err = UnknownSignal;

    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        let unknown = || UnknownSignal(text.to_owned());
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return decimal(text).filter(|number| *number <= RTMAX).map(Self).ok_or_else(unknown);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
        known.or_else(|| realtime(name)).map(Self).ok_or_else(unknown)
    }
}

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n` within the realtime signals.
fn realtime(name: &str) -> Option<u8> {
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) => RTMIN,
        (_, Some("")) => RTMAX,
        (Some(rest), _) => RTMIN.checked_add(decimal(rest.strip_prefix('+')?)?)?,
        (_, Some(rest)) => RTMAX.checked_sub(decimal(rest.strip_prefix('-')?)?)?,
        (None, None) => return None,
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

/// Digits and nothing else, which `parse` alone would not insist on.
fn decimal(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A text that names no signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSignal(String);

impl fmt::Display for UnknownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown signal {:?}", self.0)
    }
}

impl std::error::Error for UnknownSignal {}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> i32 {
        text.parse::<Signal>().unwrap_or_else(|error| panic!("{error}")).number()
    }

    #[test]
    fn every_spelling() {
        for text in ["9", "09", "KILL", "SIGKILL", "sigkill", "Kill", "sIgKiLl"] {
            assert_eq!(number(text), 9, "{text}");
        }
        assert_eq!(number("SIGABRT"), 6);
        assert_eq!(number("IOT"), 6);
        assert_eq!(number("cld"), 17);
        assert_eq!(number("POLL"), 29);
        assert_eq!(number("WINCH"), 28);
        assert_eq!(number("SYS"), 31);
        assert_eq!(number("0"), 0);
        assert_eq!(number("32"), 32);
        assert_eq!(number("64"), 64);
    }

    #[test]
    fn realtime_signals_count_from_both_ends() {
        assert_eq!(number("RTMIN"), 34);
        assert_eq!(number("SIGRTMIN+3"), 37);
        assert_eq!(number("rtmin+0"), 34);
        assert_eq!(number("RTMIN+30"), 64);
        assert_eq!(number("SIGRTMAX"), 64);
        assert_eq!(number("rtmax-14"), 50);
        assert_eq!(number("RTMAX-30"), 34);
    }

    #[test]
    fn all_else_is_unknown() {
        let wrong = [
            "",
            "65",
            "256",
            "99999999999999999999",
            "-1",
            "+9",
            " 9",
            "9 ",
            "0x9",
            "9\0",
            "SIG",
            "SIG9",
            "SIGSIGKILL",
            "MOON",
            "KILL ",
            "KILL\n",
            "RTMIN-1",
            "RTMIN+31",
            "RTMIN+",
            "RTMIN3",
            "RTMIN++3",
            "RTMIN+-3",
            "RTMAX+1",
            "RTMAX-31",
            "RTMAX-",
            "RTMIN+300",
            "RT",
            "ſIGKILL",
        ];
        for text in wrong {
            assert_eq!(text.parse::<Signal>(), Err(UnknownSignal(text.to_owned())), "{text:?}");
        }
        assert_eq!(UnknownSignal("a\nb".into()).to_string(), r#"unknown signal "a\nb""#);
    }

    #[test]
    fn display_reads_back() {
        for number in 0..=RTMAX {
            assert_eq!(Signal(number).to_string().parse(), Ok(Signal(number)));
        }
        assert_eq!(Signal::TERM.to_string(), "SIGTERM");
        assert_eq!(Signal::KILL.to_string(), "SIGKILL");
        assert_eq!(Signal(6).to_string(), "SIGABRT");
        assert_eq!(Signal(37).to_string(), "SIGRTMIN+3");
        assert_eq!(Signal(33).to_string(), "33");
    }
}
