//! Processes that can't be held or ended: no command waits for ever for one, or says that it is done.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use coble_tests::{Bundle, Case, Cmd, Output, PLAIN_ID, V2, View, skip, wait};
use serde_json::json;

/// Longer than coble waits for anything, and shorter than for two things of that kind.
const PATIENCE: Duration = Duration::from_secs(18);

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// Where the freezer of v1 is mounted, and v2 beside it.
const FREEZER: &str = "/sys/fs/cgroup/freezer";

fn has_v1_freezer() -> bool {
    let has = Path::new(FREEZER).join("cgroup.procs").exists();
    if !has {
        skip("no v1 freezer is mounted here");
    }
    has
}

/// The v2 hierarchy as the test itself sees it.
fn v2_top() -> PathBuf {
    let beside = Path::new("/sys/fs/cgroup/unified");
    if beside.exists() { beside.to_owned() } else { "/sys/fs/cgroup".into() }
}

#[track_caller]
fn in_time(command: Cmd) -> Output {
    let start = Instant::now();
    let output = command.output();
    assert!(start.elapsed() < PATIENCE, "it took {:?}: {output}", start.elapsed());
    output
}

/// A container in a cgroup below `ID/above`, with this program.
fn bundle_below(case: &Case, line: &str) -> Bundle {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let mut bundle = case.bundle_at(&format!("bundle-{serial}"));
    bundle.writable().sh(line);
    bundle.config["linux"]["cgroupsPath"] = format!("/{}/above/own", case.id).into();
    bundle.write();
    bundle
}

/// Cgroups above the container's stay: whoever named them takes them away.
fn remove_parents(case: &Case) {
    for parent in coble_tests::leftovers::cgroups(&case.id).iter().rev() {
        fs::remove_dir(parent).unwrap();
    }
    case.assert_clean();
}

/// How often `ps` names a process.
fn processes(list: &Output) -> usize {
    serde_json::from_str::<Vec<u32>>(&list.clone().stdout()).unwrap().len()
}

#[test]
fn v1_a_frozen_cgroup_above_is_named() {
    let Some(case) = Case::root().filter(|_| has_v1_freezer()) else { return };
    for has_pids in [true, false] {
        let mut bundle = bundle_below(&case, "sleep 1000 & sleep 1000");
        if !has_pids {
            bundle.without_namespace("pid").write();
        }
        case.detach(&bundle);
        let above = Path::new(FREEZER).join(&case.id).join("above");
        fs::write(above.join("freezer.state"), "FROZEN").unwrap();
        let above = above.to_str().unwrap();
        let why = format!("cgroup {above} above it is frozen");
        let kill = in_time(case.coble().args(["kill", &case.id, "KILL"]));
        kill.refused(&["SIGKILL", above]);
        in_time(case.verb(&["delete", "--force"])).refused(&[&why]);
        assert_ne!(case.status(), "stopped", "it is there until its processes have ended");
        fs::write(Path::new(above).join("freezer.state"), "THAWED").unwrap();
        case.until_stopped();
        case.delete_force();
        remove_parents(&case);
    }
}

#[test]
fn v1_pause_and_resume_below_a_frozen_cgroup() {
    let Some(case) = Case::root().filter(|_| has_v1_freezer()) else { return };
    case.detach(&bundle_below(&case, "sleep 1000 & sleep 1000"));
    let above = Path::new(FREEZER).join(&case.id).join("above/freezer.state");
    fs::write(&above, "FROZEN").unwrap();
    in_time(case.verb(&["pause"])).ok();
    assert_eq!(case.status(), "paused");
    in_time(case.verb(&["resume"])).ok();
    fs::write(&above, "THAWED").unwrap();
    assert_eq!(case.status(), "running");
    case.delete_force();
    remove_parents(&case);
}

#[test]
fn v2_a_frozen_cgroup_above_keeps_nothing_from_ending() {
    let Some(case) = Case::root() else { return };
    let Some(v2) = View::v2(&case) else { return };
    for has_pids in [true, false] {
        for by in ["kill", "delete"] {
            let mut bundle = bundle_below(&case, "sleep 1000 & sleep 1000");
            if !has_pids {
                bundle.without_namespace("pid").write();
            }
            let run = v2.coble(&case).args(["run", "--detach", "--bundle"]);
            run.arg(&bundle.path).arg(&case.id).output().ok();
            let above = v2_top().join(&case.id).join("above/cgroup.freeze");
            fs::write(&above, "1").unwrap();
            in_time(v2.coble(&case).args(["pause", &case.id])).ok();
            in_time(v2.coble(&case).args(["resume", &case.id])).ok();
            if by == "kill" {
                in_time(v2.coble(&case).args(["kill", &case.id, "KILL"])).ok();
            }
            in_time(v2.coble(&case).args(["delete", "--force", &case.id])).ok();
            remove_parents(&case);
        }
    }
}

/// Below a frozen cgroup no process is started, not even to wait for ever; in this view.
fn check_starts_below_a_frozen_one(
    case: &Case,
    coble: &impl Fn() -> Cmd,
    file: &Path,
    words: [&str; 2],
) {
    let bundle = bundle_below(case, "sleep 1000");
    let run = || coble().args(["run", "--detach", "--bundle"]).arg(&bundle.path).arg(&case.id);
    run().output().ok();
    fs::write(file, words[0]).unwrap();
    let above = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let why = ["container's cgroup unexpectedly frozen: by ", above];
    let exec = in_time(coble().args(["exec", &case.id, "true"]));
    exec.fails(255, &[&["cannot exec in a paused container"][..], &why].concat());
    in_time(coble().args(["delete", "--force", &case.id]));
    fs::write(file, words[1]).unwrap();
    coble().args(["delete", "--force", &case.id]).output().ok();
    fs::write(file, words[0]).unwrap();
    in_time(run()).refused(&why);
    fs::write(file, words[1]).unwrap();
    run().output().ok();
    coble().args(["exec", &case.id, "true"]).output().ok();
    coble().args(["delete", "--force", &case.id]).output().ok();
    remove_parents(case);
}

#[test]
fn v1_nothing_is_started_below_a_frozen_cgroup() {
    let Some(case) = Case::root().filter(|_| has_v1_freezer()) else { return };
    let file = Path::new(FREEZER).join(&case.id).join("above/freezer.state");
    check_starts_below_a_frozen_one(&case, &|| case.coble(), &file, ["FROZEN", "THAWED"]);
}

#[test]
fn v2_nothing_is_started_below_a_frozen_cgroup() {
    let Some(case) = Case::root() else { return };
    let Some(view) = View::v2(&case) else { return };
    let file = v2_top().join(&case.id).join("above/cgroup.freeze");
    check_starts_below_a_frozen_one(&case, &|| view.coble(&case), &file, ["1", "0"]);
}

#[test]
fn a_start_of_what_is_held_from_outside_says_so() {
    let Some(case) = Case::root().filter(|_| has_v1_freezer()) else { return };
    for held in ["above", "above/own"] {
        case.create(&bundle_below(&case, "sleep 1000")).output().ok();
        let dir = Path::new(FREEZER).join(&case.id).join(held);
        fs::write(dir.join("freezer.state"), "FROZEN").unwrap();
        in_time(case.verb(&["start"])).refused(&["frozen from outside", dir.to_str().unwrap()]);
        fs::write(dir.join("freezer.state"), "THAWED").unwrap();
        assert_eq!(case.status(), "running", "{held}");
        case.delete_force();
        remove_parents(&case);
    }
}

#[test]
fn v2_what_the_container_freezes_itself_is_no_obstacle() {
    let Some(case) = Case::root() else { return };
    let Some(v2) = View::v2(&case) else { return };
    for by in ["kill", "kill --all", "delete"] {
        let mut bundle = bundle_below(&case, "sleep 1000 & sleep 1000");
        bundle.without_namespace("pid").write();
        let run = v2.coble(&case).args(["run", "--detach", "--bundle"]);
        run.arg(&bundle.path).arg(&case.id).output().ok();
        let own = v2_top().join(&case.id).join("above/own");
        fs::create_dir(own.join("inner")).unwrap();
        let list = || v2.coble(&case).args(["ps", "--format", "json", &case.id]).output();
        wait::until("the child", || processes(&list()) == 2);
        let pids: Vec<u32> = serde_json::from_str(&list().stdout()).unwrap();
        fs::write(own.join("inner/cgroup.procs"), pids[1].to_string()).unwrap();
        fs::write(own.join("inner/cgroup.freeze"), "1").unwrap();
        in_time(v2.coble(&case).args(["pause", &case.id])).ok();
        in_time(v2.coble(&case).args(["resume", &case.id])).ok();
        assert_eq!(fs::read_to_string(own.join("inner/cgroup.freeze")).unwrap(), "1\n");
        match by {
            "kill" => drop(in_time(v2.coble(&case).args(["kill", &case.id, "KILL"])).ok()),
            "kill --all" => {
                in_time(v2.coble(&case).args(["kill", "--all", &case.id, "KILL"])).ok();
            }
            _ => {}
        }
        in_time(v2.coble(&case).args(["delete", "--force", &case.id])).ok();
        remove_parents(&case);
    }
}

/// A container whose processes, this user's, fork all the time, at most 120 of them.
fn bomb(case: &Case, user: u32, coble: &impl Fn() -> Cmd) {
    let mut bundle = bundle_below(case, "exec /bomb");
    fs::copy(env!("CARGO_BIN_EXE_bomb"), bundle.inside("/bomb")).unwrap();
    bundle.without_namespace("pid");
    // Root is not limited.
    bundle.config["process"]["user"] = json!({"uid": user, "gid": user});
    let limit = json!([{"type": "RLIMIT_NPROC", "soft": 120, "hard": 120}]);
    bundle.config["process"]["rlimits"] = limit;
    bundle.write();
    coble().args(["run", "--detach", "--bundle"]).arg(&bundle.path).arg(&case.id).output().ok();
    let list = || coble().args(["ps", "--format", "json", &case.id]).output();
    wait::until("a crowd", || processes(&list()) > 100);
}

#[test]
fn a_fork_bomb_ends() {
    let Some(case) = Case::root() else { return };
    for words in [&["delete", "--force"][..], &["kill", "--all"]] {
        bomb(&case, PLAIN_ID + 1, &|| case.coble());
        let signal = (words[0] == "kill").then_some("KILL");
        in_time(case.coble().args(words).arg(&case.id).args(signal)).ok();
        case.delete_force();
        remove_parents(&case);
    }
}

#[test]
fn v2_a_fork_bomb_ends_also_without_cgroup_kill() {
    let Some(case) = Case::root() else { return };
    let Some(v2) = View::v2(&case) else { return };
    for hidden in ["", "cgroup_kill"] {
        for words in [&["delete", "--force"][..], &["kill", "--all"]] {
            bomb(&case, PLAIN_ID + 2, &|| v2.coble(&case));
            let coble = || v2.coble(&case).env("COBLE_WITHOUT", hidden);
            let signal = (words[0] == "kill").then_some("KILL");
            in_time(coble().args(words).arg(&case.id).args(signal)).ok();
            in_time(coble().args(["delete", "--force", &case.id])).ok();
            remove_parents(&case);
        }
    }
}

#[test]
fn v2_a_paused_container_ends_also_without_cgroup_kill() {
    let Some(case) = Case::root() else { return };
    let Some(v2) = View::v2(&case) else { return };
    let bundle = bundle_below(&case, "sleep 1000 & sleep 1000");
    let run = v2.coble(&case).args(["run", "--detach", "--bundle"]);
    run.arg(&bundle.path).arg(&case.id).output().ok();
    in_time(v2.coble(&case).args(["pause", &case.id])).ok();
    let delete = v2.coble(&case).env("COBLE_WITHOUT", "cgroup_kill");
    in_time(delete.args(["delete", "--force", &case.id])).ok();
    remove_parents(&case);
}

/// A view with a file system on which writers wait in the kernel, for ever or until it is dropped.
struct Frozen {
    view: View,
    place: PathBuf,
}

impl Frozen {
    /// After this line for the shell, in its own view.
    fn new(case: &Case, before: &str) -> Option<Self> {
        let image = case.dir.join("image");
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let place = case.folder("frozen");
        let mount = format!(
            "{before} && mkfs.ext4 -qF {image} && mount -o loop {image} {place}",
            image = image.display(),
            place = place.display()
        );
        let view = View::of(&mount);
        if view.is_none() {
            skip("no file system can be made in a file and mounted");
        }
        Some(Self { view: view?, place })
    }

    fn freeze(&self, case: &Case) {
        self.view.tool(case, "fsfreeze").arg("-f").arg(&self.place).output().ok();
    }

    fn thaw(&self, case: &Case) {
        self.view.tool(case, "fsfreeze").arg("-u").arg(&self.place).output().ok();
    }
}

/// A container of which one process is in a system call that nothing ends.
fn waiting_in_the_kernel(case: &Case, frozen: &Frozen, has_pids: bool) {
    let place = frozen.place.to_str().unwrap();
    let line = "(until [ -e /tmp/go ]; do sleep 0.02; done; echo x > /frozen/x) & sleep 1000";
    let mut bundle = bundle_below(case, line);
    bundle.mount("bind", place, "/frozen", &["bind", "rw"]);
    if !has_pids {
        bundle.without_namespace("pid");
    }
    bundle.write();
    let coble = || frozen.view.coble(case);
    coble().args(["run", "--detach", "--bundle"]).arg(&bundle.path).arg(&case.id).output().ok();
    frozen.freeze(case);
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
    let list = || coble().args(["ps", "--format", "json", &case.id]).output().stdout();
    let waits = wait::poll(wait::DEADLINE, || {
        let pids: Vec<u32> = serde_json::from_str(&list()).unwrap();
        let stat = |pid| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        pids.into_iter().any(|pid| stat(pid).contains(") D ")).then_some(())
    });
    if waits.is_none() {
        frozen.thaw(case);
        panic!("the writer does not wait: {}", list());
    }
}

/// In a view that begins with this line for the shell.
fn check_waiting_in_the_kernel(before: &str, has_pids: bool) {
    let Some(case) = Case::root() else { return };
    let Some(frozen) = Frozen::new(&case, before) else { return };
    waiting_in_the_kernel(&case, &frozen, has_pids);
    let coble = |words: &[&str]| in_time(frozen.view.coble(&case).args(words).arg(&case.id));
    let pause = coble(&["pause"]);
    let delete = coble(&["delete", "--force"]);
    let state = coble(&["state"]);
    frozen.thaw(&case);
    let again = coble(&["delete", "--force"]);
    let who = " (sh) is in state D";
    // v1 takes it for held.
    if pause.code != Some(0) {
        pause.refused(&["unable to freeze", who]);
    }
    delete.refused(&["after SIGKILL", who]);
    assert!(state.stdout().contains(&case.id), "it is not forgotten");
    again.ok();
    drop(frozen);
    remove_parents(&case);
}

#[test]
fn a_process_that_nothing_ends_is_named() {
    check_waiting_in_the_kernel("true", true);
}

#[test]
fn v2_a_process_that_nothing_ends_is_named() {
    if Case::root().is_some_and(|case| case.has_v2()) {
        check_waiting_in_the_kernel(V2, false);
    }
}
