//! What the container's process gets: its streams, environment, folder, user and limits.

use coble_tests::docker::Docker;

#[test]
fn standard_output_and_standard_error_are_apart() {
    let Some(docker) = Docker::new() else { return };
    let output = docker.run(&[], &["sh", "-c", "echo out; echo err >&2"]).ok();
    assert_eq!(output.stdout, "out\n");
    assert_eq!(output.stderr, "err\n");
}

#[test]
fn long_output_arrives_whole() {
    let Some(docker) = Docker::new() else { return };
    let output = docker.run(&[], &["seq", "200000"]).stdout();
    assert_eq!(output.lines().count(), 200_000);
    assert!(output.ends_with("\n200000\n"));
}

#[test]
fn standard_input_is_passed_through() {
    let Some(docker) = Docker::new() else { return };
    let text = "ä line\n".repeat(10_000);
    let flags = ["--rm", "--interactive"];
    let output = docker.run_cmd(&flags, &["cat"]).stdin(text.as_bytes()).output().stdout();
    assert!(output == text, "{} of {} bytes came back", output.len(), text.len());
}

#[test]
fn without_interactive_standard_input_is_empty() {
    let Some(docker) = Docker::new() else { return };
    let output = docker.run_cmd(&["--rm"], &["cat"]).stdin(b"not for it").output();
    assert_eq!(output.stdout(), "");
}

#[test]
fn the_image_has_a_default_environment() {
    let Some(docker) = Docker::new() else { return };
    let environment = docker.sh(&["--hostname", "pier"], "env | sort");
    for line in ["PATH=/bin", "HOSTNAME=pier", "HOME=/root"] {
        assert!(environment.lines().any(|each| each == line), "{line} isn't in {environment}");
    }
}

#[test]
fn variables_are_set_and_override() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["-e", "A=b c", "-e", "EMPTY=", "-e", "HOME=/elsewhere"];
    let script = "echo \"$A|${EMPTY-unset}|$HOME\"";
    assert_eq!(docker.sh(&flags, script), "b c||/elsewhere");
}

#[test]
fn the_working_folder_is_made() {
    let Some(docker) = Docker::new() else { return };
    assert_eq!(docker.sh(&["-w", "/made/for/this"], "pwd"), "/made/for/this");
    assert_eq!(docker.sh(&["-w", "/tmp"], "pwd"), "/tmp");
}

#[test]
fn the_user_is_given_by_number() {
    let Some(docker) = Docker::new() else { return };
    assert_eq!(docker.sh(&["--user", "4321"], "id -u; id -g"), "4321\n0");
    assert_eq!(docker.sh(&["--user", "4321:8765"], "id -u; id -g"), "4321\n8765");
}

#[test]
fn the_user_is_given_by_name_and_has_a_home() {
    let Some(docker) = Docker::new() else { return };
    let script = "id -un; id -gn; echo $HOME";
    assert_eq!(docker.sh(&["--user", "guest"], script), "guest\nguest\n/home/guest");
}

#[test]
fn groups_are_added() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--user", "1000:1000", "--group-add", "2000", "--group-add", "guest"];
    let groups = docker.sh(&flags, "id -G");
    let groups: Vec<&str> = groups.split(' ').collect();
    assert!(groups.contains(&"1000") && groups.contains(&"2000"), "{groups:?}");
    assert!(!groups.contains(&"0"), "{groups:?}");
}

#[test]
fn resource_limits_are_set() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--ulimit", "nofile=512:1024", "--ulimit", "core=0"];
    let script = "ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc";
    assert_eq!(docker.sh(&flags, script), "512\n1024\n0\n0");
}

#[test]
fn the_oom_score_is_adjusted() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--oom-score-adj", "345"];
    assert_eq!(docker.sh(&flags, "cat /proc/self/oom_score_adj"), "345");
}

#[test]
fn an_init_process_reaps_orphans() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.detach(&["--init"], &["sleep", "1000"]);
    assert!(container.sh("cat /proc/1/comm").contains("init"));
    // The inner shell's child loses its parent and then ends.
    assert_eq!(container.exec(&[], &["sh", "-c", "(sleep 0.1 &)"]).stdout(), "");
    let zombies = "sleep 1; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l";
    assert_eq!(container.sh(zombies), "0");
}

#[test]
fn only_the_standard_streams_are_open() {
    let Some(docker) = Docker::new() else { return };
    // The shell that expands the pattern has the folder itself open, under a number that is gone afterwards.
    let script = "for fd in /proc/self/fd/*; do [ -e $fd ] && echo ${fd##*/}; done; true";
    assert_eq!(docker.sh(&[], script), "0\n1\n2");
}

#[test]
fn many_containers_run_at_once() {
    let Some(docker) = Docker::new() else { return };
    let start = |number: u32| {
        let script = format!("echo begin {number}; sleep 0.2; exit {number}");
        docker.run_cmd(&["--rm"], &["sh", "-c", &script]).spawn()
    };
    let running: Vec<_> = (1..=8).map(|number| (number, start(number))).collect();
    for (number, container) in running {
        let output = container.wait().exits(i32::try_from(number).expect("a small number"));
        assert_eq!(output.stdout, format!("begin {number}\n"));
    }
}
