//! Files and folders that documents name in backticks are there.

use std::collections::BTreeSet;

use crate::tree::{Tree, prose};

/// Folders at the top; a path that begins with one of them is the whole path.
const TOP: [&str; 8] =
    ["bench", "completions", "crates", "docs", "examples", "man", "tests", "xtask"];

/// Endings of names that are those of files here, and of no others.
const ENDINGS: [&str; 2] = [".rs", ".md"];

/// The parts of a document that are read together: a row of a table, or lines without an empty one between them.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in prose(text) {
        if line.trim().is_empty() || line.starts_with('|') {
            blocks.push(String::new());
        }
        let last = blocks.last_mut().unwrap();
        last.push_str(line);
        last.push(' ');
    }
    blocks
}

/// What a block has in backticks and may be a path.
fn paths(block: &str) -> impl Iterator<Item = &str> {
    let is_path =
        |text: &&str| text.chars().all(|one| one.is_ascii_alphanumeric() || "_-./*".contains(one));
    let quoted = block.split('`').skip(1).step_by(2).filter(is_path);
    quoted.map(|text| text.trim_end_matches('/'))
}

fn is_whole(path: &str) -> bool {
    path.split_once('/').is_some_and(|(top, _)| TOP.contains(&top))
}

/// The crate that a whole path is in, or another folder at the top.
fn home(path: &str) -> &str {
    let depth = if path.starts_with("crates/") { 2 } else { 1 };
    path.match_indices('/').nth(depth - 1).map_or(path, |(end, _)| &path[..end])
}

/// The names in a document that are nobody's. A short one is looked for beside the document, and then in the crates that
/// its block names; everywhere if there are none.
fn missing(tree: &Tree, document: &str, text: &str) -> Vec<String> {
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut missing = Vec::new();
    for block in blocks(text) {
        let homes: BTreeSet<&str> = paths(&block).filter(|path| is_whole(path)).map(home).collect();
        for path in paths(&block) {
            let is_there = if is_whole(path) {
                tree.has(path)
            } else if ENDINGS.iter().any(|ending| path.ends_with(ending)) {
                let beside =
                    if folder.is_empty() { path.into() } else { format!("{folder}/{path}") };
                let all = homes.is_empty() && tree.has_below("", path);
                tree.has(&beside) || all || homes.iter().any(|home| tree.has_below(home, path))
            } else {
                true
            };
            if !is_there {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    missing
}

#[test]
fn every_file_that_is_named_is_there() {
    let tree = Tree::read();
    let mut named = 0;
    let mut nowhere = Vec::new();
    for (document, text) in tree.documents() {
        nowhere.extend(missing(&tree, document, &text));
        named +=
            blocks(&text).iter().flat_map(|block| paths(block)).filter(|p| is_whole(p)).count();
    }
    assert_eq!(nowhere, Vec::<String>::new());
    assert!(named > 100, "{named} paths were found");
}

#[test]
fn what_is_missing_is_found() {
    let tree = Tree::read();
    let text = "Here `crates/stage/src/path.rs`, `mount.rs` and\n`entry/nothing.rs`.\n\n\
                | `crates/moon/src` | `store.rs` |\n| `tests/tests/list` | `list.rs`, `words` |\n\n\
                In `case.rs` and `moon.rs`, but `state.json`:\n```\n`docs/none.md`\n```\n`docs/*s.md`";
    let expected = [
        "docs/x.md: entry/nothing.rs",
        "docs/x.md: crates/moon/src",
        "docs/x.md: store.rs",
        "docs/x.md: tests/tests/list",
        "docs/x.md: moon.rs",
    ];
    assert_eq!(missing(&tree, "docs/x.md", text), expected);
}
