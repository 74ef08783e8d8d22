//! The command `coble`: an OCI container runtime.
#![cfg_attr(not(test), no_main)]

mod call;
mod commands;
mod completion;
mod duration;
#[cfg(not(test))]
mod entry;
mod failure;
#[cfg(test)]
mod golden;
mod help;
mod log;
#[cfg(test)]
mod man;
mod output_file;
mod parse;
mod size;
mod stdout;
mod table;

use std::time::Instant;

use crate::call::Call;
use crate::failure::Failure;
use crate::log::Log;
use crate::parse::Wish;

/// The tests have a beginning of their own.
#[cfg(test)]
fn main() -> std::process::ExitCode {
    run().into()
}

/// The whole command: its exit status.
fn run() -> u8 {
    let mut call = Call::default();
    let parsed = parse::parse(std::env::args_os().skip(1).collect(), &mut call);
    let opened = Log::open(&call.global).map(|log| call.log = log);
    let outcome = parsed.and_then(|wish| opened.and_then(|()| fulfil(wish, &call)));
    outcome.unwrap_or_else(|failure| {
        call.log.error(&failure.message);
        call.failed(failure.status)
    })
}

fn fulfil(wish: Wish, call: &Call) -> Result<u8, Failure> {
    match (wish, call.command) {
        (Wish::Version, _) => stdout::print(help::version().as_bytes())?,
        (Wish::Execute, Some(command)) => {
            call.check()?;
            return traced(call, || (command.execute)(call));
        }
        (_, Some(command)) => stdout::print(help::of_command(command).as_bytes())?,
        (_, None) => match call.family {
            Some(family) => stdout::print(help::of_family(family).as_bytes())?,
            None => stdout::print(help::of_coble().as_bytes())?,
        },
    }
    Ok(0)
}

/// Does it; with `--debug`, says what is done, how it ended and how long it took.
fn traced(call: &Call, execute: impl FnOnce() -> Result<u8, Failure>) -> Result<u8, Failure> {
    if !call.log.debugs() {
        return execute();
    }
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    call.log.debug(&format!("coble {} called with {words:?}", env!("CARGO_PKG_VERSION")));
    let start = Instant::now();
    let outcome = execute();
    let status =
        outcome.as_ref().map_or_else(|failure| call.failed(failure.status), |status| *status);
    call.log.debug(&format!("exit status {status} after {} us", start.elapsed().as_micros()));
    outcome
}
