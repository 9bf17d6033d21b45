//! ListWorkflowExecutions and CountWorkflowExecutions over what is in memory, always up to date. Queries are conjunctions
//! of equalities (`WorkflowType = 'Order' AND ExecutionStatus = 'Running'`); anything else is refused with a clear text.

use std::collections::{BTreeMap, HashMap};

use super::Engine;
use super::api::{common, enums::WorkflowExecutionStatus, service, workflow};
use super::describe;
use super::errors::Error;
use super::execution::Execution;

const PAGE_SIZE: usize = 1000;

/// Merges changes into a map of payloads: an empty or null value removes its key.
pub(crate) fn merge(into: &mut BTreeMap<String, common::Payload>, changes: &HashMap<String, common::Payload>) {
    for (key, value) in sorted(changes) {
        if removes(value) {
            into.remove(key);
        } else {
            into.insert(key.clone(), value.clone());
        }
    }
}

/// Adds the type of a search attribute to a value that does not name it, as far as this run has seen it.
pub(crate) fn complete_types(
    changes: &mut HashMap<String, common::Payload>,
    known: &BTreeMap<String, common::Payload>,
) {
    for (key, current) in known {
        if let (Some(value), Some(kind)) = (changes.get_mut(key), current.metadata.get("type")) {
            value.metadata.entry("type".to_owned()).or_insert_with(|| kind.clone());
        }
    }
}

fn sorted(changes: &HashMap<String, common::Payload>) -> BTreeMap<&String, &common::Payload> {
    changes.iter().collect()
}

fn removes(value: &common::Payload) -> bool {
    let null = value.metadata.get("encoding").is_some_and(|encoding| encoding == b"binary/null");
    null || value.data.is_empty() || value.data == b"[]" || value.data == b"null"
}

impl Engine {
    pub(crate) fn list_workflow_executions(
        &self,
        request: &service::ListWorkflowExecutionsRequest,
    ) -> Result<service::ListWorkflowExecutionsResponse, Error> {
        let found = self.select(&request.namespace, &request.query)?;
        let size = usize::try_from(request.page_size).ok().filter(|size| (1..=PAGE_SIZE).contains(size));
        let size = size.unwrap_or(PAGE_SIZE);
        let skip = match request.next_page_token.as_slice() {
            [] => 0,
            token => {
                let invalid = || Error::invalid_argument("invalid next page token");
                let bytes = <[u8; 8]>::try_from(token).map_err(|_| invalid())?;
                usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| invalid())?
            }
        };
        let executions: Vec<_> = found.iter().skip(skip).take(size).map(|execution| listed(execution)).collect();
        let end = skip.saturating_add(executions.len());
        let more = end < found.len();
        let next_page_token = if more { (end as u64).to_le_bytes().to_vec() } else { Vec::new() };
        Ok(service::ListWorkflowExecutionsResponse { executions, next_page_token })
    }

    pub(crate) fn count_workflow_executions(
        &self,
        request: &service::CountWorkflowExecutionsRequest,
    ) -> Result<service::CountWorkflowExecutionsResponse, Error> {
        let count = self.select(&request.namespace, &request.query)?.len();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Ok(service::CountWorkflowExecutionsResponse { count, groups: Vec::new() })
    }

    /// The runs that a query selects: open ones first, then the latest.
    fn select(&self, namespace: &str, query: &str) -> Result<Vec<&Execution>, Error> {
        let namespace = self.namespaces.get(namespace)?;
        let filters = parse(query)?;
        let mut found: Vec<&Execution> = Vec::new();
        for execution in self.executions.iter().filter(|execution| execution.namespace == namespace) {
            if matches_all(execution, &filters)? {
                found.push(execution);
            }
        }
        found.sort_by_key(|execution| {
            let state = &execution.state;
            (state.close_time.is_some(), std::cmp::Reverse((state.close_time, state.start_time, execution.id)))
        });
        Ok(found)
    }
}

/// What a list shows of a run: less than a description, and no length while it is open.
fn listed(execution: &Execution) -> workflow::WorkflowExecutionInfo {
    let info = describe::info(execution);
    let closed = !execution.is_running();
    workflow::WorkflowExecutionInfo {
        first_run_id: String::new(),
        history_length: if closed { info.history_length } else { 0 },
        history_size_bytes: if closed { info.history_size_bytes } else { 0 },
        ..info
    }
}

fn matches_all(execution: &Execution, filters: &[(String, String)]) -> Result<bool, Error> {
    for (name, wanted) in filters {
        if !matches(execution, name, wanted)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn matches(execution: &Execution, name: &str, wanted: &str) -> Result<bool, Error> {
    let state = &execution.state;
    Ok(match name {
        "WorkflowId" => execution.workflow_id == wanted,
        "RunId" => execution.run_id == wanted,
        "WorkflowType" => state.start.workflow_type.as_ref().is_some_and(|kind| kind.name == wanted),
        "TaskQueue" => state.task_queue() == wanted,
        "ExecutionStatus" => status(wanted)? == state.status,
        custom => {
            let unquoted =
                |payload: &common::Payload| String::from_utf8_lossy(&payload.data).trim_matches('"') == wanted;
            state.search_attributes.get(custom).is_some_and(unquoted)
        }
    })
}

fn status(name: &str) -> Result<WorkflowExecutionStatus, Error> {
    use WorkflowExecutionStatus::{Canceled, Completed, ContinuedAsNew, Failed, Running, Terminated, TimedOut};
    let all = [Running, Completed, Failed, Canceled, Terminated, ContinuedAsNew, TimedOut];
    all.into_iter().find(|status| format!("{status:?}") == name).ok_or_else(|| {
        Error::invalid_argument(format!("invalid query: invalid expression: invalid ExecutionStatus value '{name}'"))
    })
}

/// Reads `Name = 'value' AND ..`.
fn parse(query: &str) -> Result<Vec<(String, String)>, Error> {
    let mut filters = Vec::new();
    let mut rest = query.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(|| unsupported(query))?;
        let name = name.trim().trim_matches('`');
        let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            return Err(unsupported(query));
        }
        let after = after.trim_start();
        let (value, after) = match after.chars().next().filter(|quote| matches!(quote, '\'' | '"')) {
            Some(quote) => after[1..].split_once(quote).ok_or_else(|| unsupported(query))?,
            None => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
        };
        if after.is_empty() && value.is_empty() && !rest.contains(['\'', '"']) {
            return Err(unsupported(query));
        }
        filters.push((name.to_owned(), value.to_owned()));
        rest = after.trim_start();
        if !rest.is_empty() {
            let keyword = rest.get(..4).filter(|word| word.eq_ignore_ascii_case("AND "));
            keyword.ok_or_else(|| unsupported(query))?;
            rest = rest[4..].trim_start();
        }
    }
    Ok(filters)
}

fn unsupported(query: &str) -> Error {
    Error::invalid_argument(format!(
        "invalid query: abide-testing's server understands equalities joined by AND only (Name = 'value' AND ..), found: {query}"
    ))
}
