//! The repository's files and folders, and its documents.

use std::fs;
use std::path::{Path, PathBuf};

/// Every file and folder, by its path from the root on.
pub(crate) struct Tree {
    root: PathBuf,
    paths: Vec<String>,
}

impl Tree {
    /// That of this repository, without what is built and what is hidden.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let mut tree = Self { root, paths: Vec::new() };
        tree.walk("");
        assert!(tree.paths.len() > 500, "{} files and folders", tree.paths.len());
        tree
    }

    fn walk(&mut self, folder: &str) {
        for entry in fs::read_dir(self.root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with('.') || folder.is_empty() && name == "target" {
                continue;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if entry.file_type().unwrap().is_dir() {
                self.walk(&path);
            }
            self.paths.push(path);
        }
    }

    /// Every document: its path and its text.
    pub(crate) fn documents(&self) -> Vec<(&str, String)> {
        let of = |path: &String| path.ends_with(".md");
        let read = |path: &String| fs::read_to_string(self.root.join(path)).unwrap();
        self.paths.iter().filter(|path| of(path)).map(|path| (&**path, read(path))).collect()
    }

    /// Whether there is a file or folder of this path; `*` stands for any part of a name.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.paths.iter().any(|own| fits(path, own))
    }

    /// Whether there is one in `folder`, at any depth, whose path ends with this one.
    pub(crate) fn has_below(&self, folder: &str, end: &str) -> bool {
        let ends = |own: &str| own == end || own.ends_with(&format!("/{end}"));
        let inside = |own: &str| folder.is_empty() || own.starts_with(&format!("{folder}/"));
        self.paths.iter().any(|own| inside(own) && ends(own))
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (patterns, names) = (pattern.split('/'), path.split('/'));
    patterns.clone().count() == names.clone().count()
        && patterns.zip(names).all(|(pattern, name)| name_fits(pattern, name))
}

fn name_fits(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|start| rest.is_char_boundary(start) && name_fits(after, &rest[start..]))
}

/// The lines of a document, with an empty one for each line of a fenced block.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    text.lines().map(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        if is_fenced || is_fence { "" } else { line }
    })
}

#[test]
fn stars_stand_for_parts_of_names() {
    assert!(fits("crates/*/src", "crates/sys/src") && fits("a/b_*.rs", "a/b_c.rs"));
    assert!(!fits("crates/*", "crates/sys/src") && !fits("a/b_*.rs", "a/c.rs"));
}
