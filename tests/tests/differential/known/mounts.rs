//! Mounts, and what is seen through them.

use serde_json::Value;

use super::{Known, has, masked, options, real, words};
use crate::compare::Difference;
use crate::setup::Setup;

pub(super) const KNOWN: &[Known] = &[
    Known {
        place: &["mounts", "*", "*", "*"],
        is: masked_folder,
        why: "SPECIFICATION.md, Defaults: a masked folder is an empty read-only tmpfs; how it is made is not said",
    },
    Known {
        place: &["mounts", "*", "*", "*"],
        is: masked_file,
        why: "SPECIFICATION.md, Defaults: a masked file is a read-only mount of the host's /dev/null; runc takes \
              the container's, which may not be there",
    },
    Known {
        place: &["paths", "*", "is"],
        is: |setup, difference| {
            let modes = (difference.ours.as_str(), difference.theirs.as_str());
            masked(setup, &difference.place[1])
                && modes == (Some("folder 0755 0:0"), Some("folder 1777 0:0"))
        },
        why: "the mode of a masked folder, in which nothing can be made",
    },
    Known {
        place: &["mounts", "*", "*", "options"],
        is: |setup, difference| {
            let plain = |word: &&str| !word.starts_with("mode=");
            let without = words(&difference.ours).into_iter().filter(plain);
            inherits_mode(setup) && without.eq(words(&difference.theirs))
        },
        why: "a tmpfs without mode= gets that of the folder below, in both; runc 1.1 changes it after the mount",
    },
    Known {
        place: &["paths", "*", "is"],
        is: |setup, difference| {
            let file = |value: &Value| {
                let text = value.as_str().unwrap_or_default().to_owned();
                text.split(' ').map(str::to_owned).collect::<Vec<_>>()
            };
            let (ours, theirs) = (file(&difference.ours), file(&difference.theirs));
            let same = ours.len() == 3 && theirs.len() == 3 && ours[2] == theirs[2];
            same && asks_mode(setup, &ours[1])
        },
        why: "config.md, Mounts: mode= is asked for; runc before 1.1.8 gives a tmpfs the mode of the folder below \
              (runc#3911)",
    },
    Known {
        place: &["paths", "*", "*"],
        is: |setup, difference| {
            let forbidden = "error: EACCES";
            difference.ours == forbidden && asks_mode(setup, "0700")
                || difference.theirs == forbidden
                    && difference.place[2] == "written"
                    && asks_mode(setup, "1777")
        },
        why: "the same: what a mode of 0700 forbids to others, and 1777 allows",
    },
    Known {
        place: &["mounts", "*", "*", "flags"],
        is: |setup, difference| {
            let ours = words(&difference.ours);
            let mut theirs = words(&difference.theirs);
            theirs[0] = "ro";
            below_read_only(setup, &difference.place[1])
                && (ours == theirs || bound_attributes(setup, &[&["rw"], &ours[1..]].concat()))
        },
        why: "SPECIFICATION.md, Defaults: a read-only path is so with all that is mounted below; with runc the path \
              alone",
    },
    Known {
        place: &["paths", "*", "written"],
        is: |setup, difference| {
            below_read_only(setup, &difference.place[1]) && difference.ours == "error: EROFS"
        },
        why: "the same",
    },
    Known {
        place: &["mounts", "*", "*", "flags"],
        is: |setup, difference| bound_attributes(setup, &words(&difference.ours)),
        why: "SPECIFICATION.md, Command line: a bind mount keeps what it has from the host and no option names, and \
              loses what one clears; runc loses all if there is any option, and before 1.2 clears none",
    },
    Known {
        place: &["paths", "*", "written"],
        is: |setup, difference| {
            let read_only = |mount: &Value| {
                let place = real(mount["destination"].as_str().unwrap());
                let source = mount["source"].as_str().unwrap();
                real(&difference.place[1]) == place && source == "@source/readonly"
            };
            let outcomes =
                [&difference.ours, &difference.theirs].map(|value| value == "error: EROFS");
            outcomes[0] != outcomes[1] && mounts(setup).any(read_only)
        },
        why: "the same",
    },
    Known {
        place: &["mounts", "*", "*", "flags"],
        is: |setup, difference| {
            let time = |word: &&str| ["noatime", "relatime"].contains(word);
            let rest =
                |value| words(value).into_iter().filter(|word| !time(word)).collect::<Vec<_>>();
            let ours: Vec<&str> = words(&difference.ours).into_iter().filter(time).collect();
            let asked = |mount: &Value| {
                let modes: Vec<&str> =
                    options(mount).into_iter().filter(|word| ATIME.contains(word)).collect();
                let place = real(mount["destination"].as_str().unwrap());
                modes.len() > 1
                    && place == real(&difference.place[1])
                    && ours == atime(modes[modes.len() - 1])
            };
            rest(&difference.ours) == rest(&difference.theirs) && mounts(setup).any(asked)
        },
        why: "SPECIFICATION.md, Command line: of options that contradict each other the last one counts; of those for \
              the access time runc gives the kernel all, for which strictatime comes before noatime before relatime",
    },
    Known {
        place: &["mounts", "*", "*", "source"],
        is: |_, difference| difference.ours == "none" && difference.theirs == "",
        why: "the source of a new file system is a mere word, and none is `none`, as mount(8) has it",
    },
    Known {
        place: &["mounts", "*", "*", "propagation"],
        is: |setup, difference| {
            let asked = setup.config["linux"]["rootfsPropagation"].as_str().unwrap_or_default();
            let leaks = |word: &&str| word.starts_with("shared: the host's");
            ["shared", "rshared"].contains(&asked) && !words(&difference.ours).iter().any(leaks)
        },
        why: "config-linux.md, Rootfs Mount Propagation: what is shared is so among the container's own mounts; \
              runc before 1.3.1 doesn't make the root so",
    },
    Known {
        place: &["root afterwards", "*"],
        is: |_, difference| {
            let file = |value: &Value, mode: &str| {
                value.as_str().is_some_and(|text| text.starts_with(&format!("100{mode} ")))
            };
            file(&difference.ours, "644")
                && (file(&difference.theirs, "755") || file(&difference.theirs, "666"))
        },
        why: "the empty file that is made below a mount of a file has no use for rights",
    },
];

fn masked_folder(setup: &Setup, difference: &Difference) -> bool {
    let meant = match difference.place[3].as_str() {
        "flags" => has(&difference.ours, "ro") && has(&difference.theirs, "ro"),
        "options" => has(&difference.ours, "nr_inodes=2") && words(&difference.theirs) == ["ro"],
        "source" => difference.ours == "none" && difference.theirs == "tmpfs",
        _ => false,
    };
    meant && masked(setup, &difference.place[1])
}

fn masked_file(setup: &Setup, difference: &Difference) -> bool {
    let meant = match difference.place[3].as_str() {
        "flags" => words(&difference.ours).starts_with(&["ro", "nosuid", "noexec"]),
        "root" => difference.ours == "/null",
        "source" | "type" => difference.ours == "devtmpfs",
        "options" => has(&difference.ours, "mode=755"),
        "propagation" => words(&difference.ours).is_empty(),
        _ => false,
    };
    meant && masked(setup, &difference.place[1])
}

fn mounts(setup: &Setup) -> impl Iterator<Item = &Value> {
    setup.config["mounts"].as_array().into_iter().flatten()
}

/// Options of which a mount can have one.
const ATIME: [&str; 3] = ["noatime", "relatime", "strictatime"];

/// What one of them is in a mount table.
fn atime(option: &str) -> Vec<&str> {
    if option == "strictatime" { Vec::new() } else { vec![option] }
}

fn inherits_mode(setup: &Setup) -> bool {
    let asks = |mount: &Value| options(mount).iter().any(|option| option.starts_with("mode="));
    mounts(setup).any(|mount| mount["type"] == "tmpfs" && !asks(mount))
}

/// Whether a tmpfs asks for this mode, as four octal digits.
fn asks_mode(setup: &Setup, mode: &str) -> bool {
    let asked = |mount: &Value| {
        let options = options(mount).into_iter();
        let mut modes = options.filter_map(|option| option.strip_prefix("mode="));
        modes.next_back().is_some_and(|asked| format!("{asked:0>4}") == mode)
    };
    mounts(setup).any(asked)
}

fn below_read_only(setup: &Setup, path: &str) -> bool {
    let path = real(path);
    let paths = words(&setup.config["linux"]["readonlyPaths"]);
    paths.into_iter().any(|top| path.starts_with(&format!("{}/", real(top))))
}

/// Whether these are the flags of a bind mount of a source that has some already, as they are to be.
fn bound_attributes(setup: &Setup, flags: &[&str]) -> bool {
    let mut flags = flags.to_vec();
    flags.sort_unstable();
    mounts(setup).any(|mount| {
        let source = mount["source"].as_str().unwrap_or_default();
        let own: &[&str] = match source {
            "@source/flagged" => &["rw", "nosuid", "nodev", "noexec", "noatime"],
            "@source/readonly" => &["ro", "relatime"],
            _ => return false,
        };
        let mut expected = own.to_vec();
        options(mount).iter().for_each(|option| change(&mut expected, option));
        expected.sort_unstable();
        expected == flags
    })
}

/// What an option makes of the flags of a mount. There is one access time mode; `strictatime` is none.
fn change<'a>(flags: &mut Vec<&'a str>, option: &'a str) {
    let option = option.strip_prefix('r').filter(|rest| RECURSIVE.contains(rest)).unwrap_or(option);
    let (gone, new): (&[&str], Option<&str>) = match option {
        "ro" => (&["rw"], Some("ro")),
        "rw" => (&["ro"], Some("rw")),
        "nosuid" | "nodev" | "noexec" | "nodiratime" => (&[], Some(option)),
        "suid" => (&["nosuid"], None),
        "dev" => (&["nodev"], None),
        "exec" => (&["noexec"], None),
        "diratime" => (&["nodiratime"], None),
        "noatime" => (&["relatime", "noatime"], Some("noatime")),
        "strictatime" => (&["relatime", "noatime"], None),
        "atime" | "relatime" | "norelatime" | "nostrictatime" => {
            (&["relatime", "noatime"], Some("relatime"))
        }
        _ => return,
    };
    flags.retain(|flag| !gone.contains(flag) && Some(*flag) != new);
    flags.extend(new);
}

const RECURSIVE: [&str; 15] = [
    "ro",
    "rw",
    "nosuid",
    "suid",
    "nodev",
    "dev",
    "noexec",
    "exec",
    "noatime",
    "atime",
    "relatime",
    "strictatime",
    "nodiratime",
    "diratime",
    "norelatime",
];
