//! `try --net`: the way to the host's network, by pasta(1) and by slirp4netns(1).
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::io::{Read, Write};
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
        // Opening it makes no device.
        if fs::File::options().read(true).write(true).open("/dev/net/tun").is_err() {
            skip("there are no tap devices for this user");
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

    /// Puts a script of busybox's shell in the helper's place.
    fn play(&self, script: &str) {
        let script = format!("#!/bin/busybox sh\n{script}");
        let path = self.case.file(&format!("bin/{}", self.helper), &script);
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
            return coble(self.case.tool("env"));
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

/// Answers everybody who asks for a page, in a thread that ends with the tests.
fn server(address: IpAddr) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| {
                let mut request = [0; 1000];
                let _ = stream.read(&mut request)?;
                stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
            });
        }
    });
    port
}

/// The helpers that run for the process `coble`, which is their parent.
fn helpers_of(coble: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{coble}/task/{coble}/children")).unwrap();
    let pids = children.split_whitespace().map(|pid| pid.parse().unwrap());
    // pasta may go on as `passt.avx2`.
    let is_helper = |pid: &u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.starts_with("pas") || name.starts_with("slirp4netns")
    };
    pids.filter(is_helper).collect()
}

/// Bundles of a process that was killed.
fn bundles_of(coble: u32) -> Vec<PathBuf> {
    let mark = format!("coble-try-{coble}-");
    let all = fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&mark)).collect()
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
        let page = format!("http://{address}:{}/", server(address));
        let output = setup.coble(&["--", "/bin/busybox", "wget", "-q", "-O", "-", &page]).output();
        assert_eq!(output.stdout(), "hello\n", "{}", setup.helper);
        setup.case.assert_clean();
    }
}

#[test]
fn the_hosts_loopback_can_not() {
    for setup in setups() {
        let port = server(IpAddr::from([127, 0, 0, 1]));
        // The host as libslirp and pasta may show it, and all their names for it.
        for address in
            ["127.0.0.1", "10.0.2.2", "10.0.2.3", "10.0.2.255", "255.255.255.255", "0.0.0.0"]
        {
            let page = format!("http://{address}:{port}/");
            // Not the first process of its namespace, which no signal from inside ends.
            let wget = format!("busybox timeout 2 busybox wget -q -O - {page}; exit $?");
            let output = setup.sh(&wget);
            assert!(!output.stdout.contains("hello"), "{} {address}: {output}", setup.helper);
            // wget's own, or that of what timeout(1) ends.
            assert!(matches!(output.code, Some(1 | 143)), "{} {address}: {output}", setup.helper);
        }
    }
}

/// Sends the host's name there, by a socket on the tap device, and stays for as long as the helper may need. Arguments:
/// address, port, flags.
const SEND: &str = "my ($host, $port, $flags) = @ARGV; socket(S, 2, 2, 0) or die; \
     setsockopt(S, 1, 25, 'tap0') or die; \
     send(S, $host, $flags, pack('S n a4 x8', 2, $port, pack('C4', split /\\./, $host))); \
     select(undef, undef, undef, 0.3);";

/// A socket that is bound to an interface passes by the routes of the loopback interface, with MSG_DONTROUTE (4) by all.
#[test]
fn nor_by_a_socket_on_the_tap_device() {
    let perl = "/usr/bin/perl";
    if !Path::new(perl).exists() {
        skip("perl is not installed");
        return;
    }
    for setup in setups() {
        let address = host_address().unwrap().to_string();
        let there = UdpSocket::bind((&*address, 0)).unwrap();
        let hidden = UdpSocket::bind("127.0.0.1:0").unwrap();
        there.set_read_timeout(Some(wait::DEADLINE)).unwrap();
        hidden.set_read_timeout(Some(SILENCE)).unwrap();
        let send = |host: &str, socket: &UdpSocket, flags: &str| {
            let port = socket.local_addr().unwrap().port().to_string();
            setup.coble(&["--", perl, "-e", SEND, host, &port, flags]).output().ok();
        };
        let mut text = [0; 100];
        // So the way is there.
        send(&address, &there, "0");
        let length = there.recv(&mut text).unwrap();
        assert_eq!(text[..length], *address.as_bytes());
        for flags in ["0", "4"] {
            send("127.0.0.1", &hidden, flags);
            assert!(hidden.recv(&mut text).is_err(), "a packet came: {} {flags}", setup.helper);
        }
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

#[test]
fn it_ends_with_a_coble_that_is_killed() {
    for setup in setups() {
        let mut running = setup.coble(&["--", "/bin/busybox", "sh", "-c", UNTIL_TERM]).spawn();
        running.says("up");
        let (coble, helpers) = (running.pid(), helpers_of(running.pid()));
        running.signal(Signal::KILL);
        assert_eq!(running.wait().signal, Some(9));
        assert_eq!(helpers.len(), 1, "{}", setup.helper);
        wait::until("the helper to end", || is_gone(helpers[0]));
        // The container goes on, and the case deletes it; nobody is left to remove the bundle.
        for folder in bundles_of(coble) {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}

#[test]
fn it_ends_if_the_program_can_not_be_run() {
    for setup in setups() {
        let note = setup.case.dir.join("output/pid");
        let program = fs::read_link(setup.bin.join(setup.helper)).unwrap();
        fs::remove_file(setup.bin.join(setup.helper)).unwrap();
        setup.play(&format!("echo $$ > {}\nexec {} \"$@\"\n", note.display(), program.display()));
        setup.coble(&["--", "/nothing-of-this-name"]).output().refused(&["/nothing-of-this-name"]);
        assert!(is_gone(fs::read_to_string(note).unwrap().trim().parse().unwrap()));
        setup.case.assert_clean();
    }
}

#[test]
fn a_helper_that_fails_is_an_error_with_its_words() {
    for (case, helper) in [(Case::plain(), "pasta"), (Case::root(), "slirp4netns")] {
        let Some(setup) = Setup::without(case, helper) else { continue };
        for script in ["echo first >&2; echo no such luck >&2; exit 1\n", "echo no such luck >&2\n"]
        {
            setup.play(script);
            let output = setup.coble(&["--", "/bin/busybox", "true"]).output();
            output.refused(&["network by", helper, ": no such luck\n"]);
            setup.case.assert_clean();
        }
        setup.play("kill -9 $$\n");
        setup.coble(&["--", "/bin/busybox", "true"]).output().refused(&[helper, "without a word"]);
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_helper() {
    let Some(setup) = Setup::without(Case::plain(), "pasta") else { return };
    let note = setup.case.dir.join("output/pid");
    setup.play(&format!("echo $$ > {}\nexec /bin/busybox sleep 1000\n", note.display()));
    let running = setup.coble(&["--", "/bin/busybox", "true"]).spawn();
    let pid = || fs::read_to_string(&note).ok()?.trim().parse().ok();
    let helper = wait::poll(wait::DEADLINE, pid).unwrap();
    running.signal(Signal::TERM);
    let output = running.wait();
    assert!(output.code != Some(0), "{output}");
    assert!(is_gone(helper));
    setup.case.assert_clean();
}

/// Neither descriptors nor variables, nor the signals of the terminal, nor a way of its own to deal with signals.
#[test]
fn a_helper_gets_nothing_of_the_callers() {
    let Some(mut setup) = Setup::without(Case::root().and(Case::plain()), "pasta") else { return };
    let note = setup.case.dir.join("output/note");
    setup.view = "trap '' TERM && exec 7</etc/passwd && ".to_owned();
    // Number and session of the process; its descriptors; what it blocks and ignores.
    let to = format!(">> {}", note.display());
    setup.play(&format!(
        "read pid name state parent group session rest < /proc/self/stat\necho $((pid - session)) {to}\n\
         /bin/busybox ls /proc/self/fd {to}\n/bin/busybox env {to}\n\
         /bin/busybox grep -E '^Sig(Blk|Ign)' /proc/self/status {to}\nexit 1\n"
    ));
    setup.coble(&["--", "/bin/busybox", "true"]).output().refused(&["pasta"]);
    let told = fs::read_to_string(note).unwrap();
    // It leads its session; the last descriptor is that of the folder that ls(1) reads.
    assert!(told.starts_with("0\n0\n1\n2\n3\n"), "{told}");
    assert!(!told.contains("COBLE_TEST"), "{told}");
    assert!(told.ends_with("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"), "{told}");
}

/// A resolver on an address of the host's loopback that nobody else has, as systemd-resolved is one.
fn resolver() -> Option<&'static str> {
    const ADDRESS: &str = "127.0.0.99";
    let Ok(socket) = UdpSocket::bind((ADDRESS, 53)) else {
        skip("no resolver can listen here");
        return None;
    };
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            // RFC 1035, section 4.1: the question, and for its name the address 192.0.2.77, once.
            let mut answer = query[..length].to_vec();
            answer[2..4].copy_from_slice(&[0x81, 0x80]);
            answer[6..8].copy_from_slice(&[0, 1]);
            answer[10..12].copy_from_slice(&[0, 0]);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 77]);
            let _ = socket.send_to(&answer, client);
        }
    });
    Some(ADDRESS)
}

#[test]
fn names_are_resolved_by_a_resolver_on_the_hosts_loopback() {
    if !geteuid().is_root() {
        return skip("needs root");
    }
    let Some(address) = resolver() else { return };
    for mut setup in setups() {
        let file = setup.case.file("resolv.conf", &format!("nameserver {address}\n"));
        setup.view = format!("mount --bind {} /etc/resolv.conf && ", file.display());
        let script = "busybox cat /etc/resolv.conf; busybox nslookup -type=a name.example";
        let told = setup.sh(script).stdout();
        assert!(told.starts_with("nameserver 10.0.2.3\n"), "{}: {told}", setup.helper);
        assert!(told.contains("192.0.2.77"), "{}: {told}", setup.helper);
    }
}

/// As where systemd-resolved is at work: the link leads into `/run`, which is empty inside.
#[test]
fn a_resolv_conf_that_is_a_link_into_run() {
    if !geteuid().is_root() {
        return skip("needs root");
    }
    for mut setup in setups() {
        setup.view = "mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work && \
             mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work none /etc && \
             ln -sf ../run/coble-no/stub.conf /etc/resolv.conf && umount -l /mnt && "
            .to_owned();
        let told =
            setup.sh("busybox readlink /etc/resolv.conf; busybox cat /etc/resolv.conf").stdout();
        assert_eq!(told, "../run/coble-no/stub.conf\nnameserver 10.0.2.3\n", "{}", setup.helper);
    }
}
