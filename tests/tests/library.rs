//! `coble-container` in programs with many threads.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::io::{Read, pipe};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use coble_container::spec::{Pids, Resources, Spec};
use coble_container::{
    Additions, Create, Error, ErrorKind, Exec, ExecProcess, Run, Signal, Spawned, Status, Streams,
    Update, delete, kill, list, start, state, stats,
};
use coble_tests::{Bundle, Case, wait};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use tokio::runtime::Builder;

/// Threads that make containers at once.
const THREADS: usize = 32;

/// Containers that each of them makes.
const ROUNDS: usize = 3;

/// Descriptors and children are the whole process's: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What every thread's containers are made of.
#[derive(Clone)]
struct Ground {
    root: PathBuf,
    bundle: PathBuf,
    spec: Box<Spec>,
    id: String,
}

impl Ground {
    fn new(case: &Case) -> Self {
        let bundle = case.bundle();
        let mut spec = parse(&bundle);
        spec.process.as_mut().unwrap().args = ["sleep", "1000000"].map(str::to_owned).into();
        Self {
            root: case.state_root(),
            bundle: bundle.path.clone(),
            spec: Box::new(spec),
            id: case.id.clone(),
        }
    }

    /// A container whose configuration stands in no file.
    fn create(&self, id: &str) -> Create {
        Create {
            root: self.root.clone(),
            id: id.to_owned(),
            bundle: self.bundle.clone(),
            spec: Some(self.spec.clone()),
            ..Create::default()
        }
    }

    fn exec(&self, id: &str, args: &[&str]) -> Exec {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Exec {
            root: self.root.clone(),
            id: id.to_owned(),
            process: ExecProcess::Additions(Additions { args, ..Additions::default() }),
            ..Exec::default()
        }
    }

    fn status(&self, id: &str) -> Status {
        state(&self.root, id).unwrap().status
    }
}

fn parse(bundle: &Bundle) -> Spec {
    coble_container::spec::parse(bundle.config.to_string().as_bytes()).unwrap()
}

/// What a program writes to its standard output, and whether it ended well.
fn output(exec: &Exec) -> (String, bool) {
    let (mut reader, writer) = pipe().unwrap();
    let mut exec = exec.clone();
    exec.streams = Streams { stdout: Some(Arc::new(writer.into())), ..Streams::default() };
    let mut process = exec.spawn().unwrap();
    drop(exec);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    (text, process.child.wait().unwrap().success())
}

/// What belongs to the whole process, or to the thread that asks, and is none of the library's business.
#[derive(Debug, PartialEq, Eq)]
struct Own {
    descriptors: usize,
    working_directory: PathBuf,
    status: Vec<String>,
    limits: String,
    namespaces: Vec<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Own {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let kept = ["Umask", "SigBlk", "SigIgn", "SigCgt", "CapEff", "Seccomp:", "Cpus_allowed:"];
        let namespaces = fs::read_dir("/proc/thread-self/ns").unwrap().flatten();
        let mut namespaces: Vec<_> =
            namespaces.map(|entry| fs::read_link(entry.path()).unwrap()).collect();
        namespaces.sort();
        Self {
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            working_directory: std::env::current_dir().unwrap(),
            status: status
                .lines()
                .filter(|line| kept.iter().any(|name| line.starts_with(name)))
                .map(str::to_owned)
                .collect(),
            limits: fs::read_to_string("/proc/self/limits").unwrap(),
            namespaces,
            environment: std::env::vars().collect(),
        }
    }
}

/// Fails if this process has a child, alive or a zombie.
fn assert_childless() {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    assert_eq!(waitid(WaitId::All, options).unwrap_err(), Errno::CHILD);
}

/// Threads that do what other parts of a program do: they allocate, open files, start programs and wait for them.
struct Others {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<usize>>,
}

impl Others {
    fn begin(count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let inherited = listed_descriptors();
        let work = |stop: Arc<AtomicBool>, inherited: String| {
            move || {
                let mut rounds = 0;
                while !stop.load(Ordering::Relaxed) {
                    let kept: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
                    assert_eq!(kept.concat().len(), 6890);
                    assert_eq!(listed_descriptors(), inherited, "a program got a descriptor");
                    rounds += 1;
                }
                rounds
            }
        };
        let threads =
            (0..count).map(|_| thread::spawn(work(stop.clone(), inherited.clone()))).collect();
        Self { stop, threads }
    }

    /// Ends them, and says how much they did.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    }
}

/// The descriptors that a program has which this process starts.
fn listed_descriptors() -> String {
    let output = Command::new("/bin/busybox").args(["ls", "/proc/self/fd"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The whole life of a container; each verb in a thread of its own, which ends.
async fn live(ground: Ground, number: usize, barrier: Arc<Barrier>) {
    for round in 0..ROUNDS {
        let id = format!("{}-{number}-{round}", ground.id);
        let create = ground.create(&id);
        let together = barrier.clone();
        let mut made = blocking(move || {
            together.wait();
            create.execute().unwrap()
        })
        .await;
        assert_eq!(ground.status(&id), Status::Created);
        assert!(made.child.try_wait().unwrap().is_none(), "ended before it was started");
        let (root, name) = (ground.root.clone(), id.clone());
        blocking(move || start(&root, &name).unwrap()).await;
        let exec = ground.exec(&id, &["sh", "-c", "echo $$; ls /proc/self/fd"]);
        let (text, is_good) = blocking(move || output(&exec)).await;
        // Standard streams, and the directory that ls reads.
        assert!(is_good && text.ends_with("\n0\n1\n2\n3\n"), "{text}");
        assert_eq!(ground.status(&id), Status::Running);
        assert!(made.child.try_wait().unwrap().is_none(), "ended before it was killed");
        let root = ground.root.clone();
        blocking(move || {
            kill(&root, &id, Signal::KILL, false).unwrap();
            assert_eq!(made.child.wait().unwrap().signal(), Some(9));
            assert_eq!(delete(&root, &id, false), Ok(Vec::new()));
        })
        .await;
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[test]
fn many_threads_of_one_program_make_containers_at_once() {
    let _alone = alone();
    let Some(case) = Case::root() else { return };
    let ground = Ground::new(&case);
    let before = Own::now();
    // Threads that block end as soon as they have nothing to do.
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .max_blocking_threads(THREADS)
        .thread_keep_alive(Duration::from_millis(1))
        .build()
        .unwrap();
    let others = Others::begin(3);
    let barrier = Arc::new(Barrier::new(THREADS));
    let lives: Vec<_> = (0..THREADS)
        .map(|number| runtime.spawn(live(ground.clone(), number, barrier.clone())))
        .collect();
    runtime.block_on(async {
        for life in lives {
            life.await.unwrap();
        }
    });
    assert!(others.end() > 0, "the other threads did nothing");
    drop(runtime);
    assert_eq!(list(&ground.root).unwrap().0.len(), 0);
    assert_eq!(Own::now(), before);
    assert_childless();
    case.assert_clean();
}

#[test]
fn what_a_thread_has_made_outlives_it() {
    let _alone = alone();
    let Some(case) = Case::root() else { return };
    let ground = Ground::new(&case);
    let (first, second) = (format!("{}-a", case.id), format!("{}-b", case.id));
    let in_a_thread =
        |work: Box<dyn FnOnce() -> Spawned + Send>| thread::spawn(work).join().unwrap();
    let create = ground.create(&first);
    let made = in_a_thread(Box::new(move || create.execute().unwrap()));
    let run = Run { create: ground.create(&second), ..Run::default() };
    let runs = in_a_thread(Box::new(move || run.spawn().unwrap()));
    let (root, name) = (ground.root.clone(), first.clone());
    thread::spawn(move || start(&root, &name).unwrap()).join().unwrap();
    let exec = ground.exec(&first, &["sleep", "1000000"]);
    let added = in_a_thread(Box::new(move || exec.spawn().unwrap()));
    // The death of a thread is a signal that comes at once, if it comes.
    let mut children = [added, made, runs].map(|spawned| spawned.child);
    for child in &mut children {
        let status = format!("/proc/{}/status", child.pid());
        let sleeps = || fs::read_to_string(&status).unwrap().contains("sleeping");
        wait::until("the program to sleep", sleeps);
        assert_eq!(child.try_wait(), Ok(None));
    }
    for id in [&first, &second] {
        assert_eq!(ground.status(id), Status::Running);
        kill(&ground.root, id, Signal::KILL, false).unwrap();
    }
    for child in &mut children {
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
    for id in [&first, &second] {
        assert_eq!(delete(&ground.root, id, false), Ok(Vec::new()));
    }
    assert_childless();
}

/// A descriptor that another thread has open without close-on-exec stays outside.
#[test]
fn no_descriptor_of_the_program_gets_into_a_container() {
    let _alone = alone();
    let Some(case) = Case::root() else { return };
    let ground = Ground::new(&case);
    let open = |path: &Path| {
        rustix::fs::open(path, rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap()
    };
    let _leaky: Vec<_> = (0..20).map(|_| open(&case.dir)).collect();
    let mut spec = ground.spec.clone();
    spec.process.as_mut().unwrap().args = ["ls", "/proc/self/fd"].map(str::to_owned).into();
    let (mut reader, writer) = pipe().unwrap();
    let create = Create {
        spec: Some(spec),
        streams: Streams { stdout: Some(Arc::new(writer.into())), ..Streams::default() },
        ..ground.create(&case.id)
    };
    let mut runs = Run { create, ..Run::default() }.spawn().unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(runs.child.wait().unwrap().success());
    assert_eq!(text, "0\n1\n2\n3\n");
    assert_eq!(runs.child.wait().map(|status| status.code()), Ok(Some(0)), "the answer stays");
}

/// What the configuration says is asked for later, when no one has it any more.
#[test]
fn a_configuration_in_memory_is_kept_for_an_update() {
    let _alone = alone();
    let Some(case) = Case::root() else { return };
    let ground = Ground::new(&case);
    let mut made = ground.create(&case.id).execute().unwrap();
    let resources = ground.spec.linux.as_ref().unwrap().resources.clone().unwrap();
    assert!(!resources.devices.is_empty() && !ground.bundle.join("config.json").exists());
    let update = Update {
        root: ground.root.clone(),
        id: case.id.clone(),
        resources: Resources { pids: Some(Pids { limit: Some(77) }), ..resources },
        ..Update::default()
    };
    assert_eq!(update.execute(), Ok(()));
    start(&ground.root, &case.id).unwrap();
    delete(&ground.root, &case.id, true).unwrap();
    made.child.wait().unwrap();
}

/// Standard streams may even be each other's.
#[test]
fn streams_may_change_places() {
    let _alone = alone();
    let Some(case) = Case::root() else { return };
    let ground = Ground::new(&case);
    let mut made = ground.create(&case.id).execute().unwrap();
    start(&ground.root, &case.id).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let writer = Arc::new(std::os::fd::OwnedFd::from(writer));
    let mut exec = ground.exec(&case.id, &["sh", "-c", "echo out; echo err >&2; cat"]);
    let file = case.file("input", "in\n");
    exec.streams = Streams {
        stdin: Some(Arc::new(fs::File::open(file).unwrap().into())),
        stdout: Some(writer.clone()),
        stderr: Some(writer),
    };
    let mut process = exec.spawn().unwrap();
    drop(exec);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(process.child.wait().unwrap().success());
    assert_eq!(text, "out\nerr\nin\n");
    delete(&ground.root, &case.id, true).unwrap();
    assert_eq!(made.child.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_program_that_is_killed_leaves_nothing_that_delete_does_not_find() {
    let _alone = alone();
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    bundle.write();
    for round in 0..6u64 {
        let mut program = Command::new(env!("CARGO_BIN_EXE_maker"))
            .arg(case.state_root())
            .arg(&bundle.path)
            .args([&case.id, "12"])
            .spawn()
            .unwrap();
        wait::until("containers", || {
            fs::read_dir(case.state_root()).is_ok_and(|entries| entries.count() > 3)
        });
        // Another moment each time; none is the right one.
        thread::sleep(Duration::from_millis(7 * round));
        program.kill().unwrap();
        program.wait().unwrap();
        for entry in fs::read_dir(case.state_root()).unwrap().flatten() {
            let id = entry.file_name().into_string().unwrap();
            assert_eq!(delete(&case.state_root(), &id, true), Ok(Vec::new()));
        }
        case.assert_clean();
    }
}

/// The executor goes on in a child, which may fail before anybody has heard of it. A zombie in the container's pid
/// namespace would keep the container from ending.
#[test]
fn an_exec_that_fails_leaves_no_zombie() {
    let _alone = alone();
    let Some(case) = Case::root() else { return };
    let ground = Ground::new(&case);
    let mut made = ground.create(&case.id).execute().unwrap();
    start(&ground.root, &case.id).unwrap();
    let others = Others::begin(2);
    let failures: Vec<_> = (0..4)
        .map(|_| {
            let exec = ground.exec(&case.id, &["no-such-program"]);
            thread::spawn(move || {
                for _ in 0..100 {
                    let error = exec.spawn().unwrap_err();
                    assert_eq!(error.kind(), &ErrorKind::Program { errno: None });
                }
            })
        })
        .collect();
    for failure in failures {
        failure.join().unwrap();
    }
    others.end();
    delete(&ground.root, &case.id, true).unwrap();
    assert_eq!(made.child.wait().unwrap().signal(), Some(9));
    assert_childless();
}

#[test]
fn errors_have_a_kind() {
    let _alone = alone();
    let Some(case) = Case::root() else { return };
    let ground = Ground::new(&case);
    let (root, id) = (&ground.root, &case.id);
    let kind = |error: Error| error.kind().clone();
    assert_eq!(kind(start(root, id).unwrap_err()), ErrorKind::DoesNotExist);
    assert_eq!(kind(state(root, "..").unwrap_err()), ErrorKind::InvalidId);
    let mut made = ground.create(id).execute().unwrap();
    assert_eq!(kind(ground.create(id).execute().unwrap_err()), ErrorKind::AlreadyExists);
    start(root, id).unwrap();
    let running = ErrorKind::WrongStatus(Status::Running);
    assert_eq!(kind(start(root, id).unwrap_err()), running);
    assert_eq!(kind(delete(root, id, false).unwrap_err()), running);
    let missing = |args: &[&str]| kind(ground.exec(id, args).spawn().unwrap_err());
    assert_eq!(missing(&["no-such-program"]), ErrorKind::Program { errno: None });
    assert_eq!(missing(&["/no/program"]), ErrorKind::Program { errno: Some(2) });
    assert_eq!(missing(&["/etc/passwd"]), ErrorKind::Program { errno: Some(13) });
    assert_eq!(missing(&[]), ErrorKind::Config { pointer: "/args".to_owned() });
    kill(root, id, Signal::KILL, false).unwrap();
    made.child.wait().unwrap();
    let stopped = ErrorKind::WrongStatus(Status::Stopped);
    assert_eq!(kind(kill(root, id, Signal::TERM, false).unwrap_err()), stopped);
    assert_eq!(missing(&["true"]), stopped);
    let update = Update { root: root.clone(), id: id.clone(), ..Update::default() };
    assert_eq!(kind(update.execute().unwrap_err()), stopped);
    assert_eq!(kind(stats(root, id).unwrap_err()), stopped);
    delete(root, id, false).unwrap();
    let with = |change: &dyn Fn(&mut Spec)| {
        let mut create = ground.create(id);
        change(create.spec.as_mut().unwrap());
        let error = kind(create.execute().unwrap_err());
        case.assert_clean();
        error
    };
    assert_eq!(
        with(&|spec| spec.process.as_mut().unwrap().cwd = "relative".to_owned()),
        ErrorKind::Config { pointer: "/process/cwd".to_owned() }
    );
    assert_eq!(
        with(&|spec| spec.mounts[0].options.push("idmap=what".to_owned())),
        ErrorKind::Config { pointer: "/mounts/0/options/0".to_owned() }
    );
    assert_eq!(
        with(&|spec| spec.mounts[3].kind = "no-such-fs".to_owned()),
        ErrorKind::Step { step: "MountFs", pointer: "/mounts/3".to_owned(), errno: Some(19) }
    );
    assert_eq!(
        with(&|spec| {
            let path = "/bin/false".to_owned();
            let hook = coble_container::spec::Hook { path, ..Default::default() };
            spec.hooks.get_or_insert_default().create_runtime.push(hook);
        }),
        ErrorKind::Hook
    );
}
