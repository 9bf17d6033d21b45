//! Search attributes: registered names and types, and validation of values. AddSearchAttributes,
//! RemoveSearchAttributes, ListSearchAttributes.
//!
//! Extends `Engine`.

use std::collections::{BTreeMap, HashMap};

use super::filter;
use crate::engine::Engine;
use crate::engine::api::common::{Payload, SearchAttributes};
use crate::engine::api::enums::IndexedValueType as Type;
use crate::engine::api::operator;
use crate::engine::errors::Error;

/// Maximum search attributes of a run.
const COUNT_LIMIT: usize = 100;
pub(crate) const VALUE_LIMIT: usize = 2 * 1024;
const TOTAL_LIMIT: usize = 40 * 1024;
const PREFIX: &str = "Temporal";

/// The server's own attributes, which exist for every run. Only the server sets them.
const SYSTEM: [(&str, Type); 16] = [
    ("WorkflowId", Type::Keyword),
    ("RunId", Type::Keyword),
    ("WorkflowType", Type::Keyword),
    ("StartTime", Type::Datetime),
    ("ExecutionTime", Type::Datetime),
    ("CloseTime", Type::Datetime),
    ("ExecutionStatus", Type::Keyword),
    ("TaskQueue", Type::Keyword),
    ("HistoryLength", Type::Int),
    ("ExecutionDuration", Type::Int),
    ("StateTransitionCount", Type::Int),
    ("HistorySizeBytes", Type::Int),
    ("ParentWorkflowId", Type::Keyword),
    ("ParentRunId", Type::Keyword),
    ("RootWorkflowId", Type::Keyword),
    ("RootRunId", Type::Keyword),
];

/// Attributes of every namespace that callers may set.
const PREDEFINED: [(&str, Type); 11] = [
    ("TemporalChangeVersion", Type::KeywordList),
    ("BinaryChecksums", Type::KeywordList),
    ("BuildIds", Type::KeywordList),
    ("BatcherNamespace", Type::Keyword),
    ("BatcherUser", Type::Keyword),
    ("TemporalScheduledStartTime", Type::Datetime),
    ("TemporalScheduledById", Type::Keyword),
    ("TemporalSchedulePaused", Type::Bool),
    ("TemporalNamespaceDivision", Type::Keyword),
    ("TemporalPauseInfo", Type::KeywordList),
    ("TemporalReportedProblems", Type::KeywordList),
];

/// Attributes of every namespace that only the server sets.
const INTERNAL: [(&str, Type); 6] = [
    ("TemporalWorkerDeploymentVersion", Type::Keyword),
    ("TemporalWorkflowVersioningBehavior", Type::Keyword),
    ("TemporalWorkerDeployment", Type::Keyword),
    ("TemporalUsedWorkerDeploymentVersions", Type::KeywordList),
    ("TemporalExternalPayloadCount", Type::Int),
    ("TemporalExternalPayloadSizeBytes", Type::Int),
];

/// Reserved names, which cannot be search attributes.
const RESERVED: [&str; 4] = ["NamespaceId", "MemoEncoding", "Memo", "VisibilityTaskKey"];

/// Returns a keyword in the format that the server itself writes.
pub(crate) fn keyword(text: &str) -> Payload {
    written("Keyword", json_string(text))
}

/// Returns a list of keywords in the format that the server itself writes.
pub(crate) fn keyword_list<T: AsRef<str>>(texts: &[T]) -> Payload {
    let texts: Vec<String> = texts.iter().map(|text| json_string(text.as_ref())).collect();
    written("KeywordList", format!("[{}]", texts.join(",")))
}

fn written(kind: &str, json: String) -> Payload {
    let metadata = [("encoding", "json/plain"), ("type", kind)];
    Payload {
        metadata: metadata.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).into(),
        data: json.into_bytes(),
        ..Default::default()
    }
}

/// Formats a text as JSON like the real server.
fn json_string(text: &str) -> String {
    let escaped = text.chars().map(|character| match character {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '<' | '>' | '&' => format!("\\u{:04x}", u32::from(character)),
        control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
        other => other.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// The search attributes registered in one namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registered {
    by_name: BTreeMap<String, Type>,
}

impl Registered {
    pub(crate) fn insert(&mut self, name: &str, kind: Type) {
        self.by_name.entry(name.to_owned()).or_insert(kind);
    }

    /// Refuses attributes with unregistered names; a server checks these first.
    pub(crate) fn check_names(&self, namespace: &str, attributes: Option<&SearchAttributes>) -> Result<(), Error> {
        match attributes.and_then(|attributes| self.unknown(&attributes.indexed_fields)) {
            None => Ok(()),
            Some(name) => Err(Error::invalid_argument(format!(
                "Namespace {namespace} has no mapping defined for search attribute {name}"
            ))),
        }
    }

    /// Refuses attributes that callers cannot set, values of wrong types, and values beyond the limits.
    pub(crate) fn check_values(&self, attributes: Option<&SearchAttributes>) -> Result<(), Error> {
        let Some(attributes) = attributes else { return Ok(()) };
        let fields: BTreeMap<&String, &Payload> = attributes.indexed_fields.iter().collect();
        if fields.len() > COUNT_LIMIT {
            let text = format!("number of search attributes {} exceeds limit {COUNT_LIMIT}", fields.len());
            return Err(Error::invalid_argument(text));
        }
        for (name, value) in &fields {
            let settable = find(&PREDEFINED, name).or_else(|| self.by_name.get(*name).copied());
            let Some(kind) = settable else {
                return Err(Error::invalid_argument(format!("{name} attribute can't be set in SearchAttributes")));
            };
            if !fits(value, kind) {
                return Err(Error::invalid_argument(format!(
                    "invalid value for search attribute {name} of type {kind:?}: {}",
                    shown(value)
                )));
            }
        }
        check_size(attributes, &fields)
    }

    /// Makes both checks, as for a request for a new run.
    pub(crate) fn check(&self, namespace: &str, attributes: Option<&SearchAttributes>) -> Result<(), Error> {
        self.check_names(namespace, attributes)?;
        self.check_values(attributes)
    }

    /// Adds the types to values without one, as a server does before they are read.
    #[expect(clippy::iter_over_hash_type, reason = "each value is changed by itself, so their order does not matter")]
    pub(crate) fn complete_types(&self, fields: &mut HashMap<String, Payload>) {
        for (name, value) in fields {
            if let Some(kind) = find(&PREDEFINED, name).or_else(|| self.by_name.get(name).copied()) {
                value.metadata.entry("type".to_owned()).or_insert_with(|| format!("{kind:?}").into_bytes());
            }
        }
    }

    /// Returns the attribute that a query refers to, and its type. The server's `TemporalX` may be written as `X`.
    pub(crate) fn resolve(&self, name: &str) -> Option<(String, filter::Kind)> {
        let kind = |name: &str| {
            let own = find(&SYSTEM, name).or_else(|| find(&PREDEFINED, name)).or_else(|| find(&INTERNAL, name));
            own.map(|kind| filter::Kind::of(name, kind))
        };
        if let Some(custom) = self.by_name.get(name) {
            return Some((name.to_owned(), filter::Kind::of(name, *custom)));
        }
        if let Some(kind) = kind(name) {
            return Some((name.to_owned(), kind));
        }
        let other = match name.strip_prefix(PREFIX) {
            Some("ScheduleId") => "WorkflowId".to_owned(),
            None if name == "ScheduleId" => "WorkflowId".to_owned(),
            Some(stripped) => stripped.to_owned(),
            None => format!("{PREFIX}{name}"),
        };
        kind(&other).map(|kind| (other, kind))
    }

    fn unknown<'a>(&self, fields: &'a HashMap<String, Payload>) -> Option<&'a String> {
        let unknown = |name: &&String| !is_own(name) && !self.by_name.contains_key(*name);
        fields.keys().filter(unknown).min()
    }
}

impl Engine {
    /// Registers an attribute in every existing namespace.
    pub(crate) fn register_search_attribute(&mut self, name: &str, type_name: &str) {
        let kind = type_of(type_name);
        self.namespaces.all_search_attributes().for_each(|registered| registered.insert(name, kind));
    }

    pub(crate) fn add_search_attributes(
        &mut self,
        request: operator::AddSearchAttributesRequest,
    ) -> Result<operator::AddSearchAttributesResponse, Error> {
        if request.search_attributes.is_empty() {
            return Err(Error::invalid_argument("SearchAttributes are not set on request."));
        }
        let wanted: BTreeMap<String, i32> = request.search_attributes.into_iter().collect();
        for (name, kind) in &wanted {
            if is_own(name) || RESERVED.contains(&name.as_str()) || name.starts_with(PREFIX) {
                return Err(Error::invalid_argument(format!("Search attribute {name} is reserved by system.")));
            }
            if Type::try_from(*kind).is_err() {
                return Err(Error::invalid_argument(format!("Unknown search attribute type: {kind}.")));
            }
        }
        let registered = self.namespaces.search_attributes_mut(&request.namespace)?;
        let mut next = registered.clone();
        for (name, kind) in wanted {
            let kind = Type::try_from(kind).unwrap_or_default();
            let used = next.by_name.values().filter(|used| **used == kind).count();
            if used >= limit_of(kind) && !next.by_name.contains_key(&name) {
                return Err(Error::invalid_argument(format!(
                    "Unable to create search attributes: cannot have more than {used} search attribute of type {kind:?}."
                )));
            }
            next.insert(&name, kind);
        }
        *registered = next;
        Ok(operator::AddSearchAttributesResponse::default())
    }

    pub(crate) fn remove_search_attributes(
        &mut self,
        request: &operator::RemoveSearchAttributesRequest,
    ) -> Result<operator::RemoveSearchAttributesResponse, Error> {
        if request.search_attributes.is_empty() {
            return Err(Error::invalid_argument("SearchAttributes are not set on request."));
        }
        let registered = self.namespaces.search_attributes_mut(&request.namespace)?;
        if let Some(name) = request.search_attributes.iter().find(|name| is_own(name)) {
            let text = format!("Unable to remove non-custom search attributes: {name}.");
            return Err(Error::invalid_argument(text));
        }
        registered.by_name.retain(|name, _| !request.search_attributes.contains(name));
        Ok(operator::RemoveSearchAttributesResponse::default())
    }

    pub(crate) fn list_search_attributes(
        &mut self,
        request: &operator::ListSearchAttributesRequest,
    ) -> Result<operator::ListSearchAttributesResponse, Error> {
        let registered = self.namespaces.search_attributes_mut(&request.namespace)?;
        let custom = registered.by_name.iter().map(|(name, kind)| (name.clone(), i32::from(*kind)));
        let own = SYSTEM.iter().chain(&PREDEFINED).chain(&INTERNAL);
        Ok(operator::ListSearchAttributesResponse {
            custom_attributes: custom.collect(),
            system_attributes: own.map(|(name, kind)| ((*name).to_owned(), i32::from(*kind))).collect(),
            ..Default::default()
        })
    }
}

fn check_size(attributes: &SearchAttributes, fields: &BTreeMap<&String, &Payload>) -> Result<(), Error> {
    use abide_protos::prost::Message;
    if let Some((name, value)) = fields.iter().find(|(_, value)| value.data.len() > VALUE_LIMIT) {
        let size = value.data.len();
        let text = format!("search attribute {name} value size {size} exceeds size limit {VALUE_LIMIT}");
        return Err(Error::invalid_argument(text));
    }
    let size = attributes.encoded_len();
    if size > TOTAL_LIMIT {
        let text = format!("total size of search attributes {size} exceeds size limit {TOTAL_LIMIT}");
        return Err(Error::invalid_argument(text));
    }
    Ok(())
}

fn find(list: &[(&str, Type)], name: &str) -> Option<Type> {
    list.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

fn is_own(name: &str) -> bool {
    [&SYSTEM[..], &PREDEFINED, &INTERNAL].iter().any(|list| find(list, name).is_some())
}

/// Returns the number of columns that a real server's SQL database has for a type.
fn limit_of(kind: Type) -> usize {
    match kind {
        Type::Unspecified => 0,
        Type::Keyword => 10,
        Type::Text | Type::Int | Type::Double | Type::Bool | Type::Datetime | Type::KeywordList => 3,
    }
}

fn type_of(name: &str) -> Type {
    let all = [Type::Keyword, Type::Text, Type::Int, Type::Double, Type::Bool, Type::Datetime, Type::KeywordList];
    all.into_iter().find(|kind| format!("{kind:?}") == name).unwrap_or_default()
}

/// Returns true for a value, a list of a single value, or an empty value, which removes the attribute.
fn fits(value: &Payload, kind: Type) -> bool {
    let encoding = value.metadata.get("encoding").map(Vec::as_slice).unwrap_or_default();
    let Ok(json) = std::str::from_utf8(&value.data) else { return false };
    let json = json.trim();
    if encoding == b"binary/null" || (encoding == b"json/plain" && json == "null") {
        return true;
    }
    if encoding != b"json/plain" {
        return false;
    }
    match (elements(json), kind) {
        (Some(items), Type::KeywordList) => items.iter().all(|item| fits_one(item, Type::Keyword)),
        (Some(items), kind) => items.len() <= 1 && items.iter().all(|item| fits_one(item, kind)),
        (None, Type::KeywordList) => false,
        (None, kind) => fits_one(json, kind),
    }
}

fn fits_one(json: &str, kind: Type) -> bool {
    let is_string = json.len() >= 2 && json.starts_with('"') && json.ends_with('"');
    let is_number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match kind {
        Type::Keyword | Type::Text | Type::KeywordList => is_string || json == "null",
        Type::Int => is_number && json.parse::<i64>().is_ok(),
        Type::Double => is_number && json.parse::<f64>().is_ok(),
        Type::Bool => json == "true" || json == "false",
        Type::Datetime => is_string && filter::is_datetime(&json[1..json.len() - 1]),
        Type::Unspecified => false,
    }
}

/// Returns the elements of a JSON array; `None` if it is not an array.
pub(super) fn elements(json: &str) -> Option<Vec<&str>> {
    let inner = json.strip_prefix('[')?.strip_suffix(']')?;
    let (mut items, mut start) = (Vec::new(), 0);
    let (mut in_string, mut escaped, mut depth) = (false, false, 0_u32);
    for (at, character) in inner.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '[' | '{' if !in_string => depth += 1,
            ']' | '}' if !in_string => depth = depth.saturating_sub(1),
            ',' if !in_string && depth == 0 => {
                items.push(inner[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner.trim().is_empty() {
        items.push(inner[start..].trim());
    }
    Some(items)
}

/// Formats a value as in the server's messages.
fn shown(value: &Payload) -> String {
    let text = String::from_utf8_lossy(&value.data).trim().to_owned();
    match elements(&text) {
        Some(items) => format!("[{}]", items.iter().map(|item| item.trim_matches('"')).collect::<Vec<_>>().join(" ")),
        None => text.trim_matches('"').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Payload, Type, elements, fits};

    fn json(text: &str) -> Payload {
        let metadata = [("encoding".to_owned(), b"json/plain".to_vec())];
        Payload { metadata: metadata.into(), data: text.into(), ..Default::default() }
    }

    #[test]
    fn values_fit_their_types_and_nothing_fits_all() {
        let fitting = [
            (Type::Keyword, "\"a\""),
            (Type::Text, "[\"a\"]"),
            (Type::Int, "-5"),
            (Type::Double, "5"),
            (Type::Double, "1.5e3"),
            (Type::Bool, "true"),
            (Type::Datetime, "\"2026-11-23T15:07:28.123+01:00\""),
            (Type::KeywordList, "[\"a\", \"b,\\\"c\"]"),
            (Type::Int, "[]"),
            (Type::Int, "null"),
        ];
        for (kind, text) in fitting {
            assert!(fits(&json(text), kind), "{text} is a {kind:?}");
        }
        let others = [
            (Type::Keyword, "5"),
            (Type::Int, "1.5"),
            (Type::Int, "\"5\""),
            (Type::Int, "[1,2]"),
            (Type::Double, "\"x\""),
            (Type::Bool, "\"true\""),
            (Type::Datetime, "\"yesterday\""),
            (Type::KeywordList, "\"a\""),
            (Type::KeywordList, "[1]"),
        ];
        for (kind, text) in others {
            assert!(!fits(&json(text), kind), "{text} is no {kind:?}");
        }
    }

    #[test]
    fn arrays_are_split_between_their_elements() {
        assert_eq!(elements("[]"), Some(vec![]));
        assert_eq!(elements("[1, [2, 3], \"a]b\"]"), Some(vec!["1", "[2, 3]", "\"a]b\""]));
        assert_eq!(elements("5"), None);
    }
}
