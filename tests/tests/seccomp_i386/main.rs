//! Filters of system calls as 64-bit and 32-bit programs of one machine find them, and programs that are both.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, id};

use coble_tests::{Bundle, Case, skip, wait};
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};

const KILLED: i32 = 128 + 31; // by SIGSYS
const ENOSYS: i32 = 38;
const ENOTSOCK: i32 = 88;

/// A program, how it makes a call, and the number of getpgrp(2) that way (unistd_64.h, unistd_32.h).
type Way = (&'static str, &'static str, &'static str);
const NATIVE: Way = ("caller64", "own", "111");
const I386: Way = ("caller32", "own", "65");
/// A 64-bit program that makes a call of 32-bit programs.
const MIXED: Way = ("caller64", "old", "65");
/// x32's numbers are those of 64-bit programs with a bit (asm/unistd.h, `__X32_SYSCALL_BIT`).
const X32: Way = ("caller64", "own", "1073741935");

/// A case whose containers have the two programs; none, reported as skipped, where they can't be made or run.
fn callers() -> Option<(Case, Bundle)> {
    let case = Case::root()?;
    let bundle = case.bundle();
    for bits in ["64", "32"] {
        let program = bundle.inside(&format!("/bin/caller{bits}"));
        if let Err(reason) = build(bits, &program) {
            skip(&reason);
            return None;
        }
        if Command::new(program).args(["own", "1000"]).status().is_err() {
            skip(&format!("the kernel runs no {bits}-bit programs"));
            return None;
        }
    }
    Some((case, bundle))
}

fn build(bits: &str, program: &Path) -> Result<(), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seccomp_i386/caller.c");
    let free = ["-O1", "-ffreestanding", "-fno-stack-protector", "-fno-pie"];
    let linked = ["-no-pie", "-nostdlib", "-static", "-o"];
    let mut cc = Command::new("cc");
    cc.arg(format!("-m{bits}")).args(free).args(linked).arg(program).arg(source);
    match cc.output() {
        Err(_) => Err("no C compiler".into()),
        Ok(output) if !output.status.success() => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(format!("the C compiler makes no {bits}-bit programs: {}", why.replace('\n', " ")))
        }
        Ok(_) => Ok(()),
    }
}

/// What becomes of a call under a filter: the error number, or 0.
fn outcome(case: &Case, bundle: &mut Bundle, filter: &Value, words: &[&str]) -> i32 {
    bundle.args(words);
    bundle.config["linux"]["seccomp"] = filter.clone();
    let output = case.run(bundle).output();
    output.code.unwrap_or_else(|| panic!("no status: {output}"))
}

/// All is allowed but what the rules say, on 64-bit and 32-bit x86.
fn but(rules: Value) -> Value {
    let archs = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"];
    json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": archs, "syscalls": rules})
}

fn getpgrp(action: &str, number: Option<u32>) -> Value {
    but(json!([{"names": ["getpgrp"], "action": action, "errnoRet": number}]))
}

#[test]
fn every_action_is_the_same_for_every_program() {
    let Some((case, mut bundle)) = callers() else { return };
    for (action, number, expected) in [
        ("SCMP_ACT_ALLOW", None, 0),
        ("SCMP_ACT_LOG", None, 0),
        ("SCMP_ACT_ERRNO", None, 1),
        ("SCMP_ACT_ERRNO", Some(28), 28),
        ("SCMP_ACT_TRACE", Some(77), ENOSYS), // without a tracer
        ("SCMP_ACT_TRAP", None, KILLED),
        ("SCMP_ACT_KILL", None, KILLED),
        ("SCMP_ACT_KILL_THREAD", None, KILLED),
        ("SCMP_ACT_KILL_PROCESS", None, KILLED),
    ] {
        let filter = getpgrp(action, number);
        for (program, how, call) in [NATIVE, I386, MIXED] {
            let found = outcome(&case, &mut bundle, &filter, &[program, how, call]);
            assert_eq!(found, expected, "{action} {number:?}: {program} {how}");
        }
    }
}

#[test]
fn a_tracer_in_the_container_is_told_the_number() {
    let Some((case, mut bundle)) = callers() else { return };
    for (number, expected) in [(None, 1), (Some(77), 77)] {
        let filter = getpgrp("SCMP_ACT_TRACE", number);
        for (program, _, call) in [NATIVE, I386] {
            let found = outcome(&case, &mut bundle, &filter, &[program, "traced", call]);
            assert_eq!(found, expected, "{program}");
        }
    }
}

#[test]
fn logged_calls_are_in_the_kernels_log() {
    let Some((case, mut bundle)) = callers() else { return };
    let Some(mut log) = Log::open() else { return };
    let filter = getpgrp("SCMP_ACT_LOG", None);
    for (nth, (program, how, call)) in [NATIVE, I386, MIXED].into_iter().enumerate() {
        // The record has the name of the process, of at most 15 signs.
        let name = format!("c{}-{nth}", id());
        fs::copy(bundle.inside(&format!("/bin/{program}")), bundle.inside(&format!("/bin/{name}")))
            .unwrap();
        let arch = if call == "111" { "c000003e" } else { "40000003" };
        let comm = format!("comm=\"{name}\"");
        let (arch, call_is) = (format!("arch={arch}"), format!("syscall={call}"));
        let words = ["type=1326", &comm, &arch, &call_is, "code=0x7ffc0000"];
        // Of many records at a time, by others, the kernel drops some.
        let told = wait::poll(wait::DEADLINE, || {
            assert_eq!(outcome(&case, &mut bundle, &filter, &[&name, how, call]), 0);
            log.says(&words).then_some(())
        });
        assert!(told.is_some(), "no line with {words:?} in {:#?}", log.seen);
    }
}

/// The kernel's log, from now on.
struct Log {
    file: fs::File,
    seen: Vec<String>,
}

impl Log {
    /// None, reported as skipped, where records of filters aren't in it.
    fn open() -> Option<Self> {
        let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_logged");
        let is_logged = actions.is_ok_and(|all| all.split_whitespace().any(|one| one == "log"));
        let has_audit = Path::new("/proc/self/loginuid").exists();
        let is_taken = fs::read_dir("/proc").unwrap().flatten().any(|process| {
            fs::read_to_string(process.path().join("comm")).is_ok_and(|comm| comm == "auditd\n")
        });
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open("/dev/kmsg", flags, Mode::empty());
        match (is_logged && has_audit && !is_taken, file) {
            (true, Ok(file)) => {
                let mut file = fs::File::from(file);
                file.seek(SeekFrom::End(0)).unwrap();
                Some(Self { file, seen: Vec::new() })
            }
            _ => {
                skip("the kernel's log has no records of filters, or can't be read");
                None
            }
        }
    }

    fn says(&mut self, words: &[&str]) -> bool {
        let mut record = [0; 8192];
        while let Ok(length) = self.file.read(&mut record) {
            self.seen.push(String::from_utf8_lossy(&record[..length]).into_owned());
        }
        self.seen.iter().any(|line| words.iter().all(|word| line.contains(word)))
    }
}

#[test]
fn architectures_that_are_not_named_are_killed() {
    let Some((case, mut bundle)) = callers() else { return };
    let mut filter = getpgrp("SCMP_ACT_ERRNO", Some(28));
    for named in [json!([]), json!(["SCMP_ARCH_X86_64"]), json!(["SCMP_ARCH_AARCH64"])] {
        filter["architectures"] = named;
        for (way, expected) in [(NATIVE, 28), (I386, KILLED), (MIXED, KILLED), (X32, KILLED)] {
            let (program, how, call) = way;
            let found = outcome(&case, &mut bundle, &filter, &[program, how, call]);
            assert_eq!(found, expected, "{}: {way:?}", filter["architectures"]);
        }
    }
    filter["architectures"] = json!(["SCMP_ARCH_X32"]);
    let (program, how, call) = X32;
    assert_eq!(outcome(&case, &mut bundle, &filter, &[program, how, call]), 28);
    // Most kernels don't have its calls.
    filter["syscalls"][0]["action"] = "SCMP_ACT_ALLOW".into();
    filter["syscalls"][0]["errnoRet"] = Value::Null;
    let found = outcome(&case, &mut bundle, &filter, &[program, how, call]);
    assert!([0, ENOSYS].contains(&found), "{found}");
}

/// Calls that are left to another process, and profiles that are recorded, are those of the program's own kind.
#[test]
fn calls_are_looked_at_as_what_they_are() {
    let Some((case, mut bundle)) = callers() else { return };
    let file = case.folder("told").join("told.json");
    let told = || serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap();
    let report = format!("--seccomp-report={}", file.display());
    let record = format!("--seccomp-record={}", file.display());
    for (way, arch) in
        [(NATIVE, "SCMP_ARCH_X86_64"), (I386, "SCMP_ARCH_X86"), (MIXED, "SCMP_ARCH_X86")]
    {
        let (program, how, call) = way;
        bundle.args(&[program, how, call]);
        bundle.config["linux"]["seccomp"] = getpgrp("SCMP_ACT_ERRNO", Some(28));
        case.run_with(&bundle, &[&report]).output().exits(28);
        let denied = &told()["denied"][0];
        assert_eq!((&denied["call"], &denied["architecture"]), (&json!("getpgrp"), &json!(arch)));
        assert_eq!((&denied["errno"], &denied["count"]), (&json!("ENOSPC"), &json!(1)));

        bundle.config["linux"]["seccomp"] = but(json!([]));
        case.run_with(&bundle, &[&record]).output().ok();
        let profile = told();
        assert!(profile["architectures"].as_array().unwrap().contains(&json!(arch)), "{profile}");
        assert_eq!(outcome(&case, &mut bundle, &profile, &[program, how, call]), 0);
    }
}

/// What isn't allowed isn't made through socketcall(2) either.
#[test]
fn sockets_are_denied_through_their_gate() {
    let Some((case, mut bundle)) = callers() else { return };
    const GATE: &str = "102";
    const BIND: &str = "2";
    let filter = but(json!([{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]));
    for (words, expected) in [
        (["caller64", "own", "41", "2", "1"].as_slice(), 28),
        (&["caller32", "own", "359", "2", "1"], 28),
        (&["caller32", "own", GATE, "1", "2,1,0"], 28),
        (&["caller64", "old", GATE, "1", "2,1,0"], 28),
        (&["caller32", "own", GATE, BIND, "0,0,0"], ENOTSOCK),
    ] {
        assert_eq!(outcome(&case, &mut bundle, &filter, words), expected, "{words:?}");
    }
    // Its arguments are in memory, where no filter sees whether the condition is met.
    let mut filter = but(json!([
        {"names": ["execve", "exit"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
    ]));
    filter["defaultAction"] = "SCMP_ACT_ERRNO".into();
    filter["defaultErrnoRet"] = 28.into();
    for (words, expected) in [
        (["caller32", "own", "359", "1", "1"].as_slice(), 0),
        (&["caller32", "own", "359", "2", "1"], 28),
        (&["caller32", "own", GATE, "1", "1,1,0"], 28),
    ] {
        assert_eq!(outcome(&case, &mut bundle, &filter, words), expected, "{words:?}");
    }
}

/// A negative number has as many bits as the program's arguments have.
#[test]
fn arguments_are_as_wide_as_the_programs() {
    let Some((case, mut bundle)) = callers() else { return };
    const HALF: &str = "4294967295";
    const WHOLE: &str = "18446744073709551615";
    for (value, cases) in [
        (
            u64::from(u32::MAX),
            [("caller64", HALF, 28), ("caller64", "0", 0), ("caller32", HALF, 28)],
        ),
        (u64::MAX, [("caller64", WHOLE, 28), ("caller64", HALF, 0), ("caller32", HALF, 28)]),
    ] {
        let filter = but(json!([{
            "names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28,
            "args": [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}],
        }]));
        for (program, argument, expected) in cases {
            let call = if program == "caller64" { "135" } else { "136" };
            let words = [program, "own", call, argument];
            assert_eq!(outcome(&case, &mut bundle, &filter, &words), expected, "{value} {words:?}");
        }
    }
}
