//! `rdma`.

use std::fmt::Write as _;

use coble_spec::Resources;

use super::{Target, Write};
use crate::Error;

pub(super) fn writes(resources: &Resources, _: &Target<'_>) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    for (device, limits) in &resources.rdma {
        let pointer =
            format!("/linux/resources/rdma/{}", device.replace('~', "~0").replace('/', "~1"));
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
