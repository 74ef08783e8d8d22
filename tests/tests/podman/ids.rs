//! Whose ids a container has.

use std::fs;
use std::os::unix::fs::MetadataExt;

use coble_tests::podman::{FIRST_ID, Podman};
use coble_tests::{PLAIN_ID, PLAIN_NAME};

/// The words of an `uid_map` on one line.
fn map(podman: &Podman, flags: &[&str]) -> Vec<u32> {
    let output = podman.run(flags, &["cat", "/proc/self/uid_map"]).ok();
    assert!(!output.stdout.is_empty(), "no output: {output}");
    output.stdout.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

#[test]
fn root_is_the_user_and_others_are_subordinate() {
    let Some(podman) = Podman::new() else { return };
    assert_eq!(map(&podman, &[]), [0, PLAIN_ID, 1, 1, FIRST_ID, 65536]);
    let folder = podman.case.folder("data");
    let volume = format!("--volume={}:/data", folder.display());
    assert_eq!(podman.sh(&[&volume], "touch /data/root /data/guest; chown guest /data/guest"), "");
    let owner = |name: &str| fs::metadata(folder.join(name)).unwrap().uid();
    assert_eq!([owner("root"), owner("guest")], [PLAIN_ID, FIRST_ID + 999]);
}

#[test]
fn the_users_own_id_is_kept() {
    let Some(podman) = Podman::new() else { return };
    let folder = podman.case.folder("data");
    let volume = format!("--volume={}:/data", folder.display());
    let said = podman.sh(&["--userns=keep-id", &volume], "id -u; id -g; id -un; touch /data/file");
    let words: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, [&PLAIN_ID.to_string(), &PLAIN_ID.to_string(), PLAIN_NAME]);
    let file = fs::metadata(folder.join("file")).unwrap();
    assert_eq!((file.uid(), file.gid()), (PLAIN_ID, PLAIN_ID));

    podman.detach("kept", &["--userns=keep-id"], "exec sleep 1000");
    assert_eq!(podman.says(&["exec", "kept", "id", "-u"]), PLAIN_ID.to_string());
    assert_eq!(podman.says(&["exec", "--user=root", "kept", "id", "-u"]), "0");
    let other =
        podman.sh(&["--userns=keep-id:uid=1000,gid=1000", &volume], "id -un; touch /data/f");
    assert_eq!(other, "guest");
    assert_eq!(fs::metadata(folder.join("f")).unwrap().uid(), PLAIN_ID);
}

#[test]
fn a_second_user_namespace_in_the_first() {
    let Some(podman) = Podman::new() else { return };
    let flags = ["--uidmap=0:1:1000", "--gidmap=0:1:1000"];
    assert_eq!(map(&podman, &flags), [0, 1, 1000]);
    assert_eq!(map(&podman, &["--userns=nomap"]), [0, 1, 65536]);
}
