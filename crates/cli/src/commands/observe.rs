//! What a run tells of its program's system calls: `--seccomp-report`, `--seccomp-record`.

use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use coble_container::seccomp::Action;
use coble_container::{Denial, Observe, Observed};
use coble_spec::Seccomp;
use serde_json::{Value, json};

use crate::call::Call;
use crate::failure::Failure;
use crate::output_file::OutputFile;
use crate::table::{Flag, Values};

const ABOUT_CALLS: &str = "System calls";

pub(crate) const REPORT: Flag = Flag::value(
    "seccomp-report",
    None,
    ("FILE", Values::File),
    "say at the end which calls the profile denied, on standard error or as JSON in FILE",
)
.optional()
.under(ABOUT_CALLS);
pub(crate) const RECORD: Flag = Flag::value(
    "seccomp-record",
    None,
    ("FILE", Values::File),
    "write the least profile that the program needed to FILE",
)
.under(ABOUT_CALLS);
pub(crate) const MERGE: Flag = Flag::switch(
    "merge",
    None,
    "with --seccomp-record: keep what the profile in FILE has from former runs",
)
.under(ABOUT_CALLS);

/// What is told, and where.
pub(crate) struct Reports {
    report: Option<Report>,
    profile: Option<OutputFile>,
    former: Vec<Seccomp>,
}

enum Report {
    Words,
    File(OutputFile),
}

impl Reports {
    /// What the flags ask for. Files are begun at once: a run whose result can't be written is none.
    pub(crate) fn of(call: &Call) -> Result<Self, Failure> {
        let flags = &call.flags;
        let report = match (flags.has(&REPORT), flags.path(&REPORT)) {
            (false, _) => None,
            (true, None) => Some(Report::Words),
            (true, Some(path)) => Some(Report::File(OutputFile::begin(&path)?)),
        };
        let path = match flags.path(&RECORD) {
            None if flags.has(&RECORD) => return Err(Failure::new(format!("{RECORD}: no file"))),
            path => path,
        };
        let former = match (&path, flags.has(&MERGE)) {
            (None, true) => return Err(Failure::new(format!("{MERGE} needs {RECORD}"))),
            (Some(path), true) => former(path)?,
            (_, false) => Vec::new(),
        };
        let profile = path.map(|path: PathBuf| OutputFile::begin(&path)).transpose()?;
        Ok(Self { report, profile, former })
    }

    /// What the run has to find out.
    pub(crate) fn observe(&self) -> Observe {
        Observe {
            denied: self.report.is_some(),
            used: self.profile.is_some(),
            former: self.former.clone(),
        }
    }

    /// Tells it.
    pub(crate) fn write(self, observed: Option<&Observed>) -> Result<(), Failure> {
        let Some(observed) = observed else { return Ok(()) };
        match self.report {
            None => {}
            Some(Report::Words) => {
                // There is nowhere left to say that standard error can't be written.
                let _ = std::io::stderr().write_all(words(observed).as_bytes());
            }
            Some(Report::File(file)) => file.finish(&pretty(&report(observed)))?,
        }
        match (self.profile, &observed.profile) {
            (Some(file), Some(profile)) => {
                let profile = serde_json::to_value(profile);
                let profile = profile.map_err(|error| Failure::at("the profile", error))?;
                file.finish(&pretty(&profile))
            }
            _ => Ok(()),
        }
    }
}

/// What a former run has written, if there was one.
fn former(path: &Path) -> Result<Vec<Seccomp>, Failure> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::io(path.display(), &error)),
    };
    let profile = coble_spec::parse(&bytes);
    Ok(vec![profile.map_err(|error| Failure::at(path.display(), error))?])
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn words(observed: &Observed) -> String {
    let mut text = String::new();
    for denial in &observed.denied {
        let Denial { action, count, args, pid, process, .. } = denial;
        let call = call(denial);
        let args = args.map(|arg| format!("{arg:#x}")).join(", ");
        let outcome = match (action.errno(), action.errno_name()) {
            (_, Some(name)) => format!("failed with {name}"),
            (Some(number), None) => format!("failed with error {number}"),
            (None, None) => format!("ended by {action}"),
        };
        let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        let _ = writeln!(
            text,
            "seccomp: {call}({args}) {outcome}, {times}, first in {process:?}, process {pid}"
        );
    }
    if observed.others > 0 {
        let _ = writeln!(text, "seccomp: {} further calls were denied", observed.others);
    }
    if text.is_empty() {
        text.push_str("seccomp: no call was denied\n");
    }
    text
}

/// Its name, or its number; and the architecture, if it isn't this program's.
fn call(denial: &Denial) -> String {
    let Denial { arch, number, .. } = *denial;
    let name = arch.and_then(|arch| arch.call(number));
    let name = name.map_or_else(|| format!("call {number}"), str::to_owned);
    match arch {
        Some(arch) if arch == coble_container::seccomp::Arch::NATIVE => name,
        Some(arch) => format!("{name} of {}", arch.name()),
        None => format!("{name} of an unknown architecture"),
    }
}

fn report(observed: &Observed) -> Value {
    let denied = observed.denied.iter().map(|denial| {
        let Denial { arch, number, action, count, args, pid, process } = denial;
        json!({
            "architecture": arch.map(|arch| arch.name()),
            "call": arch.and_then(|arch| arch.call(*number)),
            "number": number,
            "action": action.name(),
            "errno": errno(*action),
            "count": count,
            "args": args.map(|arg| format!("{arg:#x}")),
            "pid": pid,
            "process": process,
        })
    });
    json!({"denied": denied.collect::<Vec<_>>(), "others": observed.others})
}

fn errno(action: Action) -> Value {
    match action.errno_name() {
        Some(name) => name.into(),
        None => action.errno().into(),
    }
}
