//! Quotas of processor time as systemd can keep them: in whole percents of a processor, rounded up. A file that said
//! another number would be overwritten some day.

use coble_spec::{Cpu, Resources};

use super::files::{PERIOD, rounded};
use crate::{Cgroup, file};

/// The file that has quota and period with v2.
const MAX: &str = "cpu.max";

impl Cgroup {
    /// The resources with such quotas, if the cgroup is that of a unit. systemd keeps the share, not the quota: a new
    /// period goes with the quota in force.
    pub(crate) fn in_whole_percents(&self, resources: &Resources) -> Resources {
        let mut resources = resources.clone();
        if self.unit.is_none() {
            return resources;
        }
        if let Some(cpu) = &mut resources.cpu {
            self.round(cpu);
        }
        let period = resources.cpu.as_ref().and_then(|cpu| cpu.period);
        if let Some(text) = resources.unified.get_mut(MAX)
            && let Some(max) = self.rounded_max(text, period)
        {
            *text = max;
        }
        resources
    }

    fn round(&self, cpu: &mut Cpu) {
        let period = cpu.period.filter(|period| *period != 0);
        let quota = match (cpu.quota, period) {
            (None | Some(0), Some(_)) => self.quota_in_force(),
            (quota, _) => quota,
        };
        if let Some(quota) = quota.filter(|quota| *quota > 0) {
            let period = period.unwrap_or_else(|| self.period_in_force());
            (cpu.quota, cpu.period) = (Some(rounded(quota, period)), Some(period));
        }
    }

    /// `QUOTA` or `QUOTA PERIOD`; `None` for no limit, and for what only the kernel can say something about.
    fn rounded_max(&self, text: &str, earlier: Option<u64>) -> Option<String> {
        let mut words = text.split_whitespace();
        let quota: i64 = words.next()?.parse().ok().filter(|quota| *quota > 0)?;
        let period = match words.next() {
            Some(period) => period.parse().ok().filter(|period| *period > 0)?,
            None => earlier.filter(|period| *period > 0).unwrap_or_else(|| self.period_in_force()),
        };
        words.next().is_none().then(|| format!("{} {period}", rounded(quota, period)))
    }

    fn quota_in_force(&self) -> Option<i64> {
        self.in_force("cpu.cfs_quota_us", 0)?.parse().ok()
    }

    fn period_in_force(&self) -> u64 {
        let period = self.in_force("cpu.cfs_period_us", 1);
        period.and_then(|period| period.parse().ok()).unwrap_or(PERIOD)
    }

    /// What v1's file says, or that word of v2's; nothing in a cgroup that was just made.
    fn in_force(&self, legacy: &str, word: usize) -> Option<String> {
        let (place, name, word) = match self.of("cpu") {
            Some(place) => (place, legacy, 0),
            None => (self.unified()?, MAX, word),
        };
        let text = if place.is_fresh { None } else { file::read(place.dir(), name).ok() };
        text?.split_whitespace().nth(word).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;
    use crate::systemd::{Manager, Unit};

    fn unit() -> Cgroup {
        let mut place = Place::new("", "/nowhere", "system.slice/a.scope");
        place.is_fresh = true;
        let unit = Unit::at(Manager::System, place.path(), 0).unwrap();
        Cgroup::of_unit(vec![place], unit)
    }

    fn with(cpu: Cpu, max: Option<&str>) -> Resources {
        let unified = max.map(|text| (MAX.to_owned(), text.to_owned())).into_iter().collect();
        Resources { cpu: Some(cpu), unified, ..Resources::default() }
    }

    #[test]
    fn only_a_unit_has_its_quota_rounded() {
        let resources = with(Cpu { quota: Some(12_345), ..Cpu::default() }, Some("12345 100000"));
        let rounded = unit().in_whole_percents(&resources);
        let expected = with(
            Cpu { quota: Some(13_000), period: Some(PERIOD), ..Cpu::default() },
            Some("13000 100000"),
        );
        assert_eq!(rounded, expected);
        assert_eq!(Cgroup::at(Vec::new()).in_whole_percents(&resources), resources);
    }

    #[test]
    fn a_quota_in_unified_is_rounded_like_another() {
        let max = |text: &str, period: Option<u64>| {
            let resources = with(Cpu { period, ..Cpu::default() }, Some(text));
            unit().in_whole_percents(&resources).unified.remove(MAX).unwrap()
        };
        for (text, period, expected) in [
            ("12345", None, "13000 100000"),
            ("12345\n", Some(50_000), "12500 50000"),
            ("12345 50000", Some(100_000), "12500 50000"),
            ("max", None, "max"),
            ("max 50000", None, "max 50000"),
            ("0", None, "0"),
            ("x", None, "x"),
            ("12345 x", None, "12345 x"),
            ("12345 0", None, "12345 0"),
            ("1 2 3", None, "1 2 3"),
        ] {
            assert_eq!(max(text, period), expected, "{text:?} {period:?}");
        }
    }
}
