//! Points in time as the state's JSON writes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECONDS_A_DAY: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH: i64 = 719_468;
/// Days in the 400 years after which that calendar repeats.
const DAYS_IN_ERA: i64 = 146_097;

/// `time` in UTC as RFC 3339 has it, such as `2026-08-19T09:35:07.0251Z`.
///
/// The fraction has nanoseconds without trailing zeros, and is left out with its point when it is zero:
/// what Go's `time.RFC3339Nano` prints, and so what readers of a state file know.
pub fn rfc3339(time: SystemTime) -> String {
    let (seconds, nanoseconds) = since_epoch(time);
    let (year, month, day) = date(seconds.div_euclid(SECONDS_A_DAY));
    let second = seconds.rem_euclid(SECONDS_A_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if nanoseconds > 0 {
        text.push_str(format!(".{nanoseconds:09}").trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Whole seconds since 1970, rounded down, and the nanoseconds on top of them.
fn since_epoch(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (whole(after), after.subsec_nanos()),
        Err(error) => match error.duration() {
            before if before.subsec_nanos() == 0 => (-whole(before), 0),
            before => (-whole(before) - 1, 1_000_000_000 - before.subsec_nanos()),
        },
    }
}

/// Linux counts seconds in 64 signed bits, so only an impossible time is cut off here.
fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX - 1)
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// Years are counted from March, so that a leap day is the last of its year and the months' lengths
/// follow one straight line: month m (March is 0) begins with day (153 m + 2) / 5.
fn date(day: i64) -> (i64, i64, i64) {
    let day = day + EPOCH;
    let (era, day) = (day.div_euclid(DAYS_IN_ERA), day.rem_euclid(DAYS_IN_ERA));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, wrapped) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + wrapped, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanoseconds: u32) -> String {
        rfc3339(UNIX_EPOCH + Duration::new(seconds, nanoseconds))
    }

    #[test]
    fn known_times() {
        assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399, 0), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_709_210_096, 0), "2024-02-29T12:34:56Z");
        assert_eq!(at(1_767_225_599, 0), "2025-12-31T23:59:59Z");
        assert_eq!(at(2_147_483_648, 0), "2038-01-19T03:14:08Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00Z");
        assert_eq!(at(253_402_300_799, 0), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn fractions_lose_their_trailing_zeros() {
        assert_eq!(at(1, 1), "1970-01-01T00:00:01.000000001Z");
        assert_eq!(at(1, 25_100_000), "1970-01-01T00:00:01.0251Z");
        assert_eq!(at(1, 500_000_000), "1970-01-01T00:00:01.5Z");
        assert_eq!(at(1, 999_999_999), "1970-01-01T00:00:01.999999999Z");
    }

    #[test]
    fn before_the_epoch() {
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::new(1, 0)), "1969-12-31T23:59:59Z");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::new(0, 1)), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::new(1, 500_000_000)), "1969-12-31T23:59:58.5Z");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::new(62_135_596_800, 0)), "0001-01-01T00:00:00Z");
    }

    /// Counts two eras day by day and compares each date with the calendar's plain rules.
    #[test]
    fn every_day_of_eight_hundred_years() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..2 * DAYS_IN_ERA {
            assert_eq!(date(number), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
