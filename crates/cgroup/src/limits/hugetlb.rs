//! `hugepageLimits`.

use coble_spec::Resources;

use super::{Target, Write};
use crate::Error;

/// Besides the pages that are used those that are reserved are limited, where the kernel can do that (Linux
/// 5.7).
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

#[cfg(test)]
mod tests {
    use coble_spec::HugepageLimit;

    use super::*;
    use crate::limits::tests::{v1, v2, values};

    fn resources(page_size: &str) -> Resources {
        let limit = HugepageLimit { page_size: page_size.to_owned(), limit: 4 << 20 };
        Resources { hugepage_limits: vec![limit], ..Resources::default() }
    }

    #[test]
    fn used_and_reserved_pages_are_limited() {
        assert_eq!(
            values(writes(&resources("2MB"), &v2())),
            ["hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"]
        );
        assert_eq!(
            values(writes(&resources("1GB"), &v1())),
            ["hugetlb.1GB.limit_in_bytes=4194304", "hugetlb.1GB.rsvd.limit_in_bytes=4194304"]
        );
    }

    #[test]
    fn a_size_is_no_path() {
        for size in ["", "../x", "2MB/", "2 MB"] {
            let message = &values(writes(&resources(size), &v1()))[0];
            assert!(
                message.starts_with("/linux/resources/hugepageLimits/0/pageSize: "),
                "{message}"
            );
        }
    }
}
