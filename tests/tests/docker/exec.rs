//! `docker exec`.

use coble_tests::docker::Docker;
use coble_tests::wait;

#[test]
fn output_and_status_come_back() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    let output = container.exec(&[], &["sh", "-c", "echo out; echo err >&2; exit 7"]).exits(7);
    assert_eq!((output.stdout.as_str(), output.stderr.trim()), ("out\n", "err"));
    container.exec(&[], &["true"]).exits(0);
    container.exec(&[], &["false"]).exits(1);
}

#[test]
fn a_signal_gives_128_and_its_number() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    container.exec(&[], &["sh", "-c", "kill -KILL $$"]).exits(137);
    container.exec(&[], &["sh", "-c", "kill -TERM $$"]).exits(143);
}

#[test]
fn a_missing_program_is_named() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    let output = container.exec(&[], &["no-such-program"]);
    // The runtime's part is what it says: Docker Engine 20.10 makes 126 of it, later ones make 127.
    assert!(matches!(output.code, Some(126 | 127)), "{output}");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("no-such-program"), "{output}");
    assert!(said.contains("executable file not found in $PATH"), "{output}");
}

#[test]
fn a_file_that_is_no_program_gives_126() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    let output = container.exec(&[], &["/etc/passwd"]).exits(126);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("permission denied"), "{output}");
    container.exec(&[], &["/etc"]).exits(126);
}

#[test]
fn standard_input_is_passed_through() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    let text = "line\n".repeat(10_000);
    let output = container.exec_cmd(&["-i"], &["cat"]).stdin(text.as_bytes()).output().stdout();
    assert!(output == text, "{} of {} bytes came back", output.len(), text.len());
}

#[test]
fn it_is_in_the_container() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&["--hostname", "pier"]);
    assert_eq!(container.sh("hostname"), "pier");
    for namespace in ["mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let link = |pid| container.sh(&format!("readlink /proc/{pid}/ns/{namespace}"));
        assert_eq!(link("self"), link("1"), "{namespace}");
    }
    assert_eq!(container.sh("diff /proc/1/cgroup /proc/self/cgroup && echo same"), "same");
}

#[test]
fn it_has_the_containers_capabilities() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&["--cap-drop", "CHOWN", "--cap-add", "SYS_PTRACE"]);
    let script = "for pid in 1 self; do grep -E '^Cap(Prm|Eff|Bnd)' /proc/$pid/status | md5sum; done | uniq | wc -l";
    assert_eq!(container.sh(script), "1");
}

#[test]
fn user_folder_and_environment_are_its_own() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&["-e", "FROM=container"]);
    let flags = ["-u", "guest", "-w", "/tmp", "-e", "A=b"];
    let script = "id -un; id -gn; pwd; echo $A $FROM $HOME";
    let output = container.exec(&flags, &["sh", "-c", script]).stdout();
    assert_eq!(output, "guest\nguest\n/tmp\nb container /home/guest\n");
    assert_eq!(
        container.exec(&["-u", "77:88"], &["sh", "-c", "id -u; id -g"]).stdout(),
        "77\n88\n"
    );
}

#[test]
fn it_starts_in_the_containers_folder_as_its_user() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&["-w", "/var", "--user", "1000:1000"]);
    assert_eq!(container.sh("pwd; id -u; id -g"), "/var\n1000\n1000");
}

#[test]
fn detached_it_runs_on() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    container.exec(&["-d"], &["sh", "-c", "echo done > /tmp/mark"]).ok();
    wait::until("the detached process writes its file", || {
        container.exec(&[], &["cat", "/tmp/mark"]).stdout == "done\n"
    });
    container.exec(&["-d"], &["sleep", "1003"]).ok();
    wait::until("it is listed", || container.verb(&["top"]).stdout().contains("sleep 1003"));
}

#[test]
fn a_detached_one_that_fails_to_start_leaves_the_container_alone() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    let _ = container.exec(&["-d"], &["no-such-program"]);
    assert_eq!(container.sh("echo still here"), "still here");
}

#[test]
fn many_run_at_once() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    let start = |number: i32| {
        let script = format!("echo begin {number}; sleep 0.2; exit {number}");
        container.exec_cmd(&[], &["sh", "-c", &script]).spawn()
    };
    let running: Vec<_> = (1..=8).map(|number| (number, start(number))).collect();
    for (number, command) in running {
        assert_eq!(command.wait().exits(number).stdout, format!("begin {number}\n"));
    }
}

#[test]
fn it_ends_with_the_container() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    let mut command = container.exec_cmd(&[], &["sh", "-c", "echo ready; sleep 1000"]).spawn();
    command.says("ready");
    container.verb(&["rm", "--force"]).ok();
    assert_eq!(command.wait().code, Some(137));
}

#[test]
fn a_stopped_container_refuses_it() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.detach(&[], &["true"]);
    assert_eq!(container.wait(), "0");
    let output = container.exec(&[], &["true"]).exits(1);
    assert!(output.stderr.contains("is not running"), "{output}");
}
