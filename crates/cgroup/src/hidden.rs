//! Features of the kernel that are taken for absent, so that the older way can be tested.

/// The environment variable with their names, and commas between them.
pub const WITHOUT: &str = "COBLE_WITHOUT";

/// Whether a feature is to be taken for absent.
pub fn is_hidden(feature: &str) -> bool {
    std::env::var(WITHOUT).is_ok_and(|list| list.split(',').any(|name| name == feature))
}
