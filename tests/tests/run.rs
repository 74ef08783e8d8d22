//! `run` in the foreground: output, input, exit status.

use coble_tests::Case;

#[test]
fn output_and_error_reach_the_caller() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo to stdout; echo to stderr >&2");
    let output = case.run(&bundle).output().ok();
    assert_eq!(output.stdout, "to stdout\n");
    assert_eq!(output.stderr, "to stderr\n");
}

#[test]
fn the_exit_status_is_the_processs_own() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for code in [0, 1, 7, 126, 127, 255] {
        bundle.sh(&format!("exit {code}"));
        case.run(&bundle).output().exits(code);
        case.assert_clean();
    }
}
