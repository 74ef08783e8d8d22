//! `hugepageLimits`.

use coble_spec::Resources;

use super::{Target, Write};
use crate::Error;

/// Besides the pages that are used those that are reserved are limited, where the kernel can do that (Linux 5.7).
pub(super) fn writes(resources: &Resources, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    let suffix = if target.is_v2 { "max" } else { "limit_in_bytes" };
    let mut writes = Vec::new();
    for (index, limit) in resources.hugepage_limits.iter().enumerate() {
        let pointer = format!("/linux/resources/hugepageLimits/{index}");
        let size = &limit.page_size;
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::value(
                format!("{pointer}/pageSize"),
                format!("{size:?} is not a size such as 2MB"),
            ));
        }
        let file = format!("hugetlb.{size}.{suffix}");
        writes.push(Write::new(pointer.clone(), file, limit.limit));
        let file = format!("hugetlb.{size}.rsvd.{suffix}");
        writes.push(Write::new(pointer, file, limit.limit).may_lack_if(true));
    }
    Ok(writes)
}
