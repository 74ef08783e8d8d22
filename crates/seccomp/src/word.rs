//! What is known of a word of a call, and whether there is one of which it is true.

use crate::program::{EQUAL, GREATER, GREATER_EQUAL, SET};

/// What has been found out about one word of `struct seccomp_data` on the way through a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WordFacts {
    /// Lowest and highest value.
    pub(crate) least: u32,
    pub(crate) most: u32,
    /// Bits that are known, and what they are.
    pub(crate) known: u32,
    pub(crate) bits: u32,
    /// Masks with which it is not these values.
    pub(crate) unlike: Vec<(u32, u32)>,
}

/// More steps than this, and the search for a word is given up.
const STEPS: usize = 100_000;

impl WordFacts {
    /// Nothing.
    pub(crate) const NONE: Self =
        Self { least: 0, most: u32::MAX, known: 0, bits: 0, unlike: Vec::new() };

    /// A word between two values.
    pub(crate) fn between(least: u32, most: u32) -> Self {
        Self { least, most, ..Self::NONE }
    }

    /// With the outcome of a comparison of its masked bits. None if no word can have it; an error if that can't be told,
    /// because of an order of masked bits, which no compiler asks for, or because the search takes too long.
    pub(crate) fn with(
        &self,
        code: u16,
        mask: u32,
        value: u32,
        outcome: bool,
    ) -> Result<Option<Self>, TooComplex> {
        let mut facts = self.clone();
        let is_possible = match (code, outcome) {
            (EQUAL, true) => facts.is(mask, value),
            (EQUAL, false) => facts.is_not(mask, value),
            (SET, true) => facts.is_not(mask & value, 0),
            (SET, false) => facts.is(mask & value, 0),
            (GREATER | GREATER_EQUAL, _) if mask != u32::MAX => return Err(TooComplex),
            (GREATER, true) => value.checked_add(1).is_some_and(|least| facts.at_least(least)),
            (GREATER, false) => facts.at_most(value),
            (GREATER_EQUAL, true) => facts.at_least(value),
            (GREATER_EQUAL, false) => value.checked_sub(1).is_some_and(|most| facts.at_most(most)),
            _ => return Err(TooComplex),
        };
        Ok((is_possible && facts.example()?.is_some()).then_some(facts))
    }

    fn is(&mut self, mask: u32, value: u32) -> bool {
        let is_new = (self.known & mask) & (self.bits ^ value) == 0 && value & !mask == 0;
        self.known |= mask;
        self.bits |= value;
        is_new
    }

    fn is_not(&mut self, mask: u32, value: u32) -> bool {
        if value & !mask == 0 {
            self.unlike.push((mask, value));
        }
        value & !mask != 0 || mask != 0
    }

    fn at_least(&mut self, least: u32) -> bool {
        self.least = self.least.max(least);
        self.least <= self.most
    }

    fn at_most(&mut self, most: u32) -> bool {
        self.most = self.most.min(most);
        self.least <= self.most
    }

    /// The lowest word of which all of this is true.
    pub(crate) fn example(&self) -> Result<Option<u32>, TooComplex> {
        let mut steps = 0;
        self.search(0, 32, &mut steps)
    }

    /// Chooses the bits below `rest` of a word that begins with `prefix`, from the highest one on.
    fn search(&self, prefix: u32, rest: u32, steps: &mut usize) -> Result<Option<u32>, TooComplex> {
        *steps += 1;
        if *steps > STEPS {
            return Err(TooComplex);
        }
        let open = u32::MAX.checked_shr(32 - rest).unwrap_or(0);
        let is_chosen = |mask: u32| mask & open == 0;
        let is_out = prefix > self.most
            || prefix | open < self.least
            || (prefix ^ self.bits) & self.known & !open != 0
            || self.unlike.iter().any(|&(mask, value)| is_chosen(mask) && prefix & mask == value);
        if is_out {
            return Ok(None);
        }
        let Some(rest) = rest.checked_sub(1) else { return Ok(Some(prefix)) };
        for bit in [0, 1] {
            let found = self.search(prefix | bit << rest, rest, steps)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// Too complex to be told exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooComplex;
