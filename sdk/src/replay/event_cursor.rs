//! Hands out a history task by task, page by page.
//!
//! Events are read where they lie (one is 2 KB: moving them would cost more than all else), and a page is dropped
//! as soon as its last event was applied. Each event is looked at once to find where its workflow task ends
//! ([`TaskEnd`]), and those of commands once more, before the code runs that issued them ([`EventCursor::look_ahead`]).

use std::collections::VecDeque;

use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::HistoryEvent;

use super::event_type::is_command_event;
use super::task_end::TaskEnd;
use super::workflow_task::HistoryPage;

/// The part of a history that is at hand and not yet applied.
#[derive(Debug, Default)]
pub(crate) struct EventCursor {
    pages: VecDeque<Page>,
    /// Index of the next event in the first page.
    position: usize,
    /// Id of the last event that was applied; 0 before the first.
    applied: i64,
    /// Id of the last event at hand; 0 before the first.
    last_id: i64,
    next_page_token: Vec<u8>,
    /// What is known of the end of the task whose events are taken now, after the event `looked_at`.
    task_end: TaskEnd,
    looked_at: i64,
    /// The last event of that task, once it is known.
    end: Option<i64>,
    ahead: LookAhead,
    /// The event after which updates were asked for that come with the live task, at the end of the history.
    requests_after: Option<i64>,
}

/// A page, without what was dropped of it.
#[derive(Debug)]
struct Page {
    events: Vec<HistoryEvent>,
    /// So many markers stood behind those: the look-ahead has read them, and nothing is left to be known of them.
    read_markers: usize,
}

/// The event whose turn it is.
pub(crate) enum Next<'a> {
    Event(&'a mut HistoryEvent),
    /// A marker of that id, of which nothing is left.
    ReadMarker(i64),
}

/// How far the next workflow task reaches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextTask {
    /// This many events from here: the last is the WorkflowTaskStarted at which code runs, or closes the workflow.
    Events(usize),
    /// This many events are left, and none of them ends a task: the history ends here.
    Rest(usize),
    /// The page that begins at the token is needed to tell. This many events from here belong to the task in any case.
    NeedPage(usize),
}

/// How far the look-ahead has come.
#[derive(Debug, Default)]
struct LookAhead {
    /// Id of the last event that it has passed.
    passed: i64,
    /// Whether the task's WorkflowTaskCompleted is among those.
    in_commands: bool,
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
            self.pages.push_back(Page { events, read_markers: 0 });
        }
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
        let is_last = self.last_id == started_event_id && self.is_at_end();
        if is_last {
            self.last_id -= 2;
            self.applied = self.last_id;
            self.end_task();
        }
        is_last
    }

    /// Id of the last event at hand; 0 before the first.
    pub(crate) fn last_id(&self) -> i64 {
        self.last_id
    }

    /// Whether all events have been applied and no page is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.applied == self.last_id && self.next_page_token.is_empty()
    }

    /// Takes the token of the next page, to be fetched once.
    pub(crate) fn take_next_page_token(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.next_page_token)
    }

    /// The next event, to be applied now. The events before it are gone.
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

    /// Drops a page whose events have all been applied, so that nothing is kept between tasks.
    pub(crate) fn release(&mut self) {
        if self.pages.front().is_some_and(|page| self.position == page.len()) {
            self.pages.pop_front();
            self.position = 0;
        }
    }

    /// The same for a page of which those `count` events, all of one task that goes on, are the greater part: a burst
    /// does with the memory of one page. A page of many tasks stays until the next is there: dropped between the two, it
    /// would only be given back by the allocator and be asked for again, page by page.
    pub(crate) fn release_filled(&mut self, count: usize) {
        if self.pages.front().is_some_and(|page| 2 * count > page.len()) {
            self.release();
        }
    }

    /// Finds where the next workflow task ends.
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

    /// The events of a task have been applied: looks for the end of the one after it from here, and ahead from here.
    pub(crate) fn end_task(&mut self) {
        self.task_end = TaskEnd::default();
        self.looked_at = self.applied;
        self.end = None;
        self.ahead = LookAhead { passed: self.applied, in_commands: false };
    }

    /// Shows the events that the code of the current task led to when it ran first: which patches it asked for, which
    /// updates it accepted, what its local activities came to. Says whether that was all; a page is missing otherwise.
    ///
    /// They stand together, behind the task's WorkflowTaskCompleted: a server writes down a whole answer before anything
    /// else. (One server for tests has an activity's cancellation right behind the command that asked for it.)
    ///
    /// `show` says whether nothing is left of an event but that it is a marker.
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
        // The task fills more than this page: the next one gets the memory.
        if let Some(page) = self.pages.back_mut() {
            page.drop_last(read_markers);
        }
        Ok(false)
    }

    /// Whether those `count` events are the last, and end with a WorkflowTaskStarted.
    pub(crate) fn ends_in_task(&self, count: usize) -> bool {
        let last = self.pages.back().filter(|page| page.read_markers == 0).and_then(|page| page.events.last());
        count > 0
            && count == self.count_to(self.last_id)
            && last.is_some_and(|event| event.event_type() == EventType::WorkflowTaskStarted)
    }

    /// How many events there are from here to the one of that id.
    fn count_to(&self, id: i64) -> usize {
        usize::try_from(id - self.applied).unwrap_or_default()
    }
}

impl LookAhead {
    fn goes_on_with(&mut self, event_type: EventType) -> bool {
        match event_type {
            EventType::WorkflowTaskCompleted => !std::mem::replace(&mut self.in_commands, true),
            EventType::WorkflowTaskStarted => false,
            // No code of this version led to an event that it does not know: commands may go on behind it.
            EventType::ActivityTaskCanceled | EventType::Unspecified => true,
            other => !self.in_commands || is_command_event(other),
        }
    }
}

impl Page {
    fn len(&self) -> usize {
        self.events.len() + self.read_markers
    }

    fn iter(&self) -> impl Iterator<Item = Option<&HistoryEvent>> {
        self.events.iter().map(Some).chain(std::iter::repeat_n(None, self.read_markers))
    }

    /// Drops up to `count` events at its end, which are markers and have been read.
    fn drop_last(&mut self, count: usize) {
        let kept = self.events.len().saturating_sub(count);
        self.read_markers += self.events.len() - kept;
        self.events.truncate(kept);
        self.events.shrink_to_fit();
    }
}

/// The last `count` events at hand; `None` for a marker that was read.
fn after(pages: &VecDeque<Page>, count: i64) -> impl Iterator<Item = Option<&HistoryEvent>> {
    let (first, skip) = locate(pages, count);
    pages.range(first..).flat_map(Page::iter).skip(skip)
}

/// The same for events of which none was dropped.
fn after_mut(pages: &mut VecDeque<Page>, count: i64) -> impl Iterator<Item = &mut HistoryEvent> {
    let (first, skip) = locate(pages, count);
    pages.range_mut(first..).flat_map(|page| &mut page.events).skip(skip)
}

/// The page in which the last `count` events begin, and how many events of that page stand before them. What is new
/// is in the last page, so the search begins there.
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
