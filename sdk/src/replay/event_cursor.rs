//! Hands out a history task by task, page by page.
//!
//! Events are read where they lie (one is 2 KB: moving them would cost more than all else), and a page is dropped
//! as soon as its last event was applied. Where a workflow task ends cannot be told from one event: see
//! [`EventCursor::next_task`].

use std::collections::VecDeque;

use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;

use super::event_type::{closes_workflow, is_command_event};
use super::workflow_task::HistoryPage;

/// The part of a history that is at hand and not yet applied.
#[derive(Debug, Default)]
pub(crate) struct EventCursor {
    pages: VecDeque<Vec<HistoryEvent>>,
    /// Index of the next event in the first page.
    position: usize,
    /// Id of the last event at hand; 0 before the first.
    last_id: i64,
    next_page_token: Vec<u8>,
    /// Where the look-ahead has found the end of the task after the current one, until events are added.
    looked_ahead: Option<usize>,
    /// The event after which updates were asked for that come with the live task, at the end of the history.
    requests_after: Option<i64>,
}

/// How far the next workflow task reaches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextTask {
    /// This many events from here: the last is the WorkflowTaskStarted at which code runs, or closes the workflow.
    Events(usize),
    /// This many events are left, and none of them begins a task: the history ends here.
    Rest(usize),
    /// The page that begins at the token is needed to tell.
    NeedPage,
}

impl EventCursor {
    /// Appends a page. Events that are at hand already are skipped.
    ///
    /// Fails if an event is missing between what is at hand and the page, or if its ids are out of order.
    pub(crate) fn push(&mut self, page: HistoryPage) -> Result<(), String> {
        self.next_page_token = page.next_page_token;
        let mut events = page.events;
        let known = events.iter().take_while(|event| event.event_id <= self.last_id).count();
        if known > 0 {
            events.drain(..known);
        }
        for event in &events {
            if event.event_id != self.last_id + 1 {
                return Err(format!(
                    "the history is broken: event {} should follow, found event {}",
                    self.last_id + 1,
                    event.event_id
                ));
            }
            self.last_id = event.event_id;
        }
        if !events.is_empty() {
            self.pages.push_back(events);
        }
        self.looked_ahead = None;
        Ok(())
    }

    /// Says after which event updates were asked for that come with the live task. If they are accepted, that is where
    /// a replay will part their task from the one before it; so it is now.
    pub(crate) fn expect_updates(&mut self, requests_after: Option<i64>) {
        self.requests_after = requests_after;
    }

    /// Takes back the last two events at hand, a task's Scheduled and its Started event of that id. They must have been
    /// applied, and no other may have come since; says whether that was so.
    pub(crate) fn take_back_task(&mut self, started_event_id: i64) -> bool {
        let is_last = self.last_id == started_event_id && self.peek(0).is_none() && self.next_page_token.is_empty();
        if is_last {
            self.last_id -= 2;
        }
        is_last
    }

    /// Id of the last event at hand; 0 before the first.
    pub(crate) fn last_id(&self) -> i64 {
        self.last_id
    }

    /// Takes the token of the next page, to be fetched once.
    pub(crate) fn take_next_page_token(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.next_page_token)
    }

    /// The next event, to be applied now. The events before it are gone.
    pub(crate) fn advance(&mut self) -> Option<&mut HistoryEvent> {
        while self.pages.front().is_some_and(|page| self.position == page.len()) {
            self.pages.pop_front();
            self.position = 0;
        }
        let event = self.pages.front_mut()?.get_mut(self.position)?;
        self.position += 1;
        Some(event)
    }

    /// How many events belong to the task after the one of `count` events; `None` if a page is needed to tell.
    ///
    /// They hold what the code of the current task did: which patches it asked for, which updates it accepted, what
    /// its local activities came to.
    pub(crate) fn look_ahead(&mut self, count: usize) -> Option<usize> {
        match self.next_task_after(count) {
            NextTask::NeedPage => None,
            NextTask::Rest(ahead) => Some(ahead),
            NextTask::Events(ahead) => {
                self.looked_ahead = Some(ahead);
                Some(ahead)
            }
        }
    }

    /// The next events, which are not applied yet.
    pub(crate) fn ahead(&mut self, count: usize) -> impl Iterator<Item = &mut HistoryEvent> {
        self.pages.iter_mut().flatten().skip(self.position).take(count)
    }

    /// Whether those `count` events are the last, and end with a WorkflowTaskStarted.
    pub(crate) fn ends_in_task(&self, count: usize) -> bool {
        let last = count.checked_sub(1).and_then(|last| self.peek(last));
        last.is_some_and(|event| event.event_type() == EventType::WorkflowTaskStarted) && self.peek(count).is_none()
    }

    /// Drops a page whose events have all been applied, so that nothing is kept between tasks.
    pub(crate) fn release(&mut self) {
        if self.pages.len() == 1 && self.position == self.pages[0].len() {
            self.pages.clear();
            self.position = 0;
        }
    }

    /// Finds where the next workflow task ends.
    ///
    /// A WorkflowTaskStarted is the end unless its attempt came to nothing (failed, timed out, or the run was closed
    /// from outside: the tasks merge) or only kept a task alive (a heartbeat: completed and scheduled again without a
    /// command in between). An accepted update, or one that comes with the live task, ends the task before the
    /// one that delivers it. A closing event is
    /// always an end.
    pub(crate) fn next_task(&mut self) -> NextTask {
        match self.looked_ahead.take() {
            Some(count) => NextTask::Events(count),
            None => self.next_task_after(0),
        }
    }

    /// The same for the task that begins after `skipped` events; the count does not include them.
    fn next_task_after(&self, skipped: usize) -> NextTask {
        let mut saw_command = false;
        let mut started: Vec<(i64, usize)> = Vec::new();
        let mut index = skipped;
        while let Some(event) = self.peek(index) {
            let event_type = event.event_type();
            saw_command |= is_command_event(event_type);
            if closes_workflow(event_type) {
                return NextTask::Events(index + 1 - skipped);
            }
            if event_type == EventType::WorkflowTaskStarted {
                match self.after_started(index, saw_command) {
                    AfterStarted::NeedPage => return NextTask::NeedPage,
                    AfterStarted::CameToNothing => {}
                    AfterStarted::Heartbeat => started.push((event.event_id, index)),
                    AfterStarted::End => return NextTask::Events(index + 1 - skipped),
                    AfterStarted::UpdateAccepted { sequencing_event_id } => {
                        let earlier = started.iter().rev().find(|(id, _)| *id < sequencing_event_id);
                        return NextTask::Events(earlier.map_or(index, |(_, index)| *index) + 1 - skipped);
                    }
                }
            }
            index += 1;
        }
        if self.next_page_token.is_empty() { NextTask::Rest(index - skipped) } else { NextTask::NeedPage }
    }

    fn after_started(&self, index: usize, saw_command: bool) -> AfterStarted {
        let more = !self.next_page_token.is_empty();
        let Some(next) = self.peek(index + 1) else {
            return match self.requests_after {
                _ if more => AfterStarted::NeedPage,
                Some(sequencing_event_id) => AfterStarted::UpdateAccepted { sequencing_event_id },
                None => AfterStarted::End,
            };
        };
        match next.event_type() {
            EventType::WorkflowTaskFailed
            | EventType::WorkflowTaskTimedOut
            | EventType::WorkflowExecutionTimedOut
            | EventType::WorkflowExecutionTerminated
            | EventType::WorkflowExecutionCanceled => AfterStarted::CameToNothing,
            EventType::WorkflowTaskCompleted => match self.peek(index + 2) {
                None if more => AfterStarted::NeedPage,
                None => AfterStarted::End,
                Some(event) if event.event_type() == EventType::WorkflowTaskScheduled && !saw_command => {
                    AfterStarted::Heartbeat
                }
                Some(event) => match &event.attributes {
                    Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => {
                        let sequencing_event_id = accepted.accepted_request_sequencing_event_id;
                        AfterStarted::UpdateAccepted { sequencing_event_id }
                    }
                    _ => AfterStarted::End,
                },
            },
            _ => AfterStarted::End,
        }
    }

    /// The event `ahead` places after the next one.
    fn peek(&self, ahead: usize) -> Option<&HistoryEvent> {
        let mut at = self.position + ahead;
        for page in &self.pages {
            if at < page.len() {
                return page.get(at);
            }
            at -= page.len();
        }
        None
    }
}

enum AfterStarted {
    End,
    CameToNothing,
    Heartbeat,
    UpdateAccepted { sequencing_event_id: i64 },
    NeedPage,
}

#[cfg(test)]
mod tests;
