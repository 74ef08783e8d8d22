//! `seccomp`: what is said of filters, without a container.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::Path;

use coble_seccomp::{Arch, Profile};
use coble_spec::Seccomp;
use coble_tests::{Case, Output};
use serde_json::{Value, json};

/// `coble seccomp WORDS...` of a plain user.
fn seccomp(case: &Case, words: &[&str]) -> Output {
    case.coble().arg("seccomp").args(words).output()
}

fn said(case: &Case, words: &[&str]) -> String {
    seccomp(case, words).stdout()
}

/// A file of the case with this JSON, and its path.
fn file(case: &Case, name: &str, value: &Value) -> String {
    case.file(name, &value.to_string()).to_str().unwrap().to_owned()
}

fn rules(default: &str, rules: &Value) -> Value {
    json!({"defaultAction": default, "syscalls": rules})
}

#[test]
fn check_takes_every_form() {
    let Some(case) = Case::plain() else { return };
    let section = rules(
        "SCMP_ACT_ERRNO",
        &json!([{"names": ["execve", "read", "time_travel"], "action": "SCMP_ACT_ALLOW"}]),
    );
    let bare = file(&case, "bare.json", &section);
    let bundle = case.folder("bundle");
    let config = json!({"ociVersion": "1.0.2", "linux": {"seccomp": section}});
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    let bundle = bundle.to_str().unwrap();
    let config = format!("{bundle}/config.json");
    let engine = file(
        &case,
        "engine.json",
        &rules(
            "SCMP_ACT_ERRNO",
            &json!([
                {"names": ["reboot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_BOOT"]}},
                {"names": ["execve", "read", "time_travel"], "action": "SCMP_ACT_ALLOW"},
            ]),
        ),
    );
    for (word, place) in [
        (&*bare, "/syscalls/0/names/2"),
        (bundle, "/linux/seccomp/syscalls/0/names/2"),
        (&config, "/linux/seccomp/syscalls/0/names/2"),
        (&engine, "/syscalls/1/names/2"),
    ] {
        let text = said(&case, &["check", word]);
        assert!(text.contains("valid\ndefault action: SCMP_ACT_ERRNO (EPERM)\n"), "{text}");
        assert!(text.contains("   2 calls: SCMP_ACT_ALLOW\n"), "{text}");
        let unknown = format!("unknown: \"time_travel\" is no system call ({place})\n");
        assert!(text.contains(&unknown), "{text}");
    }
    let more = said(&case, &["check", &engine, "--cap", "sys_boot"]);
    assert!(
        more.contains("reboot: restarts the host") && more.contains("(takes CAP_SYS_BOOT)"),
        "{more}"
    );
    let stdin = case.coble().args(["seccomp", "check", "-"]).stdin(section.to_string().as_bytes());
    assert!(stdin.output().stdout().starts_with("standard input: valid\n"));
}

/// The first rule decides here; libseccomp lets one without conditions stand before all others.
#[test]
fn check_tells_of_rules_whose_order_other_runtimes_take_differently() {
    let Some(case) = Case::plain() else { return };
    let one = json!([{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]);
    let allow = json!({"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": one});
    let deny = json!({"names": ["read", "clone"], "action": "SCMP_ACT_ERRNO"});
    let same = json!({"names": ["clone"], "action": "SCMP_ACT_ALLOW"});
    let order = |list: Value| {
        let section = rules("SCMP_ACT_ALLOW", &list);
        let path = file(&case, "order.json", &section);
        let text = said(&case, &["check", &path]);
        let lines: Vec<String> =
            text.lines().filter(|line| line.starts_with("order: ")).map(str::to_owned).collect();
        let json: Value =
            serde_json::from_str(&said(&case, &["check", "-f", "json", &path])).unwrap();
        assert_eq!(json["order"].as_array().unwrap().len(), lines.len());
        lines
    };
    let line = "order: clone: /syscalls/0, under conditions, stands before /syscalls/1, \
                which runc and crun put first";
    assert_eq!(order(json!([allow, deny])), [line]);
    assert_eq!(order(json!([deny, allow])), [""; 0]);
    assert_eq!(order(json!([allow, same])), [""; 0]);
    assert_eq!(order(json!([allow, same, deny])), [""; 0]);
    assert_eq!(order(json!([same, allow, deny])), [""; 0], "the first one decides in any case");
}

#[test]
fn check_counts_and_finds_holes_for_machines() {
    let Some(case) = Case::plain() else { return };
    let text =
        said(&case, &["check", "--format", "json", "default", "--arch", "x86_64", "--cap", "ALL"]);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&value["valid"], &value["defaultAction"]),
        (&json!(true), &json!("SCMP_ACT_ERRNO (EPERM)"))
    );
    assert!(value["instructions"].as_u64().unwrap() > 100 && value["unknown"] == json!([]));
    let native = &value["architectures"][0];
    assert_eq!(native["architecture"], "SCMP_ARCH_X86_64");
    let holes: Vec<&str> = native["holes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hole| hole["call"].as_str().unwrap())
        .collect();
    for call in ["bpf", "clone", "clone3", "mount", "open_by_handle_at", "setns", "init_module"] {
        assert!(holes.contains(&call), "{call} is not in {holes:?}");
    }
    let calls: u64 = native["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count["calls"].as_u64().unwrap())
        .sum();
    let conditional = native["conditional"].as_array().unwrap().len() as u64;
    assert_eq!(calls + conditional, Arch::X86_64.calls().len() as u64);
}

#[test]
fn what_is_wrong_is_one_line_with_its_place() {
    let Some(case) = Case::plain() else { return };
    let allow = |rule: Value| rules("SCMP_ACT_ALLOW", &json!([rule]));
    let config = |section: Value| json!({"ociVersion": "1.0.2", "linux": {"seccomp": section}});
    let read = |more: Value| {
        let mut rule = json!({"names": ["read"], "action": "SCMP_ACT_KILL"});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        allow(rule)
    };
    for (value, words) in [
        (json!({"defaultAction": "ALLOW"}), ["/defaultAction: ", "\"ALLOW\" is no action"]),
        (read(json!({"action": "KILL\n"})), ["/syscalls/0/action: ", r#""KILL\n" is no action"#]),
        (read(json!({"include": {}})), ["/syscalls/0: ", "\"include\" is no member"]),
        (read(json!({"errno": "EMOON"})), ["/syscalls/0/errno: ", "\"EMOON\" is no error number"]),
        (
            read(json!({"includes": {"caps": ["KILL"]}})),
            ["/syscalls/0/includes/caps/0: ", "no capability"],
        ),
        (
            config(read(json!({"args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}))),
            ["/linux/seccomp/syscalls/0/args/0/index: ", "6 is no argument"],
        ),
        (
            config(json!({"defaultAction": 7})),
            ["/linux/seccomp/defaultAction: ", "expected a string"],
        ),
        (json!({"ociVersion": "1.0.2"}), ["/linux/seccomp", "every call can be made"]),
        (json!({"defaultAction": "SCMP_ACT_KILL"}), ["no program can be run", "execve"]),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["MOON"]}),
            ["/flags/0: ", "there is no such flag"],
        ),
        (json!([]), ["wrong.json: ", "expected"]),
        (json!("text"), ["wrong.json: ", "expected"]),
    ] {
        let path = file(&case, "wrong.json", &value);
        seccomp(&case, &["check", &path]).refused(&words);
    }
    for (text, words) in [
        ("{", ["broken JSON at line 1", ""]),
        ("", ["broken JSON", ""]),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultAction": "SCMP_ACT_KILL"}"#,
            ["a member is there twice", ""],
        ),
        (&"[".repeat(100_000), ["wrong.json", ""]),
        (&" ".repeat(5 << 20), ["more than 4194304 bytes", ""]),
    ] {
        let path = case.file("wrong.json", text);
        seccomp(&case, &["check", path.to_str().unwrap()]).refused(&words);
    }
    seccomp(&case, &["check", "/nothing/there"])
        .refused(&["/nothing/there: no such file or directory"]);
    seccomp(&case, &["check", "default", "--cap", "MOON"])
        .refused(&["unknown capability \"MOON\""]);
    seccomp(&case, &["check", "default", "--kernel", "new"]).refused(&["--kernel"]);
    seccomp(&case, &["check", "default", "--arch", "moon"])
        .refused(&["\"moon\" is no architecture"]);
    seccomp(&case, &["check", "default", "--format", "xml"]).refused(&["not text or json"]);
    let folder = case.folder("empty");
    seccomp(&case, &["check", folder.to_str().unwrap()]).refused(&["empty/config.json"]);
    case.assert_clean();
}

#[test]
fn explain_names_the_rule() {
    let Some(case) = Case::plain() else { return };
    let profile = rules(
        "SCMP_ACT_ERRNO",
        &json!([
            {"names": ["reboot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_BOOT"]}},
            {"names": ["read", "close_range", "socket"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": 0x1000_0000, "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22},
        ]),
    );
    let profile = file(&case, "profile.json", &profile);
    let explain = |words: &[&str]| said(&case, &[&["explain", &profile], words].concat());
    let x86_64 = |words: &[&str]| explain(&[words, &["--arch", "x86_64"]].concat());
    assert_eq!(
        x86_64(&["read"]),
        "read (0) on SCMP_ARCH_X86_64: SCMP_ACT_ALLOW\n  the rule /syscalls/1; it has no conditions\n"
    );
    assert_eq!(x86_64(&["0"]), x86_64(&["read"]));
    assert_eq!(
        x86_64(&["write"]),
        "write (1) on SCMP_ARCH_X86_64: SCMP_ACT_ERRNO (EPERM)\n  the default action, /defaultAction: no rule applies\n"
    );
    assert!(x86_64(&["0x1bf"]).contains(
        "SCMP_ACT_ERRNO (ENOSYS)\n  the profile knows no newer call than close_range (436)"
    ));
    assert_eq!(
        x86_64(&["clone"]),
        "clone (56) on SCMP_ARCH_X86_64 depends on its arguments:\n  \
         if arg0 & 0x10000000 == 0x0: SCMP_ACT_ALLOW\n    \
         the rule /syscalls/2; its conditions: arg0 & 0x10000000 == 0x0\n  \
         otherwise: SCMP_ACT_ERRNO (EINVAL)\n    the rule /syscalls/3; it has no conditions\n"
    );
    assert!(x86_64(&["clone", "0=SIGCHLD"]).contains(": SCMP_ACT_ALLOW\n  the rule /syscalls/2;"));
    let user = x86_64(&["clone", "arg0=CLONE_NEWUSER|SIGCHLD", "1=-1"]);
    assert!(user.contains(": SCMP_ACT_ERRNO (EINVAL)\n  the rule /syscalls/3;"), "{user}");
    let x86 = explain(&["read", "--arch", "x86"]);
    assert!(x86.contains("SCMP_ACT_KILL_THREAD\n  the profile doesn't let calls of this"), "{x86}");
    // On its own kernel a 32-bit program is let through, and has two ways to make a socket.
    let arm = explain(&["socket", "--arch", "s390"]);
    assert!(
        arm.contains("the same through socketcall (102) on SCMP_ARCH_S390: SCMP_ACT_ALLOW"),
        "{arm}"
    );

    let refused = |words: &[&str], error: &str| {
        seccomp(&case, &[&["explain", &profile], words].concat()).refused(&[error]);
    };
    refused(&["moonwalk"], "\"moonwalk\" is no system call");
    refused(&["arm_fadvise64_64", "--arch", "x86_64"], "is no system call on SCMP_ARCH_X86_64");
    refused(&["4294967296"], "is no number");
    refused(&["read", "6=1"], "arguments are 0 to 5");
    refused(&["read", "0"], "not ARG=VALUE");
    refused(&["read", "0=x"], "no number and no known name");
    refused(&["read", "0=1", "arg0=1"], "there twice");
}

#[test]
fn diff_compares_effects() {
    let Some(case) = Case::plain() else { return };
    let condition = |op: &str, value: u64| json!([{"index": 0, "value": value, "op": op}]);
    let one = |args: Value| {
        rules(
            "SCMP_ACT_ALLOW",
            &json!([{"names": ["personality"], "action": "SCMP_ACT_KILL", "args": args}]),
        )
    };
    let below = file(&case, "below.json", &one(condition("SCMP_CMP_LT", 8)));
    let at_most = file(&case, "at_most.json", &one(condition("SCMP_CMP_LE", 7)));
    let more = file(&case, "more.json", &one(condition("SCMP_CMP_LE", 8)));
    let diff = |words: &[&str]| seccomp(&case, &[&["diff", "--arch", "x86_64"], words].concat());
    assert_eq!(diff(&[&below, &at_most]).exits(0).stdout, "");
    assert_eq!(
        diff(&[&below, &more]).exits(1).stdout,
        "SCMP_ARCH_X86_64\n  personality (135): SCMP_ACT_ALLOW -> SCMP_ACT_KILL_THREAD if arg0 == 8\n"
    );
    let mut x86 = one(condition("SCMP_CMP_LT", 8));
    x86["architectures"] = json!(["SCMP_ARCH_X86"]);
    let x86 = file(&case, "x86.json", &x86);
    let text = diff(&[&below, &x86]).exits(1).stdout;
    assert_eq!(text, format!("SCMP_ARCH_X86\n  only {x86} lets calls of it through\n"));
    let text = diff(&["unconfined", "default"]).exits(1).stdout;
    assert!(text.contains("  mount (165): SCMP_ACT_ALLOW -> SCMP_ACT_ERRNO (EPERM)\n"), "{text}");
    assert!(
        text.contains("which no call has: SCMP_ACT_ALLOW -> SCMP_ACT_ERRNO (ENOSYS)\n"),
        "{text}"
    );
    // What a section says is the same as the profile that it was made from.
    let section = said(&case, &["convert", "default", "--arch", "x86_64"]);
    let section = case.file("section.json", &section);
    diff(&["default", section.to_str().unwrap()]).exits(0);
    diff(&["default", "/nothing/there"]).fails(2, &["no such file or directory"]);
    diff(&["default"]).fails(2, &["requires exactly 2 argument(s)"]);
    diff(&["default", "default", "--moon"]).fails(2, &["unknown flag --moon"]);
}

#[test]
fn convert_goes_both_ways() {
    let Some(case) = Case::plain() else { return };
    let read = |text: &str| serde_json::from_str::<Seccomp>(text).unwrap();
    let own = said(&case, &["convert", "default", "--cap", "CHOWN", "--cap", "CAP_SYS_CHROOT"]);
    let has = |section: &Seccomp, call: &str| {
        section.syscalls.iter().any(|rule| rule.names.iter().any(|name| name == call))
    };
    let section = read(&own);
    assert!(has(&section, "chroot") && !has(&section, "mount"));
    let file = case.file("section.json", &own);
    let engine = said(&case, &["convert", "--to", "engine", file.to_str().unwrap()]);
    let engine = case.file("engine.json", &engine);
    let back = said(&case, &["convert", engine.to_str().unwrap()]);
    assert_eq!(read(&back), section);
    let old = read(&said(&case, &["convert", "default", "--kernel", "4.7"]));
    assert!(!has(&old, "ptrace") && has(&section, "ptrace"));
    let arm = read(&said(&case, &["convert", "default", "--arch", "aarch64"]));
    assert_eq!(arm.architectures, ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
    assert!(has(&arm, "arm_fadvise64_64") && !has(&arm, "arch_prctl"));
    let whole: Value =
        serde_json::from_str(&said(&case, &["convert", "--to", "engine", "default"])).unwrap();
    assert!(whole["archMap"].as_array().unwrap().len() > 5, "nothing is decided");
    seccomp(&case, &["convert", "--to", "moon", "default"]).refused(&["not oci or engine"]);
}

#[test]
fn disasm_reads_profiles_and_filters() {
    let Some(case) = Case::plain() else { return };
    let section = rules(
        "SCMP_ACT_ALLOW",
        &json!([{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22}]),
    );
    let path = file(&case, "profile.json", &section);
    let text = said(&case, &["disasm", &path]);
    let section: Seccomp = serde_json::from_value(section).unwrap();
    let program = Profile::read(&section, Arch::NATIVE).unwrap().compile().unwrap();
    assert_eq!(text.lines().count(), program.instructions().len());
    for words in
        ["# architecture", "# number of the call", "# personality", "# SCMP_ACT_ERRNO (EINVAL)"]
    {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    let raw = case.dir.join("filter");
    let bytes: Vec<u8> = program.instructions().iter().flat_map(|one| one.to_bytes()).collect();
    fs::write(&raw, &bytes).unwrap();
    let raw = raw.to_str().unwrap();
    assert_eq!(said(&case, &["disasm", "--raw", raw]), text);
    for wrong in [&bytes[1..], &[]] {
        fs::write(raw, wrong).unwrap();
        seccomp(&case, &["disasm", "--raw", raw]).refused(&["are no filter"]);
    }
    fs::write(raw, vec![0; 8 * 4097]).unwrap();
    seccomp(&case, &["disasm", "--raw", raw]).refused(&["4096 at most"]);
}

/// Files that somebody else has written: whatever they have, the answer is an answer or one line.
#[test]
fn spoiled_profiles_end_well() {
    let Some(case) = Case::plain() else { return };
    let whole = said(&case, &["convert", "--to", "engine", "default"]).into_bytes();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % limit
    };
    let mut refused = 0;
    for round in 0..60 {
        let mut bytes = whole.clone();
        for _ in 0..=below(4) {
            let place = below(bytes.len());
            match below(4) {
                0 => bytes.truncate(place),
                1 => bytes[place] = below(256) as u8,
                2 => drop(bytes.drain(place..(place + below(200)).min(bytes.len()))),
                _ => bytes[place] = b"{}[]\",:0-9"[below(10)],
            }
            bytes.push(b' ');
        }
        let path = case.dir.join("spoiled.json");
        fs::write(&path, &bytes).unwrap();
        let path = path.to_str().unwrap();
        let words: &[&str] = match round % 4 {
            0 => &["check", path],
            1 => &["explain", path, "socket"],
            2 => &["convert", path],
            _ => &["diff", "default", path],
        };
        let output = seccomp(&case, words);
        let is_diff = words[0] == "diff";
        let most = if is_diff { 2 } else { 1 };
        assert!(output.code.is_some_and(|code| code <= most), "round {round}: {output}");
        let failed = output.code == Some(most);
        assert_eq!(output.stderr.lines().count(), usize::from(failed), "round {round}: {output}");
        refused += usize::from(failed);
    }
    assert!(refused > 20, "{refused} of 60 were refused");
}

#[test]
fn help_knows_the_family() {
    let Some(case) = Case::plain() else { return };
    let help = case.coble().args(["help", "seccomp"]).output().stdout();
    assert!(help.contains("explain") && help.contains("disasm"), "{help}");
    assert_eq!(case.coble().arg("seccomp").output().stdout(), help);
    assert_eq!(case.coble().args(["seccomp", "--help"]).output().stdout(), help);
    let check = case.coble().args(["help", "seccomp", "check"]).output().stdout();
    assert!(check.starts_with("coble seccomp check - "), "{check}");
    assert_eq!(said(&case, &["check", "--help"]), check);
    case.coble()
        .args(["help", "seccomp", "moon"])
        .output()
        .refused(&["No help topic for 'seccomp moon'"]);
    case.coble().args(["help", "run", "moon"]).output().refused(&["No help topic for 'run moon'"]);
    case.coble().args(["seccomp", "moon"]).output().refused(&["No help topic for 'seccomp moon'"]);
}

/// What `default` denies, where the kernel is asked.
#[test]
fn try_has_a_filter_unless_it_is_told_otherwise() {
    let Some(case) = Case::root() else { return };
    let script =
        "grep -c '^Seccomp:.*2' /proc/self/status; unshare --user true && echo made; exit 0";
    let run = |flags: &[&str]| {
        let words = [&["try"], flags, &["--", "sh", "-c", script]].concat();
        case.coble().args(words).output()
    };
    let output = run(&[]);
    if output.code != Some(0) {
        coble_tests::skip("there can be no container over the host's files here");
        return;
    }
    assert_eq!(output.stdout, "1\n", "{output}");
    assert_eq!(run(&["--seccomp", "default"]).stdout, "1\n");
    if Path::new("/proc/sys/user/max_user_namespaces").exists() {
        assert_eq!(run(&["--seccomp", "unconfined"]).stdout, "0\nmade\n");
    }
    let other =
        rules("SCMP_ACT_ALLOW", &json!([{"names": ["unshare"], "action": "SCMP_ACT_KILL"}]));
    let other = file(&case, "other.json", &other);
    let output = run(&["--seccomp", &other]);
    assert!(output.stdout == "1\n", "{output}");
    case.coble()
        .args(["try", "--seccomp", "/nothing/there", "true"])
        .output()
        .refused(&["no such file"]);
    case.assert_clean();
}
