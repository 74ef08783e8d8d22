//! New limits for the class of a container that is there.

use coble_spec::IntelRdt;

use super::{Group, Resctrl, read, schemata};
use crate::error::{Error, Result};
use crate::validate::check_intel_rdt;

/// A change of a class that can be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemataUpdate<'a> {
    group: &'a Group,
    /// Lines as they were.
    before: Vec<String>,
    after: Vec<String>,
}

impl<'a> SchemataUpdate<'a> {
    /// Checks what is asked for in the form of `l3CacheSchema` and `memBwSchema` (config-linux.md, "IntelRdt"); `None`
    /// if that is nothing.
    ///
    /// # Errors
    /// The container was made without a class, a line is wrong, or the processor can't do it.
    pub(crate) fn prepare(
        group: Option<&'a Group>,
        l3_cache_schema: &str,
        mem_bw_schema: &str,
    ) -> Result<Option<Self>> {
        if l3_cache_schema.is_empty() && mem_bw_schema.is_empty() {
            return Ok(None);
        }
        let resctrl = match group {
            Some(group) => Some(group.resctrl.clone()),
            None => Resctrl::mounted()?,
        };
        Self::prepare_on(resctrl.as_ref(), group, l3_cache_schema, mem_bw_schema).map(Some)
    }

    pub(super) fn prepare_on(
        resctrl: Option<&Resctrl>,
        group: Option<&'a Group>,
        l3_cache_schema: &str,
        mem_bw_schema: &str,
    ) -> Result<Self> {
        let wanted = IntelRdt {
            l3_cache_schema: l3_cache_schema.to_owned(),
            mem_bw_schema: mem_bw_schema.to_owned(),
            ..IntelRdt::default()
        };
        check_intel_rdt(&wanted).map_err(|invalid| Error::new(invalid.reason))?;
        if !l3_cache_schema.is_empty() && !resctrl.is_some_and(Resctrl::has_cache_allocation) {
            return Err(Error::new("Intel RDT/CAT: l3 cache schema is not enabled"));
        }
        if !mem_bw_schema.is_empty() && !resctrl.is_some_and(Resctrl::has_bandwidth_allocation) {
            return Err(Error::new("Intel RDT/MBA: memory bandwidth schema is not enabled"));
        }
        let group = group.ok_or_else(|| {
            Error::new("updating a non-existent Intel RDT configuration is not supported")
        })?;
        let after = schemata::lines(&wanted).into_iter().map(str::to_owned).collect();
        let existing = read(&group.directory().join("schemata"))?;
        let before = existing.lines().map(|line| line.trim().to_owned()).collect();
        Ok(Self { group, before, after })
    }

    /// Limits the class, and so every container in it.
    ///
    /// # Errors
    /// The kernel's; then nothing has changed.
    pub(crate) fn carry_out(&self) -> Result<()> {
        let limited = self.group.limit(self.after.iter().map(String::as_str));
        if limited.is_err() {
            self.undo();
        }
        limited
    }

    /// Writes what stood there before.
    pub(crate) fn undo(&self) {
        // It was in force before; if the kernel doesn't take it back, that can't be helped.
        let _ = self.group.limit(self.before.iter().map(String::as_str));
    }
}
