//! Random sections of resources with all three runtimes.
//!
//! `COBLE_LIMITS_COUNT` says how many, `COBLE_LIMITS_SEED` which one is the first: a section that differs is printed with
//! its seed, and a count of 1 with that seed repeats it alone.

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::Value;

use crate::compare::{self, Difference};
use crate::ground::Ground;
use crate::peers::Runtime;
use crate::{generate, shrink};

const COUNT: u64 = 120;
/// The first seed, where none is given.
const SEED: u64 = 1;
/// How many run at the same time. The kernel makes all wait much more than they compute.
const WORKERS: usize = 4;
/// More differences than this are not made small: it takes its time.
const MOST: usize = 3;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// What all sections have shown.
#[derive(Default)]
struct Told {
    /// Seed, section, and what differs.
    found: Vec<(u64, Value, Vec<Difference>)>,
    /// How often each peer could be compared.
    compared: BTreeMap<&'static str, u64>,
    /// How often each member was among what was compared.
    members: BTreeMap<String, u64>,
    /// How often each reason for a difference was met.
    meant: BTreeMap<&'static str, u64>,
    /// What coble said to what it refused.
    refused: Vec<String>,
}

impl Told {
    fn take(&mut self, seed: u64, resources: &Value, compared: compare::Compared) {
        for peer in &compared.compared {
            *self.compared.entry(peer.name()).or_default() += 1;
        }
        if !compared.compared.is_empty() {
            for (section, members) in resources.as_object().unwrap() {
                let names = members.as_object().into_iter().flat_map(|members| members.keys());
                let mut names: Vec<String> =
                    names.map(|name| format!("{section}.{name}")).collect();
                if names.is_empty() {
                    names.push(section.clone());
                }
                names.into_iter().for_each(|name| *self.members.entry(name).or_default() += 1);
            }
        }
        for why in compared.meant {
            *self.meant.entry(why).or_default() += 1;
        }
        self.refused.extend(compared.refused.map(|words| format!("seed {seed}: {words}")));
        if !compared.differences.is_empty() {
            self.found.push((seed, resources.clone(), compared.differences));
        }
    }
}

#[test]
fn cgroups_say_the_same() {
    let Some(ground) = Ground::new() else { return };
    let first = number("COBLE_LIMITS_SEED", SEED);
    let seeds = first..first + number("COBLE_LIMITS_COUNT", COUNT);
    let next = AtomicU64::new(first);
    let told = Mutex::new(Told::default());
    let work = |ground: &Ground| {
        while let Some(seed) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| seeds.contains(seed))
        {
            let resources = generate::resources(seed, &ground.machine);
            let compared = compare::all(ground, &resources, &Runtime::PEERS);
            told.lock().unwrap().take(seed, &resources, compared);
        }
    };
    thread::scope(|scope| {
        for number in 1..WORKERS {
            // Cases have the name of their thread.
            let worker = thread::Builder::new().name(format!("limits-{number}"));
            worker.spawn_scoped(scope, || Ground::new().map(|ground| work(&ground))).unwrap();
        }
        work(&ground);
    });
    let mut told = told.into_inner().unwrap();
    told.found.sort_by_key(|(seed, ..)| *seed);
    let count = seeds.end - first;
    println!("{count} sections, compared: {:?}", told.compared);
    println!("members: {:#?}", told.members);
    println!("meant differences: {:#?}", told.meant);
    println!("refused by coble: {:#?}", told.refused);
    println!("{}", summary(&told.found));
    let small = small(&ground, &told.found);
    assert!(told.found.is_empty(), "{} sections differ\n{}", told.found.len(), small.join("\n\n"));
    let refused = told.refused.len() as u64;
    assert!(refused * 10 <= count, "{refused} of {count} sections were refused");
    for peer in Runtime::PEERS {
        let compared = told.compared.get(peer.name()).copied().unwrap_or_default();
        assert!(compared * 10 >= count * 8, "{} took only {compared} of {count}", peer.name());
    }
}

/// How many sections differ in which file.
fn summary(found: &[(u64, Value, Vec<Difference>)]) -> String {
    let mut counts = BTreeMap::new();
    for (seed, _, differences) in found {
        for difference in differences {
            let (peer, place, words) = difference.subject();
            let line = format!("{peer} {place} {}", words.unwrap_or_default());
            counts.entry(line).or_insert_with(Vec::new).push(seed);
        }
    }
    let lines = counts.iter();
    lines
        .map(|(line, seeds)| format!("{line}: {}x, e.g. seed {}\n", seeds.len(), seeds[0]))
        .collect()
}

/// The first of each kind, made small.
fn small(ground: &Ground, found: &[(u64, Value, Vec<Difference>)]) -> Vec<String> {
    let mut subjects = Vec::new();
    let mut told = Vec::new();
    for (seed, resources, differences) in found {
        for difference in differences {
            if subjects.contains(&difference.subject()) || told.len() == MOST {
                continue;
            }
            subjects.push(difference.subject());
            let (smallest, left) = shrink::smallest(ground, resources, difference);
            told.push(format!("COBLE_LIMITS_SEED={seed}: {left}\n{smallest:#}"));
        }
    }
    told
}
