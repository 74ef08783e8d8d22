//! Exit statuses of `docker run`.

use coble_tests::docker::Docker;

#[test]
fn the_programs_status_is_passed_on() {
    let Some(docker) = Docker::new() else { return };
    docker.run(&[], &["true"]).exits(0);
    docker.run(&[], &["false"]).exits(1);
    docker.run(&[], &["sh", "-c", "exit 7"]).exits(7);
    docker.run(&[], &["sh", "-c", "exit 255"]).exits(255);
}

#[test]
fn a_missing_program_gives_127() {
    let Some(docker) = Docker::new() else { return };
    let bare = docker.run(&[], &["no-such-program"]).exits(127);
    assert!(bare.stderr.contains("no-such-program"), "{bare}");
    assert!(bare.stderr.contains("executable file not found in $PATH"), "{bare}");
    let path = docker.run(&[], &["/bin/no-such-program"]).exits(127);
    assert!(path.stderr.contains("/bin/no-such-program"), "{path}");
    assert!(path.stderr.contains("no such file or directory"), "{path}");
}

#[test]
fn a_file_that_is_no_program_gives_126() {
    let Some(docker) = Docker::new() else { return };
    let file = docker.run(&[], &["/etc/passwd"]).exits(126);
    assert!(file.stderr.contains("permission denied"), "{file}");
    assert!(file.stderr.contains("/etc/passwd"), "{file}");
}

#[test]
fn a_folder_gives_126() {
    let Some(docker) = Docker::new() else { return };
    let folder = docker.run(&[], &["/etc"]).exits(126);
    assert!(folder.stderr.contains("/etc"), "{folder}");
}

#[test]
fn a_signal_gives_128_and_its_number() {
    let Some(docker) = Docker::new() else { return };
    let killed = docker.idle(&[]);
    killed.verb(&["kill"]).ok();
    assert_eq!(killed.wait(), "137");
    // No handler: as process 1 of its namespace it can't be ended by a signal that it doesn't handle.
    let shell = docker.detach(&["--init"], &["sleep", "1000"]);
    shell.verb(&["kill", "-s", "TERM"]).ok();
    assert_eq!(shell.wait(), "143");
}

#[test]
fn a_process_that_kills_itself_gives_128_and_the_signals_number() {
    let Some(docker) = Docker::new() else { return };
    docker.run(&["--init"], &["sh", "-c", "kill -USR1 $$"]).exits(138);
}

#[test]
fn a_container_that_cannot_be_made_is_an_error_that_names_the_cause() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--rm", "--sysctl", "net.ipv4.no_such_setting=1"];
    let output = docker.run_cmd(&flags, &["true"]).output();
    assert!(matches!(output.code, Some(125..=127)), "{output}");
    assert!(output.stderr.contains("no_such_setting"), "{output}");
}
