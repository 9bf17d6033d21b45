//! Dates of the Gregorian calendar in UTC, as days since 1970-01-01, for cron schedules and queries.

use super::time::Time;

const NANOS_OF_DAY: i64 = 86_400 * 1_000_000_000;

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u32,
    /// 1 to 31.
    pub(crate) day: u32,
}

impl Date {
    /// Returns the date this many days after 1970-01-01.
    pub(crate) fn of_days(days: i64) -> Self {
        // In years that begin in March, the leap day is the last one, and 400 of them always have the same length.
        let days = days + days_before_1970();
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Self { year: era * 400 + year_of_era + next_year, month: small(month), day: small(day) }
    }

    /// Returns the number of days since 1970-01-01.
    pub(crate) fn days(self) -> i64 {
        let month = i64::from(self.month);
        let year = if month <= 2 { self.year - 1 } else { self.year };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year - days_before_1970()
    }

    /// Returns true if the date exists.
    pub(crate) fn exists(self) -> bool {
        (1..=12).contains(&self.month) && self.day >= 1 && Self::of_days(self.days()) == self
    }
}

/// Returns the day of a point in time (days since 1970-01-01), and the nanoseconds within that day.
pub(crate) fn day_of(time: Time) -> (i64, i64) {
    (time.nanos().div_euclid(NANOS_OF_DAY), time.nanos().rem_euclid(NANOS_OF_DAY))
}

/// Returns the start of a day, or the end of the time range if it is not representable.
pub(crate) fn midnight(days: i64) -> Time {
    Time::from_nanos(days.saturating_mul(NANOS_OF_DAY))
}

/// Returns the day of the week; 0 is Sunday.
pub(crate) fn weekday(days: i64) -> u32 {
    small((days + 4).rem_euclid(7))
}

/// Days from March 1 of the year 0 to 1970-01-01.
const fn days_before_1970() -> i64 {
    719_468
}

fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Date, weekday};

    #[test]
    fn days_and_dates_are_the_same_thing_twice() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_780, (2026, 11, 23)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            let date = Date { year: date.0, month: date.1, day: date.2 };
            assert_eq!(Date::of_days(days), date);
            assert_eq!(date.days(), days);
        }
        for days in (-200_000..200_000).step_by(97) {
            assert_eq!(Date::of_days(days).days(), days);
        }
    }

    #[test]
    fn there_is_no_29_february_in_2026_and_no_month_13() {
        assert!(Date { year: 2024, month: 2, day: 29 }.exists());
        assert!(!Date { year: 2026, month: 2, day: 29 }.exists());
        assert!(!Date { year: 2026, month: 13, day: 1 }.exists());
    }

    #[test]
    fn the_first_day_was_a_thursday() {
        assert_eq!([weekday(0), weekday(3), weekday(20_780)], [4, 0, 1]);
    }
}
