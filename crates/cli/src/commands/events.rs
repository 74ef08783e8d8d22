//! `coble events`

use std::ops::ControlFlow;
use std::time::Duration;

use coble_container::{Event, Events};

use crate::call::Call;
use crate::duration;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Command, Flag, ID, Values};

const INTERVAL: Flag = Flag::value(
    "interval",
    None,
    ("DURATION", Values::Any),
    "time between two looks, such as 500ms or 1m30s (default: 5s)",
);
const STATS: Flag = Flag::switch("stats", None, "print once what the container uses, and end");

pub(crate) static COMMAND: Command = Command {
    name: "events",
    summary: "print what a container uses, and when it runs out of memory",
    arguments: &[ID],
    flags: &[INTERVAL, STATS],
    description: &[
        "Prints one JSON object a line until the container ends: each time the interval is over one of the type \
         stats, with the use of processors, memory, tasks, block devices, huge pages and network interfaces, and \
         one of the type oom for each process that the kernel kills for want of memory.",
    ],
    examples: &[
        (
            "Print how much memory the container web uses",
            "coble events --stats web | jq .data.memory.usage.usage",
        ),
        ("Look at it each second", "coble events --interval 1s web"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let interval = interval(call)?;
    let events = Events { root: call.root()?, id: call.id()?.to_owned(), interval };
    if call.flags.has(&STATS) {
        let data = Box::new(coble_container::stats(&events.root, &events.id)?);
        print(&Event::Stats { id: events.id, data })?;
        return Ok(0);
    }
    let mut printed = Ok(true);
    events.watch(|event| {
        printed = print(&event);
        if matches!(printed, Ok(true)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    printed.map(|_| 0)
}

/// Prints the event; says whether there is still a reader.
fn print(event: &Event) -> Result<bool, Failure> {
    let text = serde_json::to_string(event).map_err(|error| Failure::at("events", error))?;
    stdout::offer((text + "\n").as_bytes())
}

fn interval(call: &Call) -> Result<Duration, Failure> {
    let Some(text) = call.flags.text(&INTERVAL)? else { return Ok(Duration::from_secs(5)) };
    match duration::parse(text) {
        Some(Duration::ZERO) => Err(Failure::new("duration interval must be greater than 0")),
        Some(interval) => Ok(interval),
        None => Err(Failure::new(format!(
            "invalid value {text:?} for {INTERVAL}: not a duration such as 5s or 1m30s"
        ))),
    }
}
