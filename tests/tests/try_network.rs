//! `try --net`: the way to the host's network, by pasta(1) and by slirp4netns(1).
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::io::Write;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use coble_tests::{Case, Cmd, Output, skip, wait};
use rustix::process::{Signal, geteuid};

/// Without rights: what udev(7) gives everybody, in a mount namespace of its own, and then the user.
const OPEN_DEVICE: &str = "mount -t tmpfs none /mnt && mknod -m 666 /mnt/tun c 10 200 && \
     mount --bind /mnt/tun /dev/net/tun && umount -l /mnt && exec \"$@\"";

/// Says that it runs, and ends well at SIGTERM.
const UNTIL_TERM: &str = "trap 'exit 0' TERM; echo up; while :; do busybox sleep 0.05; done";

/// How long nothing is waited for.
const SILENCE: Duration = Duration::from_millis(500);

/// A user with one helper, or none, in `PATH`.
struct Setup {
    case: Case,
    uid: u32,
    helper: &'static str,
    bin: PathBuf,
    /// More for the mount namespace, a line for the shell that ends with `&&`.
    view: String,
}

impl Setup {
    /// The helper is the installed one; `None`, reported as skipped, where it isn't installed or can't work.
    fn new(case: Option<Case>, helper: &'static str) -> Option<Self> {
        let setup = Self::without(case, helper)?;
        let program =
            ["/usr/bin", "/usr/local/bin", "/bin"].map(|folder| Path::new(folder).join(helper));
        let Some(program) = program.iter().find(|path| path.is_file()) else {
            skip(&format!("{helper} is not installed"));
            return None;
        };
        if host_address().is_none() {
            skip("the host has no network");
            return None;
        }
        if !Path::new("/dev/net/tun").exists() {
            skip("the kernel has no tap devices");
            return None;
        }
        symlink(program, setup.bin.join(helper)).unwrap();
        Some(setup)
    }

    /// With nothing in `PATH` yet.
    fn without(case: Option<Case>, helper: &'static str) -> Option<Self> {
        let case = case?;
        let kernel = fs::read_to_string("/proc/filesystems").unwrap();
        if !kernel.contains("\toverlay\n") {
            skip("the kernel has no overlay file system");
            return None;
        }
        let bin = case.folder("bin");
        let is_plain = fs::metadata(&bin).unwrap();
        let uid = std::os::unix::fs::MetadataExt::uid(&is_plain);
        Some(Self { case, uid, helper, bin, view: String::new() })
    }

    /// Puts a script in the helper's place.
    fn play(&self, script: &str) {
        let path = self.case.file(&format!("bin/{}", self.helper), script);
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// `try --net WORDS`, as the user.
    fn coble(&self, words: &[&str]) -> Cmd {
        let path = format!("PATH={}", self.bin.display());
        let root = self.case.state_root();
        let coble = |cmd: Cmd| {
            let cmd = cmd.args(["env", &path]).arg(self.case.program()).arg("--root").arg(&root);
            cmd.args(["try", "--net"]).args(words)
        };
        if !geteuid().is_root() {
            return coble(self.case.tool("env").arg("-S").arg(""));
        }
        let line = format!("{}{OPEN_DEVICE}", self.view);
        let root = Cmd::new("unshare", &self.case.id, &self.case.dir.join("output"));
        let view = root.args(["--mount", "--propagation", "private", "sh", "-c", &line, "sh"]);
        let id = self.uid.to_string();
        coble(view.args(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"]))
    }

    /// Runs a line of busybox's shell.
    fn sh(&self, script: &str) -> Output {
        self.coble(&["--", "/bin/busybox", "sh", "-c", script]).output()
    }
}

/// Every pair of a user and a helper that goes together.
fn setups() -> impl Iterator<Item = Setup> {
    let pairs =
        [(Case::plain(), "pasta"), (Case::plain(), "slirp4netns"), (Case::root(), "slirp4netns")];
    pairs.into_iter().filter_map(|(case, helper)| Setup::new(case, helper))
}

/// The host's own address on the way to others.
fn host_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent; the address is one for documentation.
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().unwrap().ip())
}

/// Greets everybody who connects, in a thread that ends with the tests.
fn greeter(address: IpAddr) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"hello from the host\n"));
        }
    });
    port
}

/// The helpers that run for the process `coble`, which is their parent.
fn helpers_of(coble: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{coble}/task/{coble}/children")).unwrap();
    let pids = children.split_whitespace().map(|pid| pid.parse().unwrap());
    let is_helper = |pid: &u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.starts_with("pasta") || name.starts_with("slirp4netns")
    };
    pids.filter(is_helper).collect()
}

/// Not there, or only waiting to be reaped.
fn is_gone(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.trim_start().starts_with('Z'))
}

#[test]
fn the_host_can_be_reached_from_the_first_moment() {
    for setup in setups() {
        let address = host_address().unwrap();
        let port = greeter(address);
        let output = setup.coble(&[
            "--",
            "/bin/busybox",
            "nc",
            "-w",
            "10",
            &address.to_string(),
            &port.to_string(),
        ]);
        assert_eq!(output.output().stdout(), "hello from the host\n", "{}", setup.helper);
        setup.case.assert_clean();
    }
}

#[test]
fn the_hosts_loopback_can_not() {
    for setup in setups() {
        let port = greeter(IpAddr::from([127, 0, 0, 1]));
        // The host as libslirp and pasta may show it, and all their names for it.
        for address in
            ["127.0.0.1", "10.0.2.2", "10.0.2.3", "10.0.2.255", "255.255.255.255", "0.0.0.0"]
        {
            let output =
                setup.sh(&format!("busybox nc -w 2 {address} {port} </dev/null || echo none"));
            assert_eq!(output.stdout, "none\n", "{} {address}", setup.helper);
        }
    }
}

/// A socket that is bound to an interface passes by the routes of the loopback interface.
#[test]
fn nor_by_a_socket_on_the_tap_device() {
    let perl = "/usr/bin/perl";
    if !Path::new(perl).exists() {
        skip("perl is not installed");
        return;
    }
    for setup in setups() {
        let address = host_address().unwrap();
        let there = UdpSocket::bind((address, 0)).unwrap();
        let hidden = UdpSocket::bind("127.0.0.1:0").unwrap();
        there.set_read_timeout(Some(wait::DEADLINE)).unwrap();
        let program = "my ($host, $port) = splice @ARGV, 0, 2; socket(S, 2, 2, 0) or die; \
                       setsockopt(S, 1, 25, 'tap0') or die; \
                       send(S, $host, 0, pack('S n a4 x8', 2, $port, pack('C4', split /\\./, $host))) or print \"$!\\n\";";
        let send = |host: &str, socket: &UdpSocket| {
            let port = socket.local_addr().unwrap().port().to_string();
            setup.coble(&["--", perl, "-e", program, host, &port]).output()
        };
        let mut text = [0; 100];
        // So the way is there.
        send(&address.to_string(), &there).ok();
        let length = there.recv(&mut text).unwrap();
        assert_eq!(text[..length], *address.to_string().as_bytes());
        hidden.set_read_timeout(Some(SILENCE)).unwrap();
        for host in ["127.0.0.1", "127.1.2.3"] {
            let output = send(host, &hidden);
            assert_eq!(output.stdout, "Permission denied\n", "{} {host}", setup.helper);
        }
        assert!(hidden.recv(&mut text).is_err(), "a packet came: {}", setup.helper);
    }
}

#[test]
fn without_a_helper_there_is_loopback_and_a_line_says_so() {
    for (case, words) in [
        (Case::plain(), "(packages passt and slirp4netns)"),
        (Case::root(), "(package slirp4netns)"),
    ] {
        let Some(setup) = Setup::without(case, "pasta") else { continue };
        let output =
            setup.sh("busybox tail -n +3 /proc/net/dev | busybox cut -d: -f1; exit 7").exits(7);
        assert_eq!(output.stdout.trim(), "lo");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        for word in ["--net", "slirp4netns is", "$PATH", words, "there is loopback only"] {
            assert!(output.stderr.contains(word), "{output}");
        }
        setup.case.assert_clean();
    }
}

#[test]
fn root_takes_slirp4netns_where_both_are() {
    let Some(setup) = Setup::new(Case::root(), "slirp4netns") else { return };
    setup.case.file("bin/pasta", "#!/bin/sh\nexit 1\n");
    fs::set_permissions(setup.bin.join("pasta"), PermissionsExt::from_mode(0o755)).unwrap();
    setup.sh("busybox ip address show dev tap0").ok();
}

#[test]
fn the_helper_ends_with_the_command() {
    for setup in setups() {
        let mut running = setup.coble(&["--", "/bin/busybox", "sh", "-c", UNTIL_TERM]).spawn();
        running.says("up");
        let helpers = helpers_of(running.pid());
        running.signal(Signal::TERM);
        running.wait().ok();
        assert_eq!(helpers.len(), 1, "{}", setup.helper);
        assert!(is_gone(helpers[0]), "{}", setup.helper);
        setup.case.assert_clean();
    }
}
