//! Profiles as Docker and Podman write them.

use coble_spec::parse;

use crate::{
    Arch, DEFAULT, DOCKERS_CAPABILITIES, EngineProfile, Error, Profile, Resolved, Setting, Tree,
    default_section, kernel_version,
};

fn read(text: &str) -> Result<EngineProfile, Error> {
    EngineProfile::read(&parse::<Tree>(text.as_bytes()).expect("JSON"))
}

fn resolve(text: &str, arch: Arch, kernel: (u32, u32), caps: &[&str]) -> Result<Resolved, String> {
    let capability = |name: &str| name.starts_with("CAP_").then(|| caps.contains(&name));
    let setting = Setting { arch, kernel, capability: &capability };
    read(text).and_then(|profile| profile.resolve(&setting)).map_err(|error| error.to_string())
}

fn names(text: &str, arch: Arch, kernel: (u32, u32), caps: &[&str]) -> String {
    let section = resolve(text, arch, kernel, caps).expect("a section").section;
    let names: Vec<String> = section.syscalls.into_iter().flat_map(|rule| rule.names).collect();
    names.join(" ")
}

fn profile(rules: &str) -> String {
    format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{rules}]}}"#)
}

#[test]
fn rules_depend_on_architecture_kernel_and_capabilities() {
    let rule = |name: &str, more: &str| {
        format!(r#"{{"names": ["{name}"], "action": "SCMP_ACT_ALLOW", {more}}}"#)
    };
    let text = profile(
        &[
            rule("a", r#""includes": {}, "excludes": null, "args": null, "comment": """#),
            rule("b", r#""includes": {"caps": ["CAP_KILL", "CAP_BPF"]}"#),
            rule("c", r#""excludes": {"caps": ["CAP_KILL", "CAP_BPF"]}"#),
            rule("d", r#""includes": {"arches": ["amd64", "x32"]}"#),
            rule("e", r#""excludes": {"arches": ["amd64"], "caps": ["CAP_BPF"]}"#),
            rule("f", r#""includes": {"minKernel": "4.8"}"#),
            rule("g", r#""excludes": {"minKernel": "5.10"}"#),
        ]
        .join(","),
    );
    assert_eq!(names(&text, Arch::X86_64, (6, 1), &[]), "a c d f");
    assert_eq!(names(&text, Arch::X86_64, (4, 7), &["CAP_KILL"]), "a d g");
    assert_eq!(names(&text, Arch::AARCH64, (5, 9), &["CAP_KILL", "CAP_BPF"]), "a b f g");
    assert_eq!(names(&text, Arch::AARCH64, (4, 10), &[]), "a c e f g");
}

#[test]
fn errors_have_names_as_podman_writes_them() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "defaultErrno": "ENOSYS", "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errno": "EINVAL", "errnoRet": 1},
        {"name": "write", "action": "SCMP_ACT_ERRNO", "errno": "7"},
        {"names": ["open"], "action": "SCMP_ACT_ERRNO", "errno": "", "errnoRet": 9}]}"#;
    let section = resolve(text, Arch::X86_64, (6, 1), &[]).expect("a section").section;
    assert_eq!(section.default_errno_ret, Some(38));
    let errors: Vec<_> = section.syscalls.iter().map(|rule| rule.errno_ret).collect();
    assert_eq!(errors, [Some(22), Some(7), Some(9)]);
    assert_eq!(section.syscalls[1].names, ["write"]);
}

#[test]
fn architectures_are_those_of_the_kernels_family() {
    let archs = |arch| resolve(DEFAULT, arch, (6, 1), &[]).expect("it").section.architectures;
    assert_eq!(archs(Arch::X86_64), ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    assert_eq!(archs(Arch::AARCH64), ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
    assert!(archs(Arch::called("ppc64le").expect("it")).is_empty());
}

#[test]
fn what_is_wrong_is_named() {
    let error = |rule: &str| resolve(&profile(rule), Arch::X86_64, (6, 1), &[]).expect_err(rule);
    let rule = |more: &str| error(&format!(r#"{{"action": "SCMP_ACT_ALLOW", {more}}}"#));
    let names = |more: &str| rule(&format!(r#""names": ["read"], {more}"#));
    for (error, expected) in [
        (names(r#""name": "write""#), "/syscalls/0/name: name and names exclude each other"),
        (names(r#""errno": "EMOON""#), r#"/syscalls/0/errno: "EMOON" is no error number"#),
        (names(r#""errno": "+7""#), r#"/syscalls/0/errno: "+7" is no error number"#),
        (
            names(r#""includes": {"caps": ["KILL"]}"#),
            r#"/syscalls/0/includes/caps/0: "KILL" is no capability"#,
        ),
        (
            names(r#""excludes": {"arches": ["amd64", "arm46"]}"#),
            r#"/syscalls/0/excludes/arches/1: "arm46" is no architecture"#,
        ),
        (
            names(r#""includes": {"minKernel": "4.8.1"}"#),
            r#"/syscalls/0/includes/minKernel: "4.8.1" is no version of a kernel, two numbers as in 4.8"#,
        ),
    ] {
        assert_eq!(error, expected);
    }
    let both = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"],
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": null}]}"#;
    let error = resolve(both, Arch::X86_64, (6, 1), &[]).expect_err("both");
    assert_eq!(error, "/archMap: architectures and archMap exclude each other");
}

#[test]
fn what_has_another_form_is_named() {
    let error = |text: &str| read(text).expect_err(text).to_string();
    let rule = |more: &str| error(&profile(&format!(r#"{{"names": ["read"], {more}}}"#)));
    for (error, expected) in [
        (error("[]"), "expected an object"),
        (error("{}"), "/defaultAction: it is missing"),
        (error(r#"{"defaultAction": 7}"#), "/defaultAction: expected a string"),
        (error(r#"{"defaultaction": "A"}"#), r#""defaultaction" is no member of a profile here"#),
        (rule(r#""action": null"#), "/syscalls/0/action: it is missing"),
        (
            rule(r#""action": "A", "include": {}"#),
            r#"/syscalls/0: "include" is no member of a profile here"#,
        ),
        (
            rule(r#""action": "A", "errnoRet": 4294967296"#),
            "/syscalls/0/errnoRet: expected a whole number that isn't too large",
        ),
        (rule(r#""action": "A", "args": {}"#), "/syscalls/0/args: expected a list"),
        (
            rule(r#""action": "A", "args": [{"index": 0, "value": -1, "op": "O"}]"#),
            "/syscalls/0/args/0/value: expected a whole number that isn't too large",
        ),
        (
            rule(r#""action": "A", "excludes": {"caps": [true]}"#),
            "/syscalls/0/excludes/caps/0: expected a string",
        ),
        (rule(r#""action": "A", "includes": []"#), "/syscalls/0/includes: expected an object"),
    ] {
        assert_eq!(error, expected);
    }
    let twice = parse::<Tree>(br#"{"a": {"b": 1, "b": 2}}"#).expect_err("twice").to_string();
    assert!(twice.contains("a member is there twice"), "{twice}");
}

#[test]
fn pointers_lead_to_the_profile() {
    let resolved = resolve(DEFAULT, Arch::X86_64, (6, 1), &[]).expect("a section");
    let place = resolved.section.syscalls.iter().position(|rule| rule.names == ["clone3"]);
    let place = place.expect("clone3");
    let pointer = resolved.pointer(&format!("/syscalls/{place}/errnoRet"));
    assert_ne!(pointer, format!("/syscalls/{place}/errnoRet"), "rules before it are left out");
    let index: usize = pointer.split('/').nth(2).expect("a place").parse().expect("a number");
    let profile: serde_json::Value = serde_json::from_str(DEFAULT).expect("JSON");
    assert_eq!(profile["syscalls"][index]["names"], serde_json::json!(["clone3"]));
    assert_eq!(resolved.pointer("/defaultAction"), "/defaultAction");
    assert_eq!(resolved.pointer("/syscalls/999"), "/syscalls/999");
}

#[test]
fn the_default_knows_no_unknown_call_and_comes_back_from_a_section() {
    for arch in [Arch::X86_64, Arch::AARCH64] {
        let section = resolve(DEFAULT, arch, (6, 1), &[]).expect("a section").section;
        let profile = Profile::read(&section, arch).expect("a profile");
        assert_eq!(profile.unknown(), []);
        profile.compile().expect("a program");
        let capability = |_: &str| Some(false);
        let setting = Setting { arch, kernel: (6, 1), capability: &capability };
        let text = serde_json::to_string(&section).expect("JSON");
        let again = read(&text).expect("it").resolve(&setting).expect("it");
        assert_eq!(again.section, section);
    }
}

#[test]
fn versions_of_kernels() {
    for (release, version) in [
        ("6.18.3-arch1", Some((6, 18))),
        ("3.12-1-amd64", Some((3, 12))),
        ("4.8", Some((4, 8))),
        ("6.1rc5", Some((6, 1))),
        ("6", None),
        ("x.1", None),
        ("6.x", None),
        ("", None),
    ] {
        assert_eq!(kernel_version(release), version, "{release:?}");
    }
}

#[test]
fn architectures_have_several_names() {
    for name in ["SCMP_ARCH_X86_64", "x86_64", "amd64", "AMD64", "scmp_arch_x86_64"] {
        assert_eq!(Arch::called(name), Some(Arch::X86_64), "{name}");
    }
    assert_eq!(Arch::called("arm64"), Some(Arch::AARCH64));
    assert_eq!(Arch::called("moon"), None);
}

#[test]
fn the_default_section_is_that_of_every_kernel_for_dockers_capabilities() {
    for arch in Arch::all() {
        for kernel in [(5, 10), (99, 0)] {
            let resolved = resolve(DEFAULT, arch, kernel, &DOCKERS_CAPABILITIES).expect("it");
            assert_eq!(default_section(arch).expect("it"), resolved.section, "{}", arch.name());
        }
    }
}
