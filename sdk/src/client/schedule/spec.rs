//! When a schedule acts: calendars, intervals and cron expressions, and what limits them.

use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::schedule::v1 as proto;

use super::Kept;
use super::range::ScheduleRange;
use crate::duration::{from_proto, time_to_proto, to_proto};
use crate::presence;

/// The times of a schedule (Temporal's `ScheduleSpec`): each time of a calendar, an interval or a cron expression that is
/// not excluded.
///
/// A description shows cron expressions as the calendars and intervals that the server has made of them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
#[must_use = "a spec does nothing until `Schedule::spec` takes it"]
pub struct ScheduleSpec {
    /// Times by the clock and the calendar.
    pub calendars: Vec<ScheduleCalendar>,
    /// Times at equal distances.
    pub intervals: Vec<ScheduleInterval>,
    /// Cron expressions, which the server converts to calendars and intervals.
    pub cron_expressions: Vec<String>,
    /// Times at which the schedule does not act.
    pub excluded_calendars: Vec<ScheduleCalendar>,
    /// The first time at which the schedule may act; `None` for no limit.
    pub start_time: Option<SystemTime>,
    /// The last time at which the schedule may act; `None` for no limit.
    pub end_time: Option<SystemTime>,
    /// Longest random delay of each time; `None` for no delay.
    pub jitter: Option<Duration>,
    /// Name of the calendars' time zone, such as `Europe/Berlin`; `None` for UTC.
    pub time_zone: Option<String>,
    kept: Kept<Box<proto::ScheduleSpec>>,
}

impl ScheduleSpec {
    /// Creates a spec without times.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the times of a calendar.
    pub fn calendar(mut self, calendar: ScheduleCalendar) -> Self {
        self.calendars.push(calendar);
        self
    }

    /// Adds times at equal distances, counted from the start of 1970 in UTC. The server takes whole seconds.
    pub fn every(mut self, interval: Duration) -> Self {
        self.intervals.push(ScheduleInterval { every: interval, offset: Duration::ZERO });
        self
    }

    /// Adds times at equal distances, each later by an offset: every day with an offset of 6 hours is 6:00 in UTC. The
    /// offset must be shorter than the interval.
    pub fn every_with_offset(mut self, interval: Duration, offset: Duration) -> Self {
        self.intervals.push(ScheduleInterval { every: interval, offset });
        self
    }

    /// Adds the times of a cron expression: `30 6 * * 1-5`, `@daily`, `@every 90m/10m`. It may have 5 to 7 fields, with
    /// seconds first and years last. Both the day of the month and the day of the week must fit. `CRON_TZ=Europe/Berlin`
    /// before it sets the time zone of the whole spec.
    pub fn cron(mut self, expression: impl Into<String>) -> Self {
        self.cron_expressions.push(expression.into());
        self
    }

    /// Excludes every time that fits this calendar, such as holidays. A new calendar fits only midnight: to exclude whole
    /// days, begin with [`ScheduleCalendar::whole_days`].
    pub fn exclude(mut self, calendar: ScheduleCalendar) -> Self {
        self.excluded_calendars.push(calendar);
        self
    }

    /// Sets the first time at which the schedule may act. Default: no limit.
    pub fn start_time(mut self, time: SystemTime) -> Self {
        self.start_time = Some(time);
        self
    }

    /// Sets the last time at which the schedule may act. Default: no limit.
    pub fn end_time(mut self, time: SystemTime) -> Self {
        self.end_time = Some(time);
        self
    }

    /// Delays each time by a random duration, at most this long and at most until the next time. Default: no delay.
    pub fn jitter(mut self, longest: Duration) -> Self {
        self.jitter = Some(longest);
        self
    }

    /// Sets the time zone of the calendars by its IANA name, such as `Europe/Berlin`. A time that the change to summer
    /// time skips is skipped, and one that occurs twice counts twice. Default: UTC.
    pub fn time_zone(mut self, name: impl Into<String>) -> Self {
        self.time_zone = Some(name.into());
        self
    }

    pub(super) fn from_proto(spec: Option<proto::ScheduleSpec>) -> Self {
        let mut spec = spec.unwrap_or_default();
        let calendars = std::mem::take(&mut spec.structured_calendar);
        let excluded = std::mem::take(&mut spec.exclude_structured_calendar);
        Self {
            calendars: calendars.into_iter().map(ScheduleCalendar::from_proto).collect(),
            intervals: std::mem::take(&mut spec.interval).iter().map(ScheduleInterval::from_proto).collect(),
            cron_expressions: std::mem::take(&mut spec.cron_string),
            excluded_calendars: excluded.into_iter().map(ScheduleCalendar::from_proto).collect(),
            start_time: presence::time(spec.start_time.take().as_ref()),
            end_time: presence::time(spec.end_time.take().as_ref()),
            jitter: presence::duration(spec.jitter.take().as_ref()),
            time_zone: Some(std::mem::take(&mut spec.timezone_name)).filter(|name| !name.is_empty()),
            kept: Kept(Box::new(spec)),
        }
    }

    pub(super) fn to_proto(&self) -> proto::ScheduleSpec {
        proto::ScheduleSpec {
            structured_calendar: self.calendars.iter().map(ScheduleCalendar::to_proto).collect(),
            interval: self.intervals.iter().map(|interval| interval.to_proto()).collect(),
            cron_string: self.cron_expressions.clone(),
            exclude_structured_calendar: self.excluded_calendars.iter().map(ScheduleCalendar::to_proto).collect(),
            start_time: self.start_time.map(time_to_proto),
            end_time: self.end_time.map(time_to_proto),
            jitter: self.jitter.map(to_proto),
            timezone_name: self.time_zone.clone().unwrap_or_default(),
            ..(*self.kept.0).clone()
        }
    }
}

/// Times at equal distances (Temporal's `IntervalSpec`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleInterval {
    /// The distance of two times.
    pub every: Duration,
    /// Offset of each time from a multiple of the distance.
    pub offset: Duration,
}

impl ScheduleInterval {
    fn from_proto(interval: &proto::IntervalSpec) -> Self {
        let read = |duration: Option<_>| duration.as_ref().map(from_proto).unwrap_or_default();
        Self { every: read(interval.interval), offset: read(interval.phase) }
    }

    fn to_proto(self) -> proto::IntervalSpec {
        let phase = Some(self.offset).filter(|offset| !offset.is_zero()).map(to_proto);
        proto::IntervalSpec { interval: Some(to_proto(self.every)), phase }
    }
}

/// Times by the clock and the calendar (Temporal's `StructuredCalendarSpec`): those that fit every field.
///
/// A new calendar is midnight of each day. See [`ScheduleRange`] for what a field takes.
///
/// ```
/// use abide::client::ScheduleCalendar;
///
/// // At 8:00 and 20:00, on the first day of each quarter.
/// let calendar = ScheduleCalendar::new().hours([8, 20]).days_of_month([1]).months([1, 4, 7, 10]);
/// # let _ = calendar;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[must_use = "a calendar does nothing until a spec takes it"]
pub struct ScheduleCalendar {
    /// Seconds, from 0 to 59.
    pub seconds: Vec<ScheduleRange>,
    /// Minutes, from 0 to 59.
    pub minutes: Vec<ScheduleRange>,
    /// Hours, from 0 to 23.
    pub hours: Vec<ScheduleRange>,
    /// Days of the month, from 1 to 31.
    pub days_of_month: Vec<ScheduleRange>,
    /// Months, from 1 to 12.
    pub months: Vec<ScheduleRange>,
    /// Years; an empty list is all years.
    pub years: Vec<ScheduleRange>,
    /// Days of the week, from 0 (Sunday) to 6 (Saturday).
    pub days_of_week: Vec<ScheduleRange>,
    /// Comment about the calendar, for people; empty for none.
    pub comment: String,
}

macro_rules! calendar_fields {
    ($($(#[$doc:meta])* $field:ident,)*) => {$(
        $(#[$doc])*
        pub fn $field<R: Into<ScheduleRange>>(mut self, ranges: impl IntoIterator<Item = R>) -> Self {
            self.$field = ranges.into_iter().map(Into::into).collect();
            self
        }
    )*};
}

impl ScheduleCalendar {
    /// Creates a calendar with midnight of each day.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a calendar with every second of each day, to [exclude](ScheduleSpec::exclude) whole days.
    ///
    /// ```
    /// use abide::client::ScheduleCalendar;
    ///
    /// let christmas = ScheduleCalendar::whole_days().months([12]).days_of_month([24..=26]);
    /// # let _ = christmas;
    /// ```
    pub fn whole_days() -> Self {
        Self::new().seconds([0..=59]).minutes([0..=59]).hours([0..=23])
    }

    calendar_fields! {
        /// Sets the seconds, from 0 to 59. Default: 0.
        seconds,
        /// Sets the minutes, from 0 to 59. Default: 0.
        minutes,
        /// Sets the hours, from 0 to 23. Default: 0.
        hours,
        /// Sets the days of the month, from 1 to 31. Default: all.
        days_of_month,
        /// Sets the months, from 1 to 12. Default: all.
        months,
        /// Sets the years. Default: all.
        years,
        /// Sets the days of the week, from 0 (Sunday) to 6 (Saturday). Default: all.
        days_of_week,
    }

    /// Sets what the calendar is for. Default: no comment.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = comment.into();
        self
    }

    fn from_proto(calendar: proto::StructuredCalendarSpec) -> Self {
        let read = |ranges: &[proto::Range]| ranges.iter().map(ScheduleRange::from_proto).collect();
        Self {
            seconds: read(&calendar.second),
            minutes: read(&calendar.minute),
            hours: read(&calendar.hour),
            days_of_month: read(&calendar.day_of_month),
            months: read(&calendar.month),
            years: read(&calendar.year),
            days_of_week: read(&calendar.day_of_week),
            comment: calendar.comment,
        }
    }

    fn to_proto(&self) -> proto::StructuredCalendarSpec {
        let write = |ranges: &[ScheduleRange]| ranges.iter().map(|range| range.to_proto()).collect();
        // Every field is named, so the compiler reports a new one here.
        proto::StructuredCalendarSpec {
            second: write(&self.seconds),
            minute: write(&self.minutes),
            hour: write(&self.hours),
            day_of_month: write(&self.days_of_month),
            month: write(&self.months),
            year: write(&self.years),
            day_of_week: write(&self.days_of_week),
            comment: self.comment.clone(),
        }
    }
}

impl Default for ScheduleCalendar {
    fn default() -> Self {
        Self {
            seconds: vec![0.into()],
            minutes: vec![0.into()],
            hours: vec![0.into()],
            days_of_month: vec![(1..=31).into()],
            months: vec![(1..=12).into()],
            years: Vec::new(),
            days_of_week: vec![(0..=6).into()],
            comment: String::new(),
        }
    }
}
