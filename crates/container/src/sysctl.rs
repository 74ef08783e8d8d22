//! Kernel parameters: their files, and the namespaces that they belong to (sysctl(8), namespaces(7)).

use coble_spec::NamespaceKind;

/// The file of the parameter `key`, relative to `/proc/sys`; `None` if the key can't be one.
///
/// As sysctl(8) reads it: the separator that comes first is the separator, and the other character of `.`
/// and `/` stands for itself, exchanged. So `net.ipv4.conf.eth0/7.rp_filter` and
/// `net/ipv4/conf/eth0.7/rp_filter` are the same file. The path never leaves `/proc/sys`: it has no empty
/// part, no `.` and no `..`.
pub(crate) fn path(key: &str) -> Option<String> {
    let swap = |character| match character {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let path = match key.find(['.', '/']) {
        Some(first) if key[first..].starts_with('.') => key.chars().map(swap).collect(),
        _ => key.to_owned(),
    };
    let strange = |part: &str| matches!(part, "" | "." | "..") || part.contains(char::is_control);
    (!path.split('/').any(strange)).then_some(path)
}

/// The namespace whose parameter the file `path` is (as [`path`] gives it); `None` for a parameter that the
/// whole host shares.
///
/// Kernels differ in what they keep apart below `net`; there, what a namespace doesn't own isn't shown in it.
pub(crate) fn namespace(path: &str) -> Option<NamespaceKind> {
    const IPC: [&str; 8] = [
        "kernel/msgmax",
        "kernel/msgmnb",
        "kernel/msgmni",
        "kernel/sem",
        "kernel/shmall",
        "kernel/shmmax",
        "kernel/shmmni",
        "kernel/shm_rmid_forced",
    ];
    match path {
        "kernel/hostname" | "kernel/domainname" => Some(NamespaceKind::Uts),
        _ if IPC.contains(&path) || path.starts_with("fs/mqueue/") => Some(NamespaceKind::Ipc),
        _ if path.starts_with("net/") => Some(NamespaceKind::Network),
        _ if path.starts_with("user/") => Some(NamespaceKind::User),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prng::Prng;

    #[test]
    fn the_first_separator_decides() {
        for (key, file) in [
            ("kernel.shmmax", "kernel/shmmax"),
            ("kernel/shmmax", "kernel/shmmax"),
            ("net.ipv4.conf.eth0/7.rp_filter", "net/ipv4/conf/eth0.7/rp_filter"),
            ("net/ipv4/conf/eth0.7/rp_filter", "net/ipv4/conf/eth0.7/rp_filter"),
            ("net.ipv4/ip_forward", "net/ipv4.ip_forward"),
            ("vm", "vm"),
        ] {
            assert_eq!(path(key).as_deref(), Some(file), "{key}");
        }
    }

    #[test]
    fn keys_that_are_no_files() {
        for key in [
            "",
            ".",
            "/",
            "..",
            "...",
            "/kernel/shmmax",
            ".kernel.shmmax",
            "kernel.",
            "kernel/",
            "kernel..shmmax",
            "kernel//shmmax",
            "net/../kernel/core_pattern",
            "net.//.kernel",
            "net/./ipv4",
            "net./.ipv4",
            "net.\0",
            "net.a\nb",
        ] {
            assert_eq!(path(key), None, "{key:?}");
        }
    }

    #[test]
    fn owners() {
        use NamespaceKind::{Ipc, Network, User, Uts};
        for (file, owner) in [
            ("kernel/sem", Some(Ipc)),
            ("kernel/shm_rmid_forced", Some(Ipc)),
            ("fs/mqueue/msg_max", Some(Ipc)),
            ("net/ipv4/ip_forward", Some(Network)),
            ("kernel/hostname", Some(Uts)),
            ("kernel/domainname", Some(Uts)),
            ("user/max_user_namespaces", Some(User)),
            ("kernel/core_pattern", None),
            ("kernel/semaphore", None),
            ("kernel/sem/x", None),
            ("fs/mqueue", None),
            ("net", None),
            ("network/x", None),
            ("vm/swappiness", None),
        ] {
            assert_eq!(namespace(file), owner, "{file}");
        }
    }

    #[test]
    fn no_key_leaves_the_directory() {
        let pieces = [".", "/", "..", "a", "net", "kernel", "\u{7f}", "é"];
        let mut random = Prng(3);
        for _ in 0..20_000 {
            let key: String = (0..random.below(8)).map(|_| *random.pick(&pieces)).collect();
            let Some(file) = path(&key) else { continue };
            assert!(!file.starts_with('/') && file.len() == key.len(), "{key:?}");
            assert!(file.split('/').all(|part| !matches!(part, "" | "." | "..")), "{key:?}");
        }
    }
}
