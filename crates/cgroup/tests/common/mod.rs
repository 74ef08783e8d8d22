//! What the tests on the real kernel share.
#![allow(dead_code, unreachable_pub)] // each test program has its own copy and uses a part of it
#![allow(clippy::unwrap_used)] // it is all tests, though not all marked so

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use coble_cgroup::{Cgroup, Hierarchy};
use coble_spec::DeviceRule;

/// Set in a copy of the test that runs where the test can't run itself.
const INSIDE: &str = "COBLE_TEST_INSIDE";
const NOBODY: &str = "65534";

/// The running test's name: the test runner gives it to the thread.
pub fn test_name() -> String {
    thread::current().name().unwrap().to_owned()
}

/// Says on standard error, past the test runner's capture, that the running test is skipped and why.
pub fn skip(reason: &str) {
    let line = format!("\nskipped: {}: {reason}\n", test_name());
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

pub fn is_root() -> bool {
    coble_sys::rustix::process::geteuid().is_root()
}

/// Whether the running test is the copy that [`run_inside`] has started.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs a copy of this very test by the given command, and fails if the copy does.
pub fn run_inside(command: &[&str]) {
    let copy = Copy::new();
    let output = Command::new(command[0])
        .args(&command[1..])
        .arg(&copy.0)
        .args(["--exact", &test_name(), "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{command:?} gives {}:\n{text}", output.status);
    assert!(text.contains("1 passed"), "{text}");
    for reason in text.lines().filter_map(|line| line.strip_prefix("skipped: ")?.split_once(": ")) {
        skip(reason.1);
    }
}

/// The command that runs another one with cgroup v2 alone.
pub const UNIFIED: [&str; 6] = [
    "unshare",
    "--mount",
    "--propagation=private",
    "sh",
    "-ec",
    "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec \"$0\" \"$@\"",
];

/// The command that runs another one without any rights.
pub const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid", NOBODY, "--clear-groups"];

/// The test's program where everybody can run it.
struct Copy(PathBuf);

impl Copy {
    fn new() -> Self {
        let name = format!("coble-test-{}-{}", std::process::id(), test_name().replace("::", "-"));
        let path = std::env::temp_dir().join(name);
        fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A path for a cgroup of this test alone.
pub fn path() -> String {
    format!("/coble-test-{}-{}", std::process::id(), test_name().replace("::", "-"))
}

/// A cgroup that is removed, with all that is in it, when the test ends in whichever way.
pub struct Made(pub Cgroup);

impl Made {
    /// The cgroup at [`path`] and `below` that, made and without limits.
    pub fn new(below: &str) -> Self {
        let mut made = Self::located(below);
        made.0.create(false).unwrap();
        made
    }

    /// The same, not made yet.
    pub fn located(below: &str) -> Self {
        Self(locate(&(path() + below)))
    }
}

impl std::ops::Deref for Made {
    type Target = Cgroup;
    fn deref(&self) -> &Cgroup {
        &self.0
    }
}

impl std::ops::DerefMut for Made {
    fn deref_mut(&mut self) -> &mut Cgroup {
        &mut self.0
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.remove();
    }
}

pub fn locate(path: &str) -> Cgroup {
    Cgroup::locate(&Hierarchy::detect().unwrap(), path, "").unwrap()
}

/// Every directory of the cgroup, as its record has them.
pub fn dirs(cgroup: &Cgroup) -> Vec<PathBuf> {
    let record = cgroup.record().to_link_target();
    let parts: Vec<&str> = record.split("//").collect();
    let mut path = "";
    let mut dirs = Vec::new();
    for pair in parts.chunks(2) {
        path = if pair[1] == "." { path } else { pair[1] };
        dirs.push(PathBuf::from(&pair[0][pair[0].find('/').unwrap()..]).join(path));
    }
    dirs
}

/// A program that waits for a line before it goes on, killed when the test ends.
pub struct Process(pub Child);

impl Process {
    /// Runs `script` in the shell once [`Process::finish`] is called.
    pub fn waiting_for(script: &str) -> Self {
        let child = Command::new("sh")
            .args(["-c", &format!("read line; {script}")])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// A process that does nothing.
    pub fn idle() -> Self {
        Self::waiting_for("exit")
    }

    pub fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// Lets the script run.
    pub fn start(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Lets the script run; whether it succeeds.
    pub fn finish(mut self) -> bool {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        self.0.wait().unwrap().success()
    }

    /// Waits for the end that somebody else has brought about.
    pub fn wait_killed(mut self) {
        use std::os::unix::process::ExitStatusExt;
        // Its input stays open, so that it can't end by itself.
        let input = self.0.stdin.take();
        assert_eq!(self.0.wait().unwrap().signal(), Some(9));
        drop(input);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a process of the cgroup can open the file.
pub fn can_open(cgroup: &Cgroup, file: &str) -> bool {
    let process = Process::waiting_for(&format!(": <{file}"));
    cgroup.enter(process.pid(), false).unwrap();
    process.finish()
}

/// A process of the cgroup that opens one device that it may open and one that it may not, over and over.
pub struct Opener {
    process: Process,
    folder: PathBuf,
}

/// How often an [`Opener`] has tried, and was refused what it may open, or given what it may not.
#[derive(Debug)]
pub struct Opened {
    pub times: u64,
    pub refused: u64,
    pub given: u64,
}

impl Opener {
    pub fn start(cgroup: &Cgroup, allowed: &str, denied: &str) -> Self {
        let name =
            format!("coble-opener-{}-{}", std::process::id(), test_name().replace("::", "-"));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let script = format!(
            "cd {}; n=0; refused=0; given=0; until [ -e end ]; do n=$((n+1)); \
             true <{allowed} || refused=$((refused+1)); true <{denied} && given=$((given+1)); \
             [ $n = 1 ] && : >begun; done; echo $n $refused $given >told",
            folder.display()
        );
        let mut process = Process::waiting_for(&script);
        cgroup.enter(process.pid(), false).unwrap();
        process.start();
        let opener = Self { process, folder };
        while !opener.folder.join("begun").exists() {
            thread::sleep(std::time::Duration::from_millis(1));
        }
        opener
    }

    pub fn end(mut self) -> Opened {
        fs::write(self.folder.join("end"), "").unwrap();
        assert!(self.process.0.wait().unwrap().success());
        let told = fs::read_to_string(self.folder.join("told")).unwrap();
        let numbers: Vec<u64> = told.split_whitespace().map(|one| one.parse().unwrap()).collect();
        Opened { times: numbers[0], refused: numbers[1], given: numbers[2] }
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Rules that allow `/dev/fuse` or whatever else `minors` of the major number 10 are, besides the default devices, and no
/// others; or that allow all but `/dev/kmsg`, and these minors.
pub fn device_rules(allow: bool, minors: std::ops::Range<i64>) -> Vec<DeviceRule> {
    let rule = |allow, major, minor| DeviceRule {
        allow,
        kind: "c".to_owned(),
        major: Some(major),
        minor: Some(minor),
        access: "rwm".to_owned(),
    };
    let all = DeviceRule { allow: !allow, access: "rwm".to_owned(), ..DeviceRule::default() };
    let others = minors.map(|minor| rule(allow, 10, minor));
    let mut rules: Vec<DeviceRule> = std::iter::once(all).chain(others).collect();
    if !allow {
        rules.push(rule(false, 1, 11));
        // What neither version of cgroups takes out of them again.
        rules.retain(|rule| rule.major != Some(10) || rule.minor != Some(200));
    }
    rules
}
