//! Gives out a history task by task, page by page.
//!
//! Events are read in place, because an event has 2 KB and moving events would cost more than everything else. A page
//! is dropped as soon as its last event was applied. Each event is looked at once to find the end of its workflow task
//! ([`TaskEnd`]). Events of commands are looked at once more, before the code that issued them runs
//! ([`EventCursor::look_ahead`]).
//!
//! The end of a task matters because all its events are applied before code runs. With an end too early, the code would
//! run without events that it had when it was recorded. With an end too late, it would see events of the future. Either
//! way its commands could differ from the recorded ones.

use std::collections::VecDeque;

use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::HistoryEvent;

use super::event_type::is_command_event;
use super::task_end::TaskEnd;
use super::workflow_task::HistoryPage;

/// The part of a history that was received and is not applied yet.
#[derive(Debug, Default)]
pub(crate) struct EventCursor {
    pages: VecDeque<Page>,
    /// Index of the next event in the first page.
    position: usize,
    /// Id of the last applied event; 0 before the first.
    applied: i64,
    /// Id of the last received event; 0 before the first.
    last_id: i64,
    next_page_token: Vec<u8>,
    /// State of the search for the end of the current task, after the event `looked_at`.
    task_end: TaskEnd,
    looked_at: i64,
    /// Last event of that task, once it is known.
    end: Option<i64>,
    ahead: LookAhead,
    /// Event after which the updates of the live task, at the end of the history, were requested.
    requests_after: Option<i64>,
}

/// A page, without its dropped events.
#[derive(Debug)]
struct Page {
    events: Vec<HistoryEvent>,
    /// Number of markers after `events`. The look-ahead has read and dropped them.
    read_markers: usize,
}

/// The event to apply next.
pub(crate) enum Next<'a> {
    Event(&'a mut HistoryEvent),
    /// A marker with this id that the look-ahead has read and dropped.
    ReadMarker(i64),
}

/// Extent of the next workflow task.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextTask {
    /// The task has this many more events. The last is the WorkflowTaskStarted at which code runs, or closes the
    /// workflow.
    Events(usize),
    /// This many events are left and none of them ends a task, because the history ends here.
    Rest(usize),
    /// The end is on a later page. The task has at least this many more events.
    NeedPage(usize),
}

/// Progress of the look-ahead.
#[derive(Debug, Default)]
struct LookAhead {
    /// Id of the last event that it has passed.
    passed: i64,
    /// True if the task's WorkflowTaskCompleted is among the passed events.
    in_commands: bool,
}

impl EventCursor {
    /// Appends a page. Events that were received before are skipped.
    ///
    /// Fails if an event is missing between the received events and the page, or if its ids are out of order.
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
            self.pages.push_back(Page { events, read_markers: 0 });
        }
        Ok(())
    }

    /// Sets the event after which the updates of the live task were requested. If they are accepted, a replay will end
    /// the previous task there, so this run must do so too.
    pub(crate) fn expect_updates(&mut self, requests_after: Option<i64>) {
        self.requests_after = requests_after;
    }

    /// Undoes the last two received events, the Scheduled and Started events of a task. Returns false, and does
    /// nothing, unless `started_event_id` is the last event and was applied.
    pub(crate) fn take_back_task(&mut self, started_event_id: i64) -> bool {
        let is_last = self.last_id == started_event_id && self.is_at_end();
        if is_last {
            self.last_id -= 2;
            self.applied = self.last_id;
            self.end_task();
        }
        is_last
    }

    /// Id of the last received event; 0 before the first.
    pub(crate) fn last_id(&self) -> i64 {
        self.last_id
    }

    /// Returns true if all events have been applied and there is no further page.
    pub(crate) fn is_at_end(&self) -> bool {
        self.applied == self.last_id && self.next_page_token.is_empty()
    }

    /// Takes the token of the next page, so that it is requested once.
    pub(crate) fn take_next_page_token(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.next_page_token)
    }

    /// Returns the next event, to be applied now. The events before it may be dropped.
    pub(crate) fn advance(&mut self) -> Option<Next<'_>> {
        self.release();
        let page = self.pages.front_mut()?;
        self.applied += 1;
        self.position += 1;
        Some(match page.events.get_mut(self.position - 1) {
            Some(event) => Next::Event(event),
            None => Next::ReadMarker(self.applied),
        })
    }

    /// Drops a page whose events have all been applied, so that no page is kept between tasks.
    pub(crate) fn release(&mut self) {
        if self.pages.front().is_some_and(|page| self.position == page.len()) {
            self.pages.pop_front();
            self.position = 0;
            if self.pages.is_empty() {
                // An idle run needs no room for pages.
                self.pages = VecDeque::new();
            }
        }
    }

    /// Like [`Self::release`], but only if `count`, the applied events of a task that goes on, is more than half of the
    /// page. So a burst needs the memory of one page. A page of many tasks stays until the next page has come: if it
    /// were dropped before, the allocator would return its memory to the system and request it again, for every page.
    pub(crate) fn release_filled(&mut self, count: usize) {
        if self.pages.front().is_some_and(|page| 2 * count > page.len()) {
            self.release();
        }
    }

    /// Finds the end of the next workflow task.
    pub(crate) fn next_task(&mut self) -> NextTask {
        if self.end.is_none() {
            for event in after(&self.pages, self.last_id - self.looked_at) {
                self.looked_at += 1;
                let (event_type, attributes) = match event {
                    Some(event) => (event.event_type(), event.attributes.as_ref()),
                    None => (EventType::MarkerRecorded, None),
                };
                self.end = self.task_end.look_at(self.looked_at, event_type, attributes);
                if self.end.is_some() {
                    break;
                }
            }
        }
        if let Some(end) = self.end {
            return NextTask::Events(self.count_to(end));
        }
        if !self.next_page_token.is_empty() {
            let certain = self.task_end.earliest().map_or(self.looked_at, |earliest| earliest - 1);
            return NextTask::NeedPage(self.count_to(certain));
        }
        match self.task_end.if_nothing_follows(self.requests_after) {
            Some(end) => NextTask::Events(self.count_to(end)),
            None => NextTask::Rest(self.count_to(self.last_id)),
        }
    }

    /// Called when the events of a task have been applied: the search for the next end, and the look-ahead, begin here.
    pub(crate) fn end_task(&mut self) {
        self.task_end = TaskEnd::default();
        self.looked_at = self.applied;
        self.end = None;
        self.ahead = LookAhead { passed: self.applied, in_commands: false };
    }

    /// Shows the events that the code of the current task caused when it first ran: the patches that it asked for, the
    /// updates that it accepted, the outcomes of its local activities. Returns false if a page is missing.
    ///
    /// These events follow the task's WorkflowTaskCompleted without a gap, because a server records a whole completion
    /// before anything else. (One test server records an activity's cancellation directly after the command that
    /// requested it.)
    ///
    /// `show` returns true if it took everything from the event, and only the fact that it is a marker is left.
    pub(crate) fn look_ahead<E>(
        &mut self,
        mut show: impl FnMut(&mut HistoryEvent) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut read_markers = 0;
        for event in after_mut(&mut self.pages, self.last_id - self.ahead.passed) {
            if !self.ahead.goes_on_with(event.event_type()) {
                return Ok(true);
            }
            self.ahead.passed = event.event_id;
            read_markers = if show(event)? { read_markers + 1 } else { 0 };
        }
        if self.next_page_token.is_empty() {
            return Ok(true);
        }
        // The task does not fit on this page, so memory is freed for the next one.
        if let Some(page) = self.pages.back_mut() {
            page.drop_last(read_markers);
        }
        Ok(false)
    }

    /// Returns true if those `count` events are the last ones and end with a WorkflowTaskStarted.
    pub(crate) fn ends_in_task(&self, count: usize) -> bool {
        let last = self.pages.back().filter(|page| page.read_markers == 0).and_then(|page| page.events.last());
        count > 0
            && count == self.count_to(self.last_id)
            && last.is_some_and(|event| event.event_type() == EventType::WorkflowTaskStarted)
    }

    /// Returns the number of events from here to the one with this id.
    fn count_to(&self, id: i64) -> usize {
        usize::try_from(id - self.applied).unwrap_or_default()
    }
}

impl LookAhead {
    fn goes_on_with(&mut self, event_type: EventType) -> bool {
        match event_type {
            EventType::WorkflowTaskCompleted => !std::mem::replace(&mut self.in_commands, true),
            EventType::WorkflowTaskStarted => false,
            // This version's code cannot have caused an event that it does not know, so commands may follow it.
            EventType::ActivityTaskCanceled | EventType::Unspecified => true,
            other => !self.in_commands || is_command_event(other),
        }
    }
}

impl Page {
    fn len(&self) -> usize {
        self.events.len() + self.read_markers
    }

    /// Returns the events without the first `skip`; `None` for a marker that was read. A `skip` behind this would call
    /// `next` for each of them.
    fn iter_from(&self, skip: usize) -> impl Iterator<Item = Option<&HistoryEvent>> {
        let events = self.events.get(skip..).unwrap_or_default();
        let read_markers = self.len().saturating_sub(skip) - events.len();
        events.iter().map(Some).chain(std::iter::repeat_n(None, read_markers))
    }

    /// Drops up to `count` events at the end, which are markers that were read.
    fn drop_last(&mut self, count: usize) {
        let kept = self.events.len().saturating_sub(count);
        self.read_markers += self.events.len() - kept;
        self.events.truncate(kept);
        self.events.shrink_to_fit();
    }
}

/// Returns the last `count` received events; `None` for a marker that was read and dropped.
fn after(pages: &VecDeque<Page>, count: i64) -> impl Iterator<Item = Option<&HistoryEvent>> {
    let (first, skip) = locate(pages, count);
    let skips = std::iter::once(skip).chain(std::iter::repeat(0));
    pages.range(first..).zip(skips).flat_map(|(page, skip)| page.iter_from(skip))
}

/// Like [`after`], for events of which none was dropped.
fn after_mut(pages: &mut VecDeque<Page>, count: i64) -> impl Iterator<Item = &mut HistoryEvent> {
    let (first, skip) = locate(pages, count);
    pages.range_mut(first..).flat_map(|page| &mut page.events).skip(skip)
}

/// Returns the page in which the last `count` events begin, and the number of events before them on that page. Searches
/// from the last page, which has the new events.
fn locate(pages: &VecDeque<Page>, count: i64) -> (usize, usize) {
    let mut wanted = usize::try_from(count).unwrap_or_default();
    let mut first = pages.len();
    while wanted > 0 && first > 0 {
        first -= 1;
        let len = pages[first].len();
        if len >= wanted {
            return (first, len - wanted);
        }
        wanted -= len;
    }
    (first, 0)
}

#[cfg(test)]
mod tests;
