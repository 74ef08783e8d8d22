//! Sizes of memory, as people and Docker write them.

/// Letters of the powers of 1024, from the first on.
const POWERS: &str = "kmgtp";

/// Bytes: a number, perhaps with a fraction, and a unit in small or capital letters: none or `b`, or one of `k`, `m`,
/// `g`, `t` and `p`, which `b` or `ib` may follow, with or without a space before it. `-1` is no limit.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &text[..text.len() - unit.len()];
    let factor = factor(&unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase())?;
    if let Ok(number) = number.parse::<i64>() {
        return number.checked_mul(factor);
    }
    let bytes = number.parse::<f64>().ok()? * factor as f64;
    (bytes < i64::MAX as f64).then_some(bytes as i64)
}

fn factor(unit: &str) -> Option<i64> {
    let mut letters = unit.chars();
    let power = match letters.next() {
        None => return Some(1),
        Some('b') => return letters.next().is_none().then_some(1),
        Some(letter) => POWERS.find(letter)? + 1,
    };
    matches!(letters.as_str(), "" | "b" | "ib").then_some(1 << (10 * power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_and_without_units() {
        let cases = [
            ("0", 0),
            ("1048576", 1 << 20),
            ("-1", -1),
            ("32b", 32),
            ("32B", 32),
            ("512m", 512 << 20),
            ("512M", 512 << 20),
            ("512mb", 512 << 20),
            ("512MiB", 512 << 20),
            ("512 MiB", 512 << 20),
            ("1k", 1024),
            ("1.5g", 3 << 29),
            (".5k", 512),
            ("2.k", 2048),
            ("3t", 3 << 40),
            ("1p", 1 << 50),
            ("9223372036854775807", i64::MAX),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Some(bytes), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in [
            "",
            " ",
            "m",
            ".",
            "-2",
            "-1m",
            "1.2.3",
            "1e3",
            "12x",
            "1mm",
            "1kbb",
            "1bi",
            "1  k",
            "1 k ",
            " 1",
            "0x10",
            "inf",
            "9223372036854775808",
            "9000p",
            "9000000.5t",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
