//! Takes back a container whose making has failed.

use super::Making;
use crate::error::Error;
use crate::executor::Executor;

impl Making {
    /// Takes back a container that has failed since its executor was started. Its hooks may have run by then, so those that
    /// follow its end run, too (runtime.md, "Lifecycle", steps 12 and 13). Returns `error`, and what failed of that.
    pub(crate) fn abandon(mut self, error: Error) -> Error {
        if !self.take_back() || !self.is_recorded {
            return error;
        }
        self.run_poststop().iter().fold(error, |all, failed| all.followed_by(&failed.to_string()))
    }

    /// Whether nothing is left of it. A remainder that can't be removed is what `delete --force` is for, which finds it by
    /// the entry.
    fn take_back(&mut self) -> bool {
        if std::mem::replace(&mut self.kept, true) {
            return false;
        }
        // Whoever has deleted it meanwhile may have made another one of its name.
        let is_there = self.entry.lock().is_ok() && matches!(self.entry.is_removed(), Ok(false));
        if let Some(cgroup) = self.cgroup.as_ref().filter(|_| is_there) {
            // Somebody may have frozen it meanwhile.
            let _ = cgroup.thaw_killed();
        }
        let has_ended = self.executor.as_ref().is_none_or(Executor::destroy);
        if let Some(devices) = &mut self.devices {
            devices.take_back();
        }
        if !is_there || !has_ended {
            return false;
        }
        if let Some(cgroup) = &self.cgroup
            && cgroup.kill().and_then(|()| cgroup.remove()).is_err()
        {
            return false;
        }
        if let Some(group) = &self.group {
            let _ = group.take_back();
        }
        self.entry.remove().is_ok()
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.take_back();
    }
}
