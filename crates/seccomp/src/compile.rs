//! A profile to a program.

use crate::action::Action;
use crate::arch::{Arch, X32_BIT};
use crate::calls::{Outcome, Range, left_out, ranges};
use crate::decision::{Compare, Graph, Node, Place};
use crate::error::Error;
use crate::profile::Profile;
use crate::program::{AND, Assembler, LOAD, Label, Program};

/// Where `struct seccomp_data` (seccomp(2)) has the call's number and the architecture, in bytes.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
/// The number with which a tracer has a call left out.
const SKIPPED: u32 = u32::MAX;

/// All calls with the same architecture in the kernel's eyes.
struct Block {
    audit: u32,
    /// From the number 0 on, without a gap.
    ranges: Vec<(u32, End)>,
}

/// What becomes of a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Answer(Action),
    Test(Place),
}

impl End {
    fn label(self, assembler: &mut Assembler, tests: &Entries) -> Label {
        match self {
            Self::Answer(action) => assembler.end(action),
            Self::Test(place) => tests[place],
        }
    }
}

impl Profile<'_> {
    /// The filter. It looks at the architecture, then finds the call's number in a balanced tree of ranges, then, where
    /// that matters, looks at arguments.
    ///
    /// # Errors
    /// It is longer than the kernel takes.
    pub fn compile(&self) -> Result<Program, Error> {
        let mut graph = Graph::default();
        let blocks = self.blocks(&mut graph);
        let mut assembler = Assembler::default();
        let tests = tests(&mut assembler, &graph, &blocks);
        let mut places = Vec::with_capacity(blocks.len());
        for block in blocks.iter().rev() {
            let root = tree(&mut assembler, &leaves(&block.ranges), &tests);
            places.push((block.audit, assembler.before(LOAD, NUMBER, root)));
        }
        let mut next = assembler.end(Action::KILL_THREAD);
        for (audit, place) in places {
            next = assembler.branch(Compare::Eq, audit, place, next);
        }
        assembler.before(LOAD, ARCH, next);
        assembler.finish()
    }

    fn blocks(&self, graph: &mut Graph) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        for &arch in &self.archs {
            let audit = arch.audit();
            if blocks.iter().all(|block| block.audit != audit) {
                let ranges = match audit == Arch::X86_64.audit() {
                    true => self.x86_64(graph),
                    false => self.part(arch, graph),
                };
                blocks.push(Block { audit, ranges });
            }
        }
        blocks
    }

    /// Both kinds of programs, of which one may be forbidden, and calls that a tracer has left out.
    fn x86_64(&self, graph: &mut Graph) -> Vec<(u32, End)> {
        let mut ranges = Vec::new();
        for (arch, start) in [(Arch::X86_64, 0), (Arch::X32, X32_BIT)] {
            match self.archs.contains(&arch) {
                true => ranges.extend(self.part(arch, graph)),
                false => ranges.push((start, End::Answer(Action::KILL_THREAD))),
            }
        }
        // Where x32 has a part, this is in its last range.
        if !self.archs.contains(&Arch::X32) {
            ranges.push((SKIPPED, End::Answer(left_out(self))));
        }
        ranges
    }

    fn part(&self, arch: Arch, graph: &mut Graph) -> Vec<(u32, End)> {
        let ranges = ranges(self, arch).into_iter();
        let end = |Range { start, outcome }| match outcome {
            Outcome::Always(action) => (start, End::Answer(action)),
            Outcome::Depends(rules) => (start, End::Test(graph.add(&rules, arch))),
        };
        ranges.map(end).collect()
    }
}

/// Where each test is, by its place in the graph: with its word to be loaded first.
type Entries = Vec<Label>;

/// Puts the tests at the end. A word is loaded once for tests that follow one another.
fn tests(assembler: &mut Assembler, graph: &Graph, blocks: &[Block]) -> Entries {
    let mut entries = Entries::with_capacity(graph.nodes.len());
    let mut loaded = Entries::with_capacity(graph.nodes.len());
    let fresh = fresh(graph, blocks);
    for (place, node) in graph.nodes.iter().enumerate() {
        let (test, yes, no) = match *node {
            Node::Branch { test, yes, no } => (test, yes, no),
            Node::Answer(action) => {
                let label = assembler.end(action);
                entries.push(label);
                loaded.push(label);
                continue;
            }
        };
        let to = |next: Place, assembler: &mut Assembler| match graph.nodes[next] {
            Node::Answer(action) => assembler.end(action),
            Node::Branch { test: other, .. } if other.word == test.word => loaded[next],
            Node::Branch { .. } => entries[next],
        };
        let no = to(no, assembler);
        let yes = to(yes, assembler);
        let label = assembler.branch(test.compare, test.value, yes, no);
        loaded.push(label);
        entries.push(match fresh[place] {
            true => {
                let masked = match test.word.mask {
                    u32::MAX => label,
                    mask => assembler.before(AND, mask, label),
                };
                assembler.before(LOAD, test.word.offset, masked)
            }
            false => label,
        });
    }
    entries
}

/// Which tests are reached with another word loaded.
fn fresh(graph: &Graph, blocks: &[Block]) -> Vec<bool> {
    let mut fresh = vec![false; graph.nodes.len()];
    for (_, end) in blocks.iter().flat_map(|block| &block.ranges) {
        if let End::Test(place) = end {
            fresh[*place] = true;
        }
    }
    for node in &graph.nodes {
        let Node::Branch { test, yes, no } = node else { continue };
        for &next in [yes, no] {
            if let Node::Branch { test: other, .. } = &graph.nodes[next] {
                fresh[next] |= other.word != test.word;
            }
        }
    }
    fresh
}

/// Numbers from the first one on, to the next leaf, which all have one end but for one of them.
struct Leaf {
    start: u32,
    end: End,
    but: Option<(u32, End)>,
}

/// A number by itself between others of one kind takes one comparison for equality, and not two to find its range.
fn leaves(mut ranges: &[(u32, End)]) -> Vec<Leaf> {
    let mut leaves = Vec::with_capacity(ranges.len());
    loop {
        let (start, end, but, rest) = match ranges {
            [] => return leaves,
            [(start, end), (one, other), (next, again), rest @ ..]
                if end == again && *next == one + 1 =>
            {
                (*start, *end, Some((*one, *other)), rest)
            }
            [(start, end), rest @ ..] => (*start, *end, None, rest),
        };
        leaves.push(Leaf { start, end, but });
        ranges = rest;
    }
}

/// Finds the leaf of the number that is loaded.
fn tree(assembler: &mut Assembler, leaves: &[Leaf], tests: &Entries) -> Label {
    if let [Leaf { end, but, .. }] = leaves {
        let Some((one, other)) = but else { return end.label(assembler, tests) };
        let end = end.label(assembler, tests);
        let other = other.label(assembler, tests);
        return assembler.branch(Compare::Eq, *one, other, end);
    }
    let (lower, upper) = leaves.split_at(leaves.len() / 2);
    let start = upper[0].start;
    let upper = tree(assembler, upper, tests);
    let lower = tree(assembler, lower, tests);
    assembler.branch(Compare::Ge, start, upper, lower)
}
