//! coble is killed at any of its steps: the next command finishes what it was about, or takes it away.
//!
//! strace(1) kills it as it enters a system call: one after the other of those that change something, since one death
//! between two of them is like the other. With `COBLE_FAULTS=all` it is every system call.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;

use coble_tests::{Bundle, Case, Cmd, Output, View, wait};
use serde_json::json;

/// What changes something outside of the process, or waits for others.
const CHANGING: &str = "?open,openat,write,pwrite64,?mkdir,mkdirat,?rmdir,?unlink,unlinkat,?rename,renameat,renameat2,\
    symlinkat,fchownat,fchown,bind,connect,sendto,sendmsg,recvmsg,clone,clone3,execve,setns,unshare,bpf,flock,ioctl,\
    pidfd_send_signal,?poll,ppoll,waitid,wait4,mount,umount2";

/// What executors do and their makers don't; a death between two of them is one of the executor alone.
const EXECUTORS: &str = "openat2,fsopen,fsconfig,fsmount,move_mount,open_tree,mknodat,setsid,sethostname,pivot_root,umount2,\
    close_range,setgroups,setresgid,setresuid,capset,execveat,setns,unshare";

/// A case, and how its commands see the machine's cgroups.
struct Ground {
    case: Case,
    v2: Option<View>,
}

impl Ground {
    fn new(is_v2: bool) -> Option<Self> {
        let case = Case::root().filter(Case::has_strace)?;
        if !is_v2 {
            return Some(Self { case, v2: None });
        }
        let v2 = View::v2(&case)?;
        Some(Self { case, v2: Some(v2) })
    }

    fn tool(&self, program: impl AsRef<OsStr>) -> Cmd {
        match &self.v2 {
            None => self.case.tool(program.as_ref().to_str().unwrap()),
            Some(v2) => v2.tool(&self.case, program),
        }
    }

    fn coble(&self, words: &[&str]) -> Output {
        self.tool(self.case.program())
            .arg("--root")
            .arg(self.case.state_root())
            .args(words)
            .output()
    }

    fn traced(&self, flags: &[&str], words: &[&str]) -> Output {
        let strace = self.tool("strace").args(flags).arg(self.case.program());
        strace.arg("--root").arg(self.case.state_root()).args(words).output()
    }

    /// How often the command makes which of these system calls.
    fn count(&self, calls: &str, words: &[&str]) -> BTreeMap<String, usize> {
        let file = self.case.dir.join("calls");
        let trace = format!("trace={calls}");
        self.traced(&["-o", file.to_str().unwrap(), "-e", &trace, "-e", "signal=none"], words).ok();
        let mut counts = BTreeMap::new();
        for line in fs::read_to_string(file).unwrap().lines() {
            if let Some((name, _)) = line.split_once('(') {
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
        counts
    }

    /// Has the command die as it enters a system call for the `nth` time.
    fn die(&self, flag: &str, call: &str, nth: usize, words: &[&str]) -> Output {
        let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
        self.traced(&[flag, "-o", "/dev/null", "-e", &inject], words)
    }

    /// Prepares, has the command die at a step, and looks what came of it, for each step.
    #[track_caller]
    fn at_each_step(&self, words: &[&str], prepare: impl Fn(), look: impl Fn(&str)) {
        prepare();
        let counts = self.count(if is_whole() { "all" } else { CHANGING }, words);
        look("none");
        let mut deaths = 0;
        for (call, count) in counts {
            for nth in 1..=count {
                prepare();
                let output = self.die("--quiet=all", &call, nth, words);
                let died = output.signal == Some(9);
                assert!(died || output.code == Some(0), "{call} {nth}: {output}");
                deaths += usize::from(died);
                look(&format!("{call} {nth}"));
            }
        }
        println!("{}: {deaths} deaths", words[0]);
        assert!(deaths > 5, "{deaths} deaths");
    }

    /// `delete --force` works, and nothing is left.
    #[track_caller]
    fn delete(&self, step: &str) {
        let output = self.coble(&["delete", "--force", &self.case.id]);
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "step {step}: {output}");
        self.assert_clean(step);
    }

    #[track_caller]
    fn assert_clean(&self, step: &str) {
        let clean = std::panic::AssertUnwindSafe(|| self.case.assert_clean());
        if let Err(panic) = std::panic::catch_unwind(clean) {
            eprintln!("at step {step}");
            std::panic::resume_unwind(panic);
        }
    }

    fn status(&self) -> String {
        let text = self.coble(&["state", &self.case.id]).stdout();
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    fn until(&self, status: &str) {
        wait::until(format!("the container to be {status}"), || self.status() == status);
    }
}

fn is_whole() -> bool {
    std::env::var("COBLE_FAULTS").is_ok_and(|value| value == "all")
}

/// A test for each of the two layouts of cgroups.
macro_rules! both {
    ($($name:ident($ground:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            fn check($ground: &Ground) $body

            #[test]
            fn here() {
                let Some(ground) = Ground::new(false) else { return };
                check(&ground);
            }

            #[test]
            fn v2() {
                let Some(ground) = Ground::new(true) else { return };
                check(&ground);
            }
        }
    )*};
}

/// A container that sleeps.
fn sleeper(ground: &Ground) -> Bundle {
    let mut bundle = ground.case.bundle();
    bundle.args(&["sleep", "1000000"]);
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", ground.case.id).into();
    bundle.write();
    bundle
}

fn made(ground: &Ground, bundle: &Bundle) {
    ground.coble(&["create", "--bundle", bundle.path.to_str().unwrap(), &ground.case.id]).ok();
}

fn running(ground: &Ground, bundle: &Bundle) {
    made(ground, bundle);
    ground.coble(&["start", &ground.case.id]).ok();
}

both! {
    create(ground) {
        let bundle = sleeper(ground);
        let words = ["create", "--bundle", bundle.path.to_str().unwrap(), &ground.case.id];
        ground.at_each_step(&words, || {}, |step| ground.delete(step));
    }

    create_with_more(ground) {
        let mut bundle = sleeper(ground);
        bundle.user_namespace(100_000, 65536).hook("createRuntime", "true").hook("createContainer", "true");
        bundle.config["linux"]["resources"]["devices"] =
            json!([{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "r"}]);
        // The user namespace's root can't make them.
        for name in ["proc", "sys", "dev"] {
            fs::create_dir(bundle.inside(name)).unwrap();
        }
        bundle.write();
        let words = ["create", "--bundle", bundle.path.to_str().unwrap(), &ground.case.id];
        ground.at_each_step(&words, || {}, |step| ground.delete(step));
    }

    run(ground) {
        let mut bundle = sleeper(ground);
        bundle.args(&["true"]).write();
        let words = ["run", "--bundle", bundle.path.to_str().unwrap(), &ground.case.id];
        ground.at_each_step(&words, || {}, |step| ground.delete(step));
    }

    start(ground) {
        let bundle = sleeper(ground);
        let words = ["start", &ground.case.id];
        ground.at_each_step(&words, || made(ground, &bundle), |step| ground.delete(step));
    }

    delete(ground) {
        let mut bundle = sleeper(ground);
        bundle.args(&["true"]).write();
        let ended = || {
            running(ground, &bundle);
            ground.until("stopped");
        };
        ground.at_each_step(&["delete", &ground.case.id], ended, |step| ground.delete(step));
    }

    delete_by_force(ground) {
        let mut bundle = sleeper(ground);
        // Without a pid namespace the cgroup is what ends the second process.
        bundle.sh("sleep 1000000 & sleep 1000000").without_namespace("pid").write();
        let words = ["delete", "--force", &ground.case.id];
        ground.at_each_step(&words, || running(ground, &bundle), |step| ground.delete(step));
    }

    exec(ground) {
        let bundle = sleeper(ground);
        running(ground, &bundle);
        let words = ["exec", &ground.case.id, "true"];
        ground.at_each_step(&words, || {}, |step| {
            let list = || ground.coble(&["ps", "--format", "json", &ground.case.id]).stdout();
            wait::until(format!("nothing of the exec to be left, step {step}"), || !list().contains(','));
            assert_eq!(ground.status(), "running", "step {step}");
        });
        ground.delete("none");
    }

    update(ground) {
        let mut bundle = sleeper(ground);
        // The kernel's messages, which no container has by default.
        ground.case.tool("mknod").arg(bundle.inside("kmsg")).args(["c", "1", "11"]).output().ok();
        for set in ["bounding", "permitted", "effective"] {
            bundle.list(&format!("/process/capabilities/{set}")).push("CAP_SYSLOG".into());
        }
        bundle.write();
        running(ground, &bundle);
        // One denies what the other allows: a program that stays behind would go on denying.
        let rules = |allow: bool| json!({"devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"},
            {"allow": allow, "type": "c", "major": 1, "minor": 11, "access": "r"},
        ]});
        let denying = ground.case.file("denying.json", &rules(false).to_string());
        let allowing = ground.case.file("allowing.json", &rules(true).to_string());
        let update = |file: &std::path::Path| ["update", "--resources", file.to_str().unwrap(), &ground.case.id].map(str::to_owned);
        let denying = update(&denying);
        let allowing = update(&allowing);
        let words: Vec<&str> = denying.iter().map(String::as_str).collect();
        let again: Vec<&str> = allowing.iter().map(String::as_str).collect();
        let reads = || ground.coble(&["exec", &ground.case.id, "sh", "-c", "head -c 0 < /kmsg"]).code == Some(0);
        ground.at_each_step(&words, || {}, |step| {
            assert_eq!(ground.status(), "running", "step {step}");
            ground.coble(&again).ok();
            assert!(reads(), "step {step}: the rules of the update that was killed are in force");
        });
        ground.coble(&words).ok();
        assert!(!reads(), "the rule that is to deny does not");
        ground.delete("none");
    }

    pause(ground) {
        let bundle = sleeper(ground);
        let words = ["pause", &ground.case.id];
        ground.at_each_step(&words, || made(ground, &bundle), |step| {
            // Whether it was paused by then is open; in no case is it lost.
            ground.coble(&["resume", &ground.case.id]);
            assert_eq!(ground.status(), "created", "step {step}");
            ground.coble(&["start", &ground.case.id]).ok();
            ground.delete(step);
        });
        ground.at_each_step(&words, || running(ground, &bundle), |step| ground.delete(step));
    }

    resume(ground) {
        let bundle = sleeper(ground);
        let paused = || {
            made(ground, &bundle);
            ground.coble(&["pause", &ground.case.id]).ok();
        };
        ground.at_each_step(&["resume", &ground.case.id], paused, |step| {
            ground.coble(&["resume", &ground.case.id]);
            assert_eq!(ground.status(), "created", "step {step}");
            ground.coble(&["start", &ground.case.id]).ok();
            ground.delete(step);
        });
    }

    the_executor(ground) {
        // strace stays as long as what it follows.
        let mut bundle = sleeper(ground);
        bundle.args(&["true"]).write();
        let words = ["run", "--bundle", bundle.path.to_str().unwrap(), &ground.case.id];
        let mut deaths = 0;
        for call in EXECUTORS.split(',') {
            for nth in 1.. {
                let output = ground.die("--follow-forks", call, nth, &words);
                if output.code == Some(0) {
                    ground.delete(call);
                    break;
                }
                output.refused(&["unable to start container process: the executor was killed by signal 9"]);
                ground.assert_clean(&format!("{call} {nth}"));
                deaths += 1;
                if !is_whole() && nth == 3 {
                    break;
                }
            }
        }
        println!("the executor: {deaths} deaths");
        assert!(deaths > 20, "{deaths}");
    }
}
