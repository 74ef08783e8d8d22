//! How long the profile `default` takes, from the text of its section to the filter.
#![allow(missing_docs)] // the functions that criterion's macros write

use std::hint::black_box;

use coble_seccomp::{Arch, Profile, Program, default_section};
use coble_spec::Seccomp;
use criterion::{Criterion, criterion_group, criterion_main};

fn parse(text: &str) -> Seccomp {
    serde_json::from_str(text).expect("a section")
}

fn compile(section: &Seccomp) -> Program {
    Profile::read(section, Arch::NATIVE).and_then(|profile| profile.compile()).expect("a filter")
}

/// `cargo xtask bench` takes the figures by these names.
fn filters(criterion: &mut Criterion) {
    let section = default_section(Arch::NATIVE).expect("a section");
    let text = serde_json::to_string(&section).expect("JSON");
    let mut group = criterion.benchmark_group("default");
    group.bench_function("parse", |bencher| bencher.iter(|| parse(black_box(&text))));
    group.bench_function("compile", |bencher| bencher.iter(|| compile(black_box(&section))));
    group.bench_function("filter", |bencher| bencher.iter(|| compile(&parse(black_box(&text)))));
    group.finish();
}

criterion_group!(benches, filters);
criterion_main!(benches);
