//! The tables of SPECIFICATION.md that are checked.
//!
//! A table stands between `<!-- budget:NAME -->` and `<!-- /budget -->`. Its first two lines are the head;
//! each further line is a row.

use std::path::PathBuf;
use std::{fs, ops::Range};

use crate::{Result, cargo};

/// A table: its rows, each a list of cells.
pub(crate) struct Table {
    name: &'static str,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads the table called `name`.
    pub(crate) fn read(name: &'static str) -> Result<Self> {
        let text = load()?;
        let range = place(&text, name)?;
        Ok(Self::of(name, &text[range]))
    }

    /// Takes the lines of a table.
    pub(crate) fn of(name: &'static str, text: &str) -> Self {
        let rows = text.lines().filter(|line| line.starts_with('|')).skip(2);
        Self { name, rows: rows.map(cells).collect() }
    }

    /// Refuses a row that the one who measures doesn't know: what it promises would be checked by nobody.
    pub(crate) fn has_only(&self, is_known: impl Fn(&[String]) -> bool) -> Result<()> {
        match self.rows.iter().find(|row| !is_known(row)) {
            Some(row) => {
                let row = row.join(" | ");
                Err(format!("SPECIFICATION.md: {}: nothing measures the row {row}", self.name))
            }
            None => Ok(()),
        }
    }

    /// The rows' cells.
    pub(crate) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The number in the last cell of the row whose first cell is `key`; signs that group digits are allowed.
    pub(crate) fn number(&self, key: &str) -> Result<u64> {
        let row = self.rows.iter().find(|row| row.first().is_some_and(|cell| cell == key));
        let row = row.ok_or_else(|| format!("SPECIFICATION.md: {}: no row {key}", self.name))?;
        let cell = row.last().map_or("", String::as_str);
        let digits: String = cell.chars().filter(|sign| !matches!(sign, ' ' | ',')).collect();
        digits.parse().map_err(|_| format!("SPECIFICATION.md: {}: {key}: {cell}", self.name))
    }
}

/// Writes `numbers` into the last cells of the table called `name`.
pub(crate) fn update(name: &str, numbers: &[(&str, u64)]) -> Result<()> {
    let text = load()?;
    let range = place(&text, name)?;
    let lines = text[range.clone()].split_inclusive('\n');
    let updated: String = lines.map(|line| renumbered(line, numbers)).collect();
    let whole = [&text[..range.start], &updated, &text[range.end..]].concat();
    fs::write(path(), whole).map_err(|e| format!("SPECIFICATION.md: {e}"))
}

/// The row with its last cell replaced, if one of the numbers is for it; all other signs stay.
fn renumbered(line: &str, numbers: &[(&str, u64)]) -> String {
    let row = cells(line);
    let number = numbers.iter().find(|(key, _)| row.first().is_some_and(|cell| cell == key));
    let before = line.trim_end().trim_end_matches('|').rsplit_once('|');
    match (number, before) {
        (Some((_, number)), Some((before, _))) => format!("{before}| {number} |\n"),
        _ => line.to_owned(),
    }
}

fn path() -> PathBuf {
    cargo::workspace().join("SPECIFICATION.md")
}

fn load() -> Result<String> {
    fs::read_to_string(path()).map_err(|e| format!("SPECIFICATION.md: {e}"))
}

/// Where the table's lines stand in the text.
fn place(text: &str, name: &str) -> Result<Range<usize>> {
    let missing = || format!("SPECIFICATION.md has no table budget:{name}");
    let mark = format!("<!-- budget:{name} -->\n");
    let start = text.find(&mark).ok_or_else(missing)? + mark.len();
    let length = text[start..].find("<!-- /budget -->").ok_or_else(missing)?;
    Ok(start..start + length)
}

fn cells(line: &str) -> Vec<String> {
    let inside = line.trim().trim_start_matches('|').trim_end_matches('|');
    inside.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "a\n<!-- budget:x -->\n| k | n |\n|---|---|\n| `b c` | 1 |\n<!-- /budget -->\nz\n";

    #[test]
    fn a_table_is_found_between_its_marks() {
        let range = place(TEXT, "x").unwrap();
        assert_eq!(&TEXT[range], "| k | n |\n|---|---|\n| `b c` | 1 |\n");
        assert!(place(TEXT, "y").is_err());
    }

    #[test]
    fn cells_lose_their_quotes() {
        assert_eq!(cells("| `b c` | 1 |\n"), ["b c", "1"]);
    }

    #[test]
    fn a_new_number_leaves_the_rest_of_its_row() {
        assert_eq!(renumbered("| `b c` | x | 1 |\n", &[("b c", 7)]), "| `b c` | x | 7 |\n");
        assert_eq!(renumbered("| `b c` | x | 1 |\n", &[("b", 7)]), "| `b c` | x | 1 |\n");
    }

    #[test]
    fn numbers_are_read_from_the_last_cell() {
        let rows = vec![cells("| `b c` | x | 3 145 728 |"), cells("| d | many |")];
        let table = Table { name: "x", rows };
        assert_eq!(table.number("b c"), Ok(3_145_728));
        assert!(table.number("d").is_err());
        assert!(table.number("e").is_err());
    }

    #[test]
    fn a_row_that_nobody_knows_is_refused() {
        let table = Table::of("x", "| k | n |\n|---|---|\n| a | 1 |\n| b | 2 |\n");
        assert_eq!(table.has_only(|row| ["a", "b"].contains(&row[0].as_str())), Ok(()));
        let refused = table.has_only(|row| row[0] == "a").unwrap_err();
        assert_eq!(refused, "SPECIFICATION.md: x: nothing measures the row b | 2");
    }
}
