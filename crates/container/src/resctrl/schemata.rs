//! Lines of a `schemata` file: `RESOURCE:ID=VALUE;ID=VALUE`.

use coble_spec::IntelRdt;

/// The lines of the section in the order in which they are written.
pub(super) fn lines(wanted: &IntelRdt) -> Vec<&str> {
    let schemata = wanted.schemata.iter().map(String::as_str);
    old_lines(wanted).chain(schemata).filter(|line| !line.is_empty()).collect()
}

/// Those of `l3CacheSchema` and `memBwSchema`.
pub(super) fn old_lines(wanted: &IntelRdt) -> impl Iterator<Item = &str> {
    let texts = wanted.l3_cache_schema.lines().chain(wanted.mem_bw_schema.lines());
    texts.filter(|line| !line.is_empty())
}

/// Whether what `line` asks for stands in `existing`, the whole of a `schemata` file, whatever the order and the
/// leading zeros. `step` is that of memory bandwidth: the kernel rounds up to a multiple of it.
pub(super) fn holds(existing: &str, line: &str, step: Option<u64>) -> bool {
    let Some((name, wanted)) = parse(line) else { return false };
    let Some((_, there)) = existing.lines().filter_map(parse).find(|(other, _)| *other == name)
    else {
        return false;
    };
    let base = if name.starts_with("MB") { 10 } else { 16 };
    let number = |text: &str| u64::from_str_radix(text, base).ok();
    let step = step.filter(|step| base == 10 && *step > 0);
    wanted.iter().all(|(id, value)| {
        let Some((_, other)) = there.iter().find(|(other, _)| other == id) else { return false };
        match (number(value), number(other)) {
            (Some(value), Some(other)) => {
                value == other || step.is_some_and(|step| value.next_multiple_of(step) == other)
            }
            _ => value == other,
        }
    })
}

/// The resource of a line and its pairs; `None` if it is no such line.
fn parse(line: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let (name, pairs) = line.split_once(':')?;
    let pairs = pairs.split(';').map(|pair| {
        let (id, value) = pair.split_once('=')?;
        Some((id.trim(), value.trim()))
    });
    Some((name.trim(), pairs.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_members_come_first_and_the_cache_before_the_bandwidth() {
        let wanted = IntelRdt {
            l3_cache_schema: "L3CODE:0=f\nL3DATA:0=f\n".into(),
            mem_bw_schema: "MB:0=20".into(),
            schemata: vec!["L2:0=f".into(), "MB:0=30".into()],
            ..IntelRdt::default()
        };
        let expected = ["L3CODE:0=f", "L3DATA:0=f", "MB:0=20", "L2:0=f", "MB:0=30"];
        assert_eq!(lines(&wanted), expected);
        assert_eq!(lines(&IntelRdt::default()), [""; 0]);
    }

    #[test]
    fn what_is_there_is_compared_by_its_meaning() {
        let file = "    MB:0= 30;1=100\n    L3:0=07ff;1=00f0\n";
        for line in ["L3:0=7ff;1=f0", "L3:1=0F0", "L3: 1=f0 ; 0=7ff", "MB:0=30;1=100"] {
            assert!(holds(file, line, None), "{line}");
        }
        for line in ["L3:0=7fe", "L3:2=7ff", "L2:0=7ff", "L3:0", "L3", "", "MB:0=25", "MB:0=x"] {
            assert!(!holds(file, line, None), "{line}");
        }
        assert!(holds(file, "MB:0=25", Some(10)));
        for (line, step) in [("MB:0=31", 10), ("MB:0=20", 10), ("MB:0=25", 0), ("L3:0=7f9", 10)] {
            assert!(!holds(file, line, Some(step)), "{line}");
        }
    }
}
