//! Names of values that arguments have.

/// Flags of clone(2) and unshare(2) (include/uapi/linux/sched.h), families of sockets (include/linux/socket.h), personalities
/// (include/uapi/linux/personality.h), and what goes with them.
const NAMES: [(&str, u64); 35] = [
    ("ADDR_NO_RANDOMIZE", 0x0004_0000),
    ("AF_ALG", 38),
    ("AF_BLUETOOTH", 31),
    ("AF_CAN", 29),
    ("AF_INET", 2),
    ("AF_INET6", 10),
    ("AF_NETLINK", 16),
    ("AF_PACKET", 17),
    ("AF_UNIX", 1),
    ("AF_UNSPEC", 0),
    ("AF_VSOCK", 40),
    ("AF_XDP", 44),
    ("CLONE_FILES", 0x0000_0400),
    ("CLONE_FS", 0x0000_0200),
    ("CLONE_IO", 0x8000_0000),
    ("CLONE_NEWCGROUP", 0x0200_0000),
    ("CLONE_NEWIPC", 0x0800_0000),
    ("CLONE_NEWNET", 0x4000_0000),
    ("CLONE_NEWNS", 0x0002_0000),
    ("CLONE_NEWPID", 0x2000_0000),
    ("CLONE_NEWTIME", 0x0000_0080),
    ("CLONE_NEWUSER", 0x1000_0000),
    ("CLONE_NEWUTS", 0x0400_0000),
    ("CLONE_PARENT", 0x0000_8000),
    ("CLONE_PIDFD", 0x0000_1000),
    ("CLONE_PTRACE", 0x0000_2000),
    ("CLONE_SIGHAND", 0x0000_0800),
    ("CLONE_THREAD", 0x0001_0000),
    ("CLONE_VFORK", 0x0000_4000),
    ("CLONE_VM", 0x0000_0100),
    ("PER_LINUX32", 0x0008),
    ("READ_IMPLIES_EXEC", 0x0040_0000),
    ("SIGCHLD", 17),
    ("TIOCLINUX", 0x541c),
    ("TIOCSTI", 0x5412),
];

/// A value as people write it: in decimal, also below zero, in hexadecimal with `0x`, or a name; several with `|` between
/// them. The numbers behind names are those of x86, Arm and most other architectures.
pub fn value(text: &str) -> Option<u64> {
    text.split('|').try_fold(0, |value, part| Some(value | single(part)?))
}

fn single(text: &str) -> Option<u64> {
    if let Some((_, value)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Some(*value);
    }
    let (digits, is_negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let value = match digits.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()?
        }
        None if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    match is_negative {
        true if value > 1 << 63 => None,
        true => Some(value.wrapping_neg()),
        false => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_several_forms() {
        for (text, expected) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("0xFf", Some(255)),
            ("-1", Some(u64::MAX)),
            ("CLONE_NEWUSER|SIGCHLD", Some(0x1000_0011)),
            ("AF_VSOCK", Some(40)),
            ("1|0x10", Some(17)),
            ("", None),
            ("-", None),
            ("0x", None),
            ("+1", None),
            ("0x+1", None),
            ("1|", None),
            ("18446744073709551616", None),
            ("-9223372036854775809", None),
            ("AF_MOON", None),
            (" 1", None),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
        assert!(NAMES.is_sorted());
    }
}
