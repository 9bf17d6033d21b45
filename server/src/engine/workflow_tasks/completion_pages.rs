//! Completions of workflow tasks in pages, for commands that together exceed the maximum message size.
//!
//! Every page but the last (`intermediate_page`) has only commands. Pages may arrive in any order, and are neither
//! checked nor written then: they are kept in memory beside the run, by number. The last page has everything else; its
//! number is the number of pages before it. It completes the task with the commands of all pages, in the order of their
//! numbers.
//!
//! Kept pages are dropped when the last page has arrived, or the workflow task is over. If pages are missing then, the
//! answer reports them as lost: the task continues, and the worker sends all of them again. Pages beyond the reserved
//! memory are lost as well; more than the maximum for one task terminate the workflow.
//!
//! Extends `Engine`.

use std::collections::BTreeMap;

use abide_protos::prost::Message;

use super::life::WorkflowTask;
use crate::engine::Engine;
use crate::engine::api::command::Command;
use crate::engine::api::enums;
use crate::engine::api::service::RespondWorkflowTaskCompletedRequest;
use crate::engine::commands::Refusal;
use crate::engine::errors::Error;
use crate::engine::workflow::{Execution, ExecutionId};

const MIB: usize = 1024 * 1024;
const MOST_PAGES: i32 = 1024;

/// Maximum bytes of kept commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimits {
    pub(crate) task: usize,
    pub(crate) namespace: usize,
    pub(crate) server: usize,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self { task: 40 * MIB, namespace: 512 * MIB, server: 1024 * MIB }
    }
}

/// The received pages of one workflow task's completion.
#[derive(Debug)]
pub(crate) struct CompletionPages {
    scheduled_event_id: i64,
    attempt: i32,
    by_number: BTreeMap<i32, Vec<Command>>,
    bytes: usize,
}

/// The kind of a completion request.
#[derive(Debug)]
pub(crate) enum Page {
    /// A page that others follow; it was kept.
    Intermediate,
    /// The last page, or the only one: the request now has the commands of all pages.
    Last,
    /// A page beyond the limit of the task.
    TooMuch,
}

impl Engine {
    /// Processes a completion of the started workflow task.
    pub(crate) fn take_completion_page(
        &mut self,
        id: ExecutionId,
        task: &WorkflowTask,
        request: &mut RespondWorkflowTaskCompletedRequest,
    ) -> Result<Page, Error> {
        if request.intermediate_page {
            return self.keep_page(id, task, request);
        }
        // A negative number means no page.
        if request.page_number > 0 {
            check(request)?;
            let kept = self.executions[id.0].completion_pages.take();
            let mut commands = merge(kept, task, request.page_number)?;
            commands.append(&mut request.commands);
            request.commands = commands;
        }
        Ok(Page::Last)
    }

    fn keep_page(
        &mut self,
        id: ExecutionId,
        task: &WorkflowTask,
        request: &mut RespondWorkflowTaskCompletedRequest,
    ) -> Result<Page, Error> {
        let (limits, number) = (self.options.completion_pages, request.page_number);
        let namespace = &self.execution(id).namespace.id;
        let in_namespace = self.kept_bytes(|execution| execution.namespace.id == *namespace);
        let in_server = self.kept_bytes(|_| true);
        let kept = &mut self.executions[id.0].completion_pages;
        if let Err(error) = check(request) {
            *kept = None;
            return Err(error);
        }
        let pages = kept.get_or_insert_with(|| Box::new(CompletionPages::of(task)));
        if pages.by_number.contains_key(&number) {
            return Ok(Page::Intermediate);
        }
        let bytes = request.commands.iter().map(Message::encoded_len).sum::<usize>();
        if pages.bytes + bytes > limits.task {
            *kept = None;
            return Ok(Page::TooMuch);
        }
        if in_namespace + bytes > limits.namespace || in_server + bytes > limits.server {
            *kept = None;
            let text = "workflow task completion buffer memory limit reached while buffering page";
            return Err(Error::completion_pages_lost(format!("{text} {number}")));
        }
        pages.by_number.insert(number, std::mem::take(&mut request.commands));
        pages.bytes += bytes;
        Ok(Page::Intermediate)
    }

    /// Returns the bytes kept for these runs. Pages are large and rare, so a sum over all runs is cheap compared to
    /// them.
    fn kept_bytes(&self, counts: impl Fn(&Execution) -> bool) -> usize {
        let executions = self.open.iter().map(|id| self.execution(*id)).filter(|execution| counts(execution));
        executions.filter_map(|execution| execution.completion_pages.as_deref()).map(|pages| pages.bytes).sum()
    }
}

impl Execution {
    /// Drops the pages of a workflow task that is over, since no last page can arrive for them.
    pub(crate) fn drop_stale_pages(&mut self) {
        let Some(pages) = &self.completion_pages else { return };
        let task = self.state.task.as_ref().filter(|task| task.started_time.is_some());
        if !task.is_some_and(|task| pages.are_of(task)) {
            self.completion_pages = None;
        }
    }
}

impl CompletionPages {
    fn of(task: &WorkflowTask) -> Self {
        let (scheduled_event_id, attempt) = (task.scheduled_event_id, task.attempt);
        Self { scheduled_event_id, attempt, by_number: BTreeMap::new(), bytes: 0 }
    }

    fn are_of(&self, task: &WorkflowTask) -> bool {
        (self.scheduled_event_id, self.attempt) == (task.scheduled_event_id, task.attempt)
    }
}

/// Returns the failure of a task that exceeds the limit. A retry would send as much again.
pub(crate) fn too_much() -> Refusal {
    let text = "workflow task completion buffer size exceeds the per-workflow limit";
    let refusal = Refusal::new(enums::WorkflowTaskFailedCause::RequestTooLarge, text);
    Refusal { ends_workflow: true, ..refusal }
}

fn check(request: &RespondWorkflowTaskCompletedRequest) -> Result<(), Error> {
    let wrong = if request.page_number < 0 {
        "workflow task completion pagination page number must be non-negative".to_owned()
    } else if request.page_number >= MOST_PAGES {
        format!("workflow task completion pagination supports at most {MOST_PAGES} pages")
    } else if request.intermediate_page && request.commands.is_empty() {
        "intermediate workflow task page must carry at least one command".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid_argument(wrong))
}

/// Merges the commands of the first `count` pages; later pages are ignored.
fn merge(kept: Option<Box<CompletionPages>>, task: &WorkflowTask, count: i32) -> Result<Vec<Command>, Error> {
    let Some(mut pages) = kept.filter(|pages| pages.are_of(task)) else {
        let (event_id, attempt) = (task.scheduled_event_id, task.attempt);
        let text = format!("workflow task completion buffer lost for scheduled event {event_id} attempt {attempt}");
        return Err(Error::completion_pages_lost(text));
    };
    let mut commands = Vec::new();
    for number in 0..count {
        let Some(mut page) = pages.by_number.remove(&number) else {
            let text = format!("workflow task completion buffer missing page {number} of {count}");
            return Err(Error::completion_pages_lost(text));
        };
        commands.append(&mut page);
    }
    Ok(commands)
}
