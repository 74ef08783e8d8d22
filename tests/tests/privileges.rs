//! Capabilities, limits and other rights of the process.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Bundle, Case, Output};
use serde_json::{Value, json};

/// A field of `/proc/self/status` inside the container.
#[track_caller]
fn status(case: &Case, bundle: &mut Bundle, field: &str) -> Vec<(String, u64)> {
    bundle.args(&["grep", field, "/proc/self/status"]);
    let said = case.run(bundle).output().stdout();
    let parse = |line: &str| {
        let (name, value) = line.split_once(":\t").unwrap();
        (name.to_owned(), u64::from_str_radix(value, 16).unwrap())
    };
    said.lines().map(parse).collect()
}

fn sets(values: [u64; 5]) -> Vec<(String, u64)> {
    let names = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    names.map(str::to_owned).into_iter().zip(values).collect()
}

const CHOWN: u64 = 1 << 0;
const KILL: u64 = 1 << 5;
const NET_RAW: u64 = 1 << 13;
const AUDIT_WRITE: u64 = 1 << 29;
const NET_BIND_SERVICE: u64 = 1 << 10;

#[test]
fn the_default_capabilities() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let default = AUDIT_WRITE | KILL | NET_BIND_SERVICE;
    assert_eq!(status(&case, &mut bundle, "Cap"), sets([0, default, default, default, 0]));
}

#[test]
fn the_five_sets_of_root() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["capabilities"] = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        "effective": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        "inheritable": ["CAP_CHOWN", "CAP_KILL"],
        "ambient": ["CAP_KILL"],
    });
    // An exec by root gives it all of the bounding set.
    let all = CHOWN | KILL | NET_RAW;
    assert_eq!(status(&case, &mut bundle, "Cap"), sets([CHOWN | KILL, all, all, all, KILL]));
}

#[test]
fn the_five_sets_of_a_plain_user() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    bundle.config["process"]["capabilities"] = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_CHOWN", "CAP_KILL"],
        "inheritable": ["CAP_CHOWN", "CAP_KILL"],
        "ambient": ["CAP_KILL"],
    });
    let expected = sets([CHOWN | KILL, KILL, KILL, CHOWN | KILL | NET_RAW, KILL]);
    assert_eq!(status(&case, &mut bundle, "Cap"), expected);
    bundle.config["process"]["capabilities"]["ambient"] = json!([]);
    let expected = sets([CHOWN | KILL, 0, 0, CHOWN | KILL | NET_RAW, 0]);
    assert_eq!(status(&case, &mut bundle, "Cap"), expected);
}

#[test]
fn ambient_capabilities_that_cannot_be_raised_are_told() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["capabilities"]["inheritable"] = json!(["CAP_KILL"]);
    bundle.config["process"]["capabilities"]["ambient"] = json!(["CAP_KILL", "CAP_NET_RAW"]);
    bundle.args(&["grep", "CapAmb", "/proc/self/status"]);
    let warned = |output: Output| {
        assert!(output.stderr.contains("can't raise ambient capability CAP_NET_RAW"), "{output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
    };
    let output = case.run(&bundle).output().ok();
    assert_eq!(output.stdout, format!("CapAmb:\t{KILL:016x}\n"));
    warned(output);
    bundle.args(&["sleep", "1000"]);
    warned(case.create(&bundle).output().ok());
    case.verb(&["start"]).output().ok();
    warned(case.exec(&["true"]).output().ok());
}

#[test]
fn no_capabilities_means_none() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["capabilities"] = json!({});
    assert_eq!(status(&case, &mut bundle, "Cap"), sets([0; 5]));
    bundle.config["process"].as_object_mut().unwrap().remove("capabilities");
    assert_eq!(status(&case, &mut bundle, "Cap"), sets([0; 5]));
}

#[test]
fn a_dropped_capability_is_missing_in_earnest() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("chown 1000 /tmp");
    let output = case.run(&bundle).output().exits(1);
    assert!(output.stderr.contains("Operation not permitted"), "{output}");
    for set in ["bounding", "permitted", "effective"] {
        bundle.list(&format!("/process/capabilities/{set}")).push("CAP_CHOWN".into());
    }
    case.run(&bundle).output().ok();
}

#[test]
fn an_unknown_capability_is_not_passed_over_in_silence() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.list("/process/capabilities/bounding").push("CAP_MOON".into());
    let output = case.run(&bundle).output();
    assert!(output.stderr.contains("CAP_MOON"), "{output}");
}

#[test]
fn no_new_privileges() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for set in [true, false] {
        bundle.config["process"]["noNewPrivileges"] = set.into();
        let expected = vec![("NoNewPrivs".to_owned(), u64::from(set))];
        assert_eq!(status(&case, &mut bundle, "NoNewPrivs"), expected);
    }
}

#[test]
fn limits() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["cat", "/proc/self/limits"]);
    bundle.config["process"]["rlimits"] = json!([
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": u64::MAX},
        {"type": "RLIMIT_NPROC", "soft": 333, "hard": 444},
        {"type": "RLIMIT_RTTIME", "soft": 5000, "hard": 6000},
    ]);
    let said = case.run(&bundle).output().stdout();
    let words = |name: &str| -> Vec<String> {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect()
    };
    assert_eq!(words("Max open files"), ["100", "200"]);
    assert_eq!(words("Max core file size"), ["0", "unlimited"]);
    assert_eq!(words("Max processes"), ["333", "444"]);
    assert_eq!(words("Max realtime timeout"), ["5000", "6000"]);
}

/// Every limit by its name in proc_pid_limits(5).
const LIMITS: [(&str, &str); 16] = [
    ("RLIMIT_CPU", "Max cpu time"),
    ("RLIMIT_FSIZE", "Max file size"),
    ("RLIMIT_DATA", "Max data size"),
    ("RLIMIT_STACK", "Max stack size"),
    ("RLIMIT_CORE", "Max core file size"),
    ("RLIMIT_RSS", "Max resident set"),
    ("RLIMIT_NPROC", "Max processes"),
    ("RLIMIT_NOFILE", "Max open files"),
    ("RLIMIT_MEMLOCK", "Max locked memory"),
    ("RLIMIT_AS", "Max address space"),
    ("RLIMIT_LOCKS", "Max file locks"),
    ("RLIMIT_SIGPENDING", "Max pending signals"),
    ("RLIMIT_MSGQUEUE", "Max msgqueue size"),
    ("RLIMIT_NICE", "Max nice priority"),
    ("RLIMIT_RTPRIO", "Max realtime priority"),
    ("RLIMIT_RTTIME", "Max realtime timeout"),
];

/// The two values of a limit in the text of `/proc/PID/limits`.
fn limit(text: &str, name: &str) -> (String, String) {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    let mut words = line[name.len()..].split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

#[test]
fn every_kind_of_limit() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["cat", "/proc/self/limits"]);
    // Nobody needs to be allowed to raise one.
    let mine = std::fs::read_to_string("/proc/self/limits").unwrap();
    let mut wanted = Vec::new();
    for (index, (kind, name)) in LIMITS.iter().enumerate() {
        let most = limit(&mine, name).1.parse().unwrap_or(u64::MAX);
        // Enough for a program to run.
        let hard = most.min((1 << 30) + index as u64);
        let soft = hard - hard.min(1);
        bundle.list("/process/rlimits").retain(|limit| limit["type"] != *kind);
        bundle.list("/process/rlimits").push(json!({"type": kind, "soft": soft, "hard": hard}));
        wanted.push((*name, (soft.to_string(), hard.to_string())));
    }
    let check = |said: &str| {
        for (name, values) in &wanted {
            assert_eq!(limit(said, name), *values, "{name}");
        }
    };
    check(&case.run(&bundle).output().stdout());
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    check(&case.exec(&["cat", "/proc/self/limits"]).output().stdout());
}

#[test]
fn a_limit_given_twice_is_refused() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let limit = json!({"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200});
    bundle.config["process"]["rlimits"] = json!([limit, limit]);
    case.refuses(case.run(&bundle), &["RLIMIT_NOFILE"]);
}

#[test]
fn the_out_of_memory_score() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["cat", "/proc/self/oom_score_adj"]);
    for score in [0, 321, 1000] {
        bundle.config["process"]["oomScoreAdj"] = score.into();
        assert_eq!(case.run(&bundle).output().stdout(), format!("{score}\n"));
    }
}

/// Whether root may raise limits and lower scores here; otherwise the test is reported as skipped.
fn may_raise() -> bool {
    let mine = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = mine.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    let may = u64::from_str_radix(effective, 16).unwrap() & (1 << 24) != 0;
    if !may {
        coble_tests::skip("root has no CAP_SYS_RESOURCE here");
    }
    may
}

#[test]
fn a_user_namespace_has_higher_limits_and_a_lower_score() {
    let Some(case) = Case::root() else { return };
    if !may_raise() {
        return;
    }
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let Some(more) = hard.map(|hard| hard + 1000) else {
        return coble_tests::skip("no limit is set here");
    };
    let limits = json!([{ "type": "RLIMIT_NOFILE", "soft": more, "hard": more }]);
    let mut bundle = case.bundle();
    bundle.user_namespace(0, 65536);
    bundle.config["process"]["oomScoreAdj"] = json!(-100);
    bundle.config["process"]["rlimits"] = limits;
    let look = "ulimit -n; cat /proc/self/oom_score_adj";
    let expected = format!("{more}\n-100\n");
    bundle.sh(look);
    assert_eq!(case.run(&bundle).output().stdout(), expected);
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    assert_eq!(case.exec(&["sh", "-c", look]).output().stdout(), expected);
}

#[test]
fn a_negative_out_of_memory_score() {
    let Some(case) = Case::root() else { return };
    if !may_raise() {
        return;
    }
    let mut bundle = case.bundle();
    bundle.args(&["cat", "/proc/self/oom_score_adj"]);
    bundle.config["process"]["oomScoreAdj"] = json!(-100);
    assert_eq!(case.run(&bundle).output().stdout(), "-100\n");
}

#[test]
fn annotations_change_nothing_but_the_state() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["annotations"] = json!({"org.example.a": "1", "b": "zwei 🛶"});
    case.create(&bundle).output().ok();
    let Value::Object(annotations) = &case.state()["annotations"] else { panic!("a map") };
    assert_eq!(annotations["org.example.a"], "1");
    assert_eq!(annotations["b"], "zwei 🛶");
}
