//! The state folder of a plain user without `XDG_RUNTIME_DIR`: in `/tmp`, where everybody can write.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use coble_tests::{Case, Cmd, PLAIN_ID, skip};
use rustix::process::geteuid;

/// A case with a `/tmp` of its own.
fn case() -> Option<(Case, PathBuf)> {
    if !geteuid().is_root() {
        skip("needs root for a /tmp of its own");
        return None;
    }
    let mut case = Case::plain()?;
    // The runtime itself may lie in /tmp.
    case.use_copy();
    let tmp = case.folder("tmp");
    chown(&tmp, Some(0), Some(0)).unwrap();
    fs::set_permissions(&tmp, PermissionsExt::from_mode(0o1777)).unwrap();
    Some((case, tmp))
}

/// The runtime as the plain user, for whom the case's folder is `/mnt`.
fn coble(case: &Case, words: &[&str]) -> Cmd {
    let dir = case.dir.display();
    let line = format!(
        "mount --bind {dir} /mnt && mount --bind {dir}/tmp /tmp && exec setpriv --reuid {PLAIN_ID} \
         --regid {PLAIN_ID} --clear-groups \"$@\""
    );
    Cmd::new("unshare", &case.id, &case.dir.join("output"))
        .args(["--mount", "--propagation", "private", "sh", "-c", &line, "sh"])
        .arg(Path::new("/mnt").join(case.program().strip_prefix(&case.dir).unwrap()))
        .args(words)
}

const FOLDER: &str = "coble-54321";

#[test]
fn it_is_private_and_a_warning_says_where_it_is() {
    let Some((case, tmp)) = case() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000").write();
    let warning = "XDG_RUNTIME_DIR is not set: the state is in /tmp/coble-54321";
    let created = coble(&case, &["create", "--bundle", "/mnt/bundle", &case.id]).output().ok();
    assert!(created.stderr.contains(warning), "{}", created.stderr);
    let folder = fs::metadata(tmp.join(FOLDER)).unwrap();
    assert_eq!(folder.permissions().mode() & 0o7777, 0o700);
    use std::os::unix::fs::MetadataExt;
    assert_eq!(folder.uid(), PLAIN_ID);

    coble(&case, &["start", &case.id]).output().ok();
    let state = coble(&case, &["state", &case.id]).output().stdout();
    assert!(state.contains("\"running\""), "{state}");
    let said = coble(&case, &["exec", &case.id, "echo", "words"]).output().stdout();
    assert_eq!(said, "words\n");
    let list = coble(&case, &["list", "-q"]).output().stdout();
    assert_eq!(list, format!("{}\n", case.id));
    coble(&case, &["delete", "--force", &case.id]).output().ok();
    assert_eq!(fs::read_dir(tmp.join(FOLDER)).unwrap().count(), 0);
    case.assert_clean();
}

#[test]
fn a_folder_that_somebody_else_has_put_there_is_refused() {
    let Some((case, tmp)) = case() else { return };
    case.bundle().write();
    let folder = tmp.join(FOLDER);
    let refused = || {
        let words = ["no state folder: /tmp/coble-54321 is no directory of this user alone"];
        for command in [vec!["list"], vec!["run", "--bundle", "/mnt/bundle", "x"]] {
            coble(&case, &command).output().refused(&words);
        }
    };
    let elsewhere = case.folder("elsewhere");
    symlink("/mnt/elsewhere", &folder).unwrap();
    refused();
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
    fs::remove_file(&folder).unwrap();

    fs::write(&folder, "").unwrap();
    chown(&folder, Some(PLAIN_ID), Some(PLAIN_ID)).unwrap();
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    refused();
    fs::remove_file(&folder).unwrap();

    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    refused();
    chown(&folder, Some(PLAIN_ID + 1), Some(PLAIN_ID)).unwrap();
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    refused();
    chown(&folder, Some(PLAIN_ID), Some(PLAIN_ID)).unwrap();
    for mode in [0o770, 0o701] {
        fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).unwrap();
        refused();
    }
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    coble(&case, &["list"]).output().ok();
    case.assert_clean();
}

#[test]
fn a_tmp_in_which_others_can_replace_it_is_refused() {
    let Some((case, tmp)) = case() else { return };
    case.bundle().write();
    let words = ["no state folder: /tmp lets others replace what is in it"];
    fs::set_permissions(&tmp, PermissionsExt::from_mode(0o777)).unwrap();
    coble(&case, &["list"]).output().refused(&words);
    fs::set_permissions(&tmp, PermissionsExt::from_mode(0o1777)).unwrap();
    chown(&tmp, Some(PLAIN_ID + 1), None).unwrap();
    coble(&case, &["list"]).output().refused(&words);
    assert!(!tmp.join(FOLDER).exists());
}

/// Who cleans the session's folder up leaves what has the sticky bit (XDG Base Directory Specification).
#[test]
fn the_sessions_folder_keeps_it() {
    let Some(case) = Case::plain() else { return };
    let session = case.folder("session");
    let run = case.bare().env("XDG_RUNTIME_DIR", &session);
    let bundle = case.bundle();
    bundle.write();
    run.args(["run", "--bundle", bundle.path.to_str().unwrap(), &case.id]).output().ok();
    let mode = fs::metadata(session.join("coble")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o1700);
}
