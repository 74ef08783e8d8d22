//! Lines as people and other programs write them.

use std::os::unix::ffi::OsStringExt;

use super::*;
use crate::table::Count;
use crate::table::{DEBUG, LOG, LOG_FORMAT, ROOT};

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// The call as one line: global flags, command, flags, arguments.
fn read(line: &str) -> Result<String, String> {
    let mut call = Call::default();
    let wish = parse(words(line), &mut call).map_err(|failure| failure.message)?;
    let command = call.command.map_or("-", |command| command.name);
    let arguments: Vec<_> = call.arguments.iter().map(|word| word.to_str().unwrap()).collect();
    let start = if wish == Wish::Execute { String::new() } else { format!("{wish:?} ") };
    Ok(format!("{start}{}| {command} {}| {}", call.global, call.flags, arguments.join(" ")))
}

#[test]
fn good_lines() {
    let cases = [
        ("list", "| list | "),
        ("h run", "| help | run"),
        ("--debug --root /r list -q", "debug root=/r | list quiet | "),
        (
            "--root=/r --log=/l --log-format=json state a",
            "root=/r log=/l log-format=json | state | a",
        ),
        ("--root --log state a", "root=--log | state | a"),
        // containerd's and Docker's shim
        (
            "--root /r --log /l --log-format json create --bundle /b --pid-file /p a",
            "root=/r log=/l log-format=json | create bundle=/b pid-file=/p | a",
        ),
        ("--log-format json kill --all a 9", "log-format=json | kill all | a 9"),
        ("delete --force a", "| delete force | a"),
        ("create --pidfd-socket /s -f /c a", "| create pidfd-socket=/s config=/c | a"),
        (
            "exec --process /p --console-socket /s --detach --pid-file /f a",
            "| exec process=/p console-socket=/s detach pid-file=/f | a",
        ),
        // conmon: Podman and CRI-O
        (
            "--systemd-cgroup create --bundle /b --pid-file /p --no-pivot --console-socket /s a",
            "systemd-cgroup | create bundle=/b pid-file=/p no-pivot console-socket=/s | a",
        ),
        (
            "exec --pid-file /f --process /p --detach --tty a",
            "| exec pid-file=/f process=/p detach tty | a",
        ),
        // flags behind the arguments
        ("delete a --force", "| delete force | a"),
        ("run a -b /b -d", "| run bundle=/b detach | a"),
        ("kill a KILL --all", "| kill all | a KILL"),
        // values that stick to their flag
        ("run -b/b a", "| run bundle=/b | a"),
        ("run -b=/b a", "| run bundle=/b | a"),
        ("run -db /b a", "| run detach bundle=/b | a"),
        ("spec --bundle= ", "| spec bundle= | "),
        // switches from Go
        ("run --detach=true --keep=1 a", "| run detach keep | a"),
        ("run --detach --detach=false a", "| run detach detach=false | a"),
        ("--debug=false list", "debug=false | list | "),
        // what belongs to another program
        ("exec -t a ls --force -la -h", "| exec tty | a ls --force -la -h"),
        ("exec a -- ls", "| exec | a ls"),
        ("exec a -- -- ls", "| exec | a -- ls"),
        ("exec a ls -- -l", "| exec | a ls -- -l"),
        ("exec -- a ls -l", "| exec | a ls -l"),
        (
            "exec -e A=1 -e B=2 -g 1 -g 2 a env",
            "| exec env=A=1 env=B=2 additional-gids=1 additional-gids=2 | a env",
        ),
        ("ps a -ef --forest", "| ps | a -ef --forest"),
        ("ps -f json a", "| ps format=json | a"),
        ("try", "| try | "),
        ("try ls -la --keep x", "| try | ls -la --keep x"),
        ("try --keep /k -- sh -c id", "| try keep=/k | sh -c id"),
        ("try sh -- x", "| try | sh -- x"),
        // the end of flags
        ("kill -- a -1", "| kill | a -1"),
        ("state -- --debug", "| state | --debug"),
        ("state -", "| state | -"),
        // commands of two words
        (
            "seccomp explain f clone 0=1 --arch x86 1=2",
            "| seccomp explain arch=x86 | f clone 0=1 1=2",
        ),
        ("--debug seccomp convert --cap A --cap B f", "debug | seccomp convert cap=A cap=B | f"),
        ("help seccomp check", "| help | seccomp check"),
        // questions
        ("seccomp", "Help | - | "),
        ("seccomp --help", "Help | - | "),
        ("seccomp check -h", "Help | seccomp check | "),
        ("", "Help | - | "),
        ("--debug", "Help debug | - | "),
        ("-h", "Help | - | "),
        ("--help run", "Help | - | "),
        ("run --help", "Help | run | "),
        ("run -dh a", "Help | run detach | "),
        ("exec -h", "Help | exec | "),
        ("-v", "Version | - | "),
        ("--version run", "Version | - | "),
    ];
    for (line, expected) in cases {
        assert_eq!(read(line).as_deref(), Ok(expected), "{line}");
    }
}

#[test]
fn bad_lines() {
    let cases = [
        ("moonwalk", "unknown command: No help topic for 'moonwalk', see \"coble help\""),
        ("--moonwalk list", "unknown flag --moonwalk"),
        ("-x list", "unknown flag -x"),
        ("--moonwalk=1 list", "unknown flag --moonwalk"),
        ("list --moonwalk", "unknown flag --moonwalk of \"list\""),
        ("run -dx a", "unknown flag -x of \"run\""),
        ("checkpoint --image-path /i a", "checkpoint: checkpoints are not supported yet"),
        ("restore -d a", "restore: checkpoints are not supported yet"),
        ("run --root /r a", "unknown flag --root of \"run\", which stands before the command"),
        ("list -v", "unknown flag -v of \"list\", which stands before the command"),
        ("--bundle /b run a", "unknown flag --bundle"),
        ("-detach list", "unknown flag -d"),
        ("--root", "flag --root needs a value"),
        ("run a --bundle", "flag --bundle needs a value"),
        ("run a -b", "flag --bundle needs a value"),
        ("run --detach=maybe a", "invalid value \"maybe\" for --detach: not true or false"),
        ("run --detach= a", "invalid value \"\" for --detach: not true or false"),
        ("run", "\"run\" requires exactly 1 argument(s)"),
        ("run a b", "\"run\" requires exactly 1 argument(s)"),
        ("create", "\"create\" requires exactly 1 argument(s)"),
        ("start", "\"start\" requires exactly 1 argument(s)"),
        ("start a b", "\"start\" requires exactly 1 argument(s)"),
        ("state", "\"state\" requires exactly 1 argument(s)"),
        ("delete", "\"delete\" requires exactly 1 argument(s)"),
        ("list a", "\"list\" requires exactly 0 argument(s)"),
        ("spec a", "\"spec\" requires exactly 0 argument(s)"),
        ("kill", "\"kill\" requires a minimum of 1 argument(s)"),
        ("kill a b c", "\"kill\" requires a maximum of 2 argument(s)"),
        ("kill a -9", "unknown flag -9 of \"kill\""),
        ("exec", "\"exec\" requires a minimum of 1 argument(s)"),
        ("ps", "\"ps\" requires a minimum of 1 argument(s)"),
        ("completion", "\"completion\" requires exactly 1 argument(s)"),
        ("seccomp --raw disasm f", "unknown flag --raw"),
        (
            "seccomp moonwalk",
            "unknown command: No help topic for 'seccomp moonwalk', see \"coble help seccomp\"",
        ),
        ("seccomp explain f", "\"seccomp explain\" requires a minimum of 2 argument(s)"),
        ("seccomp diff f", "\"seccomp diff\" requires exactly 2 argument(s)"),
    ];
    for (line, expected) in cases {
        assert_eq!(read(line).err().as_deref(), Some(expected), "{line}");
    }
}

#[test]
fn what_stands_before_an_error_is_kept() {
    let mut call = Call::default();
    assert!(
        parse(words("--debug --log /l --log-format json run --moonwalk a"), &mut call).is_err()
    );
    assert!(call.global.has(&DEBUG));
    assert_eq!(call.global.value(&LOG), Some("/l".as_ref()));
    assert_eq!(call.global.value(&LOG_FORMAT), Some("json".as_ref()));
}

#[test]
fn the_last_value_counts() {
    let mut call = Call::default();
    parse(words("--root /a --root /b list"), &mut call).unwrap();
    assert_eq!(call.global.value(&ROOT), Some("/b".as_ref()));
}

#[test]
fn paths_may_be_any_bytes_and_names_may_not() {
    let odd = || OsString::from_vec(b"/\xff".to_vec());
    let mut call = Call::default();
    parse(vec!["--root".into(), odd(), "state".into(), odd()], &mut call).unwrap();
    assert_eq!(call.global.path(&ROOT).unwrap().into_os_string(), odd());
    assert_eq!(call.id().unwrap_err().message, "container ID: \"/\\xFF\" is not valid UTF-8");
    assert!(parse(vec![odd()], &mut Call::default()).is_err());
}

/// The table must not say two things at once.
#[test]
fn every_name_in_the_table_is_there_once() {
    use std::collections::HashSet;
    let mut commands = HashSet::new();
    for command in crate::table::commands() {
        assert!(commands.insert(command.name), "{} is there twice", command.name);
        let (mut long, mut short) = (HashSet::new(), HashSet::new());
        for flag in command.all_flags() {
            assert!(long.insert(flag.long), "{}: {flag} is there twice", command.name);
            assert!(flag.short.is_none_or(|each| short.insert(each)), "{}: {flag}", command.name);
            assert!(!flag.help.ends_with('.') && !flag.help.is_empty(), "{}: {flag}", command.name);
        }
        assert!(!command.summary.ends_with('.') && !command.summary.is_empty(), "{}", command.name);
        let rest = command.arguments.iter().rev().skip(1);
        assert!(rest.into_iter().all(|argument| argument.count == Count::One), "{}", command.name);
    }
}
