//! A real Docker Engine that runs its containers with the binary under test.
//!
//! A test asks for [`Docker`]; the first one starts the engine and all share it. When the test ends, its
//! containers are removed, and whatever the runtime left of them fails the test. [`stop`] stops the engine.

mod client;
mod container;
mod engine;
mod shared;

pub use client::{Docker, IMAGE};
pub use container::Container;
pub use shared::stop;
