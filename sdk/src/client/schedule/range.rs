//! Ranges of numbers in a schedule's calendar.

use std::ops::RangeInclusive;

use abide_protos::temporal::api::schedule::v1::Range;

/// Numbers of one field of a [`ScheduleCalendar`](super::ScheduleCalendar): from `start` to `end`, every `step`.
///
/// A number and a range of numbers convert to it.
///
/// ```
/// use abide::client::{ScheduleCalendar, ScheduleRange};
///
/// // Every ten minutes from 9:00 to 17:50.
/// let office_hours = ScheduleCalendar::new().hours([9..=17]).minutes([ScheduleRange::from(0..=59).step(10)]);
/// assert_eq!(office_hours.hours, [ScheduleRange::from(9..=17)]);
/// ```
// The numbers are `i32` as in Temporal's messages: the type of a literal is inferred only to `i32` behind `Into`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ScheduleRange {
    /// The first number.
    pub start: i32,
    /// The last number; it belongs to the range.
    pub end: i32,
    /// The distance of two numbers; 1 for all.
    pub step: i32,
}

impl ScheduleRange {
    /// Sets the distance of two numbers. Default: 1.
    #[must_use = "the range with this step is returned"]
    pub fn step(mut self, step: i32) -> Self {
        self.step = step;
        self
    }

    /// An end before the start, and a step below 1, are what the server sends for a single number.
    pub(super) fn from_proto(range: &Range) -> Self {
        Self { start: range.start, end: range.end.max(range.start), step: range.step.max(1) }
    }

    pub(super) fn to_proto(self) -> Range {
        Range { start: self.start, end: self.end, step: self.step }
    }
}

impl From<i32> for ScheduleRange {
    fn from(number: i32) -> Self {
        Self { start: number, end: number, step: 1 }
    }
}

impl From<RangeInclusive<i32>> for ScheduleRange {
    fn from(range: RangeInclusive<i32>) -> Self {
        Self { start: *range.start(), end: *range.end(), step: 1 }
    }
}
