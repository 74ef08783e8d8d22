//! The mount table, without the numbers that are new each time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A line of `/proc/PID/mountinfo`, proc_pid_mountinfo(5).
struct Line<'a> {
    id: &'a str,
    parent: &'a str,
    root: &'a str,
    point: &'a str,
    flags: &'a str,
    fields: Vec<&'a str>,
    kind: &'a str,
    source: &'a str,
    data: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let mut right = right.split(' ');
        let [id, parent, _, root, point, flags, ..] = left[..] else { return None };
        Some(Self {
            id,
            parent,
            root,
            point,
            flags,
            fields: left[6..].to_vec(),
            kind: right.next()?,
            source: right.next()?,
            data: right.next()?,
        })
    }

    /// The number of its own peer group.
    fn group(&self) -> Option<&'a str> {
        self.fields.iter().find_map(|field| field.strip_prefix("shared:"))
    }
}

/// How many mounts are below a mount on the same mount point.
fn depth(line: &Line<'_>, lines: &[Line<'_>]) -> usize {
    let below =
        |one: &&Line<'_>| one.id == line.parent && one.id != line.id && one.point == line.point;
    lines.iter().find(below).map_or(0, |below| 1 + depth(below, lines))
}

/// Every mount with its parent's place. Peer groups have the name of a mount point in them: of the host's, as
/// `outside` tells, or else of the first here. Those on one mount point are in the order in which they are stacked;
/// the order of the rest says nothing.
pub(super) fn table(outside: &BTreeMap<&str, &str>) -> Value {
    let text = match std::fs::read_to_string("/proc/self/mountinfo") {
        Ok(text) => text,
        Err(error) => return super::failure(&error),
    };
    let lines: Vec<Line<'_>> = text.lines().filter_map(Line::parse).collect();
    let depths: Vec<usize> = lines.iter().map(|line| depth(line, &lines)).collect();
    let mut lines: Vec<_> = depths.into_iter().zip(lines).collect();
    lines.sort_by_key(|(depth, line)| (line.point, *depth));
    let lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    let name = |group: &str| {
        let inside = || lines.iter().find(|line| line.group() == Some(group));
        match outside.get(group) {
            Some(point) => format!("the host's {point}"),
            None => inside().map_or("unknown".to_owned(), |line| line.point.to_owned()),
        }
    };
    let field = |field: &&str| match field.split_once(':') {
        Some((word, group)) => format!("{word}: {}", name(group)),
        None => (*field).to_owned(),
    };
    let place = |id: &str| lines.iter().find(|line| line.id == id).map(|line| line.point);
    let mut places = serde_json::Map::new();
    for line in &lines {
        let told = json!({
            "root": line.root,
            "on": place(line.parent).filter(|_| line.point != "/"),
            "flags": line.flags.split(',').collect::<Vec<_>>(),
            "propagation": line.fields.iter().map(field).collect::<Vec<_>>(),
            "type": line.kind,
            "source": line.source,
            "options": line.data.split(',').collect::<Vec<_>>(),
        });
        let stack = places.entry(line.point).or_insert_with(|| json!([]));
        stack.as_array_mut().expect("a list").push(told);
    }
    places.into()
}
