//! What `process` asks for: arguments, environment, folder, user, and the names of the machine.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::os::unix::fs::MetadataExt;

use coble_tests::Case;
use serde_json::json;

#[test]
fn arguments_arrive_as_they_are() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let words = ["two words", "", "'quotes\"", "$HOME", "naïve 🛶", "tab\tand\nline", "\\"];
    let args: Vec<&str> = ["printf", "[%s]"].into_iter().chain(words).collect();
    bundle.args(&args);
    let expected: String = words.iter().map(|word| format!("[{word}]")).collect();
    assert_eq!(case.run(&bundle).output().stdout(), expected);
}

#[test]
fn the_zeroth_argument_is_the_programs_name() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["sh", "-c", "tr '\\0' ' ' < /proc/$$/cmdline; readlink /proc/$$/exe"]);
    let said = case.run(&bundle).output().stdout();
    assert!(said.starts_with("sh -c "), "{said}");
    assert!(said.ends_with("/bin/busybox\n"), "{said}");
}

#[test]
fn the_environment_is_the_configurations_alone() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["env"]);
    bundle.config["process"]["env"] = json!(["PATH=/bin", "EMPTY=", "TWO=a b", "NAÏVE=🛶"]);
    let said = case.run(&bundle).env("FROM_THE_HOST", "leaks").output().stdout();
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["EMPTY=", "HOME=/root", "NAÏVE=🛶", "PATH=/bin", "TWO=a b"]);
}

#[test]
fn the_program_is_found_through_the_containers_path() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    std::fs::create_dir(bundle.inside("/opt")).unwrap();
    std::os::unix::fs::symlink("/bin/busybox", bundle.inside("/opt/uname")).unwrap();
    bundle.args(&["uname"]);
    bundle.config["process"]["env"] = json!(["PATH=/nowhere:/opt"]);
    assert_eq!(case.run(&bundle).output().stdout(), "Linux\n");
    bundle.config["process"]["env"] = json!(["PATH=/nowhere"]);
    case.refuses(case.run(&bundle), &["exec: \"uname\": executable file not found in $PATH"]);
}

#[test]
fn home_comes_from_the_containers_passwd() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo $HOME");
    let mut home = |uid: u32| {
        bundle.config["process"]["user"] = json!({"uid": uid, "gid": 0});
        case.run(&bundle).output().stdout()
    };
    assert_eq!(home(0), "/root\n");
    assert_eq!(home(1000), "/home/guest\n");
    assert_eq!(home(4242), "/\n", "nobody's home is the root");
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    bundle.env("HOME=/set");
    assert_eq!(case.run(&bundle).output().stdout(), "/set\n");
}

#[test]
fn an_empty_home_is_replaced() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo $HOME").env("HOME=");
    assert_eq!(case.run(&bundle).output().stdout(), "/root\n");
}

#[test]
fn home_without_a_passwd_is_the_root() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    std::fs::remove_file(bundle.inside("/etc/passwd")).unwrap();
    bundle.sh("echo $HOME");
    assert_eq!(case.run(&bundle).output().stdout(), "/\n");
}

#[test]
fn the_folder_is_made_if_it_is_missing() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["pwd"]);
    for folder in ["/", "/tmp", "/made/on/demand"] {
        bundle.config["process"]["cwd"] = folder.into();
        assert_eq!(case.run(&bundle).output().stdout(), format!("{folder}\n"));
    }
    assert!(bundle.inside("/made/on/demand").is_dir());
}

#[test]
fn a_folder_that_is_a_file_is_refused() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["cwd"] = "/etc/passwd".into();
    case.refuses(case.run(&bundle), &["/etc/passwd", "not a directory"]);
}

#[test]
fn user_group_and_further_groups() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("id -u; id -g; grep Groups: /proc/self/status; touch /tmp/mine").writable();
    std::fs::set_permissions(
        bundle.inside("/tmp"),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 77]});
    let said = case.run(&bundle).output().stdout();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words, ["1000", "1001", "Groups:", "5", "77"]);
    let made = std::fs::metadata(bundle.inside("/tmp/mine")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((made.uid(), made.gid()), (1000, 1001));
}

#[test]
fn the_callers_groups_are_dropped() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["grep", "Groups:", "/proc/self/status"]).write();
    let groups = case.tool("setpriv").args(["--groups", "4,24", "--"]).arg(case.program());
    let run = groups.arg("--root").arg(case.state_root()).args(["run", "-b"]);
    assert_eq!(run.arg(&bundle.path).arg(&case.id).output().stdout().trim_end(), "Groups:");
}

#[test]
fn umask() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("umask").write();
    let strange = case.tool("sh").args(["-c", "umask 0077; exec \"$@\"", "sh"]).arg(case.program());
    let run = strange.arg("--root").arg(case.state_root()).args(["run", "-b"]);
    let said = run.arg(&bundle.path).arg(&case.id).output().stdout();
    assert_eq!(said, "0022\n", "the default, whatever the caller's is");
    bundle.config["process"]["user"]["umask"] = 0o027.into();
    assert_eq!(case.run(&bundle).output().stdout(), "0027\n");
}

#[test]
fn host_and_domain_names() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["cat", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname"]);
    bundle.config["hostname"] = "boat".into();
    bundle.config["domainname"] = "example.org".into();
    assert_eq!(case.run(&bundle).output().stdout(), "boat\nexample.org\n");
}

#[test]
fn names_need_a_namespace_of_their_own() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.without_namespace("uts");
    bundle.config["hostname"] = "boat".into();
    case.refuses(case.run(&bundle), &["hostname"]);
    assert_ne!(std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), "boat\n");
}

#[test]
fn the_process_is_number_one() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo $$; ps; true");
    let said = case.run(&bundle).output().stdout();
    assert!(said.starts_with("1\n"), "{said}");
    assert_eq!(said.lines().count(), 4, "a number, a head, the shell and ps: {said}");
}

#[test]
fn no_descriptor_but_the_streams_is_open() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["ls", "/proc/self/fd"]);
    // 3 is the folder that ls reads.
    assert_eq!(case.run(&bundle).output().stdout(), "0\n1\n2\n3\n");
}

#[test]
fn streams_that_are_pipes_belong_to_the_user() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["user"] = json!({ "uid": 1000, "gid": 1001 });
    bundle.sh("echo out > /dev/stdout; echo err > /dev/stderr; stat -Lc %u:%g /proc/self/fd/0");
    bundle.write();
    let piped = |words: &str| {
        let line = format!("echo | \"$@\" {words} 2>&1 | cat");
        let cmd = case.tool("sh").args(["-c", &line, "sh"]).arg(case.program());
        cmd.arg("--root").arg(case.state_root()).args(["run", "--bundle"]).arg(&bundle.path)
    };
    assert_eq!(piped("").arg(&case.id).output().stdout(), "out\nerr\n1000:0\n");
    // What the caller has opened by itself stays the caller's.
    let file = case.file("kept", "");
    bundle.sh("stat -Lc %u /proc/self/fd/1");
    assert_eq!(case.run(&bundle).output().stdout(), "0\n");
    bundle.sh("true");
    case.run(&bundle).stdout_to(&file).output().ok();
    assert_eq!(std::fs::metadata(&file).unwrap().uid(), 0);
}

#[test]
fn signals_are_not_blocked_or_ignored() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]).write();
    let deaf = case.tool("sh").args(["-c", "trap '' PIPE CHLD INT; exec \"$@\"", "sh"]);
    let run = deaf.arg(case.program()).arg("--root").arg(case.state_root()).args(["run", "-b"]);
    let said = run.arg(&bundle.path).arg(&case.id).output().stdout();
    let bits = |line: &str| u64::from_str_radix(line.split('\t').nth(1).unwrap(), 16).unwrap();
    let masks: Vec<u64> = said.lines().map(bits).collect();
    // The signals of POSIX are 1 to 31.
    assert_eq!(masks.iter().map(|mask| mask & 0x7fff_ffff).collect::<Vec<_>>(), [0, 0], "{said}");
}
