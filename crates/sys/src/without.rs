//! Features of the kernel that are taken for absent, so that the older way can be tested.

/// The environment variable with their names, and commas between them.
const VARIABLE: &str = "COBLE_WITHOUT";

/// Whether a feature is to be taken for absent.
pub fn without(feature: &str) -> bool {
    std::env::var(VARIABLE).is_ok_and(|list| list.split(',').any(|name| name == feature))
}
