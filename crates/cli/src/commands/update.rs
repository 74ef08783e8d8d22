//! `coble update`

use std::str::FromStr;

use coble_container::Update;
use coble_spec::{BlockIo, Cpu, Memory, Pids, Resources};

use super::input::Input;
use crate::call::Call;
use crate::failure::Failure;
use crate::size;
use crate::table::{Command, Flag, ID, Values};

const ABOUT_MEMORY: &str = "Memory and processes";
const ABOUT_CPU: &str = "Processors";
const ABOUT_OTHERS: &str = "Block devices and caches";

const RESOURCES: Flag = Flag::value(
    "resources",
    Some('r'),
    ("FILE", Values::File),
    "take the limits from a JSON file, as in config.json's linux.resources; - is standard input",
);
const MEMORY: Flag = limit("memory", "SIZE", "memory").under(ABOUT_MEMORY);
const MEMORY_RESERVATION: Flag =
    limit("memory-reservation", "SIZE", "memory that is left to it when memory is short")
        .under(ABOUT_MEMORY);
const MEMORY_SWAP: Flag =
    limit("memory-swap", "SIZE", "memory and swap together").under(ABOUT_MEMORY);
const KERNEL_MEMORY: Flag =
    limit("kernel-memory", "SIZE", "memory of the kernel (cgroup v1 of older kernels)")
        .under(ABOUT_MEMORY);
const KERNEL_MEMORY_TCP: Flag =
    limit("kernel-memory-tcp", "SIZE", "memory of TCP buffers (cgroup v1)").under(ABOUT_MEMORY);
const PIDS_LIMIT: Flag = limit("pids-limit", "N", "number of tasks").under(ABOUT_MEMORY);
const CPU_SHARE: Flag =
    limit("cpu-share", "N", "weight against other containers, 2 to 262144").under(ABOUT_CPU);
const CPU_QUOTA: Flag =
    limit("cpu-quota", "USEC", "run time in a period, in microseconds").under(ABOUT_CPU);
const CPU_PERIOD: Flag =
    limit("cpu-period", "USEC", "length of a period, in microseconds").under(ABOUT_CPU);
const CPU_BURST: Flag =
    limit("cpu-burst", "USEC", "run time that may be saved up, in microseconds").under(ABOUT_CPU);
const CPU_RT_RUNTIME: Flag =
    limit("cpu-rt-runtime", "USEC", "realtime run time in a period (cgroup v1)").under(ABOUT_CPU);
const CPU_RT_PERIOD: Flag =
    limit("cpu-rt-period", "USEC", "length of a realtime period (cgroup v1)").under(ABOUT_CPU);
const CPU_IDLE: Flag =
    limit("cpu-idle", "0|1", "1: run only when nothing else does (SCHED_IDLE)").under(ABOUT_CPU);
const CPUSET_CPUS: Flag =
    limit("cpuset-cpus", "LIST", "processors, such as 0-3,7").under(ABOUT_CPU);
const CPUSET_MEMS: Flag = limit("cpuset-mems", "LIST", "memory nodes").under(ABOUT_CPU);
const BLKIO_WEIGHT: Flag =
    limit("blkio-weight", "N", "weight against other containers, 10 to 1000").under(ABOUT_OTHERS);
const L3_CACHE_SCHEMA: Flag =
    limit("l3-cache-schema", "LINE", "parts of the level 3 cache (Intel RDT)").under(ABOUT_OTHERS);
const MEM_BW_SCHEMA: Flag =
    limit("mem-bw-schema", "LINE", "memory bandwidth (Intel RDT)").under(ABOUT_OTHERS);

const fn limit(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag::value(long, None, (value, Values::Any), help)
}

/// What a file has instead; the schemata stand in none.
const IN_FILE: [&Flag; 16] = [
    &MEMORY,
    &MEMORY_RESERVATION,
    &MEMORY_SWAP,
    &KERNEL_MEMORY,
    &KERNEL_MEMORY_TCP,
    &PIDS_LIMIT,
    &CPU_SHARE,
    &CPU_QUOTA,
    &CPU_PERIOD,
    &CPU_BURST,
    &CPU_RT_RUNTIME,
    &CPU_RT_PERIOD,
    &CPU_IDLE,
    &CPUSET_CPUS,
    &CPUSET_MEMS,
    &BLKIO_WEIGHT,
];

pub(crate) static COMMAND: Command = Command {
    name: "update",
    summary: "change the limits of a container",
    arguments: &[ID],
    flags: &[
        RESOURCES,
        MEMORY,
        MEMORY_RESERVATION,
        MEMORY_SWAP,
        KERNEL_MEMORY,
        KERNEL_MEMORY_TCP,
        PIDS_LIMIT,
        CPU_SHARE,
        CPU_QUOTA,
        CPU_PERIOD,
        CPU_BURST,
        CPU_RT_RUNTIME,
        CPU_RT_PERIOD,
        CPU_IDLE,
        CPUSET_CPUS,
        CPUSET_MEMS,
        BLKIO_WEIGHT,
        L3_CACHE_SCHEMA,
        MEM_BW_SCHEMA,
    ],
    description: &[
        "Changes limits of a container that waits for start, runs or is paused. What isn't given stays as it is. \
         If one limit is refused, none is changed.",
        "A SIZE is a number of bytes, or a number with one of the units k, m, g, t and p, such as 512m. -1 takes a \
         limit away. 0 changes nothing, but for the number of tasks, the burst and idle.",
        "--resources takes everything else that linux.resources of config.json can have, too: rates of block \
         devices, huge pages, files of cgroup v2 by their names, and memory's checkBeforeUpdate. Device rules are \
         replaced if they differ from those of the container's config.json.",
    ],
    examples: &[
        ("Give the container web half a gigabyte", "coble update --memory 512m web"),
        (
            "Give it one and a half processors",
            "coble update --cpu-period 100000 --cpu-quota 150000 web",
        ),
        (
            "Slow down its reading from a disk",
            "echo '{\"blockIO\": {\"throttleReadBpsDevice\": [{\"major\": 8, \"minor\": 0, \
             \"rate\": 1048576}]}}' | coble update -r - web",
        ),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    update(call)?.execute()?;
    Ok(0)
}

fn update(call: &Call) -> Result<Update, Failure> {
    let schema = |flag| Ok::<_, Failure>(given(call, flag)?.map(str::to_owned));
    Ok(Update {
        root: call.root()?,
        id: call.id()?.to_owned(),
        resources: match given(call, &RESOURCES)? {
            Some(file) => from_file(call, file)?,
            None => from_flags(call)?,
        },
        l3_cache_schema: schema(&L3_CACHE_SCHEMA)?,
        mem_bw_schema: schema(&MEM_BW_SCHEMA)?,
    })
}

fn from_file(call: &Call, file: &str) -> Result<Resources, Failure> {
    if let Some(flag) = IN_FILE.iter().find(|flag| call.flags.has(flag)) {
        return Err(Failure::new(format!("{flag} can't be used with {RESOURCES}")));
    }
    Input::read(file.as_ref())?.json()
}

fn from_flags(call: &Call) -> Result<Resources, Failure> {
    let memory = Memory {
        limit: bytes(call, &MEMORY)?,
        reservation: bytes(call, &MEMORY_RESERVATION)?,
        swap: bytes(call, &MEMORY_SWAP)?,
        kernel: bytes(call, &KERNEL_MEMORY)?,
        kernel_tcp: bytes(call, &KERNEL_MEMORY_TCP)?,
        ..Memory::default()
    };
    let cpu = Cpu {
        shares: number(call, &CPU_SHARE)?,
        quota: number(call, &CPU_QUOTA)?,
        burst: number(call, &CPU_BURST)?,
        period: number(call, &CPU_PERIOD)?,
        realtime_runtime: number(call, &CPU_RT_RUNTIME)?,
        realtime_period: number(call, &CPU_RT_PERIOD)?,
        cpus: given(call, &CPUSET_CPUS)?.map(str::to_owned),
        mems: given(call, &CPUSET_MEMS)?.map(str::to_owned),
        idle: number(call, &CPU_IDLE)?,
    };
    let block_io = BlockIo { weight: number(call, &BLKIO_WEIGHT)?, ..BlockIo::default() };
    Ok(Resources {
        memory: Some(memory),
        cpu: Some(cpu),
        pids: Some(Pids { limit: number(call, &PIDS_LIMIT)? }),
        block_io: Some(block_io),
        ..Resources::default()
    })
}

/// The flag's value; an empty one counts as not given.
fn given<'a>(call: &'a Call, flag: &Flag) -> Result<Option<&'a str>, Failure> {
    Ok(call.flags.text(flag)?.filter(|value| !value.is_empty()))
}

fn number<T: FromStr>(call: &Call, flag: &Flag) -> Result<Option<T>, Failure> {
    if given(call, flag)?.is_none() { Ok(None) } else { call.flags.number(flag) }
}

fn bytes(call: &Call, flag: &Flag) -> Result<Option<i64>, Failure> {
    let Some(value) = given(call, flag)? else { return Ok(None) };
    size::parse(value).map(Some).ok_or_else(|| {
        Failure::new(format!("invalid value {value:?} for {flag}: not a size such as 512m, or -1"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::parse::parse;

    fn read(line: &[&str]) -> Result<Update, String> {
        let mut call = Call::default();
        let words = ["--root", "/r", "update"].iter().chain(line).map(Into::into).collect();
        parse(words, &mut call).and_then(|_| update(&call)).map_err(|failure| failure.message)
    }

    fn json(line: &str) -> String {
        let words: Vec<_> = line.split(' ').chain(["c"]).collect();
        let text = serde_json::to_string(&read(&words).unwrap().resources).unwrap();
        text.replace("\"memory\":{},", "").replace("\"cpu\":{},", "").replace(",\"blockIO\":{}", "")
    }

    #[test]
    fn every_flag_is_a_limit() {
        let line = "--memory 512m --memory-reservation=1k --memory-swap -1 --kernel-memory 5 \
                    --kernel-memory-tcp 6 --pids-limit -1 --cpu-share 512 --cpu-quota -1 --cpu-period 7 \
                    --cpu-burst 0 --cpu-rt-runtime 8 --cpu-rt-period 9 --cpu-idle 1 --cpuset-cpus 0-3,7 \
                    --cpuset-mems 0 --blkio-weight 10";
        assert_eq!(
            json(line),
            r#"{"memory":{"limit":536870912,"reservation":1024,"swap":-1,"kernel":5,"kernelTCP":6},"#.to_owned()
                + r#""cpu":{"shares":512,"quota":-1,"burst":0,"period":7,"realtimeRuntime":8,"#
                + r#""realtimePeriod":9,"cpus":"0-3,7","mems":"0","idle":1},"#
                + r#""pids":{"limit":-1},"blockIO":{"weight":10}}"#
        );
        assert_eq!(json("--memory="), r#"{"pids":{}}"#, "an empty value is none");
        let rdt =
            read(&["--l3-cache-schema", "L3:0=f", "--mem-bw-schema", "MB:0=50", "c"]).unwrap();
        assert_eq!(rdt.l3_cache_schema.as_deref(), Some("L3:0=f"));
        assert_eq!(rdt.mem_bw_schema.as_deref(), Some("MB:0=50"));
    }

    #[test]
    fn bad_values_are_named_with_their_flag() {
        for flag in IN_FILE {
            if matches!(flag.long, "cpuset-cpus" | "cpuset-mems") {
                continue; // for the library and the kernel to judge
            }
            let error = read(&[&format!("{flag}=x1"), "c"]).unwrap_err();
            assert!(error.starts_with(&format!("invalid value \"x1\" for {flag}: ")), "{error}");
        }
        assert!(read(&["--blkio-weight", "65546", "c"]).is_err(), "not 10");
        assert!(read(&["--cpu-share", "-1", "c"]).is_err());
    }

    #[test]
    fn a_file_has_all_or_nothing() {
        for flag in IN_FILE {
            let error = read(&["-r", "/none", &format!("{flag}=1"), "c"]).unwrap_err();
            assert_eq!(error, format!("{flag} can't be used with --resources"));
        }
        assert_eq!(read(&["-r", "/none", "c"]).unwrap_err(), "/none: no such file or directory");
    }

    #[test]
    fn a_file_is_json_of_the_configurations_form() {
        let path = std::env::temp_dir().join(format!("coble-update-{}.json", std::process::id()));
        let file = path.to_str().unwrap();
        let mut said = Vec::new();
        for text in [
            r#"{"memory":{"limit":7},"unified":{"memory.high":"8"}}"#,
            r#"{"cpu":{"quota":"x"}}"#,
            "{",
        ] {
            fs::write(&path, text).unwrap();
            said.push(read(&["-r", file, "c"]).map(|update| update.resources));
        }
        fs::remove_file(&path).unwrap();
        let resources = said.remove(0).unwrap();
        assert_eq!(resources.memory.unwrap().limit, Some(7));
        assert_eq!(resources.unified["memory.high"], "8");
        let error = said.remove(0).unwrap_err();
        assert!(error.starts_with(&format!("{file}: /cpu/quota: invalid type")), "{error}");
        let error = said.remove(0).unwrap_err();
        assert!(error.starts_with(&format!("{file}: broken JSON at line 1")), "{error}");
    }
}
