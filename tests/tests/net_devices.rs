//! Network devices of the host that a container gets.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use coble_tests::{Bundle, Case, skip, wait};
use serde_json::{Value, json};

/// A pair of virtual Ethernet devices: one to be moved, and its peer. Removed at the end, wherever they are.
struct Veth<'a> {
    case: &'a Case,
    name: String,
    peer: String,
}

impl<'a> Veth<'a> {
    fn new(case: &'a Case) -> Option<Self> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{:x}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let veth = Self { case, name: format!("ct{mark}a"), peer: format!("ct{mark}b") };
        let words = ["link", "add", &veth.name, "type", "veth", "peer", "name", &veth.peer];
        if case.tool("ip").args(words).output().code != Some(0) {
            skip("no virtual Ethernet devices here");
            return None;
        }
        Some(veth)
    }

    fn ip(&self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        self.case.tool("ip").args(words).output().ok();
    }

    /// Does something with the device that is to be moved: `DEV` stands for its name.
    fn set(&self, words: &str) -> &Self {
        self.ip(&words.replace("DEV", &self.name));
        self
    }

    /// Two addresses of the world and one of the link, and up.
    fn dress(&self) -> &Self {
        self.set("address add 192.0.2.7/24 broadcast 192.0.2.255 dev DEV")
            .set("address add 192.0.2.8/24 dev DEV label DEV:x")
            .set("address add 169.254.9.9/16 scope link dev DEV")
            .set("-6 address add 2001:db8::7/64 dev DEV nodad")
            .set("address add 192.0.2.9/32 dev DEV valid_lft 1000 preferred_lft 1000")
            .set("link set DEV mtu 1400 address 02:00:00:00:00:07")
            .set("link set DEV up")
    }

    fn is_here(&self) -> bool {
        PathBuf::from("/sys/class/net").join(&self.name).exists()
    }

    fn has_peer(&self) -> bool {
        PathBuf::from("/sys/class/net").join(&self.peer).exists()
    }

    fn here(&self) -> Value {
        let words = ["-json", "address", "show", "dev", &self.name];
        first(&self.case.tool("ip").args(words).output().stdout())
    }
}

impl Drop for Veth<'_> {
    fn drop(&mut self) {
        let _ = self.case.tool("ip").args(["link", "delete", &self.peer]).output();
    }
}

fn first(text: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()[0].clone()
}

/// The addresses of the world that a device has, sorted, with a length of the prefix.
fn addresses(device: &Value) -> Vec<String> {
    let all = device["addr_info"].as_array().unwrap().iter();
    let global = all.filter(|address| address["scope"] == "global");
    let mut found: Vec<String> = global
        .map(|one| format!("{}/{}", one["local"].as_str().unwrap(), one["prefixlen"]))
        .collect();
    found.sort();
    found
}

const KEPT: [&str; 3] = ["192.0.2.7/24", "192.0.2.8/24", "2001:db8::7/64"];

/// A network namespace with a name, removed at the end.
struct Namespace<'a> {
    case: &'a Case,
    name: String,
}

impl<'a> Namespace<'a> {
    fn new(case: &'a Case) -> Self {
        let namespace = Self { case, name: case.id.replacen("coble-test", "ct", 1) };
        case.tool("ip").args(["netns", "add", &namespace.name]).output().ok();
        namespace
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    fn ip(&self, words: &[&str]) -> String {
        self.case.tool("ip").args(["-netns", &self.name]).args(words).output().stdout()
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let _ = self.case.tool("ip").args(["netns", "delete", &self.name]).output();
    }
}

fn with(case: &Case, devices: Value) -> Bundle {
    let mut bundle = case.bundle();
    bundle.config["linux"]["netDevices"] = devices;
    bundle.sh("ip address; echo --; ip route; echo --; ip -6 route; echo --; ls /sys/class/net");
    bundle
}

/// What the container's program says of its network, in four parts.
#[track_caller]
fn seen(case: &Case, bundle: &Bundle) -> Vec<String> {
    let said = case.run(bundle).output().stdout();
    said.split("--\n").map(str::to_owned).collect()
}

#[track_caller]
fn assert_has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}`: {text}");
    }
}

#[test]
fn a_device_comes_with_its_addresses_and_routes_and_up() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    veth.dress();
    let bundle = with(&case, json!({ &veth.name: {} }));
    let [addresses, routes, routes6, names] = &seen(&case, &bundle)[..] else { panic!() };
    assert_has(
        addresses,
        &[
            &format!("{}@", veth.name),
            "UP",
            "mtu 1400",
            "02:00:00:00:00:07",
            "192.0.2.7/24 brd 192.0.2.255 scope global",
            &format!("192.0.2.8/24 scope global secondary {}:x", veth.name),
            "2001:db8::7/64 scope global",
        ],
    );
    for lost in ["169.254.9.9", "192.0.2.9"] {
        assert!(!addresses.contains(lost), "{addresses}");
    }
    assert_has(routes, &[&format!("192.0.2.0/24 dev {}", veth.name)]);
    assert_has(routes6, &[&format!("2001:db8::/64 dev {}", veth.name)]);
    assert_has(names, &["lo", &veth.name]);
}

#[test]
fn it_leaves_the_host_and_its_peer_stays() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    let mut bundle = with(&case, json!({ &veth.name: { "name": "eth0" } }));
    bundle.args(&["sleep", "1000"]);
    case.create(&bundle).output().ok();
    assert!(!veth.is_here() && veth.has_peer());
    case.verb(&["start"]).output().ok();
    let names = case.exec(&["ls", "/sys/class/net"]).output().stdout();
    assert_eq!(names, "eth0\nlo\n");
    case.delete_force();
}

#[test]
fn it_gets_another_name() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    veth.dress();
    let bundle = with(&case, json!({ &veth.name: { "name": "net-of-case" } }));
    let seen = seen(&case, &bundle);
    assert_has(&seen[0], &["net-of-case@", "192.0.2.7/24", "global secondary net-of-case:x"]);
    assert!(!seen[3].contains(&veth.name), "{seen:?}");
}

#[test]
fn a_template_gives_the_first_free_number() {
    let Some(case) = Case::root() else { return };
    let (Some(one), Some(other)) = (Veth::new(&case), Veth::new(&case)) else { return };
    let devices = json!({ &one.name: { "name": "eth%d" }, &other.name: { "name": "eth%d" } });
    assert_eq!(seen(&case, &with(&case, devices))[3].trim(), "eth0\neth1\nlo");
}

#[test]
fn hooks_and_kernel_parameters_find_it() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    let mut bundle = with(&case, json!({ &veth.name: { "name": "eth0" } }));
    let gone = format!("! test -e /sys/class/net/{}", veth.name);
    bundle.hook("prestart", &gone).hook("createRuntime", &gone);
    bundle.hook("createContainer", "ip link show eth0");
    bundle.config["linux"]["sysctl"] = json!({ "net.ipv4.conf.eth0.forwarding": "1" });
    bundle.args(&["cat", "/proc/sys/net/ipv4/conf/eth0/forwarding"]);
    assert_eq!(case.run(&bundle).output().stdout(), "1\n");
}

#[test]
fn a_user_namespace_gets_it_too() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    veth.dress();
    let mut bundle = with(&case, json!({ &veth.name: { "name": "eth0" } }));
    bundle.user_namespace(100_000, 65536);
    case.give_rootfs(&bundle, 100_000);
    assert_has(&seen(&case, &bundle)[0], &["eth0@", "192.0.2.7/24", "2001:db8::7/64"]);
}

#[test]
fn a_joined_namespace_keeps_it() {
    let Some(case) = Case::root() else { return };
    for in_user_namespace in [false, true] {
        let Some(veth) = Veth::new(&case) else { return };
        let namespace = Namespace::new(&case);
        veth.dress();
        let mut bundle = case.bundle_at(&in_user_namespace.to_string());
        bundle.config["linux"]["netDevices"] = json!({ &veth.name: { "name": "eth0" } });
        bundle.args(&["ip", "address", "show", "dev", "eth0"]).join("network", &namespace.path());
        if in_user_namespace {
            bundle.user_namespace(100_000, 65536).without_mount("/sys");
            case.give_rootfs(&bundle, 100_000);
        }
        assert_has(&case.run(&bundle).output().stdout(), &["192.0.2.7/24", "2001:db8::7/64"]);
        let after = first(&namespace.ip(&["-json", "address", "show", "dev", "eth0"]));
        assert_eq!(addresses(&after), KEPT);
        assert!(!veth.is_here() && veth.has_peer());
    }
}

#[test]
fn what_is_missing_or_taken_is_refused_before_anything_moves() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    veth.dress().set("link property add dev DEV altname DEVz");
    let before = veth.here();
    let alternative = format!("{}z", veth.name);
    let cases = [
        (json!({ &veth.name: {}, "zz-missing": {} }), "link not found for interface zz-missing"),
        (json!({ &veth.name: {}, "lo": { "name": "lo0" } }), "move the network device"),
        (
            json!({ &veth.name: { "name": "lo" } }),
            "\"lo\" exists in the container's network namespace",
        ),
        (json!({ &veth.name: { "name": alternative } }), "another name of the device already"),
    ];
    for (index, (devices, words)) in cases.into_iter().enumerate() {
        let mut bundle = case.bundle_at(&index.to_string());
        bundle.config["linux"]["netDevices"] = devices;
        case.refuses(case.create(&bundle), &["/linux/netDevices/", words]);
        let after = veth.here();
        assert_eq!(addresses(&after), addresses(&before), "{words}");
        assert_eq!(after["flags"], before["flags"], "{words}");
    }
}

#[test]
fn a_device_is_known_by_its_other_names_too() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    veth.set("link property add dev DEV altname DEVz");
    let bundle = with(&case, json!({ format!("{}z", veth.name): {} }));
    assert_has(&seen(&case, &bundle)[3], &[&veth.name]);
}

#[test]
fn a_container_that_fails_later_gives_it_back() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    veth.dress();
    let before = veth.here();
    let mut bundle = with(&case, json!({ &veth.name: { "name": "eth0" } }));
    bundle.hook("createContainer", "ip link show eth0 && exit 7");
    case.refuses(case.create(&bundle), &["exit status 7"]);
    case.refuses(case.run(&bundle), &["exit status 7"]);
    let after = veth.here();
    assert_eq!(addresses(&after), addresses(&before));
    for member in ["flags", "mtu", "address"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    // One that was down stays so.
    veth.set("link set DEV down");
    case.refuses(case.create(&bundle), &["exit status 7"]);
    assert!(!veth.here()["flags"].as_array().unwrap().contains(&json!("UP")));
}

#[test]
fn a_name_that_is_taken_in_a_joined_namespace() {
    let Some(case) = Case::root() else { return };
    let (Some(veth), Some(other)) = (Veth::new(&case), Veth::new(&case)) else { return };
    let namespace = Namespace::new(&case);
    other.ip(&format!("link set {} netns {} name eth0", other.name, namespace.name));
    let mut bundle = with(&case, json!({ &veth.name: { "name": "eth0" } }));
    bundle.join("network", &namespace.path());
    let words = ["/linux/netDevices/", "\"eth0\" exists in the container's network namespace"];
    case.refuses(case.create(&bundle), &words);
    assert!(veth.is_here());
    bundle.config["linux"]["netDevices"] = json!({ &veth.name: { "name": "eth%d" } });
    case.run(&bundle).output().ok();
    assert_has(&namespace.ip(&["link"]), &["eth0@", "eth1@"]);
}

#[test]
fn the_hosts_own_network_namespace_is_no_place_for_it() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    let words = ["/linux/netDevices", "unable to move network devices without a NET namespace"];
    let mut bundle = with(&case, json!({ &veth.name: {} }));
    bundle.without_namespace("network");
    case.refuses(case.create(&bundle), &words);
    bundle.join("network", &PathBuf::from("/proc/self/ns/net"));
    case.refuses(case.create(&bundle), &words);
    assert!(veth.is_here());
}

#[test]
fn a_plain_user_is_refused() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    // Without one the configuration is refused for that.
    bundle.namespace("network");
    bundle.config["linux"]["netDevices"] = json!({ "eth0": {} });
    let words = "network devices are not supported for rootless containers";
    case.refuses(case.create(&bundle), &["/linux/netDevices", words]);
}

#[test]
fn the_end_of_a_run_is_the_end_of_a_virtual_device() {
    let Some(case) = Case::root() else { return };
    let Some(veth) = Veth::new(&case) else { return };
    let bundle = with(&case, json!({ &veth.name: {} }));
    let _ = seen(&case, &bundle);
    wait::until("the kernel to remove both", || !veth.has_peer());
    assert!(!fs::exists(format!("/sys/class/net/{}", veth.name)).unwrap());
}
