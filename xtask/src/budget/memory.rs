//! Peak memory of `coble run`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::oci::{DEADLINE, Oci};
use crate::{Result, cargo, process};

/// The row of the table.
pub(super) const NAME: &str = "peak memory of coble run, KiB";

/// The peak resident set of the largest process of `run`, in KiB (`ru_maxrss` of getrusage(2)).
pub(super) fn peak(runtime: &Oci, bundle: &Path) -> Result<u64> {
    let launcher = cargo::release("coble-bench", "peak")?;
    let file = bundle.join("peak");
    let run = runtime.run(bundle, &format!("coble-peak-{}", std::process::id()));
    let mut command = Command::new(launcher);
    command.arg(&file).arg(run.get_program()).args(run.get_args()).stdin(Stdio::null());
    process::succeed(&mut command, DEADLINE)?;
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    text.trim().parse().map_err(|_| format!("{}: {text}", file.display()))
}
