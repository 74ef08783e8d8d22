//! What is said to systemd, as the kernel sees it.

use super::*;

/// What `words` send to systemd, as the kernel sees it: the calls of D-Bus, by their methods.
fn messages(case: &Case, words: &[&str]) -> Vec<String> {
    let trace = case.dir.join("trace");
    let strace = case.tool("strace").args(["-qq", "-s", "4096", "-e", "trace=sendto", "-o"]);
    let strace = strace.arg(&trace).arg(case.program()).arg("--root").arg(case.state_root());
    strace.args(words).output().ok();
    let methods = [
        "StartTransientUnit",
        "SetUnitProperties",
        "StopUnit",
        "ResetFailedUnit",
        "AttachProcessesToUnit",
        "Hello",
        "AddMatch",
        "Subscribe",
    ];
    let text = fs::read_to_string(&trace).unwrap();
    let calls = text.lines().filter(|line| line.contains(r#""l\1\0\1"#));
    let method = |line: &str| {
        let known = methods.iter().find(|name| line.contains(&format!(r"\0{name}\0")));
        known.map_or_else(|| line.to_owned(), |name| (*name).to_owned())
    };
    calls.map(method).collect()
}

#[test]
fn messages_are_counted() {
    let Some(case) = case() else { return };
    let bundle = staying(&case);
    bundle.write();
    let (path, id) = (bundle.path.to_str().unwrap(), case.id.as_str());
    let create = messages(&case, &["--systemd-cgroup", "create", "--bundle", path, id]);
    assert_eq!(create, ["StartTransientUnit"]);
    for words in
        [&["start", id][..], &["exec", id, "true"], &["state", id], &["pause", id], &["resume", id]]
    {
        assert_eq!(messages(&case, words), [""; 0], "{words:?}");
    }
    assert_eq!(messages(&case, &["update", "--pids-limit", "9", id]), ["SetUnitProperties"]);
    assert_eq!(messages(&case, &["kill", id, "KILL"]), [""; 0]);
    case.until_stopped();
    assert_eq!(messages(&case, &["delete", id]), ["StopUnit"]);
}

#[test]
fn the_bus_is_asked_where_the_private_socket_is_missing() {
    let Some(case) = case() else { return };
    let bundle = staying(&case);
    bundle.write();
    let view = "mount -t tmpfs none /run/systemd && mkdir /run/systemd/system && exec \"$@\"";
    let hidden = |words: &[&str]| {
        let unshare = case.tool("unshare").args(["--mount", "--propagation", "private"]);
        let unshare = unshare.args(["sh", "-c", view, "sh"]).arg(case.program());
        unshare.arg("--root").arg(case.state_root()).args(words).output()
    };
    let path = bundle.path.to_str().unwrap();
    hidden(&["--systemd-cgroup", "run", "--detach", "--bundle", path, &case.id]).ok();
    let own = fs::read_to_string(format!("/proc/{}/cgroup", case.pid())).unwrap();
    assert_eq!(own, format!("0::/system.slice/{}\n", scope(&case)));
    hidden(&["update", "--pids-limit", "9", &case.id]).ok();
    assert_eq!(show(&case, &scope(&case), "TasksMax"), "9");
    hidden(&["delete", "--force", &case.id]).ok();
    is_gone(&case, &scope(&case));
}
