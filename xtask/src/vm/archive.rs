//! Debian's archive through package lists of the chore's own: the machine's sources stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Result, process};

/// The oldest release that has what the machine is made of.
const BOOKWORM: &str = "bookworm";

/// The archive's key, of the package debian-archive-keyring, which every Debian has.
const KEY: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Nothing here takes this long unless it hangs.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// The archive that this machine installs from, with the release's backports where they are needed.
pub(super) struct Archive {
    folder: PathBuf,
    /// The release's code name.
    pub(super) release: String,
    /// The lines of a sources.list(5).
    pub(super) sources: String,
}

impl Archive {
    /// Finds where this machine's packages come from, and fetches the lists into `folder`.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let release = release()?;
        let mut found = repositories(&release)?;
        if found.is_empty() {
            // A fresh image has no lists, and so no word on what each of its sources is.
            run(Command::new("apt-get").args(["update", "--quiet"]))?;
            found = repositories(&release)?;
        }
        let main = found.iter().find(|(suite, _)| *suite == release).cloned();
        let (_, address) = main.ok_or("no source of apt is Debian's own")?;
        found.push((newest(&release), address));
        found.sort();
        found.dedup();
        let sources =
            found.iter().map(|(suite, url)| format!("deb [signed-by={KEY}] {url} {suite} main\n"));
        let archive = Self { folder: folder.to_owned(), sources: sources.collect(), release };
        for part in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(folder.join(part)).map_err(|e| e.to_string())?;
        }
        fs::write(folder.join("sources.list"), &archive.sources).map_err(|e| e.to_string())?;
        run(archive.apt("apt-get").args(["update", "--quiet=2"]))?;
        Ok(archive)
    }

    /// Installs a package of the release's newest suite on this machine.
    pub(super) fn install(&self, package: &str) -> Result<()> {
        let mut command = self.apt("apt-get");
        command.args(["install", "--yes", "--quiet", "--no-install-recommends"]);
        command.args(["--target-release", &newest(&self.release), package]);
        println!("apt-get install {package}");
        run(command.env("DEBIAN_FRONTEND", "noninteractive"))
    }

    /// Downloads the kernel that `linux-image-amd64` stands for in a suite; gives the package's file.
    pub(super) fn kernel(&self, suite: &str) -> Result<PathBuf> {
        let mut depends = self.apt("apt-cache");
        depends.args(["depends", "--target-release", suite, "linux-image-amd64"]);
        let text = process::output(&mut depends)?;
        let name = text.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
        let name = name.ok_or("linux-image-amd64 stands for no kernel")?;
        let into = self.folder.join("kernel").join(suite);
        fs::create_dir_all(&into).map_err(|e| e.to_string())?;
        let mut download = self.apt("apt-get");
        download.args(["download", "--quiet=2", &format!("linux-image-{name}")]);
        run(download.current_dir(&into))?;
        let files = fs::read_dir(&into).map_err(|e| e.to_string())?;
        let file = files.flatten().map(|entry| entry.path()).find(|path| path.is_file());
        file.ok_or_else(|| format!("apt-get downloaded no linux-image-{name}"))
    }

    fn apt(&self, program: &str) -> Command {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let mut command = Command::new(program);
        for (option, value) in [
            ("Dir::Etc::sourcelist", path("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::State::lists", path("lists")),
            ("Dir::Cache::archives", path("archives")),
            ("Dir::Cache::pkgcache", String::new()),
            ("Dir::Cache::srcpkgcache", String::new()),
            // The user that apt downloads as may not write to the folder.
            ("APT::Sandbox::User", "root".into()),
        ] {
            command.args(["-o", &format!("{option}={value}")]);
        }
        command
    }
}

/// The suite with the newest QEMU and kernel that a release can install: bookworm's own QEMU, 7.2, makes
/// processes three to four times slower than 10.
pub(super) fn newest(release: &str) -> String {
    match release {
        BOOKWORM => format!("{BOOKWORM}-backports"),
        _ => release.to_owned(),
    }
}

/// The code name in os-release(5), if this is a Debian.
pub(super) fn release() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
    match (field("ID="), field("VERSION_CODENAME=")) {
        (Some("debian"), Some(release)) => Ok(release.to_owned()),
        _ => Err("not a Debian".into()),
    }
}

/// Where this machine installs its own release from; other releases are there as well.
pub(crate) fn address() -> Result<String> {
    let release = release()?;
    let found = repositories(&release)?.into_iter().find(|(suite, _)| *suite == release);
    found.map(|(_, address)| address).ok_or_else(|| "no source of apt is Debian's own".into())
}

/// The suites of a release that apt installs from here, each with its address.
fn repositories(release: &str) -> Result<Vec<(String, String)>> {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)"]);
    let text = process::output(command.arg("Created-By: Packages"))?;
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let debian = fields.next()? == "Debian" && fields.next()? == "main";
        let (suite, address) = (fields.next()?, fields.next()?);
        (debian && suite.starts_with(release)).then(|| (suite.to_owned(), address.to_owned()))
    });
    Ok(lines.collect())
}

fn run(command: &mut Command) -> Result<()> {
    process::succeed(command, DEADLINE).map(drop)
}
