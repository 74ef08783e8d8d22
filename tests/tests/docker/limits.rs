//! Limits of memory, processor time and processes.

use coble_tests::docker::Docker;
use coble_tests::skip;
use coble_tests::wait;

/// The engine of a test, or `None` where its kernel can't limit this: the field of `docker info` says so.
fn docker_that_limits(field: &str) -> Option<Docker> {
    let docker = Docker::new()?;
    if docker.info()[field] == true {
        return Some(docker);
    }
    skip(&format!("Docker says that {field} isn't supported here"));
    None
}

/// Reads one of a container's own limits, as a script: cgroup v1's file or else cgroup v2's.
fn read(v1: &str, v2: &str) -> String {
    format!("cat /sys/fs/cgroup/{v1} 2> /dev/null || cat /sys/fs/cgroup/{v2}")
}

#[test]
fn memory_is_limited() {
    let Some(docker) = docker_that_limits("MemoryLimit") else { return };
    let script = read("memory/memory.limit_in_bytes", "memory.max");
    assert_eq!(docker.sh(&["--memory", "64m"], &script), "67108864");
}

#[test]
fn memory_has_a_reservation() {
    let Some(docker) = docker_that_limits("MemoryLimit") else { return };
    let script = read("memory/memory.soft_limit_in_bytes", "memory.low");
    let flags = ["--memory", "64m", "--memory-reservation", "32m"];
    assert_eq!(docker.sh(&flags, &script), "33554432");
}

#[test]
fn a_container_that_takes_too_much_memory_is_killed() {
    let Some(docker) = docker_that_limits("MemoryLimit") else { return };
    // Both: otherwise the container may swap.
    let flags = ["--memory", "16m", "--memory-swap", "16m", "--shm-size", "64m"];
    let fill = ["dd", "if=/dev/zero", "of=/dev/shm/fill", "bs=1M"];
    let container = docker.detach(&flags, &fill);
    assert_eq!(container.wait(), "137");
    wait::until("Docker hears of it", || container.inspect("{{.State.OOMKilled}}") == "true");
}

#[test]
fn processor_time_is_limited() {
    let Some(docker) = docker_that_limits("CpuCfsQuota") else { return };
    let script = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us 2> /dev/null |
        tr '\\n' ' ' | grep . || cat /sys/fs/cgroup/cpu.max";
    assert_eq!(docker.sh(&["--cpus", "0.5"], script), "50000 100000");
}

#[test]
fn processor_time_is_shared() {
    let Some(docker) = docker_that_limits("CPUShares") else { return };
    let output = docker.sh(&["--cpu-shares", "512"], &read("cpu/cpu.shares", "cpu.weight"));
    // The formula from shares to weight changed between versions of the runtimes.
    assert!(["512", "20", "59"].contains(&output.as_str()), "{output}");
}

#[test]
fn a_container_is_kept_to_its_processors() {
    let Some(docker) = docker_that_limits("CPUSet") else { return };
    let script = "grep Cpus_allowed_list /proc/self/status | cut -f 2";
    assert_eq!(docker.sh(&["--cpuset-cpus", "0"], script), "0");
}

#[test]
fn the_number_of_processes_is_limited() {
    let Some(docker) = docker_that_limits("PidsLimit") else { return };
    assert_eq!(docker.sh(&["--pids-limit", "32"], &read("pids/pids.max", "pids.max")), "32");
    let script = "for i in $(seq 20); do sleep 5 & done";
    let output = docker.run(&["--pids-limit", "8"], &["sh", "-c", script]);
    assert_ne!(output.code, Some(0), "{output}");
    assert!(output.stderr.contains("fork"), "{output}");
}

#[test]
fn without_limits_there_are_none() {
    let Some(docker) = docker_that_limits("PidsLimit") else { return };
    assert_eq!(docker.sh(&[], &read("pids/pids.max", "pids.max")), "max");
}

#[test]
fn a_limit_holds_for_exec_too() {
    let Some(docker) = docker_that_limits("PidsLimit") else { return };
    let container = docker.idle(&["--pids-limit", "8"]);
    let output = container.exec(&[], &["sh", "-c", "for i in $(seq 20); do sleep 5 & done"]);
    assert!(output.stderr.contains("fork"), "{output}");
}

#[test]
fn the_containers_cgroups_are_read_only() {
    let Some(docker) = Docker::new() else { return };
    let script = "find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs | head -n 1";
    assert_ne!(docker.sh(&[], script), "");
    let script =
        "mkdir $(dirname $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs | head -n 1))/mine";
    docker.run(&[], &["sh", "-c", script]).exits(1);
}
