//! The options `idmap` and `ridmap`, by themselves or with a mapping of their own as crun has it:
//! `idmap=uids=0-1000-10#20-2000-5;gids=@0-1-10`.

use coble_spec::IdMapping;

/// That the ids of a mount are mapped, and how if the option says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdMap {
    /// Those of all mounts below it too (`ridmap`).
    pub recursive: bool,
    /// Users; empty if the option doesn't say.
    pub uids: Vec<Range>,
    /// Groups; empty if the option doesn't say.
    pub gids: Vec<Range>,
}

/// A range of ids: in the file system, on the host, how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub mapping: IdMapping,
    /// The second number is an id of the container's user namespace (`@`).
    pub relative: bool,
}

impl IdMap {
    /// Reads an option; `None` if it is another one.
    pub(super) fn parse(option: &str) -> Option<Result<Self, &'static str>> {
        let (recursive, rest) = match option.strip_prefix("idmap") {
            Some(rest) => (false, rest),
            None => (true, option.strip_prefix("ridmap")?),
        };
        if rest.is_empty() {
            return Some(Ok(Self { recursive, ..Self::default() }));
        }
        let lists = rest.strip_prefix('=')?;
        Some(Self::parse_lists(lists, recursive).ok_or(FORM))
    }

    fn parse_lists(text: &str, recursive: bool) -> Option<Self> {
        let mut map = Self { recursive, ..Self::default() };
        for part in text.split(';') {
            let (list, ranges) = match part.split_once('=')? {
                ("uids", ranges) => (&mut map.uids, ranges),
                ("gids", ranges) => (&mut map.gids, ranges),
                _ => return None,
            };
            for range in ranges.split('#') {
                list.push(Range::parse(range)?);
            }
        }
        (!map.uids.is_empty() && !map.gids.is_empty()).then_some(map)
    }
}

/// What is said of one that can't be read.
const FORM: &str = "a mapping is written as uids=0-1000-10#20-2000-5;gids=0-1000-10";

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let numbers = text.strip_prefix('@');
        let mut parts = numbers.unwrap_or(text).split('-').map(|part| part.parse().ok());
        let (container_id, host_id, size) = (parts.next()??, parts.next()??, parts.next()??);
        let mapping = IdMapping { container_id, host_id, size };
        parts.next().is_none().then_some(Self { mapping, relative: numbers.is_some() })
    }
}
