//! A distribution's kernel, unpacked and never installed, with an initramfs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::archive::Archive;
use crate::{Result, packages, process};

const DEADLINE: Duration = Duration::from_secs(2 * 60);

/// What the initramfs needs to reach the root; [`load_order`] adds what they need, but not what they ask the kernel
/// for by an algorithm's name, as erofs does with its checksum.
const MODULES: [&str; 8] = [
    "virtio_pci",
    "virtio_console",
    "crc32c_generic",
    "virtio_blk",
    "erofs",
    "overlay",
    "9pnet_virtio",
    "9p",
];

const INIT: &str = include_str!("guest/init");

/// A kernel's folder.
pub(super) struct Kernel(pub(super) PathBuf);

impl Kernel {
    /// The kernel itself. It is decompressed here once, not at every boot.
    pub(super) fn image(&self) -> PathBuf {
        self.0.join("vmlinux")
    }

    /// What it starts with.
    pub(super) fn initramfs(&self) -> PathBuf {
        self.0.join("initramfs")
    }

    /// What belongs on the machine's `/lib/modules`.
    pub(super) fn modules(&self) -> PathBuf {
        self.0.join("package/lib/modules")
    }
}

/// What decides about an initramfs; another recipe makes another one.
pub(super) fn recipe() -> String {
    format!("{INIT}{}", MODULES.join(","))
}

/// Fills `folder` with the kernel of a suite.
pub(super) fn build(archive: &Archive, suite: &str, folder: &Path) -> Result<()> {
    let package = archive.kernel(suite)?;
    let kernel = Kernel(folder.to_owned());
    let tree = folder.join("package");
    run(Command::new("dpkg").arg("--extract").arg(&package).arg(&tree))?;
    fs::remove_file(&package).map_err(|e| e.to_string())?;
    let version = only_entry(&kernel.modules())?;
    let packed = tree.join("boot").join(format!("vmlinuz-{version}"));
    decompress(&packed, &kernel.image())?;
    run(Command::new(program("depmod")?).arg("--basedir").arg(&tree).arg(&version))?;
    initramfs(&kernel, &version)
}

/// Takes the compressed kernel out of a bzImage (Documentation/arch/x86/boot.rst: `setup_sects`,
/// `payload_offset`, `payload_length`). The payload ends with its decompressed size, 4 bytes.
fn decompress(packed: &Path, image: &Path) -> Result<()> {
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    const XZ: [u8; 4] = [0xfd, b'7', b'z', b'X'];
    let file = fs::read(packed).map_err(|e| format!("{}: {e}", packed.display()))?;
    let unknown = || format!("{}: no bzImage with a known compression", packed.display());
    let payload = payload(&file).ok_or_else(unknown)?;
    let tool = match payload {
        [a, b, c, d, ..] if [*a, *b, *c, *d] == ZSTD => "zstd",
        [a, b, c, d, ..] if [*a, *b, *c, *d] == XZ => "xz",
        _ => return Err(unknown()),
    };
    let part = image.with_extension("part");
    fs::write(&part, payload).map_err(|e| e.to_string())?;
    let open = |file: std::io::Result<File>| file.map(Stdio::from).map_err(|e| e.to_string());
    let mut command = Command::new(tool);
    command.args(["-d", "-c"]).stdin(open(File::open(&part))?);
    run(command.stdout(open(File::create(image))?))?;
    fs::remove_file(part).map_err(|e| e.to_string())
}

fn payload(file: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
    let sectors = usize::from(*file.get(0x1f1)?);
    let start = (sectors + 1) * 512 + usize::try_from(word(0x248)?).ok()?;
    let length = usize::try_from(word(0x24c)?).ok()?.checked_sub(4)?;
    file.get(start..start.checked_add(length)?)
}

/// Packs busybox, the modules, numbered as they have to be loaded, and the program that starts it all.
fn initramfs(kernel: &Kernel, version: &str) -> Result<()> {
    let io = |e: std::io::Error| e.to_string();
    let tree = kernel.0.join("initramfs.tree");
    let modules = kernel.modules().join(version);
    for folder in ["bin", "dev", "lower", "modules", "new", "proc", "sys", "upper"] {
        fs::create_dir_all(tree.join(folder)).map_err(io)?;
    }
    let busybox = program("busybox")?;
    fs::copy(&busybox, tree.join("bin/busybox")).map_err(io)?;
    fs::write(tree.join("init"), INIT).map_err(io)?;
    run(Command::new("chmod").arg("755").arg(tree.join("init")))?;
    let table = fs::read_to_string(modules.join("modules.dep")).map_err(io)?;
    for (nth, module) in load_order(&table, &MODULES).iter().enumerate() {
        let (from, to) = (modules.join(module), tree.join(format!("modules/{nth:02}.ko")));
        match module.ends_with(".xz") {
            true => {
                let out = File::create(to).map_err(io)?;
                run(Command::new(&busybox).args(["xz", "-d", "-c"]).arg(from).stdout(out))?;
            }
            false => drop(fs::copy(from, to).map_err(io)?),
        }
    }
    let script = "find . | \"$0\" cpio -o -H newc";
    let out = File::create(kernel.initramfs()).map_err(io)?;
    let mut pack = Command::new("sh");
    pack.args(["-c", script]).arg(&busybox).current_dir(&tree).stderr(Stdio::null());
    run(pack.stdout(out))?;
    fs::remove_dir_all(tree).map_err(io)
}

/// The files of some modules and of all they need, each after those that it needs. A line of modules.dep(5)
/// names them in the opposite order. What the kernel has built in stands in no line.
fn load_order<'a>(table: &'a str, names: &[&str]) -> Vec<&'a str> {
    let mut order = Vec::new();
    for name in names {
        let line = table.lines().filter_map(|line| line.split_once(':')).find(|(file, _)| {
            let stem = file.rsplit('/').next().and_then(|file| file.split('.').next());
            stem == Some(name)
        });
        let Some((file, needs)) = line else { continue };
        for file in needs.split_whitespace().rev().chain([file]) {
            if !order.contains(&file) {
                order.push(file);
            }
        }
    }
    order
}

fn only_entry(folder: &Path) -> Result<String> {
    let entry = fs::read_dir(folder).ok().and_then(|mut entries| entries.next()?.ok());
    let name = entry.and_then(|entry| entry.file_name().into_string().ok());
    name.ok_or_else(|| format!("{}: empty", folder.display()))
}

fn program(name: &str) -> Result<PathBuf> {
    packages::find(name).ok_or_else(|| format!("{name} is missing"))
}

fn run(command: &mut Command) -> Result<()> {
    process::succeed(command, DEADLINE).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_loaded_after_what_it_needs() {
        let table = "net/9p/9pnet.ko.xz: fs/netfs/netfs.ko.xz\nfs/netfs/netfs.ko.xz:\n\
                     fs/9p/9p.ko.xz: net/9p/9pnet.ko.xz fs/netfs/netfs.ko.xz\nfs/erofs/erofs.ko.xz:\n";
        let order = load_order(table, &["erofs", "builtin", "9p", "9pnet"]);
        let expected = [
            "fs/erofs/erofs.ko.xz",
            "fs/netfs/netfs.ko.xz",
            "net/9p/9pnet.ko.xz",
            "fs/9p/9p.ko.xz",
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn the_payload_of_a_bzimage() {
        let mut file = vec![0; 2048];
        file[0x1f1] = 1;
        file[0x248..0x250].copy_from_slice(&[8, 0, 0, 0, 7, 0, 0, 0]);
        file[1024 + 8..1024 + 11].copy_from_slice(b"abc");
        assert_eq!(payload(&file), Some(&b"abc"[..]));
        assert_eq!(payload(&file[..1030]), None);
    }
}
