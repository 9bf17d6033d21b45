//! ListWorkflowExecutions and CountWorkflowExecutions over the runs in memory, always up to date.
//!
//! Extends `Engine`.

use std::collections::{BTreeMap, HashMap};

use super::filter::Filter;
use super::query::{self, Written, invalid};
use super::search_attributes::{Registered, keyword};
use crate::engine::Engine;
use crate::engine::api::service::count_workflow_executions_response::AggregationGroup;
use crate::engine::api::{common, service, workflow};
use crate::engine::errors::{Code, Error};
use crate::engine::workflow::Execution;
use crate::engine::workflow::describe;

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
        let (found, _) = self.select(&request.namespace, &request.query)?;
        let size = usize::try_from(request.page_size).ok().filter(|size| (1..=PAGE_SIZE).contains(size));
        let size = size.unwrap_or(PAGE_SIZE);
        let skip = match request.next_page_token.as_slice() {
            [] => 0,
            token => {
                let invalid = || Error::masked(Code::Unknown, "next_page_token is none of this server's");
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
        let (found, grouped) = self.select(&request.namespace, &request.query)?;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut by_status: BTreeMap<i32, (String, usize)> = BTreeMap::new();
        for run in found.iter().filter(|_| grouped) {
            let status = run.state.status;
            by_status.entry(status.into()).or_insert((format!("{status:?}"), 0)).1 += 1;
        }
        let groups = by_status
            .into_values()
            .map(|(status, count)| AggregationGroup { group_values: vec![keyword(&status)], count: number(count) });
        Ok(service::CountWorkflowExecutionsResponse { count: number(found.len()), groups: groups.collect() })
    }

    /// Returns the runs that a query selects, open ones first, then the latest; and whether to count them by status.
    fn select(&self, namespace: &str, query: &str) -> Result<(Vec<&Execution>, bool), Error> {
        let namespace = self.namespaces.get(namespace)?;
        let runs = || self.executions.iter().filter(|execution| execution.namespace == namespace);
        let known = self.namespaces.search_attributes(&namespace.name)?;
        let written = query::parse(query)?;
        let grouped = check_clauses(&written, known)?;
        let filter = written.selects.map(|query| Filter::new(query, known)).transpose()?;
        let mut found: Vec<&Execution> =
            runs().filter(|run| filter.as_ref().is_none_or(|filter| filter.selects(run))).collect();
        found.sort_by_key(|execution| {
            let state = &execution.state;
            (state.close_time.is_some(), std::cmp::Reverse((state.close_time, state.start_time, execution.id)))
        });
        Ok((found, grouped))
    }
}

/// Checks the clauses besides the selection: only counts can be grouped, by status only; a list ignores them.
fn check_clauses(written: &Written, known: &Registered) -> Result<bool, Error> {
    let resolve = |name: &String| {
        known.resolve(name).map(|(name, _)| name).ok_or_else(|| invalid(format!("invalid search attribute: {name}")))
    };
    if written.limited {
        return Err(invalid("operation is not supported: 'LIMIT' clause"));
    }
    if !written.order_by.is_empty() {
        written.order_by.iter().try_for_each(|name| resolve(name).map(drop))?;
        return Err(invalid("operation is not supported: 'ORDER BY' clause"));
    }
    match written.group_by.as_slice() {
        [] => Ok(false),
        [name] => match resolve(name)?.as_str() {
            "ExecutionStatus" => Ok(true),
            name => {
                let text = format!("'GROUP BY' clause is not supported for search attribute {name}");
                Err(invalid(format!("operation is not supported: {text}")))
            }
        },
        _ => Err(invalid("operation is not supported: 'GROUP BY' clause supports only a single field")),
    }
}

/// Returns a run's data for lists: less than a description, and without a length while it is open.
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
