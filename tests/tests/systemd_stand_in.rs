//! What coble says to systemd, and what it makes of its answers: a stand-in plays systemd, and counts.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use coble_tests::{Answer, Bundle, Call, Case, Cmd, Output, PLAIN_ID, Socket, StandIn};
use serde_json::json;

const CREATE: &str = "StartTransientUnit";
const UPDATE: &str = "SetUnitProperties";
const DELETE: &str = "StopUnit";

/// A case whose containers see cgroup v2 alone, and a manager that does what systemd does but for what `answer` says.
fn with(
    answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static,
) -> Option<(Case, StandIn)> {
    let case = Case::root_v2()?;
    let manager = StandIn::new(&case, 0, Socket::Private, answer);
    Some((case, manager))
}

/// It answers one call of that name, the first, in this way.
fn first(member: &'static str, answer: Answer) -> impl Fn(&Call, usize) -> Answer {
    move |call, before| match call.member == member && before == 0 {
        true => answer,
        false => Answer::Do,
    }
}

fn staying(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.args(&["sleep", "1000"]);
    bundle
}

fn create(case: &Case, manager: &StandIn, bundle: &Bundle) -> Cmd {
    bundle.write();
    let coble = manager.coble(case).args(["--systemd-cgroup", "create", "--bundle"]);
    coble.arg(&bundle.path).arg(&case.id)
}

fn verb(case: &Case, manager: &StandIn, words: &[&str]) -> Output {
    manager.coble(case).args(words).arg(&case.id).output()
}

fn update(case: &Case, manager: &StandIn) -> Output {
    let rules = json!({"devices": [{"allow": true, "access": "rwm"}]}).to_string();
    let file = case.file("resources.json", &rules);
    verb(case, manager, &["update", "--resources", file.to_str().unwrap()])
}

fn unit(case: &Case, manager: &StandIn) -> Option<PathBuf> {
    manager.unit(&format!("coble-{}.scope", case.id))
}

/// Deletes the container, which must leave neither a unit nor a cgroup.
#[track_caller]
fn delete(case: &Case, manager: &StandIn) {
    verb(case, manager, &["delete", "--force"]).ok();
    assert_eq!(unit(case, manager), None);
    case.assert_clean();
}

#[test]
fn messages_are_counted() {
    let Some((case, manager)) = with(|_, _| Answer::Do) else { return };
    create(&case, &manager, &staying(&case)).output().ok();
    assert_eq!(manager.calls(), [CREATE]);
    let procs = fs::read_to_string(unit(&case, &manager).unwrap().join("cgroup.procs")).unwrap();
    assert_eq!(procs.lines().count(), 1, "it is in the unit's cgroup");
    for words in
        [&["start"][..], &["state"], &["ps"], &["pause"], &["resume"], &["events", "--stats"]]
    {
        verb(&case, &manager, words).ok();
        assert_eq!(manager.calls(), [""; 0], "{words:?}");
    }
    let exec = manager.coble(&case).args(["exec", &case.id, "true"]);
    exec.output().ok();
    assert_eq!(manager.calls(), [""; 0], "exec");
    update(&case, &manager).ok();
    assert_eq!(manager.calls(), [UPDATE]);
    manager.coble(&case).args(["kill", &case.id, "KILL"]).output().ok();
    assert_eq!(manager.calls(), [""; 0], "kill");
    delete(&case, &manager);
    assert_eq!(manager.calls(), [DELETE]);
}

/// Whether the container's processes may read a device that is none of the default ones: `/dev/kmsg`.
fn is_open(case: &Case, manager: &StandIn) -> bool {
    let read = ["exec", &case.id, "head", "-c", "0", "/tmp/device"];
    let output = manager.coble(case).args(read).output();
    assert!(output.code == Some(0) || output.stderr.contains("not permitted"), "{output}");
    output.code == Some(0)
}

/// A container that runs and has made itself that device.
fn with_device(case: &Case, manager: &StandIn) {
    let mut bundle = staying(case);
    bundle.mount("tmpfs", "tmpfs", "/tmp", &["nosuid"]);
    for set in ["bounding", "permitted", "effective"] {
        let list = bundle.list(&format!("/process/capabilities/{set}"));
        list.extend(["CAP_MKNOD".into(), "CAP_SYSLOG".into()]);
    }
    create(case, manager, &bundle).output().ok();
    verb(case, manager, &["start"]).ok();
    let make = ["exec", &case.id, "mknod", "/tmp/device", "c", "1", "11"];
    manager.coble(case).args(make).output().ok();
}

#[test]
fn device_rules_that_systemd_refuses_are_set_back() {
    const NO: Answer = Answer::Refuse("org.freedesktop.DBus.Error.AccessDenied", "Not today.");
    let Some((case, manager)) = with(first(UPDATE, NO)) else { return };
    with_device(&case, &manager);
    assert!(!is_open(&case, &manager), "it is none of the default ones");
    let _ = manager.calls();
    let refused = update(&case, &manager).refused(&["systemd refuses: Not today."]);
    assert!(!refused.stderr.contains("not set back"), "{refused}");
    assert!(!is_open(&case, &manager), "the former rules are in force");
    update(&case, &manager).ok();
    assert!(is_open(&case, &manager), "the same rules are new ones yet");
    delete(&case, &manager);
}

#[test]
fn device_rules_that_stay_are_named_and_recorded() {
    const NO: Answer = Answer::Refuse("org.freedesktop.DBus.Error.AccessDenied", "Not today.");
    let Some((case, manager)) = with(first(UPDATE, NO)) else { return };
    if !case.has_strace() {
        return;
    }
    with_device(&case, &manager);
    let rules = json!({"devices": [{"allow": false, "access": "rwm"}]}).to_string();
    let former = case.file("former.json", &rules);
    let _ = manager.calls();
    // The rules are looked for twice, ours are detached, and then nothing is to be had any more.
    let strace = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=bpf", "-e"];
    let strace = [&strace[..], &["inject=bpf:error=EPERM:when=8+"]].concat();
    let wide =
        case.file("wide.json", &json!({"devices": [{"allow": true, "access": "rwm"}]}).to_string());
    let update = manager.coble_under(&case, &strace).args(["update", "--resources"]);
    let refused = update.arg(&wide).arg(&case.id).output();
    refused.refused(&["Not today.", "not set back: device rules"]);
    assert!(is_open(&case, &manager), "the new ones are in force");
    verb(&case, &manager, &["update", "--resources", former.to_str().unwrap()]).ok();
    assert!(
        !is_open(&case, &manager),
        "the configuration's own are no longer in force, and are set"
    );
    delete(&case, &manager);
}

#[test]
fn run_is_two_messages() {
    let Some((case, manager)) = with(|_, _| Answer::Do) else { return };
    let bundle = case.bundle();
    bundle.write();
    let run = manager.coble(&case).args(["--systemd-cgroup", "run", "--bundle"]);
    run.arg(&bundle.path).arg(&case.id).output().ok();
    assert_eq!(manager.calls(), [CREATE, DELETE]);
    case.assert_clean();
}

#[test]
fn a_create_that_is_never_answered_ends() {
    let Some((case, manager)) = with(first(CREATE, Answer::Ignore)) else { return };
    let start = Instant::now();
    let refused = create(&case, &manager, &staying(&case)).output();
    refused.refused(&["systemd: no answer to StartTransientUnit within 30 s"]);
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    assert_eq!(manager.calls(), [CREATE], "it is asked no more");
    case.assert_clean();
}

#[test]
fn a_delete_that_is_never_answered_ends_and_can_be_done_again() {
    for (answer, words) in [
        (Answer::Ignore, "no answer to StopUnit within 10 s".to_owned()),
        (Answer::NoEnd, "no end of the job that stops coble-".to_owned()),
    ] {
        let Some((case, manager)) = with(first(DELETE, answer)) else { return };
        create(&case, &manager, &staying(&case)).output().ok();
        let start = Instant::now();
        let words = ["systemd: ", &words];
        verb(&case, &manager, &["delete", "--force"]).refused(&words);
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        verb(&case, &manager, &["delete", "--force"]).ok();
        case.assert_clean();
    }
}

#[test]
fn a_connection_that_ends_is_made_again() {
    let hangs_up = |call: &Call, before| match before {
        0 if call.member != "Hello" => Answer::HangUp,
        _ => Answer::Do,
    };
    let Some((case, manager)) = with(hangs_up) else { return };
    create(&case, &manager, &staying(&case)).output().ok();
    assert_eq!(manager.calls(), [CREATE, CREATE]);
    update(&case, &manager).ok();
    assert_eq!(manager.calls(), [UPDATE, UPDATE]);
    delete(&case, &manager);
    assert_eq!(manager.calls(), [DELETE, DELETE]);
}

#[test]
fn what_was_done_before_a_connection_ended_is_not_done_again() {
    let Some((case, manager)) = with(first(CREATE, Answer::DoAndHangUp)) else { return };
    create(&case, &manager, &staying(&case)).output().ok();
    assert_eq!(manager.calls(), [CREATE]);
    delete(&case, &manager);
    let Some((case, manager)) = with(first(DELETE, Answer::DoAndHangUp)) else { return };
    create(&case, &manager, &staying(&case)).output().ok();
    delete(&case, &manager);
}

#[test]
fn connections_that_always_end_are_one_error() {
    let Some((case, manager)) = with(|_, _| Answer::HangUp) else { return };
    let words = "systemd: it doesn't listen, or has ended the connection";
    create(&case, &manager, &staying(&case)).output().refused(&[words]);
    assert!(manager.calls().len() < 10, "it gives up");
    case.assert_clean();
}

#[test]
fn a_unit_that_is_left_over_is_cleared_away() {
    let Some((case, manager)) = with(|_, _| Answer::Do) else { return };
    manager.make_unit("system.slice", &format!("coble-{}.scope", case.id));
    create(&case, &manager, &staying(&case)).output().ok();
    assert_eq!(manager.calls(), [CREATE, DELETE, "ResetFailedUnit", CREATE]);
    delete(&case, &manager);
}

#[test]
fn a_unit_that_always_exists_is_an_error() {
    let exists = |call: &Call, _| match call.member.as_str() {
        CREATE => Answer::Refuse("org.freedesktop.systemd1.UnitExists", "Unit x already exists."),
        _ => Answer::Do,
    };
    let Some((case, manager)) = with(exists) else { return };
    let refused = create(&case, &manager, &staying(&case)).output();
    refused.refused(&["systemd refuses: Unit x already exists."]);
    case.assert_clean();
}

#[test]
fn a_property_that_it_does_not_know_is_left_out() {
    let old = |call: &Call, _| match call.properties.iter().any(|name| name == "OOMPolicy") {
        true => Answer::Refuse(
            "org.freedesktop.DBus.Error.PropertyReadOnly",
            "Cannot set property OOMPolicy, or unknown property.",
        ),
        false => Answer::Do,
    };
    let Some((case, manager)) = with(old) else { return };
    create(&case, &manager, &staying(&case)).output().ok();
    assert_eq!(manager.calls(), [CREATE, CREATE]);
    delete(&case, &manager);
    // One that it can't do without is an error.
    let refuse = |_: &Call, _| {
        Answer::Refuse("org.freedesktop.DBus.Error.AccessDenied", "Not for the likes of Slice.")
    };
    let Some((case, manager)) = with(refuse) else { return };
    let refused = create(&case, &manager, &staying(&case)).output();
    refused.refused(&["systemd refuses: Not for the likes of Slice."]);
    case.assert_clean();
}

/// The executor works while systemd does, and may be the one that fails.
#[test]
fn a_mount_that_fails_while_the_unit_is_made_is_the_error() {
    let Some((case, manager)) = with(|_, _| Answer::Do) else { return };
    let mut bundle = staying(&case);
    bundle.mount("bind", "/nowhere/at/all", "/mnt", &["bind"]);
    let refused = create(&case, &manager, &bundle).output();
    refused.refused(&["/nowhere/at/all", "o such file or directory"]);
    case.assert_clean();
}

/// What the container runs before its program runs within its limits, however late systemd is.
#[test]
fn hooks_wait_for_the_unit() {
    let slow = |call: &Call, _| {
        if call.member == CREATE {
            std::thread::sleep(Duration::from_millis(300));
        }
        Answer::Do
    };
    let Some((case, manager)) = with(slow) else { return };
    let mut bundle = staying(&case);
    bundle.namespace("cgroup");
    let seen = case.file("seen", "");
    let of_pid = r#"pid=$(sed 's/.*"pid": *\([0-9]*\).*/\1/'); grep ^0:: /proc/$pid/cgroup"#;
    bundle.hook("createRuntime", &format!("{of_pid} >> {}", seen.display()));
    bundle.hook("createContainer", &format!("grep ^0:: /proc/self/cgroup >> {}", seen.display()));
    create(&case, &manager, &bundle).output().ok();
    let unit = format!("coble-{}.scope", case.id);
    let expected = format!("0::/system.slice/{unit}\n0::/\n");
    assert_eq!(fs::read_to_string(&seen).unwrap(), expected);
    delete(&case, &manager);
}

#[test]
fn the_bus_is_asked_where_the_private_socket_is_missing() {
    let Some(case) = Case::root_v2() else { return };
    let manager = StandIn::new(&case, 0, Socket::Bus, |_, _| Answer::Do);
    let joined = ["Hello", "AddMatch", "AddMatch", "Subscribe"];
    create(&case, &manager, &staying(&case)).output().ok();
    assert_eq!(manager.calls(), [&joined[..], &[CREATE]].concat());
    delete(&case, &manager);
    assert_eq!(manager.calls(), [&joined[..], &[DELETE]].concat());
}

#[test]
fn who_else_speaks_on_the_bus_is_not_believed() {
    let Some(case) = Case::root_v2() else { return };
    let manager = StandIn::new(&case, 0, Socket::Bus, |_, _| Answer::DoSlandered);
    create(&case, &manager, &staying(&case)).output().ok();
    delete(&case, &manager);
}

/// The kernel lets nobody move a process out of what was given to him.
#[test]
fn a_users_exec_from_outside_is_brought_in_by_the_users_manager() {
    let Some(_) = Case::root_v2() else { return };
    let Some(case) = Case::plain() else { return };
    let manager = StandIn::new(&case, PLAIN_ID, Socket::Private, |_, _| Answer::Do);
    create(&case, &manager, &staying(&case)).output().ok();
    verb(&case, &manager, &["start"]).ok();
    assert_eq!(manager.calls(), [CREATE]);
    let exec = manager.coble(&case).args(["exec", &case.id, "cat", "/proc/self/cgroup"]);
    let own = exec.output().stdout();
    let place = format!("/user@{PLAIN_ID}.service/user.slice/coble-{}.scope\n", case.id);
    assert!(own.contains(&place), "{own}");
    assert_eq!(manager.calls(), ["AttachProcessesToUnit"]);
    delete(&case, &manager);
}

/// Inside he can't tell which user he is outside.
#[test]
fn root_of_a_user_namespace_asks_the_manager_where_it_is() {
    let Some(_) = Case::root_v2() else { return };
    let Some(case) = Case::plain() else { return };
    let manager = StandIn::new(&case, PLAIN_ID, Socket::Private, |_, _| Answer::Do);
    let mut bundle = staying(&case);
    for list in ["uidMappings", "gidMappings"] {
        bundle.config["linux"][list][0]["hostID"] = 0.into();
    }
    bundle.write();
    let coble = || manager.coble_under(&case, &["unshare", "--user", "--map-root-user"]);
    let create = coble().args(["--systemd-cgroup", "create", "--bundle"]).arg(&bundle.path);
    create.arg(&case.id).output().ok();
    assert_eq!(manager.calls(), ["Get", CREATE]);
    let unit = unit(&case, &manager).unwrap();
    let procs = fs::read_to_string(unit.join("cgroup.procs")).unwrap();
    assert_eq!(procs.lines().count(), 1, "it is in the unit's cgroup");
    coble().args(["delete", "--force", &case.id]).output().ok();
    assert_eq!(manager.calls(), [DELETE]);
    case.assert_clean();
}

/// Where a process is, is seen.
#[test]
fn a_manager_that_only_says_yes_is_found_out() {
    let Some((case, manager)) = with(first(CREATE, Answer::Pretend)) else { return };
    create(&case, &manager, &staying(&case)).output().refused(&["the unit's cgroup should be "]);
    case.assert_clean();
    drop((case, manager));
    let Some(case) = Case::plain() else { return };
    let attaches = first("AttachProcessesToUnit", Answer::Pretend);
    let manager = StandIn::new(&case, PLAIN_ID, Socket::Private, attaches);
    create(&case, &manager, &staying(&case)).output().ok();
    verb(&case, &manager, &["start"]).ok();
    let exec = manager.coble(&case).args(["exec", &case.id, "true"]).output();
    exec.fails(255, &["the unit's cgroup should be "]);
    delete(&case, &manager);
}
