//! Durations as Go writes them.

use std::time::Duration;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A sum of numbers with units, such as `5s`, `1m30s` or `1.5h`; or `0`. A negative one is none, as 0 is.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let is_negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut sum: u64 = 0;
    loop {
        let (number, behind) = rest.split_at(rest.find(|c| !is_number(c))?);
        let (unit, others) = behind.split_at(behind.find(is_number).unwrap_or(behind.len()));
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(nanoseconds(number, *factor)?)?;
        if others.is_empty() {
            break;
        }
        rest = others;
    }
    // Go's have 63 bits.
    i64::try_from(sum).ok()?;
    Some(Duration::from_nanos(if is_negative { 0 } else { sum }))
}

fn nanoseconds(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok() };
    let part = format!("0.{fraction}0").parse::<f64>().ok()? * factor as f64;
    digits(whole)?.checked_mul(factor)?.checked_add(part as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go() {
        let cases = [
            ("5s", 5_000_000_000),
            ("100ms", 100_000_000),
            ("1m30s", 90_000_000_000),
            ("1h0m0.5s", 3_600_500_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5us", 500),
            ("1.us", 1000),
            ("1\u{b5}s", 1000),
            ("+2ns", 2),
            ("0", 0),
            ("0s", 0),
            ("-1s", 0),
            ("2562047h", 9_223_369_200_000_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Some(Duration::from_nanos(expected)), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in [
            "", "5", "s", "5x", "5 s", "1.2.3s", "--1s", "1s ", "5s3", ".s", "-", "2562048h", "1d",
            "00",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
