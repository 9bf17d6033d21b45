//! Selects the runs that match a query. As in SQL, an attribute that a run does not have is neither equal to a value
//! nor different from it, except for texts and keyword lists: without the value they count as different.

use std::cmp::Ordering;

use super::query::{Condition, Literal, Operator, Selection, Test, invalid};
use super::search_attributes::{Registered, elements};
use crate::engine::api::common::Payload;
use crate::engine::api::enums::{IndexedValueType, WorkflowExecutionStatus as Status};
use crate::engine::calendar::{Date, midnight};
use crate::engine::errors::Error;
use crate::engine::time::{self, Time};
use crate::engine::workflow::Execution;

/// The type of a search attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Keyword,
    KeywordList,
    Text,
    Int,
    Double,
    Bool,
    Datetime,
    /// ExecutionStatus: a keyword that may be written as a number.
    Status,
    /// ExecutionDuration: nanoseconds, may be written as a duration.
    Duration,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    List(Vec<String>),
    Int(i64),
    Double(f64),
    Bool(bool),
    /// Real servers store microseconds.
    Micros(i64),
}

/// A query with checked values.
#[derive(Debug)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Attribute { name: String, kind: Kind, check: Check, negated: bool },
}

#[derive(Debug)]
pub(crate) enum Check {
    Compare(Operator, Known),
    In(Vec<Known>),
    Between(Known, Known),
    StartsWith(String),
    IsNull,
}

/// A value that fits the attribute it is compared with.
#[derive(Debug)]
pub(crate) struct Known(Value);

impl Filter {
    pub(crate) fn new(query: Selection, known: &Registered) -> Result<Self, Error> {
        let all = |queries: Vec<Selection>| -> Result<Vec<Self>, Error> {
            queries.into_iter().map(|query| Self::new(query, known)).collect()
        };
        Ok(match query {
            Selection::And(queries) => Self::And(all(queries)?),
            Selection::Or(queries) => Self::Or(all(queries)?),
            Selection::Not(query) => Self::Not(Box::new(Self::new(*query, known)?)),
            Selection::Refused(reason) => return Err(invalid(reason)),
            Selection::Condition(Condition { name, test, negated }) => {
                let Some((name, kind)) = known.resolve(&name) else {
                    return Err(invalid(format!("invalid search attribute: {name}")));
                };
                let check = check(&name, kind, test, negated)?;
                Self::Attribute { name, kind, check, negated }
            }
        })
    }

    pub(crate) fn selects(&self, run: &Execution) -> bool {
        self.holds(run) == Some(true)
    }

    /// Returns `None` if the result is unknown, because the run does not have the attribute.
    fn holds(&self, run: &Execution) -> Option<bool> {
        match self {
            Self::And(all) => decide(all, run, false),
            Self::Or(all) => decide(all, run, true),
            Self::Not(inner) => inner.holds(run).map(|holds| !holds),
            Self::Attribute { name, kind, check, negated } => {
                let value = value_of(run, name, *kind);
                let holds = match (check, value) {
                    (Check::IsNull, value) => Some(value.is_none()),
                    (Check::Compare(Operator::NotEqual, known), value) if matches_by_search(*kind) => {
                        Some(!value.is_some_and(|value| value.equals(&known.0, *kind)))
                    }
                    (_, None) if matches_by_search(*kind) => Some(false),
                    (check, value) => check.holds(&value?, *kind),
                };
                holds.map(|holds| holds != *negated)
            }
        }
    }
}

/// Returns `decisive` if one of the filters says so; otherwise the opposite, unless one of them says nothing.
fn decide(filters: &[Filter], run: &Execution, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for filter in filters {
        match filter.holds(run) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

impl Check {
    fn holds(&self, value: &Value, kind: Kind) -> Option<bool> {
        Some(match self {
            Self::Compare(operator, Known(known)) => match operator {
                Operator::Equal | Operator::NullSafeEqual => value.equals(known, kind),
                Operator::NotEqual => !value.equals(known, kind),
                Operator::Less => value.order(known)?.is_lt(),
                Operator::LessOrEqual => value.order(known)?.is_le(),
                Operator::Greater => value.order(known)?.is_gt(),
                Operator::GreaterOrEqual => value.order(known)?.is_ge(),
            },
            Self::In(known) => known.iter().any(|known| value.equals(&known.0, kind)),
            Self::Between(from, to) => value.order(&from.0)?.is_ge() && value.order(&to.0)?.is_le(),
            Self::StartsWith(prefix) => matches!(value, Value::Text(text) if text.starts_with(prefix.as_str())),
            Self::IsNull => false,
        })
    }
}

impl Value {
    fn equals(&self, known: &Self, kind: Kind) -> bool {
        match self {
            Self::List(items) => matches!(known, Self::Text(text) if items.contains(text)),
            Self::Text(text) if kind == Kind::Text => matches!(known, Self::Text(wanted) if holds_word(text, wanted)),
            Self::Text(_) | Self::Int(_) | Self::Double(_) | Self::Bool(_) | Self::Micros(_) => {
                self.order(known) == Some(Ordering::Equal)
            }
        }
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            (Self::Int(left), Self::Int(right)) | (Self::Micros(left), Self::Micros(right)) => Some(left.cmp(right)),
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::Int(_) | Self::Double(_), other) => self.number()?.partial_cmp(&other.number()?),
            (Self::Text(_) | Self::List(_) | Self::Bool(_) | Self::Micros(_), _) => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Double(number) => Some(*number),
            Self::Text(_) | Self::List(_) | Self::Bool(_) | Self::Micros(_) => None,
        }
    }
}

impl Kind {
    /// Returns how values of a search attribute are compared.
    pub(crate) fn of(name: &str, kind: IndexedValueType) -> Self {
        match (name, kind) {
            ("ExecutionStatus", _) => Self::Status,
            ("ExecutionDuration", _) => Self::Duration,
            (_, IndexedValueType::Text) => Self::Text,
            (_, IndexedValueType::Int) => Self::Int,
            (_, IndexedValueType::Double) => Self::Double,
            (_, IndexedValueType::Bool) => Self::Bool,
            (_, IndexedValueType::Datetime) => Self::Datetime,
            (_, IndexedValueType::KeywordList) => Self::KeywordList,
            (_, IndexedValueType::Keyword | IndexedValueType::Unspecified) => Self::Keyword,
        }
    }
}

/// Returns true if a text is a valid time for search attributes.
pub(crate) fn is_datetime(text: &str) -> bool {
    datetime(text).is_some()
}

/// Returns true if values are matched by search, not as a whole.
fn matches_by_search(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::KeywordList)
}

/// Returns true if `text` contains one of the words of `wanted`, ignoring case.
fn holds_word(text: &str, wanted: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let text = words(text);
    wanted.split(' ').map(words).filter(|word| !word.is_empty()).any(|word| text.windows(word.len()).any(|w| w == word))
}

fn value_of(run: &Execution, name: &str, kind: Kind) -> Option<Value> {
    let state = &run.state;
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let (parent, root) = (&state.start.parent_workflow_execution, &state.start.root_workflow_execution);
    match name {
        "WorkflowId" => text(&run.workflow_id),
        "RunId" => text(&run.run_id),
        "WorkflowType" => text(&state.start.workflow_type.as_ref()?.name),
        "TaskQueue" => text(state.task_queue()),
        "ParentWorkflowId" => text(&parent.as_ref()?.workflow_id),
        "ParentRunId" => text(&parent.as_ref()?.run_id),
        "RootWorkflowId" => text(root.as_ref().map_or(&run.workflow_id, |root| &root.workflow_id)),
        "RootRunId" => text(root.as_ref().map_or(run.first_run_id(), |root| &root.run_id)),
        "ExecutionStatus" => Some(Value::Int(i64::from(i32::from(state.status)))),
        "StartTime" => Some(micros(state.start_time)),
        "ExecutionTime" => Some(micros(state.execution_time())),
        "CloseTime" => state.close_time.map(micros),
        // Only closed runs have the others.
        "ExecutionDuration" => {
            let duration = state.close_time?.since(state.execution_time());
            Some(Value::Int(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
        }
        "HistoryLength" => state.close_time.map(|_| Value::Int(run.next_event_id() - 1)),
        "HistorySizeBytes" => state.close_time.map(|_| Value::Int(run.history.size_bytes)),
        "StateTransitionCount" => state.close_time.map(|_| Value::Int(run.transitions)),
        custom => read(state.search_attributes.get(custom)?, kind),
    }
}

/// Reads a search attribute's value, which is JSON.
fn read(payload: &Payload, kind: Kind) -> Option<Value> {
    let json = std::str::from_utf8(&payload.data).ok()?.trim();
    // A list of one value is accepted in the place of the value.
    let single = || match elements(json) {
        Some(items) => items.first().copied(),
        None => Some(json),
    };
    match kind {
        Kind::KeywordList => Some(Value::List(strings(json))),
        Kind::Int | Kind::Duration | Kind::Status => single()?.parse().ok().map(Value::Int),
        Kind::Double => single()?.parse().ok().map(Value::Double),
        Kind::Bool => single()?.parse().ok().map(Value::Bool),
        Kind::Datetime => strings(json).first().and_then(|text| datetime(text)).map(micros),
        Kind::Keyword | Kind::Text => strings(json).into_iter().next().map(Value::Text),
    }
}

/// Returns the JSON strings in a string or a list of strings.
pub(crate) fn strings(json: &str) -> Vec<String> {
    let (mut strings, mut current) = (Vec::new(), None::<String>);
    let mut characters = json.chars();
    while let Some(character) = characters.next() {
        match (&mut current, character) {
            (None, '"') => current = Some(String::new()),
            (None, _) => {}
            (Some(_), '"') => strings.extend(current.take()),
            (Some(text), '\\') => text.extend(escaped(&mut characters)),
            (Some(text), other) => text.push(other),
        }
    }
    strings
}

/// Decodes the characters after a backslash in JSON.
fn escaped(characters: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match characters.next()? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => {
            let first = code_unit(characters)?;
            let mut after = characters.clone();
            let is_high = (0xD800..0xDC00).contains(&first);
            let second = if is_high && after.next() == Some('\\') && after.next() == Some('u') {
                code_unit(&mut after).filter(|unit| (0xDC00..0xE000).contains(unit))
            } else {
                None
            };
            let mut pair = char::decode_utf16([Some(first), second].into_iter().flatten());
            if second.is_some() {
                *characters = after;
            }
            pair.next()?.unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        other => other,
    })
}

/// Reads the four digits after `\\u`.
fn code_unit(characters: &mut std::str::Chars<'_>) -> Option<u16> {
    let digits: String = characters.by_ref().take(4).collect();
    u16::from_str_radix(&digits, 16).ok()
}

fn micros(time: Time) -> Value {
    Value::Micros(time.nanos().div_euclid(1_000))
}

/// Checks first the values of a test, then if attributes of this type support it.
fn check(name: &str, kind: Kind, test: Test, negated: bool) -> Result<Check, Error> {
    let known = |literal: Literal| known(name, kind, literal).map(Known);
    let kind_name = name_of(kind);
    let refused = operator_refused(kind, &test, negated).map(|operator| {
        let text = format!("operator '{operator}' not supported for {kind_name} type search attribute '{name}'");
        invalid(format!("operation is not supported: {text}"))
    });
    let no_range = matches!(kind, Kind::Text | Kind::KeywordList | Kind::Bool);
    let check = match test {
        Test::Compare(operator, literal) => Check::Compare(operator, known(literal)?),
        Test::In(literals) => Check::In(literals.into_iter().map(known).collect::<Result<_, _>>()?),
        Test::Between(..) if no_range => {
            let text = format!("cannot do range condition on search attribute '{name}' of type {kind_name}");
            return Err(invalid(format!("invalid expression: {text}")));
        }
        Test::Between(from, to) => Check::Between(known(from)?, known(to)?),
        Test::StartsWith(literal) => match known(literal)?.0 {
            Value::Text(prefix) => Check::StartsWith(prefix),
            // Only texts have a prefix; attributes with other values refuse the operator below.
            Value::List(_) | Value::Int(_) | Value::Double(_) | Value::Bool(_) | Value::Micros(_) => {
                Check::In(Vec::new())
            }
        },
        Test::Like(_, literal) => {
            known(literal)?;
            Check::In(Vec::new())
        }
        Test::IsNull => Check::IsNull,
        Test::IsBool => {
            let text = "'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'";
            return Err(invalid(format!("invalid expression: {text}")));
        }
    };
    refused.map_or(Ok(check), Err)
}

/// Returns the operator of a test, if attributes of this type do not support it.
fn operator_refused(kind: Kind, test: &Test, negated: bool) -> Option<&'static str> {
    let (operator, known) = match test {
        Test::Compare(Operator::Equal | Operator::NotEqual, _) | Test::IsNull | Test::IsBool | Test::Between(..) => {
            return None;
        }
        Test::Compare(Operator::NullSafeEqual, _) => ("<=>", false),
        Test::Compare(Operator::Less, _) => ("<", !matches_by_search(kind)),
        Test::Compare(Operator::LessOrEqual, _) => ("<=", !matches_by_search(kind)),
        Test::Compare(Operator::Greater, _) => (">", !matches_by_search(kind)),
        Test::Compare(Operator::GreaterOrEqual, _) => (">=", !matches_by_search(kind)),
        Test::In(_) => (if negated { "NOT IN" } else { "IN" }, kind != Kind::Text),
        Test::Like("REGEXP", _) => (if negated { "NOT REGEXP" } else { "REGEXP" }, false),
        Test::Like(..) => (if negated { "NOT LIKE" } else { "LIKE" }, false),
        Test::StartsWith(_) => {
            let known = matches!(kind, Kind::Keyword | Kind::Status);
            (if negated { "NOT STARTS_WITH" } else { "STARTS_WITH" }, known)
        }
    };
    (!known).then_some(operator)
}

/// Formats a number as Go does: `1.5`, `1e+18`.
fn go_float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let parts = scientific.split_once('e').and_then(|(digits, power)| Some((digits, power.parse::<i32>().ok()?)));
    match parts {
        Some((digits, power)) if !(-4..6).contains(&power) => {
            let sign = if power < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", power.unsigned_abs())
        }
        _ => number.to_string(),
    }
}

/// Converts a literal that is compared with an attribute of this type.
fn known(name: &str, kind: Kind, literal: Literal) -> Result<Value, Error> {
    match (kind, literal) {
        (_, Literal::Refused(reason)) => Err(invalid(reason)),
        (Kind::Status, Literal::Text(name)) => status(|status| name_is(status, &name), format!("'{name}'")),
        (Kind::Status, Literal::Int(value)) => {
            status(|status| i64::from(i32::from(status)) == value, value.to_string())
        }
        (Kind::Status | Kind::Duration, Literal::Double(_)) => {
            let text = format!("unexpected value type float64 for search attribute {name}");
            Err(invalid(format!("invalid expression: {text}")))
        }
        (Kind::Duration, Literal::Text(text)) => duration(&text).map(Value::Int).ok_or_else(|| {
            invalid(format!("invalid expression: invalid duration value for search attribute {name}: {text}"))
        }),
        (Kind::Text, Literal::Text(text)) if text.trim().is_empty() => {
            Err(invalid(format!("invalid expression: no tokens found filtering on Text type search attribute {name}")))
        }
        (Kind::Datetime, Literal::Text(text)) => datetime(&text)
            .map(micros)
            .ok_or_else(|| invalid(format!("invalid expression: unable to parse datetime '{text}'"))),
        (Kind::Datetime, Literal::Int(nanos)) => Ok(micros(Time::from_nanos(nanos))),
        (Kind::Keyword | Kind::KeywordList | Kind::Text, Literal::Text(text)) => Ok(Value::Text(text)),
        (Kind::Int | Kind::Double | Kind::Duration, Literal::Int(number)) => Ok(Value::Int(number)),
        (Kind::Int | Kind::Double, Literal::Double(number)) => Ok(Value::Double(number)),
        (Kind::Bool, Literal::Bool(value)) => Ok(Value::Bool(value)),
        (kind, literal) => {
            let (value, type_name) = match literal {
                Literal::Text(text) => (format!("{text:?}"), "string"),
                Literal::Int(number) => (number.to_string(), "int64"),
                Literal::Double(number) => (go_float(number), "float64"),
                Literal::Bool(value) => (value.to_string(), "bool"),
                Literal::Refused(reason) => (reason, "none"),
            };
            Err(invalid(format!(
                "invalid expression: invalid value type for search attribute {name} of type {}: {value} (type: {type_name})",
                name_of(kind)
            )))
        }
    }
}

fn name_of(kind: Kind) -> String {
    match kind {
        Kind::Status => "Keyword".to_owned(),
        Kind::Duration => "Int".to_owned(),
        Kind::Keyword | Kind::KeywordList | Kind::Text | Kind::Int | Kind::Double | Kind::Bool | Kind::Datetime => {
            format!("{kind:?}")
        }
    }
}

fn status(is_meant: impl Fn(Status) -> bool, written: String) -> Result<Value, Error> {
    let all = [
        Status::Unspecified,
        Status::Running,
        Status::Completed,
        Status::Failed,
        Status::Canceled,
        Status::Terminated,
        Status::ContinuedAsNew,
        Status::TimedOut,
        Status::Paused,
    ];
    let found = all.into_iter().find(|status| is_meant(*status));
    let found = found.ok_or_else(|| invalid(format!("invalid expression: invalid ExecutionStatus value {written}")))?;
    Ok(Value::Int(i64::from(i32::from(found))))
}

/// A status has a short name and a full one that includes the enum.
fn name_is(status: Status, name: &str) -> bool {
    format!("{status:?}") == name || status.as_str_name() == name
}

/// Parses `90s`, `2d`, `01:30:00` or a plain number to nanoseconds.
fn duration(text: &str) -> Option<i64> {
    if let Some(nanos) = text.parse().ok().or_else(|| time::go_duration_with_days(text)) {
        return Some(nanos);
    }
    let parts: Vec<i64> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours @ (0..), minutes @ 0..60, seconds @ 0..60] = parts[..] else { return None };
    hours.checked_mul(3_600)?.checked_add(minutes * 60 + seconds)?.checked_mul(1_000_000_000)
}

/// Parses an RFC 3339 time: `2026-11-23T14:07:28.5+01:00`. One that is out of the range of [`Time`] is cut to it.
fn datetime(text: &str) -> Option<Time> {
    let (date, rest) = text.split_once('T')?;
    let offset_at = rest.find(['Z', '+', '-'])?;
    let (clock, offset) = rest.split_at(offset_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let date = Date { year: i64::from(year), month, day };
    if !date.exists() || hour > 23 || minute > 59 || second > 59 || !is_digits(fraction) {
        return None;
    }
    let offset = match offset {
        "Z" => 0,
        offset => {
            let [hours, minutes] = numbers(&offset[1..], ':', [2, 2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = i64::from(hours * 60 + minutes);
            if offset.starts_with('-') { -minutes } else { minutes }
        }
    };
    let seconds = i64::from(hour * 3_600 + minute * 60 + second) - offset * 60;
    let nanos: i64 = format!("{fraction:0<9.9}").parse().ok()?;
    Some(Time::from_nanos(midnight(date.days()).nanos().saturating_add(seconds * 1_000_000_000 + nanos)))
}

/// Parses numbers with these many digits each.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[u32; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && is_digits(part))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{Kind, Payload, Value, datetime, duration, holds_word, read, strings};

    #[test]
    fn points_in_time_are_read_as_rfc_3339() {
        let seconds = |text: &str| datetime(text).map(|time| time.nanos() / 1_000_000);
        assert_eq!(seconds("1970-01-02T00:00:01Z"), Some(86_401_000));
        assert_eq!(seconds("1970-01-01T01:00:00.25+01:00"), Some(250));
        assert_eq!(seconds("1969-12-31T23:00:00-01:00"), Some(0));
        assert_eq!(seconds("1970-01-01T00:00:00.1234567891Z"), Some(123));
        assert_eq!(seconds("9999-12-31T23:59:59Z"), Some(i64::MAX / 1_000_000), "later than can be told");
        assert_eq!(seconds("0001-01-01T00:00:00Z"), Some(i64::MIN / 1_000_000), "earlier than can be told");
        for text in [
            "",
            "x",
            "1970-01-01",
            "1970-02-30T00:00:00Z",
            "1970-01-01T25:00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00Zulu",
            "1970-+1-01T00:00:00Z",
            "4294967295-01-01T00:00:00Z",
            "1970-01-01T00:00:00+99999999:00",
            "1970-01-01T00:00:00+00:60",
            "1970-01-01T00:00:00+é",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_in_four_ways() {
        for (text, seconds) in [("90s", 90), ("2d", 172_800), ("01:30:00", 5_400), ("7000000000", 7), ("1h1m", 3_660)] {
            assert_eq!(duration(text), Some(seconds * 1_000_000_000), "{text}");
        }
        assert_eq!(duration("1.5d"), duration("1d12h"));
        for text in
            ["soon", "1:60:00", "-1:00:00", "1:00", "0:9223372036854775807:0", "9223372036854775807:0:0", "9e9d"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn words_are_found_whole_and_in_any_case() {
        assert!(holds_word("The quick, brown fox", "BROWN"));
        assert!(holds_word("The quick, brown fox", "slow fox"));
        assert!(holds_word("the long-distance call", "long-distance"));
        assert!(!holds_word("the long-distance call", "distance-long"));
        assert!(!holds_word("The quick, brown fox", "row"));
    }

    #[test]
    fn a_value_in_a_list_is_the_value() {
        let payload = |json: &str| Payload { data: json.into(), ..Default::default() };
        for (json, kind, value) in [
            ("5", Kind::Int, Some(Value::Int(5))),
            (" [ 5 ] ", Kind::Int, Some(Value::Int(5))),
            ("[1.5]", Kind::Double, Some(Value::Double(1.5))),
            ("[true]", Kind::Bool, Some(Value::Bool(true))),
            ("[\"a\"]", Kind::Keyword, Some(Value::Text("a".to_owned()))),
            ("[]", Kind::Int, None),
        ] {
            assert_eq!(read(&payload(json), kind), value, "{json}");
        }
    }

    #[test]
    fn strings_of_json_are_read_with_their_escapes() {
        assert_eq!(strings(r#"["a","b \"c\"","\u0064\n"]"#), ["a", "b \"c\"", "d\n"]);
        assert_eq!(strings("\"one\""), ["one"]);
        // A character beyond 16 bits is written as a pair. Half a pair is no character.
        assert_eq!(
            strings(r#"["\ud83d\ude00!","\ud83d","\ud83d\u0041","\ude00","\ud83d\n"]"#),
            ["😀!", "\u{fffd}", "\u{fffd}A", "\u{fffd}", "\u{fffd}\n"]
        );
    }
}
