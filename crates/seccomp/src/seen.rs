//! The calls that a program makes, and the least profile with which it makes them.

use std::collections::{BTreeMap, BTreeSet};

use coble_spec::{Seccomp, Syscall};

use crate::action::Action;
use crate::answer::Data;
use crate::arch::{Arch, gated};

/// What was seen of a program under a profile, in one run or in several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    archs: Vec<Arch>,
    /// Names of calls that were let through.
    used: BTreeSet<String>,
    /// Names of calls that failed, with their error numbers.
    denied: BTreeMap<String, u32>,
}

/// Calls that the kernel or every program makes at its end, and that a run may do without by chance.
const ALWAYS: [&str; 5] = ["execve", "exit", "exit_group", "restart_syscall", "rt_sigreturn"];

impl Seen {
    /// A call, and what the profile said to it.
    pub fn add(&mut self, call: &Data, answer: Action) {
        if !self.archs.contains(&call.arch) {
            self.archs.push(call.arch);
        }
        let name = call.arch.call(call.number);
        let inner = name.and_then(|name| gated(name, call.args[0]));
        for name in name.into_iter().chain(inner) {
            match answer.errno() {
                None => _ = self.used.insert(name.to_owned()),
                Some(errno) => _ = self.denied.insert(name.to_owned(), errno),
            }
        }
    }

    /// What a profile that was made of former runs has.
    pub fn add_profile(&mut self, profile: &Seccomp) {
        let archs = profile.architectures.iter().filter_map(|name| Arch::named(name));
        for arch in archs {
            if !self.archs.contains(&arch) {
                self.archs.push(arch);
            }
        }
        for Syscall { names, action, errno_ret, .. } in &profile.syscalls {
            let answer = Action::read(["/action", "/errnoRet"], action, *errno_ret);
            match answer.map(Action::errno) {
                Ok(None) => self.used.extend(names.iter().cloned()),
                Ok(Some(errno)) => {
                    self.denied.extend(names.iter().map(|name| (name.clone(), errno)));
                }
                Err(_) => {}
            }
        }
    }

    /// The profile with which the same runs come out the same, and that lets nothing else through: of `profile`, under which
    /// they were seen, the rules for these calls. Rules whose action isn't the filter's own to carry out stay.
    pub fn narrowed(&self, profile: &Seccomp) -> Seccomp {
        let default = Action::read(
            ["/defaultAction", "/defaultErrnoRet"],
            &profile.default_action,
            profile.default_errno_ret,
        );
        let lets_through = default.is_ok_and(Action::lets_through);
        let mut narrow = Seccomp { architectures: self.architectures(), ..profile.clone() };
        narrow.syscalls = profile.syscalls.iter().filter_map(|rule| self.rule(rule)).collect();
        if lets_through {
            narrow.default_action = "SCMP_ACT_ERRNO".to_owned();
            narrow.default_errno_ret = None;
            let always = ALWAYS.map(str::to_owned);
            let names: BTreeSet<String> = self.used.iter().cloned().chain(always).collect();
            let action = profile.default_action.clone();
            let errno_ret = profile.default_errno_ret;
            let names = names.into_iter().collect();
            narrow.syscalls.push(Syscall { names, action, errno_ret, args: Vec::new() });
        }
        narrow.syscalls.extend(self.denials());
        narrow
    }

    /// What stays of a rule.
    fn rule(&self, rule: &Syscall) -> Option<Syscall> {
        let is_wanted = |name: &&String| {
            self.used.contains(*name)
                || self.denied.contains_key(*name)
                || ALWAYS.contains(&name.as_str())
                || !matches!(
                    rule.action.as_str(),
                    "SCMP_ACT_ALLOW" | "SCMP_ACT_LOG" | "SCMP_ACT_ERRNO"
                )
        };
        let names: Vec<String> = rule.names.iter().filter(is_wanted).cloned().collect();
        (!names.is_empty()).then(|| Syscall { names, ..rule.clone() })
    }

    /// Calls that fail fail with the same numbers, for what a program does next may depend on them. The rules that have
    /// let some of them through stand before these.
    fn denials(&self) -> impl Iterator<Item = Syscall> {
        let mut numbers: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (name, errno) in &self.denied {
            numbers.entry(*errno).or_default().push(name.clone());
        }
        numbers.into_iter().map(|(errno, names)| Syscall {
            names,
            action: "SCMP_ACT_ERRNO".to_owned(),
            errno_ret: Some(errno),
            args: Vec::new(),
        })
    }

    fn architectures(&self) -> Vec<String> {
        let mut names: Vec<String> = self.archs.iter().map(|arch| arch.name()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::profile::Profile;

    fn call(arch: Arch, name: &str, args: [u64; 6]) -> Data {
        Data { arch, number: arch.number(name).unwrap(), args }
    }

    fn narrowed(profile: Value, calls: &[(Arch, &str, u64)]) -> Seccomp {
        let section: Seccomp = serde_json::from_value(profile).unwrap();
        let program = Profile::read(&section, Arch::X86_64).unwrap().compile().unwrap();
        let mut seen = Seen::default();
        let calls: Vec<Data> = calls
            .iter()
            .map(|(arch, name, first)| call(*arch, name, [*first, 0, 0, 0, 0, 0]))
            .collect();
        for call in &calls {
            seen.add(call, program.answer(call).unwrap());
        }
        let narrow = seen.narrowed(&section);
        let again = Profile::read(&narrow, Arch::X86_64).unwrap().compile().unwrap();
        for call in &calls {
            assert_eq!(again.answer(call), program.answer(call), "{call:?}");
        }
        let mut merged = Seen::default();
        merged.add_profile(&narrow);
        let merged = merged.narrowed(&section);
        let merged = Profile::read(&merged, Arch::X86_64).unwrap().compile().unwrap();
        for call in &calls {
            assert_eq!(merged.answer(call), program.answer(call), "{call:?}, from the profile");
        }
        narrow
    }

    fn allowed(narrow: &Seccomp, name: &str) -> bool {
        let program = Profile::read(narrow, Arch::X86_64).unwrap().compile().unwrap();
        program.answer(&call(Arch::X86_64, name, [0; 6])) == Some(Action::ALLOW)
    }

    #[test]
    fn what_is_not_made_is_not_allowed() {
        for profile in [
            json!({"defaultAction": "SCMP_ACT_ALLOW"}),
            json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                {"names": ["read", "write", "mkdir", "execve", "exit_group"], "action": "SCMP_ACT_ALLOW"},
            ]}),
        ] {
            let narrow =
                narrowed(profile, &[(Arch::X86_64, "read", 0), (Arch::X86_64, "write", 1)]);
            assert!(allowed(&narrow, "read") && allowed(&narrow, "write"));
            assert!(allowed(&narrow, "execve") && allowed(&narrow, "exit_group"));
            assert!(!allowed(&narrow, "mkdir"));
            assert_eq!(narrow.architectures, ["SCMP_ARCH_X86_64"]);
        }
    }

    #[test]
    fn calls_fail_with_the_same_numbers() {
        let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13, "syscalls": [
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
        ]});
        let calls = [
            (Arch::X86_64, "clone", 0),
            (Arch::X86_64, "clone", 16),
            (Arch::X86_64, "clone3", 0),
            (Arch::X86_64, "mkdir", 0),
        ];
        let narrow = narrowed(profile.clone(), &calls);
        assert!(!narrow.syscalls.iter().any(|rule| rule.names.contains(&"mount".to_owned())));
        // Calls that are newer than all that a profile knows fail with another one.
        let newer = (Arch::X86_64, "listns", 0);
        narrowed(profile, &[newer, (Arch::X86_64, "read", 0)]);
    }

    #[test]
    fn calls_through_others_are_seen() {
        let profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "syscalls": [{"names": ["socket", "bind"], "action": "SCMP_ACT_ALLOW"}],
        });
        let narrow = narrowed(profile, &[(Arch::X86, "socketcall", 1)]);
        assert_eq!(narrow.architectures, ["SCMP_ARCH_X86"]);
        assert_eq!(narrow.syscalls[0].names, ["socket"]);
    }

    #[test]
    fn rules_of_others_stay() {
        let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir"], "action": "SCMP_ACT_TRAP"},
            {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO"},
        ]});
        let narrow = narrowed(profile, &[(Arch::X86_64, "read", 0)]);
        assert_eq!(narrow.syscalls[0].action, "SCMP_ACT_TRAP");
        assert_eq!(narrow.syscalls.len(), 2);
    }
}
