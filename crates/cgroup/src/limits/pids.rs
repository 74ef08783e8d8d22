//! `pids`.

use coble_spec::Resources;

use super::{Target, Write};
use crate::Error;

/// A limit of 0 is written as 1: the container has one process from the beginning, which could not be made
/// otherwise, and can't make another.
pub(super) fn writes(resources: &Resources, _: &Target<'_>) -> Result<Vec<Write>, Error> {
    let limit = resources.pids.as_ref().and_then(|pids| pids.limit);
    let value = |limit: i64| if limit < 0 { "max".to_owned() } else { limit.max(1).to_string() };
    let write = |limit| Write::new("/linux/resources/pids/limit", "pids.max", value(limit));
    Ok(limit.map(write).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::{v1, values};

    #[test]
    fn zero_is_a_limit_and_minus_one_is_none() {
        let max = |limit: i64| {
            let pids = coble_spec::Pids { limit: Some(limit) };
            values(writes(&Resources { pids: Some(pids), ..Resources::default() }, &v1()))
        };
        assert_eq!(max(0), ["pids.max=1"]);
        assert_eq!(max(1), ["pids.max=1"]);
        assert_eq!(max(4096), ["pids.max=4096"]);
        assert_eq!(max(-1), ["pids.max=max"]);
        assert!(values(writes(&Resources::default(), &v1())).is_empty());
    }
}
