//! Exported names: prefix, unit and suffixes.

use super::MetricKind;
use super::options::Options;

/// The unit of durations, which the options turn into milliseconds or seconds.
pub(crate) const DURATION: &str = "duration";

/// Returns the unit as it is exported.
pub(super) fn unit<'a>(unit: &'a str, options: &Options) -> &'a str {
    match unit {
        DURATION if options.durations_as_seconds => "s",
        DURATION => "ms",
        other => other,
    }
}

/// Returns the name as it is exported. `name` has its prefix already, `unit` is the exported unit.
pub(super) fn exported(name: &str, kind: MetricKind, unit: &str, options: &Options) -> String {
    let mut exported = name.to_string();
    if options.unit_suffix {
        let words = match unit {
            "ms" => "milliseconds",
            "s" => "seconds",
            other => other,
        };
        append(&mut exported, words);
    }
    if options.counters_total_suffix && kind == MetricKind::Counter {
        append(&mut exported, "total");
    }
    exported
}

fn append(name: &mut String, suffix: &str) {
    let is_there = name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('_'));
    if !suffix.is_empty() && !is_there {
        name.push('_');
        name.push_str(suffix);
    }
}
