//! Containers in the foreground.

use coble_tests::podman::{IMAGE, Podman};
use coble_tests::{Terminal, exit_code, skip};

#[test]
fn output_and_status_come_back() {
    let Some(podman) = Podman::new() else { return };
    let output = podman.run(&[], &["sh", "-c", "echo out; echo err >&2; exit 7"]).exits(7);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    let read = podman.run_cmd(&["--rm", "--interactive", "--network=none"], &["cat"]);
    assert_eq!(read.stdin(b"typed\n").output().stdout(), "typed\n");
}

/// Podman makes a status of the words in the runtime's error.
#[test]
fn programs_that_cannot_be_run_have_the_shells_statuses() {
    let Some(podman) = Podman::new() else { return };
    let cases = [
        ("nothing", 127, "executable file not found in $PATH"),
        ("/nothing", 127, "no such file or directory"),
        ("/etc/passwd", 126, "permission denied"),
        ("/etc", 126, "is a directory: permission denied"),
    ];
    for (program, status, words) in cases {
        let output = podman.run(&[], &[program]).exits(status);
        assert!(output.stderr.contains(words), "{output}");
    }
}

#[test]
fn a_terminal_is_there() {
    let Some(podman) = Podman::new() else { return };
    let flags = ["run", "--rm", "--interactive", "--tty", "--network=none", IMAGE];
    let (mut terminal, child) = Terminal::run(podman.on_terminal(&flags).arg("sh"));
    terminal.shows("# ");
    terminal.types("tty; echo result=$((6 * 7)); exit 3\n");
    assert_eq!(exit_code(child, &terminal), Some(3), "{}", terminal.screen());
    terminal.shows("/dev/pts/0");
    terminal.shows("result=42");
}

#[test]
fn settings_of_a_process_arrive() {
    let Some(podman) = Podman::new() else { return };
    let flags = [
        "--user=5:6",
        "--group-add=7",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        "--ulimit=nofile=100:200",
        "--workdir=/tmp",
        "--env=A=b",
        "--hostname=other",
        "--sysctl=kernel.msgmax=5000",
    ];
    let script =
        "id -u; id -G; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; ulimit -n; pwd
        echo $A; hostname; cat /proc/sys/kernel/msgmax";
    let said = podman.sh(&flags, script);
    let words: Vec<&str> = said.split_whitespace().collect();
    let expected = "5 6 7 CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 100 /tmp b other 5000";
    assert_eq!(words.join(" "), expected);
}

#[test]
fn namespaces_of_the_host_and_of_another_container() {
    let Some(podman) = Podman::new() else { return };
    podman.detach("first", &["--hostname=of-first"], "exec sleep 1000");
    let flags = [
        "--rm",
        "--pid=container:first",
        "--network=container:first",
        "--ipc=container:first",
        "--uts=container:first",
    ];
    let shared = podman.run_cmd(&flags, &["sh", "-c", "hostname; ps -o comm"]).output().stdout();
    assert_eq!(shared.lines().next(), Some("of-first"));
    assert!(shared.contains("sleep"), "{shared}");
    let host = ["--rm", "--network=host", "--pid=host", "--uts=host"];
    let host = podman.run_cmd(&host, &["ps", "-o", "args"]).output().stdout();
    assert!(host.contains("conmon"), "{host}");
}

/// What `podman run` does without a word about the network.
#[test]
fn the_network_of_a_plain_user() {
    let Some(podman) = Podman::new() else { return };
    if !std::path::Path::new("/usr/bin/slirp4netns").exists()
        || !std::path::Path::new("/dev/net/tun").exists()
    {
        return skip("needs slirp4netns of the package of that name, and /dev/net/tun");
    }
    let flags = ["--rm", "--network=slirp4netns"];
    let said = podman.run_cmd(&flags, &["ip", "-o", "address", "show", "tap0"]).output().stdout();
    assert!(said.contains("10.0.2.100/24"), "{said}");
}
