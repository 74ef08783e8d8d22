//! What the kernel would answer, for v2 by the program and for v1 by the exceptions, against the rules
//! themselves.

use coble_spec::{Device, DeviceRule};
use coble_sys::bpf::Instruction;

use super::exceptions::Exceptions;
use super::policy::Policy;
use super::rule::{ALL, Kind, MKNOD, READ, Rule, WRITE};
use super::{allowed, program, rule};

/// One question to the device cgroup.
#[derive(Clone, Copy, Debug)]
struct Question {
    kind: Kind,
    major: u32,
    minor: u32,
    access: u8,
}

/// For each kind of access that is asked for, the last rule about it decides; nothing is allowed without one.
fn evaluate(rules: &[Rule], question: Question) -> bool {
    [MKNOD, READ, WRITE].into_iter().filter(|bit| question.access & bit != 0).all(|bit| {
        let is_about = |rule: &&Rule| {
            rule.kind.is_none_or(|kind| kind == question.kind)
                && rule.major.is_none_or(|major| major == question.major)
                && rule.minor.is_none_or(|minor| minor == question.minor)
                && rule.access & bit != 0
        };
        rules.iter().rev().find(is_about).is_some_and(|rule| rule.allow)
    })
}

/// The instructions that the programs are made of, as RFC 9669 has them; panics at anything else, at a jump
/// out of the program and at one that goes back.
fn interpret(program: &[Instruction], question: Question) -> bool {
    let kind: u32 = if question.kind == Kind::Block { 1 } else { 2 };
    let context = [u32::from(question.access) << 16 | kind, question.major, question.minor];
    let mut registers: [Option<u32>; 11] = [None; 11];
    let mut next = 0;
    loop {
        let Instruction { code, registers: names, offset, immediate } = program[next];
        let (to, from) = (usize::from(names & 15), usize::from(names >> 4));
        let value = immediate as u32;
        let read =
            |register: usize| registers[register].expect("a register that was written before");
        let mut jumps = false;
        match code {
            0x61 => {
                assert_eq!(from, 1, "only the context is in memory");
                registers[to] = Some(context[usize::try_from(offset).unwrap() / 4]);
            }
            0xbc => registers[to] = Some(read(from)),
            0xb4 => registers[to] = Some(value),
            0x54 => registers[to] = Some(read(to) & value),
            0x74 => registers[to] = Some(read(to) >> value),
            0x56 => jumps = read(to) != value,
            0x46 => jumps = read(to) & value != 0,
            0x05 => jumps = true,
            0x95 => return read(0) == 1,
            other => panic!("operation {other:#x} at {next}"),
        }
        next += 1;
        if jumps {
            next += usize::try_from(offset).expect("no loops");
        }
    }
}

/// Every instruction but the first follows or is jumped to: the kernel refuses others.
fn assert_reachable(program: &[Instruction]) {
    let mut reached = vec![false; program.len()];
    reached[0] = true;
    for (index, instruction) in program.iter().enumerate() {
        assert!(reached[index], "instruction {index} of {program:?}");
        let is_jump = matches!(instruction.code, 0x05 | 0x46 | 0x56);
        if is_jump {
            reached[index + 1 + instruction.offset as usize] = true;
        }
        if !matches!(instruction.code, 0x05 | 0x95) {
            reached[index + 1] = true;
        }
    }
}

/// What v1's kernel answers (`__devcgroup_check_permission`, security/device_cgroup.c): without a common
/// answer an exception has to cover all that is asked for, with one an exception about any of it is enough
/// to refuse.
fn ask_v1(state: &Exceptions, question: Question) -> bool {
    let is_about = |(kind, major, minor): (Kind, Option<u32>, Option<u32>)| {
        kind == question.kind
            && major.is_none_or(|major| major == question.major)
            && minor.is_none_or(|minor| minor == question.minor)
    };
    let mut about = state.table.iter().filter(|(devices, _)| is_about(**devices));
    if state.default_allow {
        about.all(|(_, access)| access & question.access == 0)
    } else {
        about.any(|(_, access)| question.access & !access == 0)
    }
}

/// xorshift64*; the same rules every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    /// Few numbers, so that rules meet; one that is negative as an `i32`.
    fn number(&mut self) -> u32 {
        [0, 1, 5, u32::MAX][self.below(4) as usize]
    }

    fn rule(&mut self) -> Rule {
        let maybe = |random: &mut Self| (random.below(3) > 0).then(|| random.number());
        Rule {
            allow: self.below(2) == 0,
            kind: [None, Some(Kind::Block), Some(Kind::Char)][self.below(3) as usize],
            major: maybe(self),
            minor: maybe(self),
            access: if self.below(3) == 0 { ALL } else { 1 + self.below(7) as u8 },
        }
    }

    fn rules(&mut self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = (0..self.below(9)).map(|_| self.rule()).collect();
        if self.below(2) == 0 {
            let allow = self.below(2) == 0;
            rules.insert(0, total(allow));
        }
        rules
    }
}

fn total(allow: bool) -> Rule {
    Rule { allow, kind: None, major: None, minor: None, access: ALL }
}

/// Every question about the numbers that [`Random::number`] gives and one besides.
fn questions() -> Vec<Question> {
    let numbers = [0, 1, 5, u32::MAX, 77];
    let mut questions = Vec::new();
    for kind in [Kind::Block, Kind::Char] {
        for major in numbers {
            for minor in numbers {
                questions.extend((0..=ALL).map(|access| Question { kind, major, minor, access }));
            }
        }
    }
    questions
}

fn assert_program_answers(rules: &[Rule], questions: &[Question]) {
    let program = program::assemble(&Policy::new(rules.to_vec()));
    assert_reachable(&program);
    for &question in questions {
        let (answer, expected) = (interpret(&program, question), evaluate(rules, question));
        assert_eq!(answer, expected, "{question:?} with {rules:?}");
    }
}

#[test]
fn the_program_answers_as_the_rules_say() {
    let mut random = Random(1);
    let questions = questions();
    for _ in 0..1000 {
        assert_program_answers(&random.rules(), &questions);
    }
}

/// Those share conditions in the program.
#[test]
fn the_program_answers_as_rules_that_agree_say() {
    let mut random = Random(3);
    let questions = questions();
    for _ in 0..1000 {
        let mut rules = Vec::new();
        for allow in [true, false, true] {
            let (kind, access) = (random.rule().kind, random.rule().access);
            for _ in 0..random.below(7) {
                let rule = random.rule();
                let alike = Rule { allow, kind, access, ..rule };
                rules.push(if random.below(4) == 0 { Rule { allow, ..rule } } else { alike });
            }
        }
        if random.below(2) == 0 {
            rules.insert(0, total(random.below(2) == 0));
        }
        assert_program_answers(&rules, &questions);
    }
}

/// More than a jump can pass over.
#[test]
fn the_program_may_be_long() {
    let of_one_major = (0..15_000).map(|minor| (9, minor));
    let of_many = (10..15_000).map(|major| (major, 1));
    let rule = |(major, minor)| Rule {
        allow: true,
        kind: Some(Kind::Char),
        major: Some(major),
        minor: Some(minor),
        access: READ,
    };
    let rules: Vec<Rule> = of_one_major.chain(of_many).map(rule).collect();
    let mut questions = Vec::new();
    for (major, minor) in [(9, 0), (9, 14_999), (9, 15_000), (10, 1), (14_999, 1), (14_999, 0)] {
        for kind in [Kind::Block, Kind::Char] {
            questions.extend((0..=ALL).map(|access| Question { kind, major, minor, access }));
        }
    }
    assert_program_answers(&rules, &questions);
}

#[test]
fn exceptions_answer_as_the_rules_say_or_refuse() {
    let mut random = Random(2);
    let questions = questions();
    let mut expressed = 0;
    for _ in 0..1000 {
        let rules = random.rules();
        let Ok(state) = Exceptions::new(&Policy::new(rules.clone())) else { continue };
        expressed += 1;
        for &question in questions.iter().filter(|question| question.access != 0) {
            let (answer, expected) = (ask_v1(&state, question), evaluate(&rules, question));
            // The kernel puts no two exceptions together for one open.
            let is_equal = answer == expected || (!answer && question.access.count_ones() > 1);
            assert!(is_equal, "{question:?} with {rules:?} gives {answer}");
        }
    }
    assert!(expressed > 250, "only {expressed} of 1000 say anything");
}

#[test]
fn a_policy_that_allows_all_is_known() {
    let defaults: Vec<Rule> = allowed::rules(&[]).collect();
    let with = |first: bool| Policy::new([vec![total(first)], defaults.clone()].concat());
    assert!(with(true).allows_all());
    assert!(!with(false).allows_all());
    assert!(!Policy::new(Vec::new()).allows_all());
}

#[test]
fn without_rules_nothing_but_the_defaults_is_allowed() {
    let rules: Vec<Rule> = allowed::rules(&[]).collect();
    let may =
        |kind, major, minor, access| evaluate(&rules, Question { kind, major, minor, access });
    for (major, minor) in
        [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, 9), (10, 200)]
    {
        assert!(may(Kind::Char, major, minor, ALL), "{major}:{minor}");
    }
    assert!(may(Kind::Char, 1, 1, MKNOD) && may(Kind::Block, 8, 0, MKNOD));
    assert!(!may(Kind::Char, 1, 1, READ), "/dev/mem");
    assert!(!may(Kind::Char, 5, 1, WRITE), "the machine's console");
    assert!(!may(Kind::Block, 8, 0, READ) && !may(Kind::Block, 1, 3, READ));
}

#[test]
fn a_device_under_a_default_name_takes_the_rule_away() {
    let own = Device { path: "/dev/null".to_owned(), kind: "c".to_owned(), ..Device::default() };
    let rules: Vec<Rule> = allowed::rules(&[own]).collect();
    let may =
        |minor| evaluate(&rules, Question { kind: Kind::Char, major: 1, minor, access: READ });
    assert!(!may(3) && may(5));
}

#[test]
fn the_configuration_can_not_deny_a_default() {
    let deny =
        Rule { allow: false, kind: Some(Kind::Char), major: Some(1), minor: Some(3), access: ALL };
    let rules: Vec<Rule> = [deny].into_iter().chain(allowed::rules(&[])).collect();
    assert!(evaluate(&rules, Question { kind: Kind::Char, major: 1, minor: 3, access: ALL }));
}

fn parse(kind: &str, major: Option<i64>, minor: Option<i64>, access: &str) -> Result<Rule, String> {
    let access = access.to_owned();
    let rule = DeviceRule { allow: true, kind: kind.to_owned(), major, minor, access };
    let rules = rule::configured(&[rule]);
    rules.map(|rules| rules[0]).map_err(|error| error.to_string())
}

#[test]
fn rules_are_read_as_the_specification_has_them() {
    assert_eq!(parse("a", None, Some(-1), "mrw"), Ok(total(true)));
    assert_eq!(parse("", None, None, "rwm"), Ok(total(true)));
    let disk =
        Rule { allow: true, kind: Some(Kind::Block), major: Some(8), minor: Some(0), access: READ };
    assert_eq!(parse("b", Some(8), Some(0), "r"), Ok(disk));
}

#[test]
fn rules_that_can_not_be_meant_name_their_place() {
    let place =
        |result: Result<Rule, String>| result.unwrap_err().split(": ").next().unwrap().to_owned();
    assert_eq!(place(parse("c", None, None, "")), "/linux/resources/devices/0/access");
    assert_eq!(place(parse("c", None, None, "rx")), "/linux/resources/devices/0/access");
    assert_eq!(place(parse("p", None, None, "r")), "/linux/resources/devices/0/type");
    assert_eq!(place(parse("c", Some(-2), None, "r")), "/linux/resources/devices/0/major");
    assert_eq!(place(parse("c", None, Some(1 << 32), "r")), "/linux/resources/devices/0/minor");
}

#[test]
fn v1_can_not_punch_a_hole() {
    let rule =
        |allow, minor| Rule { allow, kind: Some(Kind::Char), major: Some(1), minor, access: ALL };
    let holed = Policy::new(vec![rule(true, None), rule(false, Some(3))]);
    let message = Exceptions::new(&holed).unwrap_err().to_string();
    assert!(
        message.contains("can't take c 1:3 rwm out of an earlier rule for c 1:* rwm"),
        "{message}"
    );
    let whole = Policy::new(vec![rule(true, Some(3)), rule(true, Some(5)), rule(false, None)]);
    assert!(Exceptions::new(&whole).unwrap().table.is_empty());
}
