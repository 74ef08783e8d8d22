//! runc's filter of system calls as a configuration has it.
//!
//! Actions and operators are numbers there, architectures have Go's names (libcontainer/configs, libcontainer/seccomp).

use coble_spec::{Seccomp, Syscall, SyscallArg};

use super::format::{Argument, Calls, Filter};
use crate::error::{Error, Result};

/// From 1 on.
const ACTIONS: [&str; 9] =
    ["KILL", "ERRNO", "TRAP", "ALLOW", "TRACE", "LOG", "NOTIFY", "KILL_THREAD", "KILL_PROCESS"];

/// From 1 on.
const OPERATORS: [&str; 7] = ["EQ", "NE", "GT", "GE", "LT", "LE", "MASKED_EQ"];

/// The architectures whose names are not the same in small letters.
const ARCHS: [(&str, &str); 3] =
    [("amd64", "X86_64"), ("arm64", "AARCH64"), ("loong64", "LOONGARCH64")];

pub(super) fn section(filter: &Filter) -> Result<Seccomp> {
    let arch = |name: &String| {
        let other = ARCHS.iter().find(|(own, _)| own == name);
        let name = other.map_or(name.to_uppercase(), |(_, name)| (*name).to_owned());
        format!("SCMP_ARCH_{name}")
    };
    let calls = filter.syscalls.as_deref().unwrap_or_default();
    let default_action = action(filter.default_action)?;
    let default_errno_ret = number(filter.default_action, filter.default_errno_ret);
    let mut syscalls = calls.iter().map(rule).collect::<Result<Vec<_>>>()?;
    in_order_of_libseccomp(&mut syscalls, (&default_action, default_errno_ret));
    Ok(Seccomp {
        default_action,
        default_errno_ret,
        architectures: filter.architectures.iter().flatten().map(arch).collect(),
        // Absent from what older versions wrote, which set none.
        flags: Some(filter.flags.clone().unwrap_or_default()),
        listener_path: filter.listener_path.clone(),
        listener_metadata: filter.listener_metadata.clone(),
        syscalls,
    })
}

fn rule(calls: &Calls) -> Result<Syscall> {
    Ok(Syscall {
        names: vec![calls.name.clone()],
        action: action(calls.action)?,
        errno_ret: number(calls.action, calls.errno_ret),
        args: calls.args.iter().flatten().map(argument).collect::<Result<_>>()?,
    })
}

/// Puts rules into an order in which the first one that is met allows no more than the filter that runc has made of them. It
/// leaves out those with the default action, whose names stay known here; the library lets one without conditions stand
/// before all others, and of several whose conditions are met it's the order of the arguments that decides.
fn in_order_of_libseccomp(rules: &mut [Syscall], default: (&str, Option<u32>)) {
    let of = |name: &str, number: Option<u32>| match name {
        "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE" => (strictness(name), number.or(Some(EPERM))),
        _ => (strictness(name), None),
    };
    let default = of(default.0, default.1);
    for rule in rules.iter_mut().filter(|rule| of(&rule.action, rule.errno_ret) == default) {
        rule.args.clear();
    }
    rules.sort_by_key(|rule| {
        let is_default = of(&rule.action, rule.errno_ret) == default;
        (is_default, !rule.args.is_empty(), strictness(&rule.action))
    });
}

/// The error number of an action that has none of its own.
const EPERM: u32 = 1;

/// Which of two actions the kernel takes, seccomp(2): the one with the lower number.
fn strictness(name: &str) -> usize {
    let name = name.trim_start_matches("SCMP_ACT_");
    let known = ["KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "NOTIFY", "TRACE", "LOG", "ALLOW"];
    let name = if name == "KILL" { "KILL_THREAD" } else { name };
    known.iter().position(|known| *known == name).unwrap_or(known.len())
}

fn argument(own: &Argument) -> Result<SyscallArg> {
    let Argument { index, value, value_two, op } = *own;
    let op = named("SCMP_CMP_", &OPERATORS, op)?;
    Ok(SyscallArg { index, value, value_two, op })
}

fn action(number: usize) -> Result<String> {
    named("SCMP_ACT_", &ACTIONS, number)
}

/// Only two actions have one; runc passes those of others over.
fn number(action: usize, number: Option<u32>) -> Option<u32> {
    let name = action.checked_sub(1).and_then(|index| ACTIONS.get(index).copied());
    number.filter(|_| matches!(name, Some("ERRNO" | "TRACE")))
}

fn named(prefix: &str, names: &[&str], number: usize) -> Result<String> {
    let name = number.checked_sub(1).and_then(|index| names.get(index));
    let unknown = || Error::new(format!("state.json: /config/seccomp: {number} is unknown"));
    name.map(|name| format!("{prefix}{name}")).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_runc_writes_is_what_it_was_given() {
        let filter: Filter = serde_json::from_value(json!({
            "default_action": 2, "default_errno_ret": 38, "architectures": ["amd64", "x86", "x32", "s390x"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "syscalls": [
                {"name": "read", "action": 4, "errnoRet": 1, "args": []},
                {"name": "clone", "action": 5, "errnoRet": 7,
                    "args": [{"index": 1, "value": 2, "value_two": 3, "op": 7}]},
            ],
        }))
        .unwrap();
        let expected: Seccomp = serde_json::from_value(json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_S390X"],
            "syscalls": [
                {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
                {"names": ["clone"], "action": "SCMP_ACT_TRACE", "errnoRet": 7,
                    "args": [{"index": 1, "value": 2, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]},
            ],
        }))
        .unwrap();
        assert_eq!(section(&filter).unwrap(), expected);
        for wrong in [json!({"default_action": 0}), json!({"default_action": 10})] {
            let filter: Filter = serde_json::from_value(wrong).unwrap();
            assert!(section(&filter).is_err());
        }
    }

    /// A process that is added must not have a wider filter than the container, whose filter the library has made.
    #[test]
    fn rules_are_in_an_order_in_which_the_first_one_allows_no_more() {
        let call = |action: usize, value: Option<u64>| {
            let args: Vec<_> = value
                .map(|value| json!({"index": 0, "value": value, "value_two": 0, "op": 1}))
                .into_iter()
                .collect();
            json!({"name": "clone", "action": action, "args": args})
        };
        let order = |default: usize, calls: &[serde_json::Value]| {
            let filter = json!({"default_action": default, "architectures": [], "syscalls": calls});
            let section = section(&serde_json::from_value(filter).unwrap()).unwrap();
            let rule = |call: &Syscall| (call.action.clone(), call.args.len());
            section.syscalls.iter().map(rule).collect::<Vec<_>>()
        };
        let (kill, errno, allow) = (1, 2, 4);
        let named = |names: &[(&str, usize)]| {
            let full = |(name, args): &(&str, usize)| (format!("SCMP_ACT_{name}"), *args);
            names.iter().map(full).collect::<Vec<_>>()
        };
        // Under ALLOW the first rule doesn't count.
        let calls = [call(allow, Some(1)), call(errno, None)];
        assert_eq!(order(allow, &calls), named(&[("ERRNO", 0), ("ALLOW", 0)]));
        // One without conditions does so first.
        assert_eq!(order(kill, &calls), named(&[("ERRNO", 0), ("ALLOW", 1)]));
        // A default error number that isn't written is EPERM.
        let calls = [call(errno, Some(1)), call(allow, Some(2)), call(kill, Some(3))];
        let expected = named(&[("KILL", 1), ("ALLOW", 1), ("ERRNO", 0)]);
        assert_eq!(order(errno, &calls), expected);
    }
}
