//! What stands on the command line of `bench`.

use std::path::PathBuf;

use super::filter;
use super::measure::Benchmark;
use crate::Result;
use crate::flags::Flags;

/// Says to a program in the virtual machine that it is there, and where its peers are.
pub(super) const INSIDE: &str = "--inside";

/// What is measured, and how often.
pub(super) struct Options {
    pub(super) rounds: usize,
    pub(super) batch: usize,
    /// One benchmark's name; `None` for all.
    pub(super) only: Option<String>,
    pub(super) peers: Vec<String>,
    pub(super) place: Place,
}

/// Where it is measured.
pub(super) enum Place {
    /// On this machine.
    Here,
    /// In a virtual machine with systemd, which is to be booted.
    Machine,
    /// In that machine; the folder where the peers are.
    Inside(PathBuf),
}

impl Options {
    /// Takes the words after the chore's name.
    pub(super) fn of(words: &[String]) -> Result<Self> {
        let mut flags = Flags::new(words);
        let place = match (flags.switch("--vm"), flags.value(INSIDE)?) {
            (_, Some(prepared)) => Place::Inside(prepared),
            (true, None) => Place::Machine,
            (false, None) => Place::Here,
        };
        let is_here = matches!(place, Place::Here);
        // A container takes much longer there.
        let (rounds, batch, all) = match is_here {
            true => (15, 20, "floor,coble,crun,runc"),
            false => (9, 5, "coble,crun,runc"),
        };
        let peers: Option<String> = flags.value("--peers")?;
        let options = Self {
            rounds: flags.value("--rounds")?.unwrap_or(rounds),
            batch: flags.value("--batch")?.unwrap_or(batch),
            only: if is_here { flags.value("--only")? } else { None },
            peers: peers.as_deref().unwrap_or(all).split(',').map(str::to_owned).collect(),
            place,
        };
        flags.end()?;
        options.check()
    }

    /// Whether what is measured without the peers is to be.
    pub(super) fn wants(&self, name: &str) -> bool {
        matches!(self.place, Place::Here) && self.only.as_ref().is_none_or(|only| only == name)
    }

    fn check(self) -> Result<Self> {
        if let Some(only) = &self.only {
            let names = Benchmark::PLAIN.iter().map(Benchmark::name);
            let names: Vec<&str> = names.chain([filter::NAME]).collect();
            if !names.contains(&only.as_str()) {
                return Err(format!("--only {only}: there are {}", names.join(", ")));
            }
        }
        match self.rounds * self.batch {
            0 => Err("--rounds and --batch are at least 1".into()),
            _ => Ok(self),
        }
    }
}
