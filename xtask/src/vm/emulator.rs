//! QEMU: which one there is, and what it emulates the processor with.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::archive::Archive;
use super::kernel::Kernel;
use crate::watch::watch;
use crate::{Result, packages, process};

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// Older ones take three to four times as long for a new process.
const OLDEST: u32 = 8;

/// With a KVM that is one, a kernel is up in less than a second.
const PROBE_DEADLINE: Duration = Duration::from_secs(8);

/// Whether QEMU is installed and new enough.
pub(super) fn is_there() -> bool {
    version().is_some_and(|major| major >= OLDEST)
}

/// Installs QEMU.
pub(super) fn install(archive: &Archive) -> Result<()> {
    archive.install(PACKAGE)?;
    match version() {
        Some(major) if major >= OLDEST => Ok(()),
        Some(major) => Err(format!("QEMU {major} is too old")),
        None => Err(format!("{PROGRAM} is missing")),
    }
}

/// The major version: `QEMU emulator version 10.0.2 (Debian ...)`.
fn version() -> Option<u32> {
    let program = packages::find(PROGRAM)?;
    let text = process::output(Command::new(program).arg("--version")).ok()?;
    text.split("version ").nth(1)?.split('.').next()?.parse().ok()
}

/// A QEMU without devices, that ends with this program.
///
/// The chipset is `q35`: under emulation, one boot in five of a `microvm` hangs on a lost timer interrupt.
pub(super) fn command(accelerator: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", PROGRAM]);
    command.args(["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-M", "q35"]);
    command.args(match accelerator {
        KVM => ["-accel", "kvm", "-cpu", "host"],
        _ => ["-accel", "tcg,thread=multi", "-cpu", "max,-la57"],
    });
    command
}

const KVM: &str = "kvm";
const EMULATION: &str = "tcg";

/// `kvm` where a kernel boots with it, otherwise `tcg`; found out once for each kernel of this machine. A
/// `/dev/kvm` alone says little: there are some under which no stock kernel gets anywhere.
pub(super) fn accelerator(folder: &Path, kernel: &Kernel) -> Result<String> {
    if File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(EMULATION.into());
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| e.to_string())?;
    let known = folder.join(format!("accelerator-{}", release.trim()));
    if let Ok(accelerator) = fs::read_to_string(&known) {
        return Ok(accelerator);
    }
    let mut probe = command(KVM);
    probe.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(kernel.initramfs());
    probe.args(["-m", "512", "-append", "console=ttyS0 panic=-1 quiet vm.probe"]);
    probe.args(["-chardev", &file("console", Path::new(OUTPUT)), "-serial", "chardev:console"]);
    let seen = watch(&mut probe, PROBE_DEADLINE)?;
    let works = seen.text.contains("vm: probed");
    let accelerator = if works { KVM } else { EMULATION };
    fs::write(known, accelerator).map_err(|e| e.to_string())?;
    Ok(accelerator.into())
}

/// The emulator's standard output, as a file to open. With the character device `stdio` the guest would hang
/// as soon as standard input is at its end.
pub(super) const OUTPUT: &str = "/proc/self/fd/1";

/// `NAME=PATH` in one of QEMU's lists of options, in which a comma separates.
pub(super) fn value(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display().to_string().replace(',', ",,"))
}

/// A character device that writes to a file.
pub(super) fn file(id: &str, path: &Path) -> String {
    format!("file,id={id},{}", value("path", path))
}
