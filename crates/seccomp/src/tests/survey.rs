//! What profiles come to.

use coble_spec::Seccomp;

use super::section;
use crate::{Arch, DEFAULT, EngineProfile, Listing, Profile, Setting, unconfined};

fn default(caps: &[&str]) -> Seccomp {
    let tree = coble_spec::parse(DEFAULT.as_bytes()).expect("JSON");
    let profile = EngineProfile::read(&tree).expect("a profile");
    let capability = |name: &str| Some(caps.contains(&name));
    let setting = Setting { arch: Arch::X86_64, kernel: (6, 1), capability: &capability };
    profile.resolve(&setting).expect("a section").section
}

fn holes(section: &Seccomp, arch: Arch) -> Vec<&'static str> {
    let profile = Profile::read(section, Arch::X86_64).expect("a profile");
    let survey = profile.survey();
    let of = survey.iter().find(|survey| survey.arch == arch).expect("the architecture");
    of.holes.iter().map(|hole| hole.call.unwrap_or("all")).collect()
}

#[test]
fn calls_are_counted() {
    let section = section(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
            {"names": ["read", "write", "close_range"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["kill"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]}"#,
    );
    let profile = Profile::read(&section, Arch::X86_64).expect("a profile");
    let [x86_64, x86] = &profile.survey()[..] else { panic!("two architectures") };
    assert_eq!((x86_64.arch, x86.arch), (Arch::X86_64, Arch::X86));
    let counts: Vec<String> =
        x86_64.counts.iter().map(|(action, count)| format!("{action} {count}")).collect();
    let all = (0..600).filter(|number| Arch::X86_64.call(*number).is_some()).count();
    let newer = (437..600).filter(|number| Arch::X86_64.call(*number).is_some()).count();
    let errors = format!("SCMP_ACT_ERRNO (EPERM) {}", all - newer - 4);
    assert_eq!(
        counts,
        [errors, format!("SCMP_ACT_ERRNO (ENOSYS) {newer}"), "SCMP_ACT_ALLOW 3".to_owned()]
    );
    assert_eq!(x86_64.conditional, ["kill"]);
    assert_eq!(x86_64.newest, Some((436, Some("close_range"))));
}

#[test]
fn the_defaults_holes_are_few() {
    let few = ["process_vm_readv", "process_vm_writev", "ptrace"];
    assert_eq!(holes(&default(&[]), Arch::X86_64), few);
    let x86 = holes(&default(&[]), Arch::X86);
    assert_eq!(x86, ["all", "process_vm_readv", "process_vm_writev", "ptrace", "socketcall"]);
    let more = holes(&default(&["CAP_SYS_ADMIN"]), Arch::X86_64);
    for call in ["bpf", "clone", "clone3", "mount", "unshare", "setns", "fsopen"] {
        assert!(more.contains(&call), "{call} is not in {more:?}");
    }
    let all = holes(&unconfined(Arch::X86_64), Arch::X86_64);
    for call in ["keyctl", "kexec_load", "io_uring_setup", "socket", "personality", "userfaultfd"] {
        assert!(all.contains(&call), "{call} is not in {all:?}");
    }
}

#[test]
fn a_condition_closes_a_hole_if_it_is_about_the_flag() {
    let with = |mask: u64| {
        section(&format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                "args": [{{"index": 0, "value": {mask}, "op": "SCMP_CMP_MASKED_EQ"}}]}}]}}"#
        ))
    };
    assert!(holes(&with(0x1000_0000), Arch::X86_64).is_empty(), "CLONE_NEWUSER");
    assert_eq!(holes(&with(0x0002_0000), Arch::X86_64), ["clone"], "CLONE_NEWNS alone");
}

#[test]
fn a_condition_on_more_bits_than_the_kernel_looks_at_is_a_hole() {
    let section = section(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]}]}"#,
    );
    let profile = Profile::read(&section, Arch::X86_64).expect("a profile");
    let survey = profile.survey();
    let reasons: Vec<&str> = survey[0].holes.iter().map(|hole| &*hole.reason).collect();
    let [alg, vsock] = reasons[..] else { panic!("{reasons:?}") };
    assert!(alg.starts_with("AF_ALG") && !alg.contains("bits above"), "{alg}");
    assert!(
        vsock.starts_with("AF_VSOCK")
            && vsock.ends_with("bits above the 32 that the kernel looks at"),
        "{vsock}"
    );
}

#[test]
fn dangers_are_calls_and_in_order() {
    let text = include_str!("../dangers.txt");
    let dangers: Vec<_> = crate::danger::dangers().collect();
    assert_eq!(dangers.len(), text.lines().count());
    assert!(dangers.is_sorted_by_key(|danger| danger.name));
    for (danger, line) in dangers.iter().zip(text.lines()) {
        let name = danger.name;
        assert!(Arch::all().any(|arch| arch.number(name).is_some()), "{name} is no call");
        assert_eq!(danger.argument.is_some(), line.split(' ').nth(1) != Some("-"), "{line}");
        assert!(danger.capability.is_empty() || danger.capability.starts_with("CAP_"), "{line}");
    }
}

#[test]
fn a_listing_names_what_has_a_name() {
    let section = section(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86"], "syscalls": [
            {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}"#,
    );
    let program = super::compile(&section);
    let text = Listing(&program).to_string();
    assert_eq!(text.lines().count(), program.instructions().len());
    for (instruction, comment) in [
        ("load [4]", "architecture"),
        ("load [0]", "number of the call"),
        ("== 0xc000003e", "SCMP_ARCH_X86_64"),
        ("== 0x40000003", "SCMP_ARCH_X86"),
        ("== 0x87", "personality"),
        ("load [16]", "arg0, first half"),
        ("load [20]", "arg0, second half"),
        ("return 0x7fff0000", "SCMP_ACT_ALLOW"),
        ("return 0x00050026", "SCMP_ACT_ERRNO (ENOSYS)"),
        ("return 0x00000000", "SCMP_ACT_KILL_THREAD"),
    ] {
        let found = text
            .lines()
            .find(|line| line.contains(instruction) && line.split(" # ").nth(1) == Some(comment));
        assert!(found.is_some(), "{instruction} # {comment} is not in\n{text}");
    }
}

#[test]
fn a_listing_takes_any_bytes() {
    let mut state = 1_u64;
    for _ in 0..200 {
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        let one = |_| crate::Instruction::from_bytes(std::array::from_fn(|_| byte()));
        let program = crate::Program::new((0..40).map(one).collect());
        assert_eq!(Listing(&program).to_string().lines().count(), 40);
    }
}
