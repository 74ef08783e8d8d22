//! `idmap` of a file system on a disk, whatever the tests' own files are on; the rest of it is in `id_mapped_mounts.rs`. ext4 knows it
//! since Linux 5.12.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Case, View, skip};

#[test]
fn ids_of_a_file_system_on_a_disk_are_mapped() {
    let Some(case) = Case::root() else { return };
    let (image, place) = (case.dir.join("image"), case.folder("disk"));
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let line = format!(
        "mkfs.ext4 -qF {image} && mount -o loop {image} {place} && touch {place}/file && chown 5:5 {place}/file",
        image = image.display(),
        place = place.display()
    );
    let Some(view) = View::of(&line) else {
        return skip("no file system can be made in a file and mounted");
    };
    let mut bundle = case.bundle();
    bundle.user_namespace(100_000, 65536);
    case.give_rootfs(&bundle, 100_000);
    bundle.mount("bind", place.to_str().unwrap(), "/mnt", &["bind", "idmap"]);
    bundle.sh("stat -c %u:%g /mnt/file; stat -f -c %T /mnt; touch /mnt/new").write();
    let run = view.coble(&case).args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id);
    assert_eq!(run.output().stdout(), "5:5\next2/ext3\n");
    let owner = view.tool(&case, "stat").args(["-c", "%u:%g"]).arg(place.join("new"));
    assert_eq!(owner.output().stdout(), "0:0\n");
}
