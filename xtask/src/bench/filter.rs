//! How long the compiler of filters takes for the profile `default`, by Criterion's figures.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::specification::Table;
use crate::{Result, cargo};

/// What the tables call it.
pub(super) const NAME: &str = "compile-filter";

/// What it is compared with: microseconds.
pub(super) const CLOCK: &str = "us";

/// Measures and compares with the promise; gives how many promises aren't kept.
pub(super) fn judge(scratch: &Path, table: &Table) -> Result<usize> {
    let home = scratch.join("criterion");
    let bench = ["bench", "--quiet", "--package", "coble-seccomp", "--bench", "compile"];
    let status = cargo::command(bench).env("CRITERION_HOME", &home).status();
    let status = status.map_err(|e| format!("cargo bench: {e}"))?;
    if !status.success() {
        return Err(format!("cargo bench: {status}"));
    }
    println!("\n{NAME:<20}{:>10}", "median us");
    let [parse, compile] =
        ["parse", "compile"].map(|name| median(&home.join("default").join(name)));
    let (parse, compile) = (parse?, compile?);
    println!("  {:<18}{parse:>10.1}\n  {:<18}{compile:>10.1}", "parse", "compile");
    let row = table.rows().iter().find(|row| row.first().is_some_and(|cell| cell == NAME));
    let most: Option<f64> = row.and_then(|row| row.last()?.parse().ok());
    let most = most.ok_or_else(|| format!("SPECIFICATION.md promises nothing of {NAME}"))?;
    let kept = compile <= most;
    let verdict = if kept { "kept" } else { "NOT KEPT" };
    println!("  compile: {compile:.1} us, promised {most:.0}: {verdict}");
    Ok(usize::from(!kept))
}

/// Criterion's median of a benchmark, in microseconds.
fn median(folder: &Path) -> Result<f64> {
    let path = folder.join("new/estimates.json");
    let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = fs::read(&path).map_err(|e| told(&e))?;
    let estimates: Value = serde_json::from_slice(&text).map_err(|e| told(&e))?;
    let median = estimates["median"]["point_estimate"].as_f64();
    Ok(median.ok_or_else(|| told(&"no median"))? / 1e3)
}
