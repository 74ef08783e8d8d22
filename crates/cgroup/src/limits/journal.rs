//! What the files said before they were changed, so that they can be set back.

use crate::file;

/// The earlier values of the files that were written, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    is_kept: bool,
    olds: Vec<Old>,
}

/// One value that a file had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Old {
    dir: String,
    file: String,
    value: String,
}

impl Journal {
    /// One that is kept, for a cgroup that is in use. The default is none: what was just made is taken away as a
    /// whole.
    pub(crate) fn kept() -> Self {
        Self { is_kept: true, olds: Vec::new() }
    }

    /// The value that `new` is about to replace. None if none is kept, or the file can't tell.
    pub(crate) fn look(&self, dir: &str, file: &str, new: &str) -> Option<Old> {
        if !self.is_kept {
            return None;
        }
        let value = former(file, new, &file::read(dir, file).ok()?)?;
        Some(Old { dir: dir.to_owned(), file: file.to_owned(), value })
    }

    /// Keeps what [`Journal::look`] has found, once it has been replaced.
    pub(crate) fn note(&mut self, old: Option<Old>) {
        self.olds.extend(old);
    }

    /// Sets all back, the last change first. Returns the files for which that failed.
    pub(crate) fn undo(self) -> Vec<String> {
        let mut failed = Vec::new();
        for Old { dir, file, value } in self.olds.into_iter().rev() {
            if file::write(&dir, &file, &value).is_err() {
                failed.push(format!("{dir}/{file}"));
            }
        }
        failed
    }
}

/// What to write to a file that says `text` in order to take back a write of `new`: all of it if it has one record,
/// else the line of the same device, interface or key.
fn former(file: &str, new: &str, text: &str) -> Option<String> {
    let Some(key) = key(file, new) else {
        let first = text.lines().next().unwrap_or_default();
        // It says `oom_kill_disable 0` and takes `0`.
        let value = if file == "memory.oom_control" { first.rsplit(' ').next()? } else { first };
        return Some(format!("{value}\n"));
    };
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(key));
    line.map(str::to_owned).or_else(|| unset(file, key, new))
}

/// The first word of a line for a file that has one line for each device or interface.
fn key<'a>(file: &str, line: &'a str) -> Option<&'a str> {
    let (first, _) = line.split_once(' ')?;
    let is_keyed = first.contains(':') || matches!(file, "net_prio.ifpriomap" | "rdma.max");
    is_keyed.then_some(first)
}

/// The line that takes a device out again.
fn unset(file: &str, key: &str, new: &str) -> Option<String> {
    match file {
        "io.max" => {
            let names = new.split_whitespace().skip(1).filter_map(|pair| pair.split('=').next());
            Some(names.fold(key.to_owned(), |line, name| format!("{line} {name}=max")))
        }
        _ if file.starts_with("blkio.throttle.") => Some(format!("{key} 0")),
        _ if file.contains("weight") => Some(format!("{key} default")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_one_record_is_set_back_as_a_whole() {
        assert_eq!(former("pids.max", "7", "max\n").unwrap(), "max\n");
        assert_eq!(former("cpu.max", "max 1000", "5000 100000\n").unwrap(), "5000 100000\n");
        assert_eq!(former("cpuset.cpus", "0", "\n").unwrap(), "\n");
        assert_eq!(former("io.weight", "7", "default 100\n8:0 9\n").unwrap(), "default 100\n");
        let oom = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(former("memory.oom_control", "1", oom).unwrap(), "0\n");
    }

    #[test]
    fn a_device_gets_its_line_back_or_is_taken_out() {
        let max =
            "8:0 rbps=max wbps=7 riops=max wiops=max\n8:16 rbps=1 wbps=max riops=max wiops=max\n";
        let back = former("io.max", "8:16 rbps=5", max).unwrap();
        assert_eq!(back, "8:16 rbps=1 wbps=max riops=max wiops=max");
        assert_eq!(former("io.max", "8:1 rbps=5", max).unwrap(), "8:1 rbps=max");
        assert_eq!(former("io.max", "8:1 rbps=5 wiops=6", "").unwrap(), "8:1 rbps=max wiops=max");
        let file = "blkio.throttle.read_bps_device";
        assert_eq!(former(file, "8:0 5", "8:0 4\n").unwrap(), "8:0 4");
        assert_eq!(former(file, "8:0 5", "8:16 4\n").unwrap(), "8:0 0");
        assert_eq!(former("io.weight", "8:0 5", "default 100\n").unwrap(), "8:0 default");
        assert_eq!(former("net_prio.ifpriomap", "lo 5", "eth0 1\nlo 2\n").unwrap(), "lo 2");
    }

    #[test]
    fn nothing_is_looked_at_unless_it_is_kept() {
        let at = |journal: &Journal| journal.look("/proc/sys/kernel", "pid_max", "1").is_some();
        assert!(!at(&Journal::default()) && at(&Journal::kept()));
    }
}
