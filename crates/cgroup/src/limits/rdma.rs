//! `rdma`.

use std::fmt::Write as _;

use coble_spec::{Resources, reference_token};

use super::{Target, Write};
use crate::Error;

pub(super) fn writes(resources: &Resources, _: &Target<'_>) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    for (device, limits) in &resources.rdma {
        let pointer = format!("/linux/resources/rdma/{}", reference_token(device));
        if device.is_empty() || device.contains(char::is_whitespace) {
            return Err(Error::value(pointer, format!("{device:?} is not the name of a device")));
        }
        let mut line = device.clone();
        for (name, value) in
            [("hca_handle", limits.hca_handles), ("hca_object", limits.hca_objects)]
        {
            if let Some(value) = value {
                let _ = write!(line, " {name}={value}");
            }
        }
        if line.len() == device.len() {
            continue; // nothing is asked for
        }
        writes.push(Write::new(pointer, "rdma.max", line));
    }
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use coble_spec::Rdma;

    use super::*;
    use crate::limits::tests::{v2, values};

    fn on(name: &str, hca_handles: Option<u32>, hca_objects: Option<u32>) -> Vec<String> {
        let rdma = [(name.to_owned(), Rdma { hca_handles, hca_objects })].into();
        values(writes(&Resources { rdma, ..Resources::default() }, &v2()))
    }

    #[test]
    fn a_line_has_what_is_set() {
        assert_eq!(
            on("mlx5_1", Some(3), Some(10_000)),
            ["rdma.max=mlx5_1 hca_handle=3 hca_object=10000"]
        );
        assert_eq!(on("mlx4_0", None, Some(0)), ["rdma.max=mlx4_0 hca_object=0"]);
        assert!(on("rxe3", None, None).is_empty());
    }

    #[test]
    fn a_name_is_one_word() {
        assert!(on("a b", Some(1), None)[0].starts_with("/linux/resources/rdma/a b: "));
        assert!(on("", Some(1), None)[0].starts_with("/linux/resources/rdma/: "));
    }
}
