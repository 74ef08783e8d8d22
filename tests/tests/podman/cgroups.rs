//! What a plain user may do with cgroups, and what the errors say where it is nothing.

use coble_tests::podman::{Cgroups, IMAGE, Podman};

#[test]
fn without_cgroups_limits_and_pause_are_refused() {
    let Some(podman) = Podman::with(Cgroups::V2) else { return };
    let words =
        "rootless needs no limits + no cgrouppath when no permission is granted for cgroups";
    for (flag, place) in [("--memory=32m", "memory/limit"), ("--pids-limit=50", "pids/limit")] {
        let output = podman.run(&[flag], &["true"]).exits(126);
        assert!(output.stderr.contains(&format!("/linux/resources/{place}")), "{output}");
        assert!(output.stderr.contains(words), "{output}");
    }
    podman.detach("idle", &[], "exec sleep 1000");
    let output = podman.cli(&["pause", "idle"]).output().exits(125);
    assert!(output.stderr.contains("the container has no cgroup that can be frozen"), "{output}");
    let output = podman.cli(&["update", "--memory=32m", "idle"]).output().exits(125);
    assert!(output.stderr.contains("the cgroup controller memory is not available"), "{output}");
    podman.says(&["exec", "idle", "true"]);
}

#[test]
fn delegated_cgroups_hold_the_container() {
    let Some(podman) = Podman::with(Cgroups::Delegated) else { return };
    podman.detach("idle", &["--cgroupns=host"], "exec sleep 1000");
    let id = podman.says(&["inspect", "--format", "{{.Id}}", "idle"]);
    let cgroup = podman.says(&["exec", "idle", "grep", "^0:", "/proc/1/cgroup"]);
    assert_eq!(cgroup, format!("0::/{id}"));
    let cgroup = podman.says(&["exec", "idle", "grep", "^0:", "/proc/self/cgroup"]);
    assert_eq!(cgroup, format!("0::/{id}"));
    podman.says(&["pause", "idle"]);
    assert_eq!(podman.says(&["inspect", "--format", "{{.State.Status}}", "idle"]), "paused");
    let output = podman.cli(&["exec", "idle", "true"]).output();
    assert_ne!(output.code, Some(0), "{output}");
    podman.says(&["unpause", "idle"]);
    podman.says(&["exec", "idle", "true"]);
    // One that is paused goes as well.
    podman.says(&["pause", "idle"]);
    podman.says(&["rm", "--force", "--time", "0", "idle"]);
}

/// Podman asks for none only of runtimes that its configuration names.
#[test]
fn cgroups_can_be_disabled() {
    let Some(podman) = Podman::new() else { return };
    podman.case.folder("home/.config/containers");
    let known = "[engine]\nruntime_supports_nocgroup = [\"coble\"]\n[engine.runtimes]\n";
    let known = format!("{known}coble = [\"{}\"]\n", podman.case.program().display());
    podman.case.file("home/.config/containers/containers.conf", &known);
    let run = ["run", "--rm", "--network=none", "--cgroups=disabled", IMAGE, "echo", "words"];
    assert_eq!(podman.cli(&["--runtime=coble"]).args(run).output().stdout(), "words\n");
}
