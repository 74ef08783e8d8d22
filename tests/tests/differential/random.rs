//! Random configurations with both runtimes.
//!
//! `COBLE_DIFFERENTIAL_COUNT` says how many, `COBLE_DIFFERENTIAL_SEED` which one is the first: a configuration that
//! differs is printed with its seed, and a count of 1 with that seed repeats it alone.

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::compare::Difference;
use crate::ground::Ground;
use crate::setup::Setup;
use crate::{compare, generate, shrink};

const COUNT: u64 = 300;
/// The first seed, where none is given.
const SEED: u64 = 1;
/// How many run at the same time. The kernel makes both wait much more than they compute.
const WORKERS: usize = 4;
/// More differences than this are not made small: it takes its time.
const MOST: usize = 3;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// A configuration that differs, or that both refused.
struct Found {
    seed: u64,
    setup: Setup,
    differences: Vec<Difference>,
}

#[test]
fn configurations_are_seen_the_same() {
    let Some(ground) = Ground::new() else { return };
    let first = number("COBLE_DIFFERENTIAL_SEED", SEED);
    let seeds = first..first + number("COBLE_DIFFERENTIAL_COUNT", COUNT);
    let next = AtomicU64::new(first);
    let refused = Mutex::new(Vec::new());
    let found = Mutex::new(Vec::new());
    let work = |ground: &Ground| {
        while let Some(seed) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| seeds.contains(seed))
        {
            let setup = generate::setup(seed);
            let compared = compare::both(ground, &setup);
            refused.lock().unwrap().extend(compared.refused.map(|words| (seed, words)));
            if !compared.differences.is_empty() {
                let differences = compared.differences;
                found.lock().unwrap().push(Found { seed, setup, differences });
            }
        }
    };
    thread::scope(|scope| {
        for number in 1..WORKERS {
            // Cases have the name of their thread.
            let worker = thread::Builder::new().name(format!("differential-{number}"));
            worker.spawn_scoped(scope, || Ground::new().map(|ground| work(&ground))).unwrap();
        }
        work(&ground);
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|found| found.seed);
    let (count, refused) = (seeds.end - first, refused.into_inner().unwrap());
    println!("refused by both: {refused:#?}");
    let refused = refused.len() as u64;
    println!(
        "seeds {first} to {}, {} differ, {refused} refused by both",
        seeds.end - 1,
        found.len()
    );
    println!("{}", summary(&found));
    let told: Vec<String> = told(&ground, &found);
    assert!(found.is_empty(), "{}", told.join("\n\n"));
    assert!(refused * 10 <= count, "{refused} of {count} configurations were refused by both");
}

/// How many configurations differ in which property.
fn summary(found: &[Found]) -> String {
    let mut counts = BTreeMap::new();
    for Found { differences, seed, .. } in found {
        for difference in differences {
            let words = difference.words.as_deref().unwrap_or_default();
            counts
                .entry(format!("{} {words}", difference.place.join(" > ")))
                .or_insert_with(Vec::new)
                .push(seed);
        }
    }
    let lines = counts
        .iter()
        .map(|(place, seeds)| format!("{place}: {}x, e.g. seed {}\n", seeds.len(), seeds[0]));
    lines.collect()
}

/// The first of each property, made small.
fn told(ground: &Ground, found: &[Found]) -> Vec<String> {
    let mut subjects = Vec::new();
    let mut told = Vec::new();
    for Found { seed, setup, differences } in found {
        for difference in differences {
            if subjects.contains(&difference.subject()) || told.len() == MOST {
                continue;
            }
            subjects.push(difference.subject());
            let (smallest, left) = shrink::smallest(ground, setup, difference);
            let left: Vec<String> = left.iter().map(ToString::to_string).collect();
            told.push(format!("COBLE_DIFFERENTIAL_SEED={seed}: {}\n{smallest}", left.join("\n")));
        }
    }
    told
}
