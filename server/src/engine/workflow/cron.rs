//! Cron schedules: five fields (minute, hour, day of month, month, day of week), `@daily` and similar names, `@every
//! 90s`. All times are UTC; another time zone is refused.
//!
//! A field is a list of `*`, `?`, `n`, `n-m`, each with an optional step `/s` (`n/s` continues to the end of the
//! field); months and days of the week have English names of three letters. If both days are restricted, either may
//! match.

use std::time::Duration;

use crate::engine::calendar::{self, Date};
use crate::engine::errors::Error;
use crate::engine::time::{self, Time};

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;

/// Number of years to search; a schedule without a time in them never comes.
const YEARS: i64 = 5;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The start times of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Schedule {
    /// This long after the last time.
    Every(Duration),
    Fields(Box<Fields>),
}

/// The matching values, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// True if both kinds of days are restricted: a day matches if one of them does.
    either_day: bool,
}

/// Refuses an invalid schedule, or one that never comes. An empty text means no schedule.
pub(crate) fn validate(schedule: &str, now: Time) -> Result<(), Error> {
    if schedule.is_empty() {
        return Ok(());
    }
    if let Some(zone) = zone(schedule).filter(|zone| !is_utc(zone)) {
        let text = format!("Abide's embedded server supports cron schedules in UTC only, found the time zone {zone:?}");
        return Err(Error::unimplemented(text));
    }
    let schedule = parse(schedule).ok_or_else(|| Error::invalid_argument("invalid CronSchedule."))?;
    match schedule.next(now) {
        Some(_) => Ok(()),
        None => {
            let text = "invalid CronSchedule, no time can be found to satisfy the schedule";
            Err(Error::invalid_argument(text))
        }
    }
}

/// Returns the time from `now` until the next run, in whole seconds; `None` if there is no schedule, or no such time.
/// `last` is the actual or planned start of the previous run's first task.
pub(crate) fn backoff(schedule: &str, last: Time, now: Time) -> Option<Duration> {
    let schedule = parse(schedule)?;
    let next = if now < last { last } else { schedule.next_not_before(last, now)? };
    let wait = next.since(now);
    let up = u64::from(wait.subsec_nanos() > 0);
    Some(Duration::from_secs(wait.as_secs() + up))
}

impl Schedule {
    /// Returns the first time after `last`.
    fn next(&self, last: Time) -> Option<Time> {
        match self {
            Self::Every(interval) => Some(Time::from_nanos(last.nanos().div_euclid(SECOND) * SECOND).plus(*interval)),
            Self::Fields(fields) => fields.next(last),
        }
    }

    /// Returns the first time after `last` that is not before `now`.
    fn next_not_before(&self, last: Time, now: Time) -> Option<Time> {
        let first = self.next(last)?;
        if first >= now {
            return Some(first);
        }
        match self {
            Self::Every(interval) => {
                let missed = now.since(first).as_nanos().div_ceil(interval.as_nanos());
                Some(first.plus(interval.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX))))
            }
            Self::Fields(fields) => fields.next(Time::from_nanos(now.nanos() - 1)),
        }
    }
}

impl Fields {
    fn next(&self, last: Time) -> Option<Time> {
        let (first_day, nanos) = calendar::day_of(last);
        let last_year = Date::of_days(first_day).year + YEARS;
        let mut minute = nanos.div_euclid(MINUTE) + 1;
        for day in first_day.. {
            let date = Date::of_days(day);
            if date.year > last_year {
                return None;
            }
            if self.matches_day(date, calendar::weekday(day))
                && let Some(minute) = (minute..24 * 60).find(|minute| self.matches_minute(*minute))
            {
                return Some(Time::from_nanos(calendar::midnight(day).nanos().saturating_add(minute * MINUTE)));
            }
            minute = 0;
        }
        None
    }

    fn matches_day(&self, date: Date, weekday: u32) -> bool {
        let (day, weekday) = (has(self.days, date.day), has(self.weekdays, weekday));
        has(self.months, date.month) && if self.either_day { day || weekday } else { day && weekday }
    }

    fn matches_minute(&self, minute: i64) -> bool {
        let bit = |value: i64| u32::try_from(value).unwrap_or(63);
        has(self.hours, bit(minute / 60)) && has(self.minutes, bit(minute % 60))
    }
}

fn has(bits: u64, value: u32) -> bool {
    bits & (1 << value) != 0
}

/// Returns the name of the schedule's time zone.
fn zone(schedule: &str) -> Option<&str> {
    let rest = schedule.strip_prefix("CRON_TZ=").or_else(|| schedule.strip_prefix("TZ="))?;
    rest.split_once(' ').map(|(zone, _)| zone)
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "" | "UTC" | "Etc/UTC" | "GMT" | "Etc/GMT")
}

fn parse(schedule: &str) -> Option<Schedule> {
    let schedule = match zone(schedule) {
        Some(zone) if is_utc(zone) => schedule.split_once(' ')?.1.trim(),
        Some(_) => return None,
        None => schedule,
    };
    let fields = match schedule {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => match schedule.strip_prefix("@every ") {
            // The minimum is once per second, in whole seconds.
            Some(interval) => {
                let seconds = (time::go_duration(interval)? / SECOND).max(1);
                return Some(Schedule::Every(Duration::from_secs(seconds.unsigned_abs())));
            }
            None => schedule,
        },
    };
    let mut fields = fields.split_whitespace();
    let [minutes, hours, days, months, weekdays] = std::array::from_fn(|_| fields.next());
    if fields.next().is_some() {
        return None;
    }
    let (minutes, _) = field(minutes?, (0, 59), &[])?;
    let (hours, _) = field(hours?, (0, 23), &[])?;
    let (days, any_day) = field(days?, (1, 31), &[])?;
    let (months, _) = field(months?, (1, 12), &MONTHS)?;
    let (weekdays, any_weekday) = field(weekdays?, (0, 6), &WEEKDAYS)?;
    let either_day = !any_day && !any_weekday;
    Some(Schedule::Fields(Box::new(Fields { minutes, hours, days, months, weekdays, either_day })))
}

/// Returns the bits of a field, and whether it means "any".
fn field(text: &str, bounds: (u32, u32), names: &[&str]) -> Option<(u64, bool)> {
    let (mut bits, mut any) = (0, false);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (from, to, step, star) = range(part, bounds, names)?;
        for value in (from..=to).step_by(usize::try_from(step).ok()?) {
            bits |= 1 << value;
        }
        any |= star && step == 1;
    }
    Some((bits, any))
}

/// Returns the first and last value, the step, and whether it is a star.
fn range(part: &str, (low, high): (u32, u32), names: &[&str]) -> Option<(u32, u32, u32, bool)> {
    let value = |text: &str| -> Option<u32> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        match named {
            Some(index) => u32::try_from(index).ok().map(|index| index + low),
            None => text.parse().ok(),
        }
    };
    let (values, step) = match part.split_once('/') {
        Some((values, step)) => (values, Some(step.parse::<u32>().ok()?)),
        None => (part, None),
    };
    let (first, last) = match values.split_once('-') {
        Some((first, last)) => (first, Some(last)),
        None => (values, None),
    };
    let star = matches!(first, "*" | "?");
    let (from, to) = match last {
        _ if star => (low, high),
        Some(last) => (value(first)?, value(last)?),
        None if step.is_some() => (value(first)?, high),
        None => (value(first)?, value(first)?),
    };
    let step = step.unwrap_or(1);
    (low <= from && from <= to && to <= high && step > 0).then_some((from, to, step, star))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Schedule, backoff, parse, validate};
    use crate::engine::calendar::{Date, midnight};
    use crate::engine::time::Time;

    fn time(year: i64, month: u32, day: u32, hour: u64, minute: u64, second: u64) -> Time {
        midnight(Date { year, month, day }.days()).plus(Duration::from_secs(hour * 3600 + minute * 60 + second))
    }

    /// Returns Monday, 2026-11-23, 14:07:30.5.
    fn now() -> Time {
        time(2026, 11, 23, 14, 7, 30).plus(Duration::from_millis(500))
    }

    #[test]
    fn fields_say_when_the_next_time_is() {
        for (schedule, next) in [
            ("* * * * *", time(2026, 11, 23, 14, 8, 0)),
            ("*/15 * * * *", time(2026, 11, 23, 14, 15, 0)),
            ("5/20 * * * *", time(2026, 11, 23, 14, 25, 0)),
            ("0 3 * * *", time(2026, 11, 24, 3, 0, 0)),
            ("30 9-17/2 * * *", time(2026, 11, 23, 15, 30, 0)),
            ("0 0 1 jan,JUL ?", time(2027, 1, 1, 0, 0, 0)),
            ("0 0 29 2 *", time(2028, 2, 29, 0, 0, 0)),
            ("0 12 * * fri-sat", time(2026, 11, 27, 12, 0, 0)),
            ("0 12 1 * wed", time(2026, 11, 25, 12, 0, 0)),
            ("0 12 */2 * wed", time(2026, 11, 25, 12, 0, 0)),
            ("@hourly", time(2026, 11, 23, 15, 0, 0)),
            ("@daily", time(2026, 11, 24, 0, 0, 0)),
            ("@weekly", time(2026, 11, 29, 0, 0, 0)),
            ("@monthly", time(2026, 12, 1, 0, 0, 0)),
            ("@yearly", time(2027, 1, 1, 0, 0, 0)),
            ("@every 90s", time(2026, 11, 23, 14, 9, 0)),
            ("@every 1h30m", time(2026, 11, 23, 15, 37, 30)),
            ("@every 10ms", time(2026, 11, 23, 14, 7, 31)),
            ("CRON_TZ=UTC 0 3 * * *", time(2026, 11, 24, 3, 0, 0)),
            ("TZ=UTC  @every 1m", time(2026, 11, 23, 14, 8, 30)),
        ] {
            let parsed = parse(schedule).unwrap_or_else(|| panic!("{schedule} is a schedule"));
            assert_eq!(parsed.next(now()), Some(next), "{schedule}");
            validate(schedule, now()).expect(schedule);
        }
    }

    #[test]
    fn an_invalid_schedule_is_refused_with_the_real_servers_words() {
        for schedule in [
            "never",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "1-2-3 * * * *",
            "1/2/3 * * * *",
            "a * * * *",
            "-1 * * * *",
            "@sometimes",
            "@every",
            "@every soon",
            "@every 5",
            " ",
        ] {
            let error = validate(schedule, now()).expect_err(schedule);
            assert_eq!(error.message, "invalid CronSchedule.", "{schedule}");
        }
        let error = validate("0 0 31 2 *", now()).expect_err("there is no such day");
        assert_eq!(error.message, "invalid CronSchedule, no time can be found to satisfy the schedule");
        let error = validate("CRON_TZ=Europe/Berlin 0 3 * * *", now()).expect_err("not supported");
        assert!(error.message.contains("\"Europe/Berlin\""), "{}", error.message);
    }

    #[test]
    fn the_wait_is_whole_seconds_from_now_and_skips_what_was_missed() {
        let start = time(2026, 11, 23, 14, 0, 0);
        let after = |millis: u64| start.plus(Duration::from_millis(millis));
        let wait = |schedule: &str, now: Time| backoff(schedule, start, now).map(|wait| wait.as_secs());
        assert_eq!(wait("@every 10s", after(3_200)), Some(7));
        assert_eq!(wait("@every 10s", after(10_000)), Some(0));
        assert_eq!(wait("@every 10s", after(34_500)), Some(6));
        assert_eq!(wait("* * * * *", after(59_001)), Some(1));
        assert_eq!(wait("* * * * *", after(150_000)), Some(30));
        assert_eq!(wait("0 0 31 2 *", start), None);
        assert_eq!(wait("", start), None);
        // A run that ends before its time waits for the same time again.
        assert_eq!(backoff("* * * * *", after(60_000), after(20_000)), Some(Duration::from_secs(40)));
    }

    #[test]
    fn a_very_long_time_is_skipped_at_once() {
        let schedule = Schedule::Every(Duration::from_secs(1));
        let later = now().plus(Duration::from_secs(86_400 * 365 * 20));
        assert_eq!(
            schedule.next_not_before(now(), later).map(|next| next.since(later) < Duration::from_secs(1)),
            Some(true)
        );
    }
}
