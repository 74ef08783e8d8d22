//! User and group ids as `exec` takes them.

use crate::failure::Failure;

/// The id that stands for "no id" in chown(2) and setresuid(2).
const NO_ID: u32 = u32::MAX;

/// The user and, if it is there, the group of `UID[:GID]`.
///
/// Decimal digits only. A form that is not understood must never turn into another user, least of all
/// into root (CVE-2026-30892).
///
/// # Errors
/// Says which of the two is bad.
pub(super) fn user(text: &str) -> Result<(u32, Option<u32>), Failure> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    Ok((id("uid", uid)?, gid.map(|gid| id("gid", gid)).transpose()?))
}

/// One id; `what` names it in the error.
pub(super) fn id(what: &str, text: &str) -> Result<u32, Failure> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(id) if digits && id != NO_ID => Ok(id),
        _ => {
            Err(Failure::new(format!("bad {what}: {text:?} is not a number from 0 to 4294967294")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_users() {
        let cases = [
            ("0", (0, None)),
            ("1", (1, None)),
            ("1000", (1000, None)),
            ("0:0", (0, Some(0))),
            ("1000:100", (1000, Some(100))),
            ("007:08", (7, Some(8))),
            ("4294967294:4294967294", (4_294_967_294, Some(4_294_967_294))),
        ];
        for (text, expected) in cases {
            assert_eq!(user(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn bad_users() {
        for text in [
            "",
            ":",
            "1:",
            ":1",
            "1:2:3",
            "1::2",
            "root",
            "1000:users",
            "+1",
            "-1",
            "1:-1",
            "1:+1",
            " 1",
            "1 ",
            "1: 2",
            "0x1",
            "1e3",
            "1.0",
            "1,2",
            "4294967295",
            "1:4294967295",
            "4294967296",
            "18446744073709551616",
            "1\n",
            "\u{661}",
            "1:\0",
        ] {
            assert!(user(text).is_err(), "{text:?} is no user");
        }
    }

    #[test]
    fn the_error_says_which_id_is_bad() {
        assert!(user("a:b").unwrap_err().message.starts_with("bad uid: \"a\""));
        assert!(user("1:b").unwrap_err().message.starts_with("bad gid: \"b\""));
    }
}
