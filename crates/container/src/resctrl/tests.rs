//! A folder plays the file system: it takes what is written, but makes no files and refuses nothing.

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that looks like a mounted resctrl; removed at the end.
struct Folder {
    resctrl: Resctrl,
}

impl Folder {
    fn new() -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("coble-resctrl-{}-{serial}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let folder = Self { resctrl: Resctrl { root } };
        for (file, text) in [
            ("info/last_cmd_status", "ok\n"),
            ("info/L3/cbm_mask", "7ff\n"),
            ("info/L3/min_cbm_bits", "1\n"),
            ("info/L3/num_closids", "16\n"),
            ("info/MB/bandwidth_gran", "10\n"),
            ("info/MB/delay_linear", "1\n"),
            ("info/MB/min_bandwidth", "10\n"),
            ("info/MB/num_closids", "8\n"),
            (
                "info/L3_MON/mon_features",
                "llc_occupancy\nmbm_total_bytes\nmbm_total_bytes_config\n",
            ),
            ("schemata", "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"),
            ("tasks", ""),
            ("mon_groups/.keep", ""),
        ] {
            folder.put(file, text);
        }
        folder
    }

    fn put(&self, file: &str, text: &str) {
        let path = self.resctrl.root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.resctrl.root.join(file)).unwrap()
    }

    fn has(&self, file: &str) -> bool {
        self.resctrl.root.join(file).exists()
    }

    fn locate(&self, wanted: &IntelRdt) -> Result<Group> {
        Group::locate(&self.resctrl, wanted, "box")
    }

    /// Locates and makes.
    fn make(&self, wanted: &IntelRdt) -> Group {
        let mut group = self.locate(wanted).unwrap();
        group.make(wanted).unwrap();
        group
    }

    /// Takes away what the kernel would take away with the directory.
    fn empty(&self, directory: &str) {
        for entry in fs::read_dir(self.resctrl.root.join(directory)).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.resctrl.root);
    }
}

fn class(name: &str) -> IntelRdt {
    IntelRdt { clos_id: name.into(), ..IntelRdt::default() }
}

#[test]
fn a_class_without_a_name_has_the_containers_and_goes_with_it() {
    let folder = Folder::new();
    let wanted = IntelRdt { l3_cache_schema: "L3:0=f".into(), ..IntelRdt::default() };
    let group = folder.make(&wanted);
    group.enter(42).unwrap();
    assert_eq!(folder.text("box/tasks"), "42");
    assert_eq!(folder.text("box/schemata"), "L3:0=f\n");
    folder.empty("box");
    group.remove().unwrap();
    assert!(!folder.has("box"));
    group.remove().unwrap();
}

#[test]
fn one_that_was_there_stays() {
    let folder = Folder::new();
    folder.put("box/tasks", "");
    let group = folder.make(&IntelRdt::default());
    group.enter(42).unwrap();
    folder.empty("box");
    group.remove().unwrap();
    group.take_back().unwrap();
    assert!(folder.has("box"));
}

#[test]
fn nothing_is_written_to_schemata_without_being_asked_for() {
    let folder = Folder::new();
    folder.make(&IntelRdt::default());
    assert!(folder.has("box") && !folder.has("box/schemata"));
    let default = folder.text("schemata");
    folder.make(&class("/")).enter(7).unwrap();
    assert_eq!((folder.text("schemata"), folder.text("tasks")), (default, "7".into()));
}

#[test]
fn a_named_class_must_be_there_unless_its_limits_are_known() {
    let folder = Folder::new();
    let error = folder.locate(&class("gold")).unwrap_err().to_string();
    assert!(error.contains("must be pre-created"), "{error}");
    assert!(error.ends_with("gold: no such file or directory"), "{error}");
    let schemata = IntelRdt { schemata: vec!["L2:0=f".into()], ..class("gold") };
    let group = folder.make(&schemata);
    assert_eq!(folder.text("gold/schemata"), "L2:0=f\n");
    folder.empty("gold");
    group.remove().unwrap();
    assert!(folder.has("gold"), "it has a name, and outlives the container");
    assert_eq!(folder.locate(&class("gold")).map(|group| group.directory().is_dir()), Ok(true));
}

#[test]
fn a_named_class_that_is_there_must_be_as_configured() {
    let folder = Folder::new();
    let file = "    MB:0=30;1=100\n    L3:0=00f;1=7ff\n";
    folder.put("gold/schemata", file);
    let asks = |l3: &str, bandwidth: &str| {
        let wanted = IntelRdt {
            l3_cache_schema: l3.into(),
            mem_bw_schema: bandwidth.into(),
            ..class("gold")
        };
        folder.locate(&wanted).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(asks("L3:0=f", "MB:0=25"), Ok(()));
    for (l3, bandwidth, line) in
        [("L3:0=ff", "", "L3:0=ff"), ("L3:0=f", "MB:0=31", "MB:0=31"), ("", "MB:2=30", "MB:2=30")]
    {
        let error = asks(l3, bandwidth).unwrap_err();
        let words = format!("is there with another configuration than {line:?}");
        assert!(error.ends_with(&words), "{error}");
    }
    assert_eq!(folder.text("gold/schemata"), file);
}

#[test]
fn what_was_made_for_a_failed_container_is_taken_back() {
    let folder = Folder::new();
    let wanted = IntelRdt { schemata: vec!["L3:0=f".into()], ..class("gold") };
    let group = folder.make(&wanted);
    folder.put("gold/tasks", "99\n");
    group.take_back().unwrap();
    assert!(folder.has("gold"), "another container is in it");
    folder.empty("gold");
    group.take_back().unwrap();
    assert!(!folder.has("gold"));
}

#[test]
fn a_step_that_fails_is_told_in_the_kernels_words_and_leaves_no_claim() {
    let folder = Folder::new();
    folder.put("info/last_cmd_status", "Out of CLOSIDs\n");
    let wanted = IntelRdt { schemata: vec!["L3:0=f".into()], ..class("gold") };
    let mut group = folder.locate(&wanted).unwrap();
    folder.put("gold/schemata", "");
    let error = group.make(&wanted).unwrap_err().to_string();
    assert!(error.ends_with("file exists, last_cmd_status: Out of CLOSIDs"), "{error}");
    folder.empty("gold");
    group.take_back().unwrap();
    assert!(folder.has("gold"), "somebody else has made it");
}

#[test]
fn a_monitoring_group_lies_in_the_class_and_goes_alone() {
    let folder = Folder::new();
    folder.put("gold/mon_groups/.keep", "");
    for deprecated in [false, true] {
        let wanted =
            IntelRdt { enable_monitoring: !deprecated, enable_mbm: deprecated, ..class("gold") };
        let group = folder.make(&wanted);
        group.enter(42).unwrap();
        assert_eq!(folder.text("gold/tasks"), "42");
        assert_eq!(folder.text("gold/mon_groups/box/tasks"), "42");
        assert!(folder.locate(&wanted).unwrap().make(&wanted).is_err(), "it is nobody else's");
        folder.empty("gold/mon_groups/box");
        group.remove().unwrap();
        assert!(folder.has("gold") && !folder.has("gold/mon_groups/box"));
    }
}

#[test]
fn what_the_processor_lacks_is_refused_by_name() {
    let folder = Folder::new();
    let all = IntelRdt {
        l3_cache_schema: "L3:0=f".into(),
        mem_bw_schema: "MB:0=10".into(),
        enable_monitoring: true,
        ..IntelRdt::default()
    };
    assert_eq!(folder.resctrl.check(&all), Ok(()));
    for (resource, member, feature) in [
        ("L3_MON", "enableMonitoring", "monitoring"),
        ("MB", "memBwSchema", "MBA"),
        ("L3", "l3CacheSchema", "CAT"),
    ] {
        fs::remove_dir_all(folder.resctrl.root.join("info").join(resource)).unwrap();
        let error = folder.resctrl.check(&all).unwrap_err().to_string();
        let expected = format!(
            "config.json: /linux/intelRdt/{member}: intelRdt.{member} is specified in config, but Intel RDT/{feature} is not enabled"
        );
        assert_eq!(error, expected);
    }
    assert_eq!(folder.resctrl.check(&class("gold")), Ok(()));
    folder.put("info/L3CODE/cbm_mask", "7ff\n");
    let cache = IntelRdt { l3_cache_schema: "L3CODE:0=f".into(), ..class("gold") };
    assert_eq!(folder.resctrl.check(&cache), Ok(()));
}

#[test]
fn a_process_that_comes_later_follows_the_others() {
    let folder = Folder::new();
    let group = folder.make(&IntelRdt::default());
    group.join(43).unwrap();
    assert_eq!(folder.text("box/tasks"), "43");
    fs::remove_dir_all(folder.resctrl.root.join("box")).unwrap();
    assert_eq!(group.join(44), Ok(()));
}

#[test]
fn a_record_comes_back_from_a_link() {
    let folder = Folder::new();
    let wanted = IntelRdt { enable_monitoring: true, ..IntelRdt::default() };
    let group = folder.locate(&wanted).unwrap();
    assert_eq!(Group::from_link_target(&group.to_link_target().unwrap()), Some(group));
    assert_eq!(Group::from_link_target("{}"), None);
}

#[test]
fn an_update_writes_what_is_given() {
    let folder = Folder::new();
    folder.put("box/schemata", "    MB:0=100\n    L3:0=7ff\n");
    let group = folder.make(&IntelRdt::default());
    let prepare = |group, l3: &str, bandwidth: &str| {
        SchemataUpdate::prepare_on(Some(&folder.resctrl), group, l3, bandwidth)
    };
    assert_eq!(SchemataUpdate::prepare(Some(&group), "", ""), Ok(None));
    let update = prepare(Some(&group), "L3:0=3", "MB:0=50").unwrap();
    update.carry_out().unwrap();
    assert_eq!(folder.text("box/schemata"), "MB:0=50\n", "the last write of two");
    update.undo();
    assert_eq!(folder.text("box/schemata"), "L3:0=7ff\n", "the last write of two");
}

#[test]
fn an_update_that_can_not_be_is_refused() {
    let folder = Folder::new();
    let group = folder.make(&IntelRdt::default());
    let refused = |group, l3: &str, bandwidth: &str| {
        let prepared = SchemataUpdate::prepare_on(Some(&folder.resctrl), group, l3, bandwidth);
        prepared.unwrap_err().to_string()
    };
    let none = "updating a non-existent Intel RDT configuration is not supported";
    assert_eq!(refused(None, "L3:0=f", ""), none);
    let wrong = "\"L3:0=f\" does not start with \"MB:\"";
    assert_eq!(refused(Some(&group), "", "L3:0=f"), wrong);
    fs::remove_dir_all(folder.resctrl.root.join("info")).unwrap();
    let lacks = "Intel RDT/CAT: l3 cache schema is not enabled";
    assert_eq!(refused(Some(&group), "L3:0=3", ""), lacks);
    let lacks = "Intel RDT/MBA: memory bandwidth schema is not enabled";
    assert_eq!(refused(Some(&group), "", "MB:0=10"), lacks);
    let absent = SchemataUpdate::prepare_on(None, None, "", "MB:0=10");
    assert_eq!(absent.unwrap_err().to_string(), lacks);
}

#[test]
fn the_numbers_have_runcs_names() {
    let folder = Folder::new();
    folder.put("box/schemata", "    MB:0= 50;1=100\n    L3:0=00f;1=7ff\n");
    for (cache, occupancy, total) in [("01", 7, 9), ("00", 5, 6)] {
        let place = format!("box/mon_groups/box/mon_data/mon_L3_{cache}");
        folder.put(&format!("{place}/llc_occupancy"), &format!("{occupancy}\n"));
        folder.put(&format!("{place}/mbm_total_bytes"), &format!("{total}\n"));
    }
    folder.put("box/mon_groups/box/mon_data/mon_PERF_PKG_00/core_energy", "0.5\n");
    let wanted = IntelRdt { enable_monitoring: true, ..IntelRdt::default() };
    let mut group = folder.locate(&wanted).unwrap();
    let expected = serde_json::json!({
        "l3_cache_info": { "cbm_mask": "7ff", "min_cbm_bits": 1, "num_closids": 16 },
        "l3_cache_schema_root": "L3:0=7ff;1=7ff",
        "l3_cache_schema": "L3:0=00f;1=7ff",
        "mem_bw_info": { "bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8 },
        "mem_bw_schema_root": "MB:0=100;1=100",
        "mem_bw_schema": "MB:0= 50;1=100",
        "schemata": ["MB:0= 50;1=100", "L3:0=00f;1=7ff"],
        "mbm_stats": [
            { "mbm_total_bytes": 6, "mbm_local_bytes": 0 }, { "mbm_total_bytes": 9, "mbm_local_bytes": 0 }
        ],
        "cmt_stats": [{ "llc_occupancy": 5 }, { "llc_occupancy": 7 }]
    });
    assert_eq!(serde_json::to_value(group.stats().unwrap()).unwrap(), expected);
    folder.put("box/mon_groups/box/mon_data/mon_L3_00/llc_occupancy", "Unavailable\n");
    let error = group.stats().unwrap_err().to_string();
    assert!(error.starts_with("unable to parse \"Unavailable\" as a uint from file"), "{error}");
    fs::remove_dir_all(folder.resctrl.root.join("info")).unwrap();
    group = folder.locate(&IntelRdt::default()).unwrap();
    let bare = serde_json::json!({ "schemata": ["MB:0= 50;1=100", "L3:0=00f;1=7ff"] });
    assert_eq!(serde_json::to_value(group.stats().unwrap()).unwrap(), bare);
}
