//! Volumes and what else is mounted.

use std::fs;
use std::os::unix::fs::MetadataExt;

use coble_tests::docker::Docker;

/// A folder of the host with a file in it, and its path.
fn host_folder(docker: &Docker) -> (std::path::PathBuf, String) {
    let folder = docker.dir().join("host");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("file"), "from the host\n").expect("a file");
    let text = folder.to_str().expect("UTF-8").to_owned();
    (folder, text)
}

#[test]
fn a_folder_of_the_host_is_read_and_written() {
    let Some(docker) = Docker::new() else { return };
    let (folder, path) = host_folder(&docker);
    let volume = format!("{path}:/made/data");
    let script = "cat /made/data/file; echo from inside > /made/data/new";
    assert_eq!(docker.sh(&["-v", &volume], script), "from the host");
    assert_eq!(fs::read_to_string(folder.join("new")).expect("the new file"), "from inside\n");
}

#[test]
fn a_read_only_folder_of_the_host_cannot_be_written() {
    let Some(docker) = Docker::new() else { return };
    let (folder, path) = host_folder(&docker);
    let volume = format!("{path}:/data:ro");
    let script =
        "cat /data/file; touch /data/new || echo refused; mount | grep ' /data ' | grep -o '(ro,'";
    assert_eq!(docker.sh(&["-v", &volume], script), "from the host\nrefused\n(ro,");
    assert!(!folder.join("new").exists());
}

#[test]
fn one_file_of_the_host_is_mounted() {
    let Some(docker) = Docker::new() else { return };
    let (folder, path) = host_folder(&docker);
    let writable = format!("{path}/file:/etc/one");
    assert_eq!(docker.sh(&["-v", &writable], "cat /etc/one; echo new > /etc/one"), "from the host");
    assert_eq!(fs::read_to_string(folder.join("file")).expect("the file"), "new\n");
    let read_only = format!("{path}/file:/etc/one:ro");
    assert_eq!(docker.sh(&["-v", &read_only], "echo x > /etc/one || cat /etc/one"), "new");
}

#[test]
fn a_named_volume_outlives_its_container() {
    let Some(docker) = Docker::new() else { return };
    let volume = format!("{}:/data", docker.name("volume"));
    assert_eq!(docker.sh(&["-v", &volume], "echo kept > /data/file"), "");
    assert_eq!(docker.sh(&["-v", &volume], "cat /data/file"), "kept");
    docker.cli(&["volume", "rm", &docker.name("volume")]).output().ok();
}

#[test]
fn a_volume_over_a_link_stays_inside() {
    let Some(docker) = Docker::new() else { return };
    let (folder, path) = host_folder(&docker);
    let container = docker.detach(&[], &["ln", "-s", "/../../../../../../tmp", "/link"]);
    assert_eq!(container.wait(), "0");
    let image = docker.name("linked");
    docker.cli(&["commit", &container.id, &image]).output().ok();
    let volume = format!("{path}:/link/deep");
    let run = docker.run_image(&image, &["--rm", "-v", &volume], &["ls", "/tmp/deep"]);
    assert_eq!(run.output().stdout(), "file\n");
    docker.cli(&["rmi", &image]).output().ok();
    assert!(folder.join("file").exists());
}

#[test]
fn a_read_only_root_cannot_be_written() {
    let Some(docker) = Docker::new() else { return };
    let script =
        "touch /file || touch /etc/file || echo refused; touch /dev/shm/file && echo shm works";
    assert_eq!(docker.sh(&["--read-only"], script), "refused\nshm works");
}

#[test]
fn a_tmpfs_is_mounted_with_its_options() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--read-only", "--tmpfs", "/scratch:rw,size=1m,mode=1770,uid=1000,exec"];
    let script = "stat -c '%a %u' /scratch; df -k /scratch | tail -n 1 | awk '{print $2}'
        cp /bin/busybox /scratch/true 2> /dev/null || echo full; mount | grep ' /scratch ' | grep -c noexec";
    let output = docker.run(&flags, &["sh", "-c", script]);
    assert_eq!(output.stdout, "1770 1000\n1024\nfull\n0\n");
}

#[test]
fn a_plain_tmpfs_is_safe() {
    let Some(docker) = Docker::new() else { return };
    let options = docker.sh(&["--tmpfs", "/scratch"], "mount | grep ' /scratch '");
    for option in ["nosuid", "nodev", "noexec"] {
        assert!(options.contains(option), "no {option} in {options}");
    }
}

#[test]
fn the_mount_flag_makes_a_tmpfs() {
    let Some(docker) = Docker::new() else { return };
    let mount = "type=tmpfs,destination=/scratch,tmpfs-size=2097152,tmpfs-mode=1770";
    let script = "stat -c %a /scratch; df -k /scratch | tail -n 1 | awk '{print $2}'";
    assert_eq!(docker.sh(&["--mount", mount], script), "1770\n2048");
}

#[test]
fn shared_memory_has_the_size_that_was_asked_for() {
    let Some(docker) = Docker::new() else { return };
    let script = "df -k /dev/shm | tail -n 1 | awk '{print $2}'";
    assert_eq!(docker.sh(&["--shm-size", "2m"], script), "2048");
    assert_eq!(docker.sh(&[], script), "65536");
}

#[test]
fn mounts_of_a_container_stay_in_it() {
    let Some(docker) = Docker::new() else { return };
    let (folder, path) = host_folder(&docker);
    let volume = format!("{path}:/data");
    let script = "mkdir /data/below; mount -t tmpfs tmpfs /data/below; touch /data/below/hidden; ls /data/below";
    let flags = ["-v", volume.as_str(), "--cap-add", "SYS_ADMIN"];
    assert_eq!(docker.sh(&flags, script), "hidden");
    assert!(!folder.join("below/hidden").exists());
}

#[test]
fn a_slave_mount_follows_the_host() {
    let Some(docker) = Docker::new() else { return };
    let (_, path) = host_folder(&docker);
    let mount = format!("type=bind,source={path},destination=/data,bind-propagation=rslave");
    let script = "grep ' /data ' /proc/self/mountinfo | grep -c master:";
    assert_eq!(docker.sh(&["--mount", &mount], script), "1");
    let private = format!("{path}:/data");
    let script = "grep ' /data ' /proc/self/mountinfo | grep -cE 'master:|shared:' || true";
    assert_eq!(docker.sh(&["-v", &private], script), "0");
}

#[test]
fn the_root_belongs_to_the_container_alone() {
    let Some(docker) = Docker::new() else { return };
    assert_eq!(
        docker.sh(&[], "ls -d /bin /etc /proc /sys /dev | wc -l; ls / | grep -c oldroot || true"),
        "5\n0"
    );
    let mounts = docker.sh(&[], "cat /proc/self/mounts");
    let first = mounts.lines().next().expect("a mount");
    assert_eq!(first.split(' ').nth(1), Some("/"), "{mounts}");
    let engine = docker.dir();
    let engine = engine.to_str().expect("UTF-8");
    let foreign =
        mounts.lines().filter(|line| line.split(' ').nth(1).is_some_and(|at| at.contains(engine)));
    assert_eq!(foreign.count(), 0, "{mounts}");
}

#[test]
fn files_come_and_go_with_cp() {
    let Some(docker) = Docker::new() else { return };
    let (folder, path) = host_folder(&docker);
    let container = docker.idle(&[]);
    let inside = format!("{}:/tmp/copied", container.id);
    docker.cli(&["cp", &format!("{path}/file"), &inside]).output().ok();
    assert_eq!(container.sh("cat /tmp/copied"), "from the host");
    docker.cli(&["cp", &inside, &format!("{path}/back")]).output().ok();
    assert_eq!(fs::read_to_string(folder.join("back")).expect("the copy"), "from the host\n");
    assert_eq!(fs::metadata(folder.join("back")).expect("the copy").uid(), 0);
}
