//! Links of documents lead to files and headings that are there.

use std::fs;
use std::path::Path;

use crate::tree::{Tree, prose};

/// What the links of a document lead to.
fn targets(text: &str) -> Vec<String> {
    let text: String = prose(text).flat_map(|line| [line, "\n"]).collect();
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.to_owned()).collect()
}

/// A heading as links name it: in small letters, with dashes for spaces and without other signs.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|one| match one {
        ' ' => Some('-'),
        '-' | '_' => Some(one),
        _ => one.is_alphanumeric().then(|| one.to_ascii_lowercase()),
    });
    kept.collect()
}

fn has_heading(text: &str, name: &str) -> bool {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).any(|own| own == name)
}

/// The links of a document in `folder` that lead nowhere; those to other sites aren't followed.
fn broken(folder: &Path, text: &str) -> Vec<String> {
    let is_own = |target: &String| !target.contains("://");
    let leads = |target: &String| {
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let there = match path {
            "" => Ok(text.to_owned()),
            _ if folder.join(path).is_dir() => Ok(String::new()),
            _ => fs::read_to_string(folder.join(path)),
        };
        there.is_ok_and(|text| heading.is_empty() || has_heading(&text, heading))
    };
    targets(text).into_iter().filter(is_own).filter(|target| !leads(target)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut nowhere = Vec::new();
    let mut count = 0;
    for (document, text) in Tree::read().documents() {
        let folder = root.join(document);
        let links = broken(folder.parent().unwrap(), &text);
        nowhere.extend(links.into_iter().map(|target| format!("{document}: {target}")));
        count += targets(&text).len();
    }
    assert_eq!(nowhere, Vec::<String>::new());
    assert!(count > 50, "{count} links were found");
}

#[test]
fn links_that_lead_nowhere_are_found() {
    let text = "# One: `two` three\n[a](main.rs), [b](moon.rs), [c](../documents),\n[d](#one-two-three) [e](#four) \
                [f](https://example.org/x)\n```\n[g](moon)\n```\n";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents");
    assert_eq!(broken(&folder, text), ["moon.rs", "#four"]);
}
