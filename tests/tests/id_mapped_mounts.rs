//! `mounts[].uidMappings` and `gidMappings`, `idmap` and `ridmap`: whose the files are, seen from inside.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, Cmd};
use serde_json::{Value, json};

/// Ranges of ids: in the file system, on the host, how many.
type Ranges = [(u32, u32, u32)];

fn mappings(ranges: &Ranges) -> Value {
    let one = |&(inside, host, size): &(u32, u32, u32)| json!({"containerID": inside, "hostID": host, "size": size});
    ranges.iter().map(one).collect()
}

/// Adds a mount with these mappings of users, and with those of groups 100 higher on the host.
fn mapped(
    bundle: &mut Bundle,
    kind: &str,
    source: &str,
    to: &str,
    options: &[&str],
    ranges: &Ranges,
) {
    bundle.mount(kind, source, to, options);
    let groups: Vec<_> =
        ranges.iter().map(|(inside, host, size)| (*inside, host + 100, *size)).collect();
    let mount = bundle.list("/mounts").last_mut().unwrap();
    mount["uidMappings"] = mappings(ranges);
    mount["gidMappings"] = mappings(&groups);
}

/// A folder with files of users and groups 0, 5 and 1000.
fn source(case: &Case) -> PathBuf {
    let source = case.folder("source");
    for id in [0, 5, 1000] {
        let file = source.join(format!("file-{id}"));
        fs::write(&file, "").unwrap();
        chown(&file, Some(id), Some(id)).unwrap();
    }
    source
}

/// A bundle in a user namespace whose ids 0 to 65535 are 100000 to 165535 on the host, as is its root.
fn in_user_namespace(case: &Case, name: &str) -> Bundle {
    let mut bundle = case.bundle_at(name);
    bundle.user_namespace(100_000, 65536);
    case.give_rootfs(&bundle, 100_000);
    bundle
}

/// User and group of each file in `folder`, as the container sees them.
#[track_caller]
fn owners(case: &Case, bundle: &mut Bundle, folder: &str) -> String {
    let folders =
        folder.split(' ').map(|folder| format!("{folder}/*")).collect::<Vec<_>>().join(" ");
    bundle.sh(&format!("stat -c %u:%g {folders}"));
    case.run(bundle).output().stdout().trim_end().replace('\n', " ")
}

/// Whether the kernel maps the ids of the case's own file system; otherwise the test is reported as skipped.
fn can_map(case: Option<Case>) -> Option<Case> {
    let case = case?;
    let is_tmpfs = rustix::fs::statfs(&case.dir).unwrap().f_type == TMPFS_MAGIC;
    if is_tmpfs { since((6, 3), "tmpfs", case) } else { since((5, 12), "other", case) }
}

/// The same for a tmpfs, which learnt it later than file systems on disks did.
fn can_map_tmpfs(case: Option<Case>) -> Option<Case> {
    since((6, 3), "tmpfs", case?)
}

/// `linux/magic.h`
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

fn since(first: (u32, u32), kind: &str, case: Case) -> Option<Case> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    if version < first {
        coble_tests::skip(&format!("the kernel has no id-mapped mounts of {kind} file systems"));
        return None;
    }
    Some(case)
}

#[test]
fn ids_are_mapped_without_a_user_namespace() {
    let Some(case) = can_map(Case::root()) else { return };
    let source = source(&case);
    for (name, options) in [("implied", &["bind"][..]), ("idmap", &["rbind", "idmap", "ro"])] {
        let mut bundle = case.bundle_at(name);
        mapped(&mut bundle, "bind", source.to_str().unwrap(), "/mnt", options, &[(0, 2000, 10)]);
        let seen = owners(&case, &mut bundle, "/mnt");
        assert_eq!(seen, "2000:2100 65534:65534 2005:2105", "{name}");
    }
}

#[test]
fn ids_are_mapped_in_a_user_namespace() {
    let Some(case) = can_map(Case::root()) else { return };
    let source = source(&case);
    let path = source.to_str().unwrap();
    let mut bundle = in_user_namespace(&case, "bundle");
    mapped(&mut bundle, "bind", path, "/own", &["bind", "idmap"], &[(0, 100_000, 2000)]);
    mapped(&mut bundle, "bind", path, "/other", &["bind", "idmap"], &[(5, 100_007, 1)]);
    bundle.mount("bind", path, "/container", &["bind", "idmap"]);
    bundle.mount("bind", path, "/plain", &["bind"]);
    let seen = owners(&case, &mut bundle, "/own /other /container /plain");
    let none = "65534:65534";
    assert_eq!(
        seen,
        format!("0:100 1000:1100 5:105 {none} {none} 7:107 0:0 1000:1000 5:5 {none} {none} {none}")
    );
    bundle.sh("touch /container/new && touch /own/other; touch /plain/new || echo no");
    assert_eq!(case.run(&bundle).output().stdout(), "no\n");
    let owner = fs::metadata(source.join("new")).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (0, 0), "on the disk");
}

/// Runs the bundle where another folder is mounted on the source's `sub`, and what is below `/mnt` is asked for.
#[track_caller]
fn with_submount(case: &Case, bundle: &mut Bundle, source: &Path) -> String {
    fs::create_dir_all(source.join("sub")).unwrap();
    bundle.sh("stat -c %u:%g /mnt/file-5 /mnt/sub/file").write();
    let script =
        "mount -t tmpfs tmpfs $0/sub && : > $0/sub/file && chown 7:7 $0/sub/file && exec \"$@\"";
    let private = ["--mount", "--propagation", "private", "sh", "-c", script];
    let run = case.tool("unshare").args(private).arg(source).arg(case.program()).arg("--root");
    let run = run.arg(case.state_root()).args(["run", "-b"]).arg(&bundle.path).arg(&case.id);
    run.output().stdout().trim_end().replace('\n', " ")
}

#[test]
fn the_mounts_below_are_mapped_with_ridmap_alone() {
    let Some(case) = can_map(Case::root()) else { return };
    let source = source(&case);
    let path = source.to_str().unwrap();
    for (option, own, container) in
        [("idmap", "105:205 7:7", "5:5 65534:65534"), ("ridmap", "105:205 107:207", "5:5 7:7")]
    {
        let mut bundle = case.bundle_at(option);
        mapped(&mut bundle, "bind", path, "/mnt", &["rbind", option], &[(0, 100, 10)]);
        assert_eq!(with_submount(&case, &mut bundle, &source), own, "{option}");
        let mut bundle = in_user_namespace(&case, &format!("user-{option}"));
        bundle.mount("bind", path, "/mnt", &["rbind", option]);
        assert_eq!(
            with_submount(&case, &mut bundle, &source),
            container,
            "{option} in a user namespace"
        );
    }
}

#[test]
fn a_new_file_system_is_mapped() {
    let Some(case) = can_map_tmpfs(Case::root()) else { return };
    let mut bundle = case.bundle();
    let options = ["idmap", "mode=777", "uid=5", "gid=6", "nosuid"];
    mapped(&mut bundle, "tmpfs", "tmpfs", "/mnt", &options, &[(0, 2000, 10)]);
    bundle.config["process"]["user"] = json!({"uid": 2003, "gid": 2104});
    bundle.sh("touch /mnt/new; stat -c %u:%g /mnt /mnt/new; grep ' /mnt ' /proc/self/mountinfo | grep -c idmapped");
    let said = case.run(&bundle).output().stdout();
    assert_eq!(said, "2005:2106\n2003:2104\n1\n");
    // Nobody is user 0 of the file system.
    bundle.config["process"]["user"] = json!({"uid": 0, "gid": 0});
    bundle.args(&["touch", "/mnt/new"]);
    let said = case.run(&bundle).output().exits(1);
    assert!(said.stderr.contains("Value too large"), "{said}");
}

#[test]
fn a_new_file_system_in_a_user_namespace_is_mapped() {
    let Some(case) = can_map_tmpfs(Case::root()) else { return };
    let mut bundle = in_user_namespace(&case, "bundle");
    let options = ["idmap", "uid=5", "gid=6"];
    mapped(&mut bundle, "tmpfs", "tmpfs", "/own", &options, &[(0, 100_020, 10)]);
    bundle.mount("tmpfs", "tmpfs", "/container", &options);
    bundle.sh("stat -c %u:%g /own /container");
    assert_eq!(case.run(&bundle).output().stdout(), "25:126\n5:6\n");
}

#[test]
fn what_is_copied_up_is_mapped_like_the_rest() {
    let Some(case) = can_map_tmpfs(Case::root()) else { return };
    let mut bundle = case.bundle();
    let data = bundle.inside("/data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), "text\n").unwrap();
    chown(data.join("file"), Some(3), Some(4)).unwrap();
    mapped(&mut bundle, "tmpfs", "tmpfs", "/data", &["tmpcopyup", "idmap"], &[(0, 2000, 10)]);
    assert_eq!(owners(&case, &mut bundle, "/data"), "2003:2104");
}

#[test]
fn a_mapping_may_stand_in_the_option() {
    let Some(case) = can_map(Case::root()) else { return };
    let source = source(&case);
    let path = source.to_str().unwrap();
    let mut bundle = in_user_namespace(&case, "bundle");
    let absolute = "idmap=uids=0-100001-1#5-100055-1;gids=0-100002-1000";
    bundle.mount("bind", path, "/absolute", &["bind", absolute]);
    let relative = "ridmap=uids=@0-1-1000;gids=@0-2-1000";
    bundle.mount("bind", path, "/relative", &["bind", relative]);
    let seen = owners(&case, &mut bundle, "/absolute /relative");
    let none = "65534:65534";
    assert_eq!(seen, format!("1:2 {none} 55:7 1:2 {none} 6:7"));
}

#[test]
fn the_mapping_of_a_joined_user_namespace() {
    let Some(case) = can_map(Case::root()) else { return };
    let source = source(&case);
    let mut holder = in_user_namespace(&case, "holder");
    holder.args(&["sleep", "1000"]);
    case.detach(&holder);
    let namespace = format!("/proc/{}/ns/user", case.pid());
    let mut bundle = in_user_namespace(&case, "bundle");
    bundle.join("user", Path::new(&namespace));
    for member in ["uidMappings", "gidMappings"] {
        bundle.config["linux"][member] = json!([]);
    }
    bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["bind", "idmap"]);
    bundle.sh("stat -c %u:%g /mnt/*").write();
    let id = format!("{}-second", case.id);
    let run = case.coble().arg("run").arg("-b").arg(&bundle.path).arg(id);
    assert_eq!(run.output().stdout(), "0:0\n1000:1000\n5:5\n");
}

/// The source lies where the user namespace's root may not go.
#[test]
fn a_source_out_of_reach_is_mapped() {
    let Some(case) = can_map(Case::root()) else { return };
    let private = case.folder("private");
    fs::create_dir(private.join("shared")).unwrap();
    fs::write(private.join("shared/file"), "").unwrap();
    fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
    let mut bundle = in_user_namespace(&case, "bundle");
    bundle.mount("bind", private.join("shared").to_str().unwrap(), "/mnt", &["bind", "idmap"]);
    assert_eq!(owners(&case, &mut bundle, "/mnt"), "0:0");
}

#[test]
fn a_mapped_mount_has_its_options_and_its_place() {
    let Some(case) = can_map(Case::root()) else { return };
    let file = source(&case).join("file-5");
    let mut bundle = in_user_namespace(&case, "bundle");
    let options = ["bind", "ro", "nosuid", "noexec", "shared", "idmap"];
    bundle.mount("bind", file.to_str().unwrap(), "/new/file", &options);
    let line = case.mount_line(&mut bundle, "/new/file");
    assert_eq!(line.flags, ["ro", "nosuid", "noexec", "relatime", "idmapped"]);
    assert!(line.propagation[0].starts_with("shared:"), "{line:?}");
}

/// Where a folder of the host is mounted with `flags`, runs the bundle in a mount namespace with it.
fn with_host_mount(case: &Case, kind: &str, flags: &str, source: &Path, bundle: &Bundle) -> Cmd {
    let script = format!("mount -t {kind} -o {flags} none $0; : > $0/file");
    after_mounting(case, &script, [source, source], bundle)
}

/// Runs the bundle in a mount namespace in which a script has mounted something; the folders are its `$0` and `$1`.
fn after_mounting(case: &Case, script: &str, folders: [&Path; 2], bundle: &Bundle) -> Cmd {
    bundle.write();
    let script = format!("set -e; {script}; shift; exec \"$@\"");
    let private = ["--mount", "--propagation", "private", "sh", "-c", &script];
    let run = case.tool("unshare").args(private).args(folders);
    run.arg(case.program())
        .arg("--root")
        .arg(case.state_root())
        .args(["run", "-b"])
        .arg(&bundle.path)
        .arg(&case.id)
}

/// The container's root may not take away what the host has laid on its mount, with or without a mapping.
#[test]
fn restrictions_of_the_hosts_mount_stay() {
    let Some(case) = can_map(Case::root()) else { return };
    let source = case.folder("source");
    for option in ["idmap", "defaults"] {
        let mut bundle = in_user_namespace(&case, option);
        for set in ["bounding", "effective", "permitted"] {
            bundle.list(&format!("/process/capabilities/{set}")).push("CAP_SYS_ADMIN".into());
        }
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["bind", option]);
        bundle.sh("mount -o remount,bind,nosuid,nodev / && echo may; \
             mount -o remount,bind,suid,dev /mnt && echo gone; grep ' /mnt ' /proc/self/mountinfo");
        let said = with_host_mount(&case, "tmpfs", "nosuid,nodev", &source, &bundle).output();
        assert!(said.stdout.starts_with("may\n"), "{said}");
        assert!(!said.stdout.contains("gone"), "{said}");
        assert!(said.stdout.contains("nosuid,nodev"), "{said}");
    }
}

#[test]
fn a_file_system_that_can_not_be_mapped_is_named() {
    let Some(case) = can_map(Case::root()) else { return };
    let source = case.folder("source");
    let mut bundle = case.bundle_at("bind");
    mapped(
        &mut bundle,
        "bind",
        source.to_str().unwrap(),
        "/mnt",
        &["bind", "idmap"],
        &[(0, 2000, 10)],
    );
    let words = [
        "unable to start container process",
        "map the ids of the mount on /mnt",
        &format!("failed to set MOUNT_ATTR_IDMAP on {}: invalid argument", source.display()),
        "\"ramfs\"",
    ];
    case.refuses(with_host_mount(&case, "ramfs", "rw", &source, &bundle), &words);

    let mut bundle = case.bundle_at("new");
    mapped(&mut bundle, "mqueue", "mqueue", "/mnt", &["idmap"], &[(0, 2000, 10)]);
    let words = ["the mount on /mnt", "failed to set MOUNT_ATTR_IDMAP on mqueue", "\"mqueue\""];
    case.refuses(case.run(&bundle), &words);
}

#[test]
fn what_is_mapped_already_can_not_be_mapped_again() {
    let Some(case) = can_map(Case::root()) else { return };
    let source = source(&case);
    let mut bundle = case.bundle();
    fs::create_dir(bundle.inside("/first")).unwrap();
    let first = bundle.inside("/first");
    for (source, to) in [(&source, "/first"), (&first, "/second")] {
        mapped(&mut bundle, "bind", source.to_str().unwrap(), to, &["bind"], &[(0, 2000, 10)]);
    }
    let words = ["the mount on /second", "failed to set MOUNT_ATTR_IDMAP", "id-mapped already"];
    case.refuses(case.run(&bundle), &words);
}

#[test]
fn bad_mappings_are_refused() {
    let Some(case) = Case::root() else { return };
    let both = "id-mapped mounts must have both uid and gid mappings specified";
    let one = mappings(&[(0, 2000, 10)]);
    let twice = mappings(&[(0, 2000, 10), (5, 3000, 10)]);
    for (nth, (options, uids, gids, words)) in [
        (&["bind", "idmap"][..], json!(null), json!(null), &["/mounts/7/options", both][..]),
        (&["bind", "ridmap"], one.clone(), json!(null), &["/mounts/7/gidMappings", both]),
        (&["bind"], json!(null), one.clone(), &["/mounts/7/uidMappings", both]),
        (
            &["bind"],
            one.clone(),
            twice,
            &["/mounts/7/gidMappings/1/containerID", "another mapping"],
        ),
        (&["remount", "idmap"], one.clone(), one.clone(), &["/mounts/7/options", "already"]),
        (&["bind", "idmap=x"], json!(null), json!(null), &["/mounts/7/options/1", "idmap=x"]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut bundle = case.bundle_at(&format!("bundle-{nth}"));
        assert_eq!(bundle.list("/mounts").len(), 7);
        bundle.mount("bind", "/etc", "/mnt", options);
        bundle.list("/mounts")[7]["uidMappings"] = uids;
        bundle.list("/mounts")[7]["gidMappings"] = gids;
        case.refuses(case.run(&bundle), words);
    }
}

#[test]
fn without_mount_setattr_nothing_can_be_mapped() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    mapped(&mut bundle, "tmpfs", "tmpfs", "/mnt", &[], &[(0, 2000, 10)]);
    let run = case.run(&bundle).env("COBLE_WITHOUT", "mount_setattr");
    case.refuses(run, &["/mounts/7/options", "mount_setattr", "Linux 5.12"]);
}

#[test]
fn a_plain_user_can_not_map() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.mount("bind", "/etc", "/mnt", &["bind", "idmap"]);
    let words = "id-mapped mounts are not supported for rootless containers";
    case.refuses(case.run(&bundle), &["/options", words]);
}

/// The annotation that maps the root's ids.
const ROOT_IDS: &str = "coble.rootfs.idmap";

/// A bundle in a user namespace, whose root belongs to the host's root still.
fn with_mapped_root(case: &Case, name: &str, word: &str) -> Bundle {
    let mut bundle = case.bundle_at(name);
    bundle.user_namespace(100_000, 65536);
    bundle.writable();
    bundle.config["annotations"][ROOT_IDS] = json!(word);
    bundle
}

/// A new file belongs to 0 inside and on the disk.
const OWNERS: &str = "stat -c %u:%g /bin /bin/busybox; touch /new; mkdir -p /made; stat -c %u:%g /new /made; \
                      awk '$5 == \"/\" {print $6}' /proc/self/mountinfo";

#[track_caller]
fn root_is_mapped(run: Cmd, rootfs: &Path) {
    let printed = run.output().stdout();
    let (owners, options) = printed.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(owners, "0:0\n0:0\n0:0\n0:0");
    assert!(options.split(',').any(|option| option == "idmapped"), "{options}");
    for name in ["new", "made"] {
        let owner = fs::metadata(rootfs.join(name)).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (0, 0), "{name}, on the disk");
    }
}

#[test]
fn the_root_is_mapped() {
    let Some(case) = can_map(Case::root()) else { return };
    for word in ["idmap", "ridmap", "idmap=uids=@0-0-65536;gids=0-100000-65536"] {
        let mut bundle = with_mapped_root(&case, word.split('=').next_back().unwrap(), word);
        bundle.sh(OWNERS);
        root_is_mapped(case.run(&bundle), &bundle.rootfs());
    }
    // Without the mapping all is nobody's.
    let mut bundle = with_mapped_root(&case, "plain", "idmap");
    bundle.config["annotations"].as_object_mut().unwrap().remove(ROOT_IDS);
    case.refuses(case.run(&bundle), &[
        "make the mount point in a directory of nobody's: /proc: permission denied",
        "what helps is to give the root file system to the container's root, or the annotation coble.rootfs.idmap",
    ]);
}

#[test]
fn the_root_is_mapped_without_a_user_namespace() {
    let Some(case) = can_map(Case::root()) else { return };
    let mut bundle = case.bundle();
    bundle.config["annotations"][ROOT_IDS] =
        json!("idmap=uids=0-2000-10#10-0-1;gids=0-3000-10#10-0-1");
    bundle.sh("stat -c %u:%g /bin/busybox");
    assert_eq!(case.run(&bundle).output().stdout(), "2000:3000\n");
}

/// Where a script has put another file system in the place of the root's; `$0` is its folder, `$1` an empty one.
fn with_root_mount(case: &Case, script: &str, bundle: &Bundle) -> Cmd {
    after_mounting(case, script, [&bundle.rootfs(), &case.folder("empty")], bundle)
}

#[test]
fn a_root_in_memory_is_mapped() {
    let Some(case) = can_map_tmpfs(Case::root()) else { return };
    let mut bundle = with_mapped_root(&case, "bundle", "idmap");
    bundle.sh("stat -c %u:%g /bin/busybox; touch /new; stat -c %u:%g /new; stat -f -c %T /");
    let script = "mount -t tmpfs none $1; cp -a $0/. $1; mount --bind $1 $0";
    let output = with_root_mount(&case, script, &bundle).output();
    assert_eq!(output.stdout(), "0:0\n0:0\ntmpfs\n");
}

#[test]
fn a_root_that_can_not_be_mapped_is_named() {
    let Some(case) = can_map_tmpfs(Case::root()) else { return };
    let mut bundle = with_mapped_root(&case, "bundle", "idmap");
    bundle.sh("true");
    let rootfs = bundle.rootfs();
    for (script, kind) in [
        ("mount -t ramfs none $1; cp -a $0/. $1; mount --bind $1 $0", "\"ramfs\""),
        (
            "mount -t tmpfs none $1; mkdir $1/up $1/work; \
             mount -t overlay -o lowerdir=$0,upperdir=$1/up,workdir=$1/work none $0",
            "\"overlay\"",
        ),
    ] {
        let words = [
            "unable to start container process",
            "map the ids of the mount on / (/annotations/coble.rootfs.idmap)",
            &format!("failed to set MOUNT_ATTR_IDMAP on {}: invalid argument", rootfs.display()),
            kind,
        ];
        case.refuses(with_root_mount(&case, script, &bundle), &words);
    }
}

#[test]
fn a_bad_mapping_of_the_root_is_refused() {
    let place = "/annotations/coble.rootfs.idmap";
    let Some(case) = Case::root() else { return };
    let bundle = with_mapped_root(&case, "word", "yes");
    case.refuses(case.run(&bundle), &[place, "\"yes\" is neither idmap nor ridmap"]);
    let bundle = with_mapped_root(&case, "old", "idmap");
    let run = case.run(&bundle).env("COBLE_WITHOUT", "mount_setattr");
    case.refuses(run, &[place, "mount_setattr", "Linux 5.12"]);
}

#[test]
fn a_plain_user_can_not_map_the_root() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.config["annotations"][ROOT_IDS] = json!("idmap");
    let words = "id-mapped mounts are not supported for rootless containers";
    case.refuses(case.run(&bundle), &["/annotations/coble.rootfs.idmap", words]);
}
