//! Times, their medians, and the promises about their ratios.

use std::time::Duration;

use super::filter;
use super::measure::Benchmark;
use super::peers::Peer;
use crate::Result;
use crate::specification::Table;

/// What a time is compared with that is promised in milliseconds.
const CLOCK: &str = "ms";

/// Refuses promises that no benchmark measures, and limits that are no numbers.
pub(super) fn check(table: &Table) -> Result<()> {
    table.has_only(|row| {
        let [name, peer, limit] = row else { return false };
        let is_measured = match Benchmark::named(name) {
            Some(benchmark) => benchmark.has_peer(peer) || peer == CLOCK,
            None => name == filter::NAME && peer == filter::CLOCK,
        };
        is_measured && limit.parse::<f64>().is_ok_and(|limit| limit > 0.0)
    })
}

/// One peer's samples of one benchmark.
#[derive(Default)]
pub(super) struct Times {
    /// The median of each round, in milliseconds.
    rounds: Vec<f64>,
    least: Option<f64>,
    failures: Vec<String>,
}

impl Times {
    /// Adds a round.
    pub(super) fn add(&mut self, samples: Vec<Result<Duration>>) {
        let mut good = Vec::new();
        for sample in samples {
            match sample {
                Ok(time) => good.push(time.as_secs_f64() * 1e3),
                Err(why) => self.failures.push(why),
            }
        }
        self.rounds.extend(median(&mut good));
        // The median has put them in order.
        self.least = [self.least, good.first().copied()].into_iter().flatten().reduce(f64::min);
    }

    /// The median of the rounds' medians, in milliseconds.
    fn middle(&self) -> Option<f64> {
        median(&mut self.rounds.clone())
    }
}

/// Sorts the numbers and gives the one in the middle, or the mean of the two.
fn median(numbers: &mut [f64]) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() % 2 {
        1 => Some(numbers[half]),
        _ => Some((numbers.get(half.checked_sub(1)?)? + numbers.get(half)?) / 2.0),
    }
}

/// Prints one benchmark's table: a row for each peer, with its ratio to every other.
pub(super) fn print(name: &str, peers: &[Peer], times: &[Times]) {
    println!("\n{name:<20}{:>10}{:>10}{}", "median ms", "least ms", heads(peers));
    for (peer, own) in peers.iter().zip(times) {
        let Some(middle) = own.middle() else {
            let why = if own.failures.is_empty() { "can't do this" } else { "no run succeeded" };
            println!("  {:<18}{why:>20}", peer.name());
            continue;
        };
        let ratios: String = times
            .iter()
            .map(|other| match other.middle() {
                Some(other) => format!("{:>9.2}", middle / other),
                None => format!("{:>9}", "-"),
            })
            .collect();
        let least = own.least.unwrap_or(middle);
        println!("  {:<18}{middle:>10.2}{least:>10.2}{ratios}", peer.name());
    }
    for (peer, own) in peers.iter().zip(times) {
        if let Some(first) = own.failures.first() {
            println!("  {}: {} runs failed, the first: {first}", peer.name(), own.failures.len());
        }
    }
}

fn heads(peers: &[Peer]) -> String {
    peers.iter().map(|peer| format!("{:>9}", format!("/{}", peer.name()))).collect()
}

/// Compares coble with what SPECIFICATION.md promises; gives how many promises aren't kept.
///
/// A row of the table is: benchmark, peer, largest ratio; or benchmark, [`CLOCK`], most milliseconds. Peers that weren't
/// asked for aren't judged.
pub(super) fn judge(name: &str, table: &Table, peers: &[Peer], times: &[Times]) -> usize {
    let of = |who: &str| peers.iter().position(|peer| peer.name() == who).map(|nth| &times[nth]);
    let Some(own) = of("coble") else { return 0 };
    let mut broken = 0;
    for row in table.rows().iter().filter(|row| row.first().is_some_and(|cell| cell == name)) {
        let [_, peer, limit] = row.as_slice() else { continue };
        let limit: f64 = limit.parse().unwrap_or(0.0);
        let ratio = match of(peer) {
            Some(other) => own.middle().zip(other.middle()).map(|(own, other)| own / other),
            None if peer == CLOCK => own.middle(),
            None => continue,
        };
        let kept = ratio.is_some_and(|ratio| ratio <= limit) && own.failures.is_empty();
        let measured = ratio.map_or("not measured".into(), |ratio| format!("{ratio:.2}"));
        let verdict = if kept { "kept" } else { "NOT KEPT" };
        println!("  coble/{peer}: {measured}, promised {limit:.2}: {verdict}");
        broken += usize::from(!kept);
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn every_promise_is_measured() {
        assert_eq!(check(&Table::read("times").unwrap()), Ok(()));
    }

    #[test]
    fn promises_that_nothing_measures_are_refused() {
        let check = |row: &str| check(&Table::of("times", &format!("||\n||\n{row}\n")));
        for row in [
            "| `run` | floor | 1.60 |",
            "| `run` | runc | 1 |",
            "| `run+seccomp` | plain | 1.15 |",
            "| `run+rootless` | crun | 0.70 |",
            "| `compile-filter` | us | 150.00 |",
            "| `create+start+delete` | ms | 20.00 |",
        ] {
            assert_eq!(check(row), Ok(()));
        }
        for row in [
            "| `walk` | crun | 1.60 |",
            "| `run` | crum | 1.60 |",
            "| `run` | plain | 1.60 |",
            "| `run` | us | 1.60 |",
            "| `state` | floor | 1.60 |",
            "| `compile-filter` | ms | 1.60 |",
            "| `run` | crun | fast |",
            "| `run` | crun | 0 |",
            "| `run` | 1.60 |",
        ] {
            assert!(check(row).is_err(), "{row}");
        }
    }

    #[test]
    fn a_failed_run_is_not_counted() {
        let mut times = Times::default();
        times.add(vec![
            Ok(Duration::from_millis(2)),
            Err("no".into()),
            Ok(Duration::from_millis(4)),
        ]);
        times.add(vec![Err("no".into())]);
        assert_eq!((times.middle(), times.least, times.failures.len()), (Some(3.0), Some(2.0), 2));
    }
}
