//! The one engine of a test binary.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::engine::Engine;
use crate::cmd::Cmd;

struct Shared {
    engine: Option<Result<Engine, String>>,
    users: usize,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared { engine: None, users: 0 });
static LEFT: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Shared> {
    // A test that fails while it holds the lock leaves nothing half done in it.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The use of the engine by one test.
#[derive(Debug)]
pub(super) struct User {
    pub(super) dir: PathBuf,
}

impl User {
    /// Starts the engine unless it runs.
    ///
    /// # Panics
    /// When it can't be started.
    pub(super) fn new() -> Self {
        let mut shared = lock();
        let dir = match shared.engine.get_or_insert_with(Engine::start) {
            Ok(engine) => engine.dir.clone(),
            Err(why) => panic!("{why}"),
        };
        shared.users += 1;
        Self { dir }
    }

    /// Does something with the engine, at which other tests wait: it should be short.
    pub(super) fn with<T>(&self, action: impl FnOnce(&Engine) -> T) -> T {
        let shared = lock();
        let engine = shared.engine.as_ref().and_then(|engine| engine.as_ref().ok());
        action(engine.expect("it runs as long as somebody uses it"))
    }

    pub(super) fn cli(&self, tag: &str) -> Cmd {
        self.with(|engine| engine.cli(tag))
    }
}

impl Drop for User {
    fn drop(&mut self) {
        lock().users -= 1;
        LEFT.notify_all();
    }
}

/// Waits until no test uses the engine, and stops it. A test that comes later starts a new one.
///
/// # Panics
/// When anything of it is left: a state, process, cgroup or file.
pub fn stop() {
    let mut shared =
        LEFT.wait_while(lock(), |shared| shared.users > 0).unwrap_or_else(PoisonError::into_inner);
    if let Some(Ok(engine)) = shared.engine.take() {
        drop(shared);
        let mut left: Vec<String> =
            engine.states().iter().map(|path| format!("state: {}", path.display())).collect();
        left.extend(engine.new_mounts().iter().map(|point| format!("mount: {point}")));
        left.extend(engine.stop());
        assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
    }
}
