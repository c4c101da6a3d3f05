//! The time that certificates are made around and clients judge at: [`NOW`], unless a test needs that of the machine.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::NOW;

static CHOSEN: OnceLock<i64> = OnceLock::new();

/// The time of this process. Seconds since 1970-01-01 UTC.
pub fn now() -> i64 {
    *CHOSEN.get_or_init(|| NOW)
}

/// Turns this process to the machine's own time, by the hour, before anything is made: for a server that looks at the clock.
pub fn follow_machine() {
    let machine = SystemTime::now().duration_since(UNIX_EPOCH).expect("a machine after 1970").as_secs() as i64;
    let hour = machine - machine % 3_600;
    assert_eq!(*CHOSEN.get_or_init(|| hour), hour, "the time was asked for before");
}

/// Year, month and day of a time in seconds since 1970-01-01 UTC. Howard Hinnant's algorithm: years begin in March.
pub fn date(seconds: i64) -> (i64, i64, i64) {
    let shifted = seconds.div_euclid(86_400) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A time as RFC 3339 writes it.
pub fn rfc3339(seconds: i64) -> String {
    let ((year, month, day), rest) = (date(seconds), seconds.rem_euclid(86_400));
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written() {
        assert_eq!(rfc3339(NOW), "2026-11-23T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(now(), NOW);
    }
}
