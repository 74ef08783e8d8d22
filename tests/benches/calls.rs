//! What a call costs under filters for Docker's profile: coble's, and the C library's in a tree and in a line.
//!
//! `cargo bench -p coble-tests --features libseccomp --bench calls`
//!
//! None of the calls does anything: the kernel refuses their arguments, if the filter doesn't refuse them before. Each
//! sample is a process of its own, and every round has one of each filter. The kernel (since 5.11) doesn't run a filter at
//! all for calls that it always allows, such as getppid(2).
#![allow(clippy::unwrap_used)] // it ends by panicking

#[path = "../tests/libseccomp/library.rs"]
mod library;

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use coble_seccomp::{Arch, Profile, Program, default_section};
use library::Search;
use rustix::mount::{FsOpenFlags, fsopen};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::getppid;
use rustix::system::sethostname;

const ROUNDS: usize = 15;
const COUNT: u32 = 200_000;

const FILTERS: [&str; 4] = ["none", "coble", "tree", "line"];

type Call = (&'static str, fn());

const CALLS: [Call; 5] = [
    ("getppid, always allowed", || _ = black_box(getppid())),
    ("socket, allowed by family", || socket(1)),
    ("socket, denied by family", || socket(40)),
    ("sethostname, denied", || _ = black_box(sethostname(&[b'x'; 65]))),
    ("fsopen, denied", || _ = black_box(fsopen(c"", FsOpenFlags::from_bits_retain(1 << 9)))),
];

fn socket(family: u16) {
    let unknown = SocketFlags::from_bits_retain(1 << 30);
    let family = AddressFamily::from_raw(family);
    let _ = black_box(socket_with(family, SocketType::STREAM, unknown, None));
}

fn program(filter: &str) -> Option<Program> {
    let section = library::without_default_rules(default_section(Arch::NATIVE).unwrap());
    match filter {
        "none" => None,
        "coble" => Some(Profile::read(&section, Arch::NATIVE).unwrap().compile().unwrap()),
        "tree" => Some(library::filter(&section, Arch::NATIVE, Search::Tree)),
        _ => Some(library::filter(&section, Arch::NATIVE, Search::Line)),
    }
}

/// The nanoseconds of one call, under a filter that this process can't get rid of.
fn sample(filter: &str, call: fn()) -> f64 {
    if let Some(program) = program(filter) {
        let bytes: Vec<u8> = program.instructions().iter().flat_map(|one| one.to_bytes()).collect();
        rustix::thread::set_no_new_privs(true).unwrap();
        const SPEC_ALLOW: u32 = 1 << 2;
        coble_sys::seccomp_set_mode_filter(SPEC_ALLOW, &bytes).unwrap();
    }
    let start = Instant::now();
    (0..COUNT).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(COUNT)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let [_, child, filter, call] = words.as_slice()
        && child == "sample"
    {
        return println!("{}", sample(filter, CALLS[call.parse::<usize>().unwrap()].1));
    }
    println!("{:<28}{}", "ns a call", FILTERS.map(|filter| format!("{filter:>9}")).concat());
    for (nth, (name, _)) in CALLS.iter().enumerate() {
        let mut samples = FILTERS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (filter, samples) in FILTERS.iter().zip(&mut samples) {
                let own = std::env::current_exe().unwrap();
                let output = Command::new(own).args(["sample", filter, &nth.to_string()]).output();
                let text = String::from_utf8(output.unwrap().stdout).unwrap();
                samples.push(text.trim().parse().unwrap());
            }
        }
        let medians = samples.map(median);
        println!("{name:<28}{}", medians.map(|median| format!("{median:>9.0}")).concat());
    }
}
