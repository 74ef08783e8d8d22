//! What `linux.resources` becomes: values for files with cgroup v1 and v2, and properties of a unit. Compared with what
//! was looked through before.
//!
//! Where a change is meant, `COBLE_BLESS=1 cargo test -p coble-cgroup` writes the files anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use coble_spec::Resources;

use crate::place::Place;
use crate::systemd::{Manager, Unit};
use crate::{Cgroup, Error, devices, limits};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests-data");

/// The hierarchies of v1, without any file to look into.
fn v1() -> Cgroup {
    let all = [
        "pids", "memory", "blkio", "cpu", "cpuset", "hugetlb", "rdma", "net_cls", "net_prio",
        "devices",
    ];
    let place = |name: &str| fresh(Place::new(name, &format!("/nowhere/{name}"), "box"));
    Cgroup::at(all.map(place).into())
}

/// v2 alone, where these files can be read.
fn v2(files: &Path) -> Place {
    let (point, name) = files.to_str().unwrap().rsplit_once('/').unwrap();
    Place::new("", point, name)
}

fn fresh(mut place: Place) -> Place {
    place.is_fresh = true;
    place
}

/// A folder with files of a cgroup; it goes when this is dropped.
struct Files(PathBuf);

impl Files {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("coble-snapshots-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Each value of a file, with what may become of it.
fn files(cgroup: &Cgroup, resources: &Resources) -> Result<Vec<String>, Error> {
    let writes = limits::values(cgroup, resources)?;
    let lines = writes.iter().flat_map(|write| {
        let mut notes = String::new();
        for (is_so, note) in [
            (write.may_lack, "no such file will do"),
            (write.may_wait, "once more at the end if it is refused"),
            (write.is_proved, "read again"),
        ] {
            if is_so {
                notes += if notes.is_empty() { "  # " } else { ", " };
                notes += note;
            }
        }
        let lines: Vec<&str> = write.value.lines().collect();
        let line = |line: &str| format!("{} = {line}{notes}", write.file);
        lines.into_iter().map(line).collect::<Vec<_>>()
    });
    Ok(lines.collect())
}

fn properties(cgroup: &Cgroup, resources: &Resources) -> Result<Vec<String>, Error> {
    let resources = cgroup.in_whole_percents(resources);
    let all = cgroup.limit_properties(&resources)?;
    Ok(all.iter().map(ToString::to_string).collect())
}

fn unit(places: Vec<Place>) -> Cgroup {
    let unit =
        Unit { manager: Manager::System, name: "box.scope".to_owned(), below: String::new() };
    Cgroup::of_unit(places, unit)
}

/// Cgroups whose files can be read.
struct Hosts {
    bfq: Files,
    used: Files,
    used_v1: Files,
}

impl Hosts {
    fn new() -> Self {
        let bfq = Files::new("bfq", &[("io.bfq.weight", "default 100\n")]);
        let used = [
            ("memory.max", "134217728\n"),
            ("memory.current", "67108864\n"),
            ("cpu.max", "20000 100000\n"),
            ("cpu.weight", "59\n"),
        ];
        let used_v1 = [("cpu.cfs_quota_us", "20000\n"), ("cpu.cfs_period_us", "100000\n")];
        Self { bfq, used: Files::new("used", &used), used_v1: Files::new("used-v1", &used_v1) }
    }

    /// The hierarchies of v1, of which that of the processors can be read.
    fn v1(&self) -> Vec<Place> {
        let mut places = v1().places;
        places.retain(|place| !place.has("cpu"));
        let cpu = v2(&self.used_v1.0);
        places.push(Place::new("cpu", cpu.point(), cpu.path()));
        places
    }
}

/// What systemd is told.
fn told(resources: &Resources, hosts: &Hosts) -> Vec<(&'static str, Result<Vec<String>, Error>)> {
    let fresh_v2 = properties(&unit(vec![fresh(v2(Path::new("/nowhere/box")))]), resources);
    let fresh_v1 = properties(&unit(v1().places), resources);
    let others = [
        ("systemd with the scheduler BFQ", vec![fresh(v2(&hosts.bfq.0))], &fresh_v2),
        (
            "systemd with cgroup v2, update of 128 MiB, 20 ms of each 100 ms, weight 59",
            vec![v2(&hosts.used.0)],
            &fresh_v2,
        ),
        ("systemd with cgroup v1, update of 20 ms of each 100 ms", hosts.v1(), &fresh_v1),
    ];
    let others: Vec<_> = others
        .into_iter()
        .map(|(title, places, plain)| (title, properties(&unit(places), resources), plain))
        .filter(|(_, other, plain)| other != *plain)
        .map(|(title, other, _)| (title, other))
        .collect();
    let plain = [("systemd with cgroup v2", fresh_v2), ("systemd with cgroup v1", fresh_v1)];
    plain.into_iter().chain(others).collect()
}

/// All that a configuration's resources become.
fn shown(resources: &Resources, hosts: &Hosts) -> String {
    let nowhere = Path::new("/nowhere/box");
    let mut text = String::new();
    let mut part = |title: &str, lines: Result<Vec<String>, Error>| {
        let _ = writeln!(text, "{title}:");
        match lines {
            Ok(lines) if lines.is_empty() => text += "    nothing\n",
            Ok(lines) => lines.iter().for_each(|line| {
                let _ = writeln!(text, "    {line}");
            }),
            Err(error) => {
                let _ = writeln!(text, "    refused: {error}");
            }
        }
    };
    part("cgroup v1", files(&v1(), resources));
    let plain = files(&Cgroup::at(vec![fresh(v2(nowhere))]), resources);
    part("cgroup v2", plain.clone());
    for (title, place) in [
        ("cgroup v2 with the scheduler BFQ", fresh(v2(&hosts.bfq.0))),
        ("cgroup v2, update of 128 MiB, 20 ms of each 100 ms", v2(&hosts.used.0)),
    ] {
        let other = files(&Cgroup::at(vec![place]), resources);
        if other != plain {
            part(title, other);
        }
    }
    for (title, lines) in told(resources, hosts) {
        part(title, lines);
    }
    if !resources.devices.is_empty() {
        let [v1, v2] = devices::shown(resources);
        part("devices of cgroup v1", v1);
        part("devices of cgroup v2, the last one about an access decides", v2);
        let list = devices::listed(resources, &[]);
        let list = list.map(|list| match list {
            Some(list) => {
                list.iter().map(|(device, access)| format!("{device} {access}")).collect()
            }
            None => vec!["everything".to_owned()],
        });
        part("DeviceAllow of systemd", list);
    }
    text
}

#[test]
fn resources_become_what_they_did() {
    let bless = std::env::var_os("COBLE_BLESS").is_some_and(|value| value == "1");
    let hosts = Hosts::new();
    let (mut configured, mut differ) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(format!("{FOLDER}/resources")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".json").unwrap().to_owned();
        let text = fs::read_to_string(format!("{FOLDER}/resources/{name}.json")).unwrap();
        let resources = serde_json::from_str(&text).unwrap();
        let text = shown(&resources, &hosts);
        let path = format!("{FOLDER}/values/{name}.txt");
        if bless {
            fs::write(&path, &text).unwrap();
        }
        let recorded = fs::read_to_string(&path).unwrap_or_default();
        if recorded != text {
            differ.push(format!("{path}\nwas:\n{recorded}is:\n{text}"));
        }
        configured.push(format!("{name}.txt"));
    }
    assert!(differ.is_empty(), "COBLE_BLESS=1 keeps the new ones:\n{}", differ.join("\n"));
    let files = fs::read_dir(format!("{FOLDER}/values")).unwrap();
    let mut found: Vec<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    configured.sort();
    assert_eq!(found, configured, "values without a configuration");
}
