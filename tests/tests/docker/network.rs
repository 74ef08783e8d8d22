//! Networks.

use coble_tests::docker::Docker;
use coble_tests::wait;

const ADDRESS: &str = "{{.NetworkSettings.IPAddress}}";

#[test]
fn without_a_network_there_is_only_a_loopback() {
    let Some(docker) = Docker::new() else { return };
    let flags = ["--network", "none"];
    assert_eq!(docker.sh(&flags, "ls /sys/class/net"), "lo");
    assert_eq!(docker.sh(&flags, "cat /sys/class/net/lo/flags"), "0x9");
    docker.run(&flags, &["ping", "-c", "1", "-W", "10", "127.0.0.1"]).ok();
}

#[test]
fn on_the_bridge_there_is_an_address_and_a_way_out() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    let address = container.inspect(ADDRESS);
    assert!(!address.is_empty());
    let shown = container.sh("ip -4 -o address show dev eth0");
    assert!(shown.contains(&format!("inet {address}/")), "{shown}");
    assert_eq!(container.sh("ls /sys/class/net"), "eth0\nlo");
    let gateway = container.inspect("{{.NetworkSettings.Gateway}}");
    assert!(container.sh("ip route").contains(&format!("default via {gateway} dev eth0")));
    container.exec(&[], &["ping", "-c", "1", "-W", "10", &gateway]).ok();
}

#[test]
fn containers_on_the_bridge_reach_each_other() {
    let Some(docker) = Docker::new() else { return };
    let serve =
        "mkdir /www; echo hello from the server > /www/index.html; exec httpd -f -p 80 -h /www";
    let server = docker.detach(&[], &["sh", "-c", serve]);
    wait::until("the server listens", || server.sh("netstat -ltn").contains(":80 "));
    let url = format!("http://{}/", server.inspect(ADDRESS));
    assert_eq!(docker.run(&[], &["wget", "-qO", "-", &url]).stdout(), "hello from the server\n");
}

#[test]
fn a_plain_user_can_ping_and_take_a_low_port() {
    let Some(docker) = Docker::new() else { return };
    // Docker asks for both by sysctls.
    let flags = ["--user", "1000:1000", "--cap-drop", "ALL"];
    let ports = docker.sh(&flags, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start");
    assert_eq!(ports, "0");
    let script = "timeout 1 nc -l -p 80; [ $? = 143 ] && echo listened";
    assert_eq!(docker.sh(&flags, script), "listened");
}

#[test]
fn a_network_is_shared_with_another_container() {
    let Some(docker) = Docker::new() else { return };
    let first = docker.idle(&[]);
    let shared = format!("container:{}", first.id);
    let script = "readlink /proc/self/ns/net; ip -4 -o address show dev eth0";
    assert_eq!(docker.sh(&["--network", &shared], script), first.sh(script));
}

#[test]
fn the_engines_network_is_used_on_request() {
    let Some(docker) = Docker::new() else { return };
    assert!(docker.sh(&["--network", "host"], "ls /sys/class/net").contains("docker0"));
}

#[test]
fn a_network_can_be_joined_by_name() {
    let Some(docker) = Docker::new() else { return };
    let network = docker.name("network");
    docker.cli(&["network", "create", &network]).output().ok();
    let name = docker.name("server");
    let server = docker.idle(&["--network", &network, "--name", &name]);
    // Docker answers names from inside the container's own network namespace.
    docker.run(&["--network", &network], &["ping", "-c", "1", "-W", "10", &name]).ok();
    server.verb(&["rm", "--force"]).ok();
    docker.cli(&["network", "rm", &network]).output().ok();
}
