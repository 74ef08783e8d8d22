//! Time lost for want of something (the kernel's `accounting/psi.rst`; Linux 4.20, cgroup v2).

use serde::{Deserialize, Serialize, Serializer};

use super::files::Files;
use super::is_default;
use crate::Error;

/// Time lost for want of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pressure {
    /// While some tasks waited.
    #[serde(skip_serializing_if = "is_default")]
    pub some: PressureLine,
    /// While all tasks waited.
    #[serde(skip_serializing_if = "is_default")]
    pub full: PressureLine,
}

/// Per cent of the last seconds, and a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PressureLine {
    /// Of the last 10 seconds.
    #[serde(serialize_with = "shortest")]
    pub avg10: f64,
    /// Of the last 60 seconds.
    #[serde(serialize_with = "shortest")]
    pub avg60: f64,
    /// Of the last 300 seconds.
    #[serde(serialize_with = "shortest")]
    pub avg300: f64,
    /// Microseconds altogether.
    pub total: u64,
}

/// Whole numbers without a fraction.
fn shortest<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && *number >= 0.0 && *number <= 100.0 {
        return serializer.serialize_u64(*number as u64);
    }
    serializer.serialize_f64(*number)
}

/// That of `cpu`, `memory` or `io`; none if the kernel doesn't tell.
pub(super) fn of(files: &Files<'_>, thing: &str) -> Result<Option<Pressure>, Error> {
    let name = format!("{thing}.pressure");
    let Some(text) = files.text(&name)? else { return Ok(None) };
    let mut pressure = Pressure::default();
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').ok_or_else(|| files.odd(&name, line))?;
        let parsed = parse(rest).ok_or_else(|| files.odd(&name, line))?;
        match kind {
            "some" => pressure.some = parsed,
            "full" => pressure.full = parsed,
            _ => {}
        }
    }
    Ok(Some(pressure))
}

fn parse(text: &str) -> Option<PressureLine> {
    let mut line = PressureLine::default();
    for pair in text.split_whitespace() {
        let (key, value) = pair.split_once('=')?;
        match key {
            "avg10" => line.avg10 = value.parse().ok()?,
            "avg60" => line.avg60 = value.parse().ok()?,
            "avg300" => line.avg300 = value.parse().ok()?,
            "total" => line.total = value.parse().ok()?,
            _ => {}
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tests::over;

    #[test]
    fn both_lines_are_read() {
        let texts = [(
            "cpu.pressure",
            "some avg10=79.78 avg60=59.18 avg300=0.00 total=8686960260\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        )];
        let found = over(true, &texts, |files| of(files, "cpu")).unwrap().unwrap();
        assert_eq!((found.some.avg10, found.some.total), (79.78, 8_686_960_260));
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            r#"{"some":{"avg10":79.78,"avg60":59.18,"avg300":0,"total":8686960260}}"#
        );
        assert_eq!(over(true, &texts, |files| of(files, "io")), Ok(None));
        assert!(over(true, &[("io.pressure", "some avg10=x\n")], |files| of(files, "io")).is_err());
    }
}
