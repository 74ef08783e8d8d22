//! A plan as the parent writes it.

use std::borrow::Cow;
use std::vec::Vec;

use crate::{Step, Steps};

/// Steps in their encoded form, and where each comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    bytes: Vec<u8>,
    origins: Vec<Cow<'static, str>>,
}

impl Plan {
    /// Adds a step. `origin` is the place in `config.json` that asks for it, a JSON pointer, or empty for
    /// what every container gets.
    pub fn push(&mut self, step: Step<'_>, origin: impl Into<Cow<'static, str>>) {
        step.write(&mut self.bytes);
        self.origins.push(origin.into());
    }

    /// The encoded steps.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The steps with their origins, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Step<'_>, &str)> {
        Steps::new(&self.bytes).map_while(Result::ok).zip(self.origins.iter().map(AsRef::as_ref))
    }

    /// Whether the executor goes on in another process on its way.
    pub fn moves(&self) -> bool {
        self.iter().any(|(step, _)| matches!(step, Step::EnterPidNamespace { .. }))
    }

    /// The step at `index` with its origin.
    pub fn get(&self, index: usize) -> Option<(Step<'_>, &str)> {
        self.iter().nth(index)
    }
}
