//! A machine: what it is made of, and one run of it.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use super::archive::{self, Archive};
use super::job::{Job, Ran};
use super::kernel::Kernel;
use super::setup::{Cgroups, Setup};
use super::share;
use super::{emulator, kernel, report, root};
use crate::check::Outcome;
use crate::watch::watch;
use crate::{Result, cargo};

/// The size of the disks for swap and for limits of input and output.
const DISK: u64 = 512 << 20;

/// What the folder of a run is called, before the number of the process that runs it.
const RUN: &str = "run-";

/// How many of the console's last lines tell why a machine hung or died.
const CONSOLE_LINES: usize = 40;

/// Everything that stays from run to run.
pub(super) struct Machine {
    setup: Setup,
    /// Where it is kept.
    folder: PathBuf,
    kernel: Kernel,
    root: PathBuf,
    accelerator: String,
    /// Shared by those who run it, so that nobody makes parts of it anew meanwhile.
    _lock: File,
}

impl Machine {
    /// Makes the parts that aren't there yet or whose recipe has changed.
    pub(super) fn provide(setup: Setup) -> std::result::Result<Self, Outcome> {
        let release = archive::release().map_err(Outcome::Skipped)?;
        Self::make(setup, &release).map_err(Outcome::Failed)
    }

    fn make(setup: Setup, release: &str) -> Result<Self> {
        let folder = cargo::scratch("vm")?;
        let io = |e: std::io::Error| format!("{}: {e}", folder.display());
        let lock = File::create(folder.join("lock")).map_err(io)?;
        lock.lock_shared().map_err(io)?;
        // Kernels since 6.11 have fewer controllers of version 1.
        let suite = match setup.cgroups {
            Cgroups::Unified => archive::newest(release),
            Cgroups::Hybrid | Cgroups::Legacy => release.to_owned(),
        };
        let selinux = if setup.selinux { "-selinux" } else { "" };
        let parts = [
            Part::new(&folder, &format!("kernel-{suite}"), &kernel::recipe()),
            Part::new(&folder, &format!("root-{release}{selinux}"), &root::recipe(setup.selinux)),
        ];
        if !emulator::is_there() || !parts.iter().all(Part::is_there) {
            lock.unlock().and_then(|()| lock.lock()).map_err(io)?;
            let start = Instant::now();
            let archive = Archive::open(&folder.join("archive"))?;
            let [kernel, root] = &parts;
            // The kernel is unpacked while packages of the root are on their way.
            let (made, kernel_made) = thread::scope(|scope| {
                let kernel =
                    scope.spawn(|| kernel.make(|folder| kernel::build(&archive, &suite, folder)));
                (make_rest(&archive, setup, root), kernel.join())
            });
            made?;
            kernel_made.map_err(|_| "making the kernel's folder panicked")??;
            println!("the machine is made: {:.0} s", start.elapsed().as_secs_f64());
        }
        let [kernel, root] = parts.map(|part| part.path);
        let kernel = Kernel(kernel);
        let accelerator = emulator::accelerator(&folder, &kernel)?;
        lock.unlock().and_then(|()| lock.lock_shared()).map_err(io)?;
        let root = root.join("root.erofs");
        Ok(Self { setup, folder, kernel, root, accelerator, _lock: lock })
    }

    /// Boots, and runs the programs. An emulator that dies before the first of them began (QEMU 10 now and then by an
    /// assertion of its own, `iotlb_to_section`) is started once more.
    pub(super) fn run(&self, job: &Job<'_>) -> Result<Ran> {
        let start = Instant::now();
        let ran = self.run_once(job)?;
        let has_hung = start.elapsed() >= job.deadline;
        if ran.fault.is_none() || has_hung || report::has_begun(&ran.text) {
            return Ok(ran);
        }
        println!("virtual machine: no program began; once more");
        self.run_once(job)
    }

    fn run_once(&self, job: &Job<'_>) -> Result<Ran> {
        let start = Instant::now();
        remove_dead_runs(&self.folder);
        let folder = self.folder.join(format!("{RUN}{}", std::process::id()));
        let ran = self.run_in(&folder, job);
        let removed = fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()));
        let ran = ran?;
        removed?;
        println!("virtual machine: {:.1} s", start.elapsed().as_secs_f64());
        Ok(ran)
    }

    fn run_in(&self, folder: &Path, job: &Job<'_>) -> Result<Ran> {
        let io = |e: std::io::Error| format!("{}: {e}", folder.display());
        fs::create_dir_all(folder.join("share")).map_err(io)?;
        for name in ["swap", "data"] {
            File::create(folder.join(name)).and_then(|file| file.set_len(DISK)).map_err(io)?;
        }
        share::write(&folder.join("share"), self.setup, job).map_err(io)?;
        let seen = watch(&mut self.command(folder, job.binary), job.deadline)?;
        let fault = match seen.success {
            Err(tree) => Some(format!("hung\n{tree}{}", console(folder))),
            Ok(_) if report::has_ended(&seen.text) => None,
            Ok(_) => Some(format!("didn't get to its end\n{}", console(folder))),
        };
        Ok(Ran { text: seen.text, fault })
    }

    /// The machine as a command, whose standard output is what the tests print.
    fn command(&self, folder: &Path, binary: &Path) -> Command {
        let mut command = emulator::command(&self.accelerator);
        command.args(["-m", "2048", "-smp", &cpus().to_string()]);
        command.arg("-kernel").arg(self.kernel.image());
        command.arg("-initrd").arg(self.kernel.initramfs());
        command.args(["-append", &self.setup.command_line()]);
        let console = emulator::file("console", &folder.join("console"));
        command.arg("-chardev").arg(console).args(["-serial", "chardev:console"]);
        command.args(["-device", "virtio-serial-pci"]);
        let output = emulator::file("result", Path::new(emulator::OUTPUT));
        command.arg("-chardev").arg(output);
        command.args(["-device", "virtserialport,chardev=result,name=result"]);
        disk(&mut command, "root", "readonly=on", &self.root);
        disk(&mut command, "swap", "cache=unsafe", &folder.join("swap"));
        disk(&mut command, "data", "cache=unsafe", &folder.join("data"));
        share(&mut command, "vm", &folder.join("share"));
        share(&mut command, "modules", &self.kernel.modules());
        for (tag, path) in share::folders(binary) {
            share(&mut command, &tag, &path);
        }
        command
    }
}

/// Makes all but the kernel.
fn make_rest(archive: &Archive, setup: Setup, root: &Part) -> Result<()> {
    if !emulator::is_there() {
        emulator::install(archive)?;
    }
    root.make(|folder| root::build(archive, setup.selinux, folder))
}

/// Removes the folders of runs that were killed. What can't be removed is in nobody's way.
fn remove_dead_runs(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.strip_prefix(RUN).is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A disk, which the machine finds by its serial number.
fn disk(command: &mut Command, name: &str, options: &str, file: &Path) {
    let file = emulator::value("file.filename", file);
    command.arg("-drive");
    command.arg(format!("if=none,id={name},format=raw,{options},file.driver=file,{file}"));
    command.args(["-device", &format!("virtio-blk-pci,drive={name},serial={name}")]);
}

/// A folder of this machine, to read.
fn share(command: &mut Command, tag: &str, folder: &Path) {
    let path = emulator::value("path", folder);
    command.args(["-fsdev", &format!("local,id={tag},security_model=none,readonly=on,{path}")]);
    command.args(["-device", &format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}")]);
}

/// Some tests need two processors.
pub(super) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4)
}

/// The console's last lines.
fn console(folder: &Path) -> String {
    let text = fs::read(folder.join("console")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
}

/// A folder that is made once, and anew when its recipe changes.
struct Part {
    path: PathBuf,
    /// What the folders of former recipes are called as well.
    prefix: String,
}

impl Part {
    fn new(folder: &Path, name: &str, recipe: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        recipe.hash(&mut hasher);
        let prefix = format!("{name}_");
        Self { path: folder.join(format!("{prefix}{:016x}", hasher.finish())), prefix }
    }

    fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Makes it under another name first, so that what was interrupted is never taken for the whole.
    fn make(&self, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        if self.is_there() {
            return Ok(());
        }
        let io = |e: std::io::Error| format!("{}: {e}", self.path.display());
        let parent = self.path.parent().unwrap_or(&self.path);
        for entry in fs::read_dir(parent).map_err(io)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                fs::remove_dir_all(entry.path()).map_err(io)?;
            }
        }
        let unfinished = self.path.with_extension("new");
        fs::create_dir(&unfinished).map_err(io)?;
        let start = Instant::now();
        build(&unfinished)?;
        println!(
            "made {}: {:.0} s",
            self.prefix.trim_end_matches('_'),
            start.elapsed().as_secs_f64()
        );
        fs::rename(unfinished, &self.path).map_err(io)
    }
}
