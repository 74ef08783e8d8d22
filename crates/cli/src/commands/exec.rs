//! `coble exec`

use std::path::Path;

use coble_container::{Activation, Additions, Exec, ExecProcess, SubCgroups};
use coble_spec::Process;

use super::create::{
    ABOUT_COMMAND, ABOUT_DESCRIPTORS, CONSOLE_SOCKET, PID_FILE, PIDFD_SOCKET, PRESERVE_FDS,
};
use super::input::Input;
use super::run::{DETACH, PROCESS_STATUSES};
use super::user::{id, user};
use crate::call::{Call, text};
use crate::failure::Failure;
use crate::table::{Argument, Command, Count, Flag, ID, Values};

const ABOUT_PROCESS: &str = "Process";
const ABOUT_RIGHTS: &str = "User and rights";

const CWD: Flag =
    Flag::value("cwd", None, ("DIR", Values::Any), "working directory in the container")
        .under(ABOUT_PROCESS);
const ENV: Flag =
    Flag::value("env", Some('e'), ("NAME=VALUE", Values::Any), "add to the environment")
        .repeated()
        .under(ABOUT_PROCESS);
const TTY: Flag =
    Flag::switch("tty", Some('t'), "give the process a terminal").under(ABOUT_DESCRIPTORS);
const USER: Flag =
    Flag::value("user", Some('u'), ("UID[:GID]", Values::Any), "user and group, as numbers")
        .under(ABOUT_RIGHTS);
const ADDITIONAL_GIDS: Flag =
    Flag::value("additional-gids", Some('g'), ("GID", Values::Any), "add a group")
        .repeated()
        .under(ABOUT_RIGHTS);
const PROCESS: Flag = Flag::value(
    "process",
    Some('p'),
    ("FILE", Values::File),
    "take the whole process from a JSON file, as in config.json's process",
)
.under(ABOUT_PROCESS);
const NO_NEW_PRIVS: Flag =
    Flag::switch("no-new-privs", None, "let no program gain privileges by execve(2)")
        .under(ABOUT_RIGHTS);
const CAP: Flag =
    Flag::value("cap", Some('c'), ("CAP", Values::Any), "add a capability, such as CAP_KILL")
        .repeated()
        .under(ABOUT_RIGHTS);
const IGNORE_PAUSED: Flag = Flag::switch(
    "ignore-paused",
    None,
    "go on in a paused container: the process waits for resume",
)
.under(ABOUT_COMMAND);
const APPARMOR: Flag =
    Flag::value("apparmor", None, ("PROFILE", Values::Any), "AppArmor profile of the process")
        .under(ABOUT_RIGHTS);
const PROCESS_LABEL: Flag =
    Flag::value("process-label", None, ("LABEL", Values::Any), "SELinux label of the process")
        .under(ABOUT_RIGHTS);
const CGROUP: Flag = Flag::value(
    "cgroup",
    None,
    ("[CTRL[,CTRL]:]PATH", Values::Any),
    "run in this existing cgroup below the container's",
)
.repeated()
.under(ABOUT_PROCESS);

/// The flags that describe a process, and so can't stand beside a description that is whole.
const DESCRIBING: &[&Flag] =
    &[&CWD, &ENV, &USER, &ADDITIONAL_GIDS, &NO_NEW_PRIVS, &CAP, &APPARMOR, &PROCESS_LABEL];

pub(crate) static COMMAND: Command = Command {
    name: "exec",
    summary: "run one more process in a container",
    arguments: &[
        ID,
        Argument {
            name: "COMMAND",
            help: "program and arguments; its flags are its own",
            count: Count::Rest,
            values: Values::Any,
        },
    ],
    flags: &[
        PROCESS,
        CWD,
        ENV,
        CGROUP,
        USER,
        ADDITIONAL_GIDS,
        CAP,
        NO_NEW_PRIVS,
        APPARMOR,
        PROCESS_LABEL,
        TTY,
        CONSOLE_SOCKET,
        PIDFD_SOCKET,
        PRESERVE_FDS,
        DETACH,
        PID_FILE,
        IGNORE_PAUSED,
    ],
    description: &[
        "Runs a process in the namespaces and the cgroup of a container that was created. What the flags \
         don't say is taken from the process in the container's config.json; --process takes it \
         from a file instead, with what the file doesn't say of rights, limits and labels from there, too. The user is a number, never a name: names belong to the container.",
        "The terminal is the caller's. With --detach it needs --console-socket.",
        "If the kernel has killed processes of the container for want of memory meanwhile, and the status is not 0, a \
         warning says so.",
        "--cgroup names a cgroup below the container's, which must be there; / is the container's own. Without it the \
         process joins the container's own, or with cgroup v2, where that can't have processes, the one of the \
         container's first process. CTRL are controllers of cgroup v1, each with its own path; the flag can then be \
         given more than once.",
    ],
    examples: &[
        ("Get a shell in the container web", "coble exec --tty web sh"),
        ("Run a program as user 1000", "coble exec --user 1000:1000 web id"),
        ("Run a program in a cgroup of the container", "coble exec --cgroup batch web make"),
    ],
    statuses: &[
        PROCESS_STATUSES[0],
        PROCESS_STATUSES[1],
        PROCESS_STATUSES[2],
        (
            "1",
            "an unknown flag, a missing value, a switch that is neither true nor false, no ID, a wrong flag before exec",
        ),
        (
            "255",
            "any other error of coble itself, a wrong value of a flag and a missing command too",
        ),
    ],
    execute,
};

/// An error of coble must not look like the status 1 that programs like to end with.
fn execute(call: &Call) -> Result<u8, Failure> {
    let status = || -> Result<u8, Failure> {
        let finished = exec(call)?.execute()?;
        call.warn(&finished.warnings);
        Ok(finished.status)
    };
    status().map_err(|Failure { message, .. }| Failure {
        message: format!("exec failed: {message}"),
        status: 255,
    })
}

fn exec(call: &Call) -> Result<Exec, Failure> {
    let flags = &call.flags;
    Ok(Exec {
        root: call.root()?,
        id: call.id()?.to_owned(),
        process: process(call)?,
        detach: flags.has(&DETACH),
        pid_file: flags.path(&PID_FILE),
        console_socket: flags.path(&CONSOLE_SOCKET),
        activation: Activation::from_environment(),
        pidfd_socket: flags.path(&PIDFD_SOCKET),
        preserve_fds: flags.number(&PRESERVE_FDS)?.unwrap_or(0),
        ignore_paused: flags.has(&IGNORE_PAUSED),
        cgroups: SubCgroups::parse(&flags.texts(&CGROUP)?).map_err(coble_container::Error::from)?,
        ..Exec::default()
    })
}

/// What is given of the process. `--tty` beside `--process` says nothing new: the file has the terminal.
fn process(call: &Call) -> Result<ExecProcess, Failure> {
    match call.flags.path(&PROCESS) {
        Some(file) => whole(call, &file).map(|process| ExecProcess::Whole(Box::new(process))),
        None => additions(call).map(ExecProcess::Additions),
    }
}

fn whole(call: &Call, file: &Path) -> Result<Process, Failure> {
    if let Some(flag) = DESCRIBING.iter().find(|flag| call.flags.has(flag)) {
        return Err(Failure::new(format!("{flag} can't be used with {PROCESS}")));
    }
    if call.arguments.len() > 1 {
        return Err(Failure::new(format!("a command can't be used with {PROCESS}")));
    }
    Input::of_file(file)?.json()
}

fn additions(call: &Call) -> Result<Additions, Failure> {
    let flags = &call.flags;
    let args: Vec<String> = call.arguments[1..]
        .iter()
        .map(|word| text(word, "argument").map(str::to_owned))
        .collect::<Result<_, _>>()?;
    if args.is_empty() {
        return Err(Failure::new("exec args cannot be empty"));
    }
    let gids = flags.values(&ADDITIONAL_GIDS).map(|gid| id("gid", text(gid, ADDITIONAL_GIDS)?));
    let owned = |flag| flags.text(flag).map(|value| value.map(str::to_owned));
    Ok(Additions {
        args,
        cwd: owned(&CWD)?,
        env: flags.texts(&ENV)?,
        terminal: flags.has(&TTY),
        user: flags.text(&USER)?.map(user).transpose()?,
        additional_gids: gids.collect::<Result<_, _>>()?,
        capabilities: flags.texts(&CAP)?,
        no_new_privileges: flags.switch(&NO_NEW_PRIVS),
        apparmor_profile: owned(&APPARMOR)?,
        selinux_label: owned(&PROCESS_LABEL)?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::parse::parse;

    fn read(line: &[&str]) -> Result<Exec, String> {
        let mut call = Call::default();
        let words = ["--root", "/r", "exec"].iter().chain(line).map(Into::into).collect();
        parse(words, &mut call).and_then(|_| exec(&call)).map_err(|failure| failure.message)
    }

    #[test]
    fn flags_add_to_the_containers_process() {
        let exec = read(&[
            "--cwd",
            "/d",
            "-e",
            "A=1",
            "--env=B=2",
            "-t",
            "-u",
            "1000:100",
            "-g",
            "4",
            "-g",
            "5",
            "-c",
            "CAP_KILL",
            "--no-new-privs",
            "--apparmor",
            "p",
            "--process-label",
            "l",
            "--ignore-paused",
            "--preserve-fds",
            "2",
            "--pid-file",
            "/p",
            "--console-socket",
            "/s",
            "-d",
            "c",
            "ls",
            "-l",
        ])
        .unwrap();
        assert_eq!((exec.root.as_path(), exec.id.as_str()), ("/r".as_ref(), "c"));
        assert_eq!(exec.pid_file.as_deref(), Some("/p".as_ref()));
        assert_eq!(exec.console_socket.as_deref(), Some("/s".as_ref()));
        assert_eq!((exec.detach, exec.ignore_paused, exec.preserve_fds), (true, true, 2));
        let ExecProcess::Additions(process) = exec.process else { panic!("a whole process") };
        assert_eq!(process.args, ["ls", "-l"]);
        assert_eq!(process.cwd.as_deref(), Some("/d"));
        assert_eq!(process.env, ["A=1", "B=2"]);
        assert_eq!(process.user, Some((1000, Some(100))));
        assert_eq!(process.additional_gids, [4, 5]);
        assert_eq!(process.capabilities, ["CAP_KILL"]);
        assert_eq!((process.terminal, process.no_new_privileges), (true, Some(true)));
        assert_eq!(process.apparmor_profile.as_deref(), Some("p"));
        assert_eq!(process.selinux_label.as_deref(), Some("l"));
    }

    #[test]
    fn nothing_is_added_that_was_not_given() {
        let exec = read(&["c", "true"]).unwrap();
        assert_eq!((exec.pid_file, exec.console_socket), (None, None));
        assert_eq!((exec.detach, exec.ignore_paused, exec.preserve_fds), (false, false, 0));
        let ExecProcess::Additions(process) = exec.process else { panic!("a whole process") };
        assert_eq!((process.cwd, process.user), (None, None));
        assert_eq!((process.apparmor_profile, process.selinux_label), (None, None));
        assert_eq!((process.terminal, process.no_new_privileges), (false, None));
        assert!(process.env.is_empty() && process.additional_gids.is_empty());
        assert!(process.capabilities.is_empty());
    }

    #[test]
    fn bad_calls() {
        let cases: [(&[&str], &str); 7] = [
            (&["c"], "exec args cannot be empty"),
            (&["-u", "root", "c", "ls"], "bad uid: \"root\" is not a number from 0 to 4294967294"),
            (&["-u", "1:-1", "c", "ls"], "bad gid: \"-1\" is not a number from 0 to 4294967294"),
            (&["-g", "1,2", "c", "ls"], "bad gid: \"1,2\" is not a number from 0 to 4294967294"),
            (
                &["--cgroup", "/a", "--cgroup", "cpu:b", "c", "ls"],
                "invalid --cgroup argument: /a (missing <controller>: prefix)",
            ),
            (&["-p", "/p", "c", "ls"], "a command can't be used with --process"),
            (&["-p", "/p", "--user=0", "c"], "--user can't be used with --process"),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line).map(|_| ()), Err(expected.to_owned()), "{line:?}");
        }
    }

    #[test]
    fn a_whole_process_comes_from_its_file() {
        let file = std::env::temp_dir().join(format!("coble-exec-{}.json", std::process::id()));
        fs::write(&file, r#"{"terminal":true,"user":{"uid":7,"gid":8},"args":["id"],"cwd":"/"}"#)
            .unwrap();
        let exec = read(&["--detach", "--tty", "-p", file.to_str().unwrap(), "c"]);
        fs::write(&file, "{").unwrap();
        let broken = read(&["-p", file.to_str().unwrap(), "c"]);
        fs::remove_file(&file).unwrap();
        let ExecProcess::Whole(process) = exec.unwrap().process else { panic!("additions") };
        assert_eq!(
            (process.args, process.user.uid, process.terminal),
            (vec!["id".to_owned()], 7, true)
        );
        let error = broken.map(|_| ()).unwrap_err();
        assert!(
            error.starts_with(&format!("{}: broken JSON at line 1", file.display())),
            "{error}"
        );
    }
}
