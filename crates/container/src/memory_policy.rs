//! `linux.memoryPolicy` (config-linux.md, "Memory policy"; set_mempolicy(2)).

use coble_plan::{MEMORY_POLICIES, MEMORY_POLICY_FLAGS, Plan, Step};
use coble_spec::MemoryPolicy;

use crate::error::{Error, Result};
use crate::number_list;
use crate::validate::quoted;

/// What set_mempolicy(2) takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// A mode and its flags.
    mode: u32,
    /// A mask.
    nodes: Vec<u8>,
}

/// Finds the numbers of a policy.
///
/// # Errors
/// Where it is wrong, as a JSON pointer into the policy, and why.
pub(crate) fn resolve(policy: &MemoryPolicy) -> std::result::Result<Resolved, (String, String)> {
    let name = policy.mode.as_str();
    let known = MEMORY_POLICIES.iter().zip(0..).find(|(known, _)| **known == name);
    let (_, mode) = known.ok_or_else(|| {
        ("/mode".to_owned(), format!("invalid memory policy mode {}", quoted(name)))
    })?;
    let nodes = match policy.nodes.as_str() {
        "" => Vec::new(),
        list => number_list::mask(list).map_err(|reason| {
            ("/nodes".to_owned(), format!("invalid memory policy nodes: {reason}"))
        })?,
    };
    let count: u32 = nodes.iter().map(|byte| byte.count_ones()).sum();
    let wanted = match (name, count) {
        ("MPOL_DEFAULT" | "MPOL_LOCAL", 1..) => Some("0 nodes"),
        ("MPOL_DEFAULT" | "MPOL_LOCAL" | "MPOL_PREFERRED", _) | (_, 1..) => None,
        (_, 0) => Some("at least one node"),
    };
    if let Some(wanted) = wanted {
        let reason = format!("{name}: the mode requires {wanted} but got {count}");
        return Err(("/nodes".to_owned(), reason));
    }
    Ok(Resolved { mode: mode | flags(&policy.flags)?, nodes })
}

fn flags(names: &[String]) -> std::result::Result<u32, (String, String)> {
    let mut flags = 0;
    for (index, name) in names.iter().enumerate() {
        let known = MEMORY_POLICY_FLAGS.iter().find(|(known, _)| known == name);
        let unknown =
            || (format!("/flags/{index}"), format!("invalid memory policy flag {}", quoted(name)));
        flags |= known.ok_or_else(unknown)?.1;
    }
    let exclusive = ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"];
    if exclusive.iter().all(|flag| names.iter().any(|name| name == flag)) {
        return Err((
            "/flags".to_owned(),
            format!("{} exclude each other", exclusive.join(" and ")),
        ));
    }
    Ok(flags)
}

/// Adds the step that sets the policy, which programs inherit.
///
/// # Errors
/// As [`resolve`].
pub(crate) fn policy_step(policy: Option<&MemoryPolicy>, plan: &mut Plan) -> Result<()> {
    const POINTER: &str = "/linux/memoryPolicy";
    let Some(policy) = policy else { return Ok(()) };
    let Resolved { mode, nodes } = resolve(policy)
        .map_err(|(pointer, reason)| Error::new(format!("{POINTER}{pointer}: {reason}")))?;
    plan.push(Step::MemoryPolicy { mode, nodes: &nodes }, POINTER);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mode: &str, nodes: &str, flags: &[&str]) -> MemoryPolicy {
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        MemoryPolicy { mode: mode.into(), nodes: nodes.into(), flags }
    }

    #[test]
    fn names_become_numbers() {
        for (policy, mode, nodes) in [
            (policy("MPOL_DEFAULT", "", &[]), 0, &[][..]),
            (policy("MPOL_PREFERRED", "", &[]), 1, &[]),
            (policy("MPOL_BIND", "0-1", &["MPOL_F_STATIC_NODES"]), 0x8002, &[3]),
            (policy("MPOL_BIND", "0", &["MPOL_F_NUMA_BALANCING"]), 0x2002, &[1]),
            (policy("MPOL_INTERLEAVE", "2", &["MPOL_F_RELATIVE_NODES"]), 0x4003, &[4]),
            (policy("MPOL_LOCAL", "", &[]), 4, &[]),
            (policy("MPOL_PREFERRED_MANY", "0", &[]), 5, &[1]),
            (policy("MPOL_WEIGHTED_INTERLEAVE", "0", &[]), 6, &[1]),
        ] {
            let resolved = resolve(&policy).unwrap();
            assert_eq!(resolved.mode, mode, "{policy:?}");
            assert!(resolved.nodes.starts_with(nodes), "{policy:?}");
            assert_eq!(resolved.nodes.is_empty(), nodes.is_empty(), "{policy:?}");
        }
        assert_eq!(resolve(&policy("MPOL_BIND", "2000", &[])).unwrap().nodes.len(), 256);
    }

    #[test]
    fn what_makes_no_sense_has_a_place() {
        for (policy, pointer, words) in [
            (policy("MPOL_MOON", "", &[]), "/mode", "invalid memory policy mode \"MPOL_MOON\""),
            (policy("", "0", &[]), "/mode", "invalid memory policy mode \"\""),
            (policy("bind", "0", &[]), "/mode", "invalid memory policy mode"),
            (
                policy("MPOL_BIND", "", &[]),
                "/nodes",
                "MPOL_BIND: the mode requires at least one node but got 0",
            ),
            (policy("MPOL_INTERLEAVE", "", &[]), "/nodes", "requires at least one node"),
            (
                policy("MPOL_DEFAULT", "0", &[]),
                "/nodes",
                "MPOL_DEFAULT: the mode requires 0 nodes but got 1",
            ),
            (policy("MPOL_LOCAL", "0", &[]), "/nodes", "requires 0 nodes but got 1"),
            (policy("MPOL_BIND", "0-", &[]), "/nodes", "neither a number nor a range"),
            (policy("MPOL_BIND", "0", &["MPOL_F_STATIC_NODES", "X"]), "/flags/1", "flag \"X\""),
            (
                policy("MPOL_BIND", "0", &["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]),
                "/flags",
                "exclude each other",
            ),
        ] {
            let (place, reason) = resolve(&policy).unwrap_err();
            assert_eq!(place, pointer, "{policy:?}");
            assert!(reason.contains(words), "{policy:?}: {reason}");
        }
    }
}
