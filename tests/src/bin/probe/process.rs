//! What the process sees of itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use rustix::fs::OFlags;
use rustix::io::fcntl_getfd;
use serde_json::{Map, Value, json};

use super::files::kind;
use super::{failure, text};

/// The lines of proc_pid_status(5) that a configuration can change.
const STATUS: [&str; 20] = [
    "Umask",
    "NSpid",
    "Uid",
    "Gid",
    "Groups",
    "Threads",
    "SigPnd",
    "ShdPnd",
    "SigBlk",
    "SigIgn",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Cpus_allowed_list",
    "Mems_allowed_list",
];

pub(super) fn status() -> Value {
    let text = match fs::read_to_string("/proc/self/status") {
        Ok(text) => text,
        Err(error) => return failure(&error),
    };
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let kept = lines.filter(|(name, _)| STATUS.contains(name));
    // A process number is new each time, how many there are is not.
    let told = kept.map(|(name, value)| match name {
        "NSpid" => (name.to_owned(), json!(value.split_whitespace().count())),
        _ => (name.to_owned(), json!(value.trim())),
    });
    Value::Object(told.collect())
}

/// proc_pid_limits(5): `NAME: [soft, hard]`.
pub(super) fn limits() -> Value {
    let text = match fs::read_to_string("/proc/self/limits") {
        Ok(text) => text,
        Err(error) => return failure(&error),
    };
    let told = text.lines().skip(1).filter_map(|line| {
        let (name, rest) = line.split_at_checked(26)?;
        let values: Vec<&str> = rest.split_whitespace().take(2).collect();
        Some((name.trim().to_owned(), json!(values)))
    });
    Value::Object(told.collect())
}

/// As it stands in memory: in order, doubles as well.
pub(super) fn environment() -> Value {
    match fs::read("/proc/self/environ") {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            text.split_terminator('\0').collect::<Vec<_>>().into()
        }
        Err(error) => {
            let pairs = std::env::vars_os().map(|(name, value)| format!("{name:?}={value:?}"));
            json!([failure(&error), pairs.collect::<Vec<_>>()])
        }
    }
}

pub(super) fn directory() -> Value {
    match std::env::current_dir() {
        Ok(path) => json!(path),
        Err(error) => failure(&error),
    }
}

pub(super) fn names() -> Value {
    let names = rustix::system::uname();
    json!({
        "hostname": names.nodename().to_string_lossy(),
        "domainname": names.domainname().to_string_lossy(),
    })
}

/// `personality`, the out-of-memory score, and from proc_pid_stat(5) what belongs to scheduling.
pub(super) fn more() -> Value {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // The first one after the name is the third.
    let field = |number: usize| fields.get(number - 3).copied();
    let leads = |number: usize| field(number).map(|own| own == std::process::id().to_string());
    json!({
        "leads its process group": leads(5),
        "leads its session": leads(6),
        "terminal": field(7),
        "nice": field(19),
        "real-time priority": field(40),
        "scheduling policy": field(41),
        "is number one": std::process::id() == 1,
        "personality": text("/proc/self/personality"),
        "oom_score_adj": text("/proc/self/oom_score_adj"),
        "security label": text("/proc/self/attr/current"),
        "uid_map": words("/proc/self/uid_map"),
        "gid_map": words("/proc/self/gid_map"),
        "setgroups": text("/proc/self/setgroups"),
        "coredump_filter": text("/proc/self/coredump_filter"),
        "timerslack_ns": text("/proc/self/timerslack_ns"),
        "loginuid": text("/proc/self/loginuid"),
        "interfaces": interfaces(),
    })
}

fn words(path: &str) -> Value {
    let text = text(path);
    text.as_str().map_or(Value::Null, |text| text.split_whitespace().collect::<Vec<_>>().into())
}

/// Network interfaces and whether they are up.
fn interfaces() -> Value {
    let Ok(table) = fs::read_to_string("/proc/self/net/dev") else { return Value::Null };
    let names = table.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    // An interface that is up has its addresses in the table of local routes.
    let routes = fs::read_to_string("/proc/self/net/fib_trie").unwrap_or_default();
    json!({ "names": names.collect::<Vec<_>>(), "loopback is up": routes.contains("127.0.0.1") })
}

/// Of each kind whose it is: one that `known` names, or a new one.
pub(super) fn namespaces(known: &BTreeMap<&str, &str>) -> Value {
    let kinds = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"];
    let mut told = Map::new();
    for kind in kinds {
        let value = match fs::read_link(format!("/proc/self/ns/{kind}")) {
            Ok(link) => match known.get(link.to_string_lossy().as_ref()) {
                Some(owner) => json!(owner),
                None => json!("new"),
            },
            Err(error) => failure(&error),
        };
        told.insert(kind.to_owned(), value);
    }
    told.into()
}

pub(super) fn cgroups() -> Value {
    let text = text("/proc/self/cgroup");
    text.as_str().map_or(Value::Null, |text| text.lines().collect::<Vec<_>>().into())
}

/// The keyrings that the process sees, proc_keys(5): rights, owner, name.
pub(super) fn keys() -> Value {
    let text = match fs::read_to_string("/proc/keys") {
        Ok(text) => text,
        Err(error) => return failure(&error),
    };
    let told = text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, flags, _, _, rights, uid, gid, kind, name, ..] = fields[..] else { return None };
        let own = name.starts_with("_ses") || name.starts_with("_tid");
        own.then(|| format!("{flags} {rights} {uid} {gid} {kind} {name}"))
    });
    told.collect::<Vec<_>>().into()
}

pub(super) fn kernel_parameters(names: &[&str]) -> Value {
    let one = |name: &&str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        ((*name).to_owned(), text(&path))
    };
    Value::Object(names.iter().map(one).collect())
}

const NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// The open descriptors, what each is, and whether it is closed at an exec.
pub(super) fn descriptors() -> Value {
    let mut told_of = Map::new();
    for number in 0..64 {
        let path = format!("/proc/self/fd/{number}");
        let Ok(link) = fs::read_link(&path) else { continue };
        // What read the folder of the links isn't there any more.
        let Ok(data) = fs::metadata(&path) else { continue };
        // A file's path is the test's own.
        let told = match kind(&data) {
            "file" => json!("file"),
            // Its number is new each time. What is behind /dev/stdin has to be the user's to open.
            "fifo" => json!(format!(
                "fifo {:04o} {}:{}, opened anew: {}",
                data.mode() & 0o7777,
                data.uid(),
                data.gid(),
                fs::File::options().read(true).custom_flags(NONBLOCK).open(&path).is_ok()
            )),
            other => json!(format!("{other} {}", link.to_string_lossy())),
        };
        told_of.insert(number.to_string(), told);
    }
    let stdio = [
        fcntl_getfd(std::io::stdin()),
        fcntl_getfd(std::io::stdout()),
        fcntl_getfd(std::io::stderr()),
    ];
    let flags = stdio.map(|flags| flags.map_or(-1, |flags| i64::from(flags.bits())));
    told_of.insert("flags of the first three".to_owned(), json!(flags));
    told_of.into()
}
