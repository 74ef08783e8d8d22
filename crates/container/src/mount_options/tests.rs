use super::*;
use crate::prng::Prng;

fn parse(options: &str) -> MountOptions {
    let list: Vec<&str> = options.split_whitespace().collect();
    MountOptions::parse(&list).unwrap_or_else(|error| panic!("{error}"))
}

fn data(options: &[&str]) -> Vec<(String, Option<String>)> {
    let parsed = MountOptions::parse(options).unwrap();
    parsed.data.into_iter().map(|datum| (datum.key, datum.value)).collect()
}

fn pair(key: &str, value: Option<&str>) -> (String, Option<String>) {
    (key.to_owned(), value.map(str::to_owned))
}

/// Each option of one bit with its opposite.
const BITS: [(&str, &str, u64, u64); 6] = [
    ("ro", "rw", attr::RDONLY, ms::RDONLY),
    ("nosuid", "suid", attr::NOSUID, ms::NOSUID),
    ("nodev", "dev", attr::NODEV, ms::NODEV),
    ("noexec", "exec", attr::NOEXEC, ms::NOEXEC),
    ("nodiratime", "diratime", attr::NODIRATIME, ms::NODIRATIME),
    ("nosymfollow", "symfollow", attr::NOSYMFOLLOW, ms::NOSYMFOLLOW),
];

const MODES: [(&str, &str, u64, u64); 3] = [
    ("noatime", "atime", attr::NOATIME, ms::NOATIME),
    ("relatime", "norelatime", attr::RELATIME, ms::RELATIME),
    ("strictatime", "nostrictatime", attr::STRICTATIME, ms::STRICTATIME),
];

#[test]
fn nothing_asks_for_nothing() {
    assert_eq!(parse(""), MountOptions::default());
    assert_eq!(parse("defaults"), MountOptions::default());
    assert_eq!(MountOptions::parse(&["", ",,"]), Ok(MountOptions::default()));
    assert_eq!(parse("").mount_flags(0), 0);
}

#[test]
fn one_bit_attributes() {
    for (on, off, bit, flag) in BITS {
        let set = parse(on);
        assert_eq!((set.attr_set, set.attr_clr), (bit, 0), "{on}");
        assert_eq!(set.mount_flags(0), flag, "{on}");
        let cleared = parse(off);
        assert_eq!((cleared.attr_set, cleared.attr_clr), (0, bit), "{off}");
        assert_eq!(cleared.mount_flags(u64::MAX), !flag, "{off}");
        let recursive = parse(&format!("r{on} {off}"));
        assert_eq!((recursive.recursive_set, recursive.recursive_clr), (bit, 0), "r{on}");
        assert_eq!((recursive.attr_set, recursive.attr_clr), (0, bit), "r{on}");
        assert_eq!(parse(&format!("r{off}")).recursive_clr, bit, "r{off}");
        assert!(recursive.data.is_empty());
    }
}

#[test]
fn the_later_option_wins() {
    for (on, off, bit, _) in BITS {
        let last_off = parse(&format!("{on} {off}"));
        assert_eq!((last_off.attr_set, last_off.attr_clr), (0, bit), "{on} {off}");
        let last_on = parse(&format!("{off} {on} "));
        assert_eq!((last_on.attr_set, last_on.attr_clr), (bit, 0), "{off} {on}");
    }
    assert_eq!(parse("sync async").superblock_set, 0);
    assert_eq!(parse("async sync").superblock_clr, 0);
    assert!(!parse("rbind bind").recursive);
    assert!(parse("bind rbind").recursive);
}

#[test]
fn access_times_are_one_choice() {
    for (name, negation, mode, flag) in MODES {
        let chosen = parse(name);
        assert_eq!((chosen.attr_set, chosen.attr_clr), (mode, attr::ATIME), "{name}");
        assert_eq!(chosen.mount_flags(0), flag, "{name}");
        let modes = ms::NOATIME | ms::RELATIME | ms::STRICTATIME;
        assert_eq!(chosen.mount_flags(modes | ms::NODEV), flag | ms::NODEV, "{name}");
        for (other, other_negation, _, _) in MODES {
            let last = parse(&format!("{other} {name}"));
            assert_eq!(last, chosen, "{other} {name}");
            if other != name {
                let kept = parse(&format!("{name} {other_negation}"));
                assert_eq!(kept, chosen, "{name} {other_negation}");
            }
        }
        let default = (attr::RELATIME, attr::ATIME);
        for options in [negation.to_owned(), format!("{name} {negation}")] {
            let negated = parse(&options);
            assert_eq!((negated.attr_set, negated.attr_clr), default, "{options}");
        }
        let tree = parse(&format!("r{name}"));
        assert_eq!((tree.recursive_set, tree.recursive_clr), (mode, attr::ATIME), "r{name}");
        assert_eq!((tree.attr_set, tree.attr_clr), (0, 0));
        assert_eq!(parse(&format!("r{negation}")).recursive_clr, attr::ATIME, "r{negation}");
    }
    let both = parse("nodiratime strictatime");
    assert_eq!(both.attr_set, attr::NODIRATIME | attr::STRICTATIME);
    assert_eq!(both.mount_flags(0), ms::NODIRATIME | ms::STRICTATIME);
}

#[test]
fn flags_of_the_file_system() {
    let flags = |options: &str| parse(options).fsconfig_flags().collect::<Vec<_>>();
    assert_eq!(
        flags("sync dirsync mand lazytime ro"),
        ["ro", "sync", "dirsync", "mand", "lazytime"]
    );
    assert_eq!(flags("rw async nomand nolazytime"), ["rw", "async", "nomand", "nolazytime"]);
    assert_eq!(flags("silent iversion nosuid size=1k"), [""; 0]);
    assert_eq!(parse("silent").superblock_set, ms::SILENT);
    assert_eq!(parse("silent loud").superblock_clr, ms::SILENT);
    assert!(parse("iversion").needs_mount());
    assert!(!parse("iversion noiversion").needs_mount());
    assert!(!parse("bind iversion").needs_mount(), "no file system is made");
    let read_only = parse("ro");
    assert_eq!((read_only.attr_set, read_only.superblock_set), (attr::RDONLY, ms::RDONLY));
    let of_the_tree = parse("rro");
    assert_eq!((of_the_tree.recursive_set, of_the_tree.superblock_set), (attr::RDONLY, 0));
}

#[test]
fn what_is_asked_of_a_file_system_is_told_from_its_defaults() {
    for word in ["sync", "dirsync", "mand", "lazytime", "iversion", "size=1k"] {
        let asked = parse(&format!("rbind ro {word} nosuid"));
        let name = word.split('=').next();
        assert_eq!(asked.asked_of_the_file_system(), name, "{word}");
    }
    for words in
        ["rbind rprivate ro", "rw async nomand noiversion nolazytime", "silent", "sync async"]
    {
        assert_eq!(parse(words).asked_of_the_file_system(), None, "{words}");
    }
}

#[test]
fn propagation_keeps_its_order() {
    let parsed = parse("rslave shared unbindable rprivate");
    let flags: Vec<u64> = parsed.propagation.iter().map(|change| change.mount_flags()).collect();
    assert_eq!(flags, [ms::SLAVE | ms::REC, ms::SHARED, ms::UNBINDABLE, ms::PRIVATE | ms::REC]);
    for wrong in ["", "r", "rr", "rrshared", "share", "SHARED", "shared "] {
        assert_eq!(wrong.parse::<Propagation>(), Err(()), "{wrong:?}");
    }
}

#[test]
fn words_that_are_not_flags_are_the_file_systems_own() {
    let parsed = parse("newinstance mode=0620 gid=5 lowerdir+=/a lowerdir+=/b x= y=a=b rsync acl");
    let pairs: Vec<_> = parsed.data.iter().map(|d| (d.key.as_str(), d.value.as_deref())).collect();
    let expected = [
        ("newinstance", None),
        ("mode", Some("0620")),
        ("gid", Some("5")),
        ("lowerdir+", Some("/a")),
        ("lowerdir+", Some("/b")),
        ("x", Some("")),
        ("y", Some("a=b")),
        ("rsync", None),
        ("acl", None),
    ];
    assert_eq!(pairs, expected);
    let text = "newinstance,mode=0620,gid=5,lowerdir+=/a,lowerdir+=/b,x=,y=a=b,rsync,acl";
    assert_eq!(parsed.data_string(), text);
}

#[test]
fn commas_separate_except_in_quotes_and_after_a_backslash() {
    let expected = [pair("size", Some("64k")), pair("mode", Some("755"))];
    assert_eq!(data(&["size=64k,ro,mode=755"]), expected);
    assert_eq!(MountOptions::parse(&["size=64k,ro"]).unwrap().attr_set, attr::RDONLY);
    assert_eq!(data(&[r"lowerdir=/a\,b:/c,xino=off"])[0], pair("lowerdir", Some(r"/a\,b:/c")));
    assert_eq!(data(&[r"a=\\,b"]), [pair("a", Some(r"\\")), pair("b", None)]);
    let label = r#"context="system_u:object_r:x:s0:c1,c2",mode=1"#;
    let expected = [pair("context", Some("system_u:object_r:x:s0:c1,c2")), pair("mode", Some("1"))];
    assert_eq!(data(&[label]), expected);
    assert_eq!(MountOptions::parse(&[label]).unwrap().data_string(), label);
    assert_eq!(data(&[r#"name="a,b""#]), [pair("name", Some(r#""a,b""#))], "others keep quotes");
}

#[test]
fn what_cannot_be_done_is_refused() {
    for option in [
        "idmap=",
        "ridmap=x",
        "idmap=uids=0-1-1",
        "idmap=uids=0-1;gids=0-1-1",
        "idmap=uids=-1-1-1;gids=0-1-1",
    ] {
        let error = MountOptions::parse(&["ro", option]).unwrap_err();
        assert_eq!((error.index, error.option.as_str()), (1, option));
        assert!(error.to_string().contains("a mapping is written as uids="), "{error}");
    }
    let error = MountOptions::parse(&["=x"]).unwrap_err();
    assert_eq!(error.to_string(), r#"mount option "=x": an option needs a name"#);
}

#[test]
fn ids_are_mapped() {
    assert_eq!(parse("rbind ro").id_map, None);
    assert_eq!(parse("idmap").id_map, Some(IdMap::default()));
    assert_eq!(parse("idmap ridmap").id_map, Some(IdMap { recursive: true, ..IdMap::default() }));
    let range = |container_id, host_id, size, relative| Range {
        mapping: coble_spec::IdMapping { container_id, host_id, size },
        relative,
    };
    let expected = IdMap {
        recursive: false,
        uids: vec![range(0, 1, 10, false), range(10, 11, 10, true)],
        gids: vec![range(0, 100, 4_294_967_295, false)],
    };
    let both = "idmap=uids=0-1-10#@10-11-10;gids=0-100-4294967295";
    assert_eq!(parse(both).id_map, Some(expected));
    assert_eq!(data(&["idmapped", "ridmaps=1"]).len(), 2, "others are the file system's own");
}

#[test]
fn words_of_container_engines() {
    let dev = parse("nosuid strictatime mode=755 size=65536k");
    assert_eq!(dev.attr_set, attr::NOSUID | attr::STRICTATIME);
    assert_eq!(dev.data_string(), "mode=755,size=65536k");
    let volume = parse("rbind rprivate ro");
    assert!(volume.bind && volume.recursive);
    assert_eq!(volume.attr_set, attr::RDONLY);
    assert!(volume.data.is_empty());
    assert!(parse("tmpcopyup").copy_up);
    assert!(parse("remount").remount);
}

/// Whatever the order of the words: a bit is never both set and cleared, the access time field is whole,
/// mount(2) flags say the same as the attributes, and every word ends up somewhere.
#[test]
fn any_mixture_is_consistent() {
    let words = [
        "ro",
        "rw",
        "nosuid",
        "suid",
        "nodev",
        "dev",
        "noexec",
        "exec",
        "sync",
        "async",
        "dirsync",
        "mand",
        "nomand",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "relatime",
        "norelatime",
        "strictatime",
        "nostrictatime",
        "nosymfollow",
        "symfollow",
        "rro",
        "rrw",
        "rnoatime",
        "ratime",
        "rstrictatime",
        "rrelatime",
        "lazytime",
        "silent",
        "loud",
        "iversion",
        "idmap",
        "ridmap",
        "k=v",
        "flag",
    ];
    let mut random = Prng(1);
    for _ in 0..5000 {
        let list: Vec<&str> = (0..random.below(12)).map(|_| *random.pick(&words)).collect();
        let parsed = MountOptions::parse(&list).unwrap();
        for (set, clear) in
            [(parsed.attr_set, parsed.attr_clr), (parsed.recursive_set, parsed.recursive_clr)]
        {
            assert_eq!(set & clear & !attr::ATIME, 0, "{list:?}");
            assert!(matches!(
                set & attr::ATIME,
                attr::RELATIME | attr::NOATIME | attr::STRICTATIME
            ));
            assert!(clear & attr::ATIME == 0 || clear & attr::ATIME == attr::ATIME, "{list:?}");
            assert!(set & attr::ATIME == 0 || clear & attr::ATIME != 0, "{list:?}");
        }
        assert_eq!(parsed.superblock_set & parsed.superblock_clr, 0, "{list:?}");
        let data = list.iter().filter(|word| matches!(**word, "k=v" | "flag")).count();
        assert_eq!(parsed.data.len(), data, "{list:?}");
        assert_eq!(MountOptions::parse(&[list.join(",")]), Ok(parsed.clone()), "{list:?}");
        let again = parsed.mount_flags(parsed.mount_flags(0));
        assert_eq!(again, parsed.mount_flags(0), "{list:?}");
    }
}

#[test]
fn no_text_breaks_the_splitting() {
    let pieces = [",", "\"", "\\", "a", "=", "ro", "é", "\0", "context=", "r"];
    let mut random = Prng(2);
    for _ in 0..20_000 {
        let text: String = (0..random.below(10)).map(|_| *random.pick(&pieces)).collect();
        let parts: Vec<&str> = data::split(&text).collect();
        assert_eq!(parts.join(","), text);
        if let Ok(parsed) = MountOptions::parse(&[&text]) {
            assert!(parsed.data.iter().all(|datum| !datum.key.is_empty()), "{text:?}");
        }
    }
}
