//! The process, its hooks and its end.

use serde_json::json;

use super::*;

#[test]
fn least_of_all() {
    same(&[least(), least().unified()]);
}

#[test]
fn args() {
    same(&[
        process(json!({ "args": ["probe", "", "two words", "é\n"] })),
        process(json!({ "args": ["bin/../bin/probe"] })),
        process(json!({ "args": ["probe"], "env": ["PATH=/nowhere::/dir:/bin"] })),
    ]);
}

#[test]
fn env() {
    same(&[
        process(json!({ "env": [] })),
        process(json!({ "env": ["A=", "B=x=y", "C= é\n"] })),
        process(json!({ "env": ["HOME=/elsewhere"] })),
    ]);
}

#[test]
fn home_is_that_of_the_user() {
    same(&[
        process(json!({ "user": { "uid": 1000, "gid": 1000 } })),
        process(json!({ "user": { "uid": 7, "gid": 7 } })),
    ]);
}

#[test]
fn cwd() {
    let places = ["/dir", "/link-dir/inner", "/new/place", "/dir/../tmp/."];
    same(&places.map(|place| process(json!({ "cwd": place }))));
}

#[test]
fn user_and_groups() {
    same(&[
        process(json!({ "user": { "uid": 1000, "gid": 7 } })),
        process(json!({ "user": { "uid": 0, "gid": 5, "additionalGids": [1, 1000, 65534] } })),
    ]);
}

#[test]
fn umask() {
    let masks = [0, 0o22, 0o77, 0o777];
    same(&masks.map(|umask| process(json!({ "user": { "umask": umask } }))));
}

#[test]
fn capabilities() {
    let all = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"];
    let of = |uid: u32, sets: Value| {
        process(json!({ "user": { "uid": uid, "gid": 0 }, "capabilities": sets }))
    };
    same(&[
        of(0, json!({ "bounding": all })),
        of(0, json!({ "bounding": all, "permitted": all, "effective": ["CAP_KILL"] })),
        of(1000, json!({ "bounding": all, "permitted": all, "effective": all })),
        of(1000, json!({ "bounding": all, "permitted": all, "inheritable": ["CAP_CHOWN"] })),
        of(1000, json!({ "bounding": all, "permitted": all, "inheritable": all, "ambient": all })),
    ]);
}

#[test]
fn no_new_privileges() {
    same(&[process(json!({ "noNewPrivileges": true }))]);
}

#[test]
fn oom_score_adj() {
    same(&[0, 1, 1000].map(|score| process(json!({ "oomScoreAdj": score }))));
}

#[test]
fn rlimits() {
    let limits = [
        ("RLIMIT_AS", 1 << 30),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_CPU", 100),
        ("RLIMIT_DATA", 1 << 30),
        ("RLIMIT_FSIZE", 1 << 24),
        ("RLIMIT_LOCKS", 7),
        ("RLIMIT_MEMLOCK", 4096),
        ("RLIMIT_MSGQUEUE", 4096),
        ("RLIMIT_NICE", 0),
        ("RLIMIT_NOFILE", 64),
        ("RLIMIT_NPROC", 1000),
        ("RLIMIT_RSS", 1 << 20),
        ("RLIMIT_RTPRIO", 0),
        ("RLIMIT_RTTIME", 1000),
        ("RLIMIT_SIGPENDING", 10),
        ("RLIMIT_STACK", 1 << 20),
    ];
    let all = limits.map(|(kind, limit)| json!({ "type": kind, "soft": limit / 2, "hard": limit }));
    same(&[process(json!({ "rlimits": all }))]);
}

#[test]
fn hooks() {
    let hook = |kind: &str| {
        json!([
            { "path": "@probe", "args": ["probe", "hook", kind, "@hooks"] },
            { "path": "@probe", "args": ["x", "hook", kind, "@hooks"], "env": ["A=b"], "timeout": 30 },
        ])
    };
    let kinds = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];
    let setups = kinds.map(|kind| least().with(json!({ "hooks": { kind: hook(kind) } })));
    same(&setups);
    let inside = json!([
        { "path": "/bin/probe", "args": ["probe", "hook", "startContainer", "/tmp/hooks"] },
    ]);
    same(&[least().with(json!({ "hooks": { "startContainer": inside } }))]);
    let annotations = json!({ "org.example.a": "b", "": "" });
    let all: Value = kinds.iter().map(|kind| ((*kind).to_owned(), hook(kind))).collect();
    same(&[least().with(json!({ "hooks": all, "annotations": annotations }))]);
}

#[test]
fn exit_status() {
    let Some(ground) = Ground::new() else { return };
    for code in [0, 1, 127, 255] {
        let setup = process(json!({ "args": ["/bin/probe", format!("exit={code}")] }));
        let codes = [Runtime::Coble, Runtime::Runc].map(|one| ground.exit_status(&setup, one));
        assert_eq!(codes, [Some(code); 2], "{setup}");
    }
}

#[test]
fn terminal() {
    let pts = || dev().mount("devpts", "devpts", "/dev/pts", &["newinstance", "ptmxmode=0666"]);
    let with = |setup: Setup, process: Value| {
        setup.with(json!({ "process": { "terminal": true } })).with(json!({ "process": process }))
    };
    let size = json!({ "consoleSize": { "height": 40, "width": 133 } });
    let user = json!({ "user": { "uid": 1000, "gid": 5 } });
    let engine = || {
        let options = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
        dev().mount("devpts", "devpts", "/dev/pts", &options)
    };
    let mapping = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let mapped = engine().namespace("user").with(json!({
        "linux": { "uidMappings": mapping, "gidMappings": mapping }
    }));
    same(&[
        with(pts(), json!({})),
        with(pts(), size.clone()),
        with(pts(), user.clone()),
        with(engine(), user.clone()),
        with(mapped, user),
    ]);
}
