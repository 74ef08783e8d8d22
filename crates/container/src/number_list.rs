//! Lists of numbers such as `0-3,7`, as cpuset(7) writes them.

use crate::validate::quoted;

/// The greatest number: more than Linux has processors or memory nodes, and a mask of 8 KiB.
const GREATEST: u32 = 65_536;

/// The list as a mask: number N is bit N % 8 of byte N / 8. Its length is a multiple of 8, as the kernel takes it.
/// Spaces around a part and empty parts are passed over, as other runtimes do.
///
/// # Errors
/// What is wrong, in words: a part that is neither a number nor a range, a range that goes down, a number above
/// 65536, a list that has no number at all.
pub(crate) fn mask(list: &str) -> Result<Vec<u8>, String> {
    let mut mask = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = range(part)?;
        let length = (last as usize / 64 + 1) * 8;
        mask.resize(length.max(mask.len()), 0);
        for number in first..=last {
            mask[number as usize / 8] |= 1 << (number % 8);
        }
    }
    if mask.is_empty() {
        Err(format!("there is no number in the list {}", quoted(list)))
    } else {
        Ok(mask)
    }
}

fn range(part: &str) -> Result<(u32, u32), String> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (number(first, part)?, number(last, part)?);
    if first > last { Err(format!("{} is not a range", quoted(part))) } else { Ok((first, last)) }
}

fn number(text: &str, part: &str) -> Result<u32, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let part = quoted(part);
        return Err(format!("{part} is neither a number nor a range such as 0-3"));
    }
    let number = text.parse().ok().filter(|number| *number <= GREATEST);
    number
        .ok_or_else(|| format!("{}: values larger than {GREATEST} are not supported", quoted(part)))
}

#[cfg(test)]
mod tests {
    use super::mask;

    fn numbers(list: &str) -> Vec<usize> {
        let mask = mask(list).unwrap();
        assert_eq!(mask.len() % 8, 0, "{list}");
        (0..mask.len() * 8).filter(|bit| mask[bit / 8] & 1 << (bit % 8) != 0).collect()
    }

    #[test]
    fn numbers_and_ranges() {
        for (list, wanted) in [
            ("0", &[0][..]),
            ("0-3,7", &[0, 1, 2, 3, 7]),
            ("7,0-3", &[0, 1, 2, 3, 7]),
            ("1-2,2-4,3", &[1, 2, 3, 4]),
            (" 1 , 63-64,, ", &[1, 63, 64]),
            ("5-5", &[5]),
            ("1023-1025,5000", &[1023, 1024, 1025, 5000]),
            ("65536", &[65_536]),
            ("007", &[7]),
        ] {
            assert_eq!(numbers(list), wanted, "{list:?}");
        }
        assert_eq!((mask("63").unwrap().len(), mask("64").unwrap().len()), (8, 16));
    }

    #[test]
    fn what_is_no_list() {
        for (list, words) in [
            ("", "there is no number in the list \"\""),
            (" ,", "there is no number"),
            ("a", "\"a\" is neither a number nor a range"),
            ("1-", "\"1-\" is neither"),
            ("-1", "\"-1\" is neither"),
            ("1-2-3", "\"1-2-3\" is neither"),
            ("+1", "neither"),
            ("1 - 2", "neither"),
            ("0x1", "neither"),
            ("3-1", "\"3-1\" is not a range"),
            ("65537", "values larger than 65536 are not supported"),
            ("0-99999999999999999999", "values larger than 65536"),
        ] {
            let error = mask(list).unwrap_err();
            assert!(error.contains(words), "{list:?}: {error}");
        }
    }
}
