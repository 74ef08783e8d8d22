//! How many crates of others the binary is made from.

use std::collections::BTreeSet;

use crate::{Result, cargo};

/// Crates from a registry that building the binary needs, build scripts and macros included.
pub(super) fn count() -> Result<u64> {
    let output = cargo::command(["tree", "--locked", "--package", "coble", "--edges", "no-dev"])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()
        .map_err(|e| format!("cargo tree: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(external(&text).len() as u64)
}

/// Of `cargo tree`'s lines (`name vVERSION`, then `(proc-macro)`, `(*)` or a folder) those without a folder.
fn external(tree: &str) -> BTreeSet<(&str, &str)> {
    tree.lines()
        .filter(|line| !line.contains("(/"))
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::external;

    #[test]
    fn each_crate_of_others_counts_once() {
        let tree = "coble v0.1.0 (/home/x/coble)\nserde v1.0.1\nsyn v2.0.1\nsyn v2.0.1 (*)\n\
                    serde_derive v1.0.1 (proc-macro)\ncoble-sys v0.1.0 (/home/x/coble/crates/sys)\n\nsyn v1.0.9\n";
        assert_eq!(external(tree).len(), 4);
    }
}
