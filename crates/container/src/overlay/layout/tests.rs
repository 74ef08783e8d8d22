use super::*;
use crate::overlay::points::visible_points;

/// Paths of a host: `d` directory, `f` file, `l` link, `s` socket; a capital letter if it can't be read.
struct Host(&'static [&'static str]);

impl Host {
    fn mark(&self, path: &str) -> u8 {
        let line = self.0.iter().find(|line| &line[2..] == path);
        line.unwrap_or_else(|| panic!("asked for {path}")).as_bytes()[0]
    }
}

impl Files for Host {
    fn entries(&self, directory: &str) -> Vec<(String, Kind)> {
        let prefix = format!("{}/", directory.trim_end_matches('/'));
        let names = self.0.iter().filter_map(|line| line[2..].strip_prefix(&prefix));
        let names = names.filter(|name| !name.is_empty() && !name.contains('/'));
        names.map(|name| (name.to_owned(), self.kind(&format!("{prefix}{name}")))).collect()
    }

    fn readable(&self, path: &str, _: Kind) -> bool {
        self.mark(path).is_ascii_lowercase()
    }

    fn kind(&self, path: &str) -> Kind {
        match self.mark(path).to_ascii_lowercase() {
            b'd' => Kind::Directory,
            b'f' => Kind::File,
            b'l' => Kind::Link,
            _ => Kind::Other,
        }
    }
}

/// `show path`, one line for each part.
fn lines(mountinfo: &str, locked: bool, host: &Host) -> Vec<String> {
    let parts = layout(&visible_points(mountinfo.as_bytes()), locked, host);
    let word = |show| match show {
        Show::Empty => "empty",
        Show::Link => "link",
        Show::Overlay => "overlay",
        Show::ReadOnlyDirectory => "directory",
        Show::ReadOnlyFile => "file",
    };
    parts.iter().map(|part| format!("{} {}", word(part.show), part.path)).collect()
}

/// What every host below has.
const KERNEL: &str = "\
21 27 0:20 / /sys rw,nosuid - sysfs sysfs rw
22 27 0:21 / /proc rw,nosuid - proc proc rw
23 27 0:5 / /dev rw,nosuid - devtmpfs udev rw
24 23 0:22 / /dev/pts rw,nosuid - devpts devpts rw
25 27 0:23 / /run rw,nosuid - tmpfs tmpfs rw
26 21 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
";

const LAPTOP: Host = Host(&[
    "l /bin",
    "d /boot",
    "d /boot/efi",
    "f /boot/vmlinuz",
    "d /boot/grub",
    "d /dev",
    "d /etc",
    "d /home",
    "f /initrd.img",
    "s /odd",
    "d /proc",
    "D /root",
    "d /run",
    "d /sys",
    "d /tmp",
    "d /usr",
]);

fn laptop() -> String {
    let own = "\
27 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
40 27 8:1 / /boot rw,relatime - ext4 /dev/sda1 rw
41 40 8:3 / /boot/efi rw,relatime - vfat /dev/sda3 rw
42 27 8:4 / /home rw,relatime - ext4 /dev/sda4 rw
43 27 0:50 / /tmp rw,relatime - tmpfs tmpfs rw
44 25 0:51 / /run/user/1000 rw,relatime - tmpfs tmpfs rw
45 44 0:52 / /run/user/1000/doc rw,relatime - fuse.portal portal rw
";
    format!("{KERNEL}{own}")
}

#[test]
fn laptop_of_a_plain_user() {
    let expected = [
        "link /bin",
        "empty /boot",
        "directory /boot/efi",
        "overlay /boot/grub",
        "file /boot/vmlinuz",
        "empty /dev",
        "overlay /etc",
        "overlay /home",
        "file /initrd.img",
        "empty /proc",
        "empty /root",
        "empty /run",
        "empty /sys",
        "overlay /tmp",
        "overlay /usr",
    ];
    assert_eq!(lines(&laptop(), true, &LAPTOP), expected);
}

#[test]
fn laptop_of_root_keeps_boot_whole() {
    let all = lines(&laptop(), false, &LAPTOP);
    let boot: Vec<&str> =
        all.iter().filter(|line| line.contains("/boot")).map(String::as_str).collect();
    assert_eq!(boot, ["overlay /boot", "directory /boot/efi"]);
    assert_eq!(all.last().unwrap(), "directory /boot/efi", "on top of what it is mounted on");
}

const DEEP: Host = Host(&[
    "d /mnt",
    "d /mnt/a",
    "d /mnt/a/b",
    "d /mnt/a/b/python",
    "d /mnt/a/c",
    "d /proc",
    "d /usr",
]);

#[test]
fn a_deep_mount_point_takes_its_parents_apart() {
    let text = format!(
        "{KERNEL}27 1 254:0 / / rw - ext4 /dev/vda rw\n\
         28 27 0:25 / /mnt/a/b/python ro - tmpfs none ro\n"
    );
    let expected = [
        "empty /mnt",
        "empty /mnt/a",
        "empty /mnt/a/b",
        "overlay /mnt/a/b/python",
        "overlay /mnt/a/c",
        "empty /proc",
        "overlay /usr",
    ];
    assert_eq!(lines(&text, true, &DEEP), expected);
    let expected = ["overlay /mnt", "empty /proc", "overlay /usr", "overlay /mnt/a/b/python"];
    assert_eq!(lines(&text, false, &DEEP), expected);
}

const DOCKER: Host = Host(&[
    "f /.dockerenv",
    "l /bin",
    "d /dev",
    "d /etc",
    "f /etc/hosts",
    "f /etc/passwd",
    "F /etc/shadow",
    "d /etc/ssl",
    "d /proc",
    "d /sys",
    "d /usr",
]);

#[test]
fn docker_container_has_files_as_mount_points() {
    let text = "\
600 500 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/l/A,upperdir=/var/lib/docker/u
601 600 0:61 / /proc rw - proc proc rw
602 600 0:62 / /dev rw - tmpfs tmpfs rw
603 600 0:63 / /sys ro - sysfs sysfs ro
604 600 8:1 /var/lib/docker/containers/x/hosts /etc/hosts rw - ext4 /dev/sda1 rw
605 601 0:61 /bus /proc/bus ro - proc proc rw
";
    let locked = [
        "file /.dockerenv",
        "link /bin",
        "empty /dev",
        "empty /etc",
        "file /etc/hosts",
        "file /etc/passwd",
        "overlay /etc/ssl",
        "empty /proc",
        "empty /sys",
        "overlay /usr",
    ];
    assert_eq!(lines(text, true, &DOCKER), locked);
    let root = [
        "file /.dockerenv",
        "link /bin",
        "empty /dev",
        "overlay /etc",
        "empty /proc",
        "empty /sys",
        "overlay /usr",
        "file /etc/hosts",
    ];
    assert_eq!(lines(text, false, &DOCKER), root);
}

const NIX: Host = Host(&[
    "d /btrfs",
    "d /home",
    "d /misc",
    "d /nix",
    "d /nix/store",
    "d /nix/var",
    "d /proc",
    "d /run",
    "d /srv",
    "d /srv/netns",
]);

#[test]
fn nix_on_btrfs() {
    let text = format!(
        "{KERNEL}\
27 1 0:30 /@root / rw - btrfs /dev/sda1 rw,subvol=/@root
50 27 0:30 /@home /home rw - btrfs /dev/sda1 rw,subvol=/@home
51 27 0:30 /@nix /nix rw - btrfs /dev/sda1 rw,subvol=/@nix
52 51 0:30 /@nix/store /nix/store ro - btrfs /dev/sda1 rw,subvol=/@nix
53 27 0:31 / /misc rw - autofs systemd-1 rw,direct
54 27 0:4 net:[4026532000] /srv/netns rw - nsfs nsfs rw
"
    );
    let expected = [
        "overlay /btrfs",
        "overlay /home",
        "empty /misc",
        "empty /nix",
        "overlay /nix/store",
        "overlay /nix/var",
        "empty /proc",
        "empty /run",
        "empty /srv",
        "empty /srv/netns",
    ];
    assert_eq!(lines(&text, true, &NIX), expected);
    let root = lines(&text, false, &NIX);
    assert!(root.contains(&"overlay /nix".to_owned()));
    assert!(root.ends_with(&["overlay /nix/store".to_owned()]));
}

#[test]
fn separators_are_escaped() {
    assert_eq!(escape("/a:b,c\\d e"), "/a\\:b\\,c\\\\d e");
}
