//! The routines of a run (its main routine, one for each handler, one for each spawned branch), polled in place.
//!
//! There are no tasks, channels or messages between the machines and the authors' futures. A routine is polled on the
//! stack of [`WorkflowRun::handle`](super::WorkflowRun::handle), first in, first out, in the order in which jobs and
//! code woke it, until nothing is ready and no condition has become true.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use abide_protos::temporal::api::common::v1::Payload;

use super::failures::{CodePlace, TaskError};
use super::messages::{Dispatched, UpdateHandler, dispatch_signal, dispatch_update, inbound_signal, inbound_update};
use super::order::{HandlerScope, QueueOrder};
use super::panics;
use super::ready_queue::{ReadyQueue, RoutineId, WakerOf};
use crate::direct_call::{DirectCall, DirectCalls};
use crate::failure::WorkflowError;
use crate::replay::event_groups::CurrentGroups;
use crate::replay::jobs::{HandlerMessage, Signal, UpdateRequest};
use crate::replay::slab::Key;
use crate::workflow::run_state::{RunState, Spawned};
use crate::workflow::{InboundMessage, RoutineFuture, WorkflowInstance};

/// All routines of a run.
pub(crate) struct Routines {
    ready: Arc<ReadyQueue>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Number of routines that have begun.
    begun: u32,
    /// Order in which they are polled now.
    order: QueueOrder,
    handlers: HandlerScope,
    /// Only with [`QueueOrder::HandlersFirst`]: the woken routines, and the place of the last one polled in this pass.
    /// Sorted by place. Mostly a routine comes in at the end, or goes out at the front.
    pass: VecDeque<(Place, RoutineId)>,
    pass_at: Option<Place>,
    /// The place of the code when a wake-up from outside was found; kept until it is reported.
    pub(crate) place_of_foreign_wake: Option<Box<Option<CodePlace>>>,
    /// The last activity function that a routine called like any Rust function and whose end it awaited.
    pub(crate) direct_call: Option<DirectCall>,
    /// True if the log has a warning about such a call.
    has_warned: bool,
}

/// Place of a routine in a pass: messages reach their handlers, then the handlers go on in the order in which they
/// began, then the main routine goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Message(u32),
    Handler(u32),
    Main,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    /// Number of routines that began before it.
    serial: u32,
    body: Body,
    /// Event groups of its commands.
    groups: CurrentGroups,
    /// True if a request to cancel the workflow does not reach its operations.
    own_scope: bool,
    waker: Option<WakerOf>,
    /// Message whose handler this is, or whose handler spawned it.
    message: Option<Rc<InboundMessage>>,
}

#[derive(Default)]
enum Body {
    #[default]
    Empty,
    Main(RoutineFuture<Payload>),
    /// A signal that has not reached its handler yet.
    Signal(Box<Signal>),
    Handler(RoutineFuture<()>),
    /// An update that has not reached its handler yet.
    Update(Box<UpdateRequest>),
    UpdateHandler(UpdateHandler),
    Branch(Pin<Box<dyn Future<Output = ()>>>),
}

/// Result of polling a routine.
pub(crate) enum RoutineResult {
    Pending,
    /// The main routine has ended.
    Main(Result<Payload, WorkflowError>),
    /// A handler or a branch has ended without an error.
    Ended,
    /// A handler has failed, and fails the workflow.
    HandlerFailed(WorkflowError),
    /// An update's handler has ended.
    Update {
        machine: Key,
        message: Rc<InboundMessage>,
        result: Result<Payload, WorkflowError>,
    },
    /// There is no handler of that name. The message is kept for one that comes later.
    NoHandler(HandlerMessage),
}

impl Routines {
    pub(crate) fn new(ready: Arc<ReadyQueue>) -> Self {
        Self {
            ready,
            slots: Vec::new(),
            free: Vec::new(),
            begun: 0,
            order: QueueOrder::FirstInFirstOut,
            handlers: HandlerScope::Own,
            pass: VecDeque::new(),
            pass_at: None,
            place_of_foreign_wake: None,
            direct_call: None,
            has_warned: false,
        }
    }

    pub(crate) fn add_main(&mut self, main: RoutineFuture<Payload>) {
        let id = self.add(Body::Main(main));
        self.ready.push(id);
    }

    /// Sets the effect of a request to cancel the workflow on handlers that begin or end from now on.
    pub(crate) fn set_handlers(&mut self, handlers: HandlerScope) {
        self.handlers = handlers;
    }

    pub(crate) fn add_message(&mut self, message: HandlerMessage) {
        let id = self.begin_message(message);
        self.ready.push(id);
    }

    fn begin_message(&mut self, message: HandlerMessage) -> RoutineId {
        let (groups, body) = match message {
            HandlerMessage::Signal(signal) => {
                (CurrentGroups::OfSignal { event_id: signal.event_id }, Body::Signal(Box::new(signal)))
            }
            HandlerMessage::Update(request) => (CurrentGroups::of_update(&request.update_id), Body::Update(request)),
        };
        let id = self.add(body);
        let slot = &mut self.slots[id.index()];
        (slot.groups, slot.own_scope) = (groups, self.handlers != HandlerScope::Workflow);
        id
    }

    /// Messages whose handlers have begun and not ended, in no particular order.
    pub(crate) fn running_handlers(&self) -> impl Iterator<Item = &InboundMessage> {
        let is_running = |slot: &&Slot| matches!(slot.body, Body::Handler(_) | Body::UpdateHandler(_));
        self.slots.iter().filter(is_running).filter_map(|slot| slot.message.as_deref())
    }

    /// Returns the routine to poll now: the one that was woken first, or the next of a pass.
    pub(crate) fn next(&mut self, shared: &RunState, order: QueueOrder) -> Option<RoutineId> {
        self.order = order;
        match order {
            QueueOrder::FirstInFirstOut => self.pop(shared),
            QueueOrder::HandlersFirst => self.next_of_pass(shared),
        }
    }

    /// Returns the next routine of the pass. One that an earlier routine has woken still has its turn in this pass; one
    /// that comes before it has its turn in the next.
    fn next_of_pass(&mut self, shared: &RunState) -> Option<RoutineId> {
        self.take_woken(shared);
        let mut next = self.next_in_pass();
        if next == self.pass.len() {
            (self.pass_at, next) = (None, 0);
            if !self.pass.is_empty() {
                // Conditions are asked in their routine's turn, after the changes of the routines before it.
                shared.operation_state.borrow_mut().conditions.ask_again();
                self.take_woken(shared);
            }
        }
        let (place, id) = self.pass.remove(next)?;
        self.pass_at = Some(place);
        Some(id)
    }

    /// Returns the index in `pass` of the first routine that has not had its turn.
    fn next_in_pass(&self) -> usize {
        self.pass_at.map_or(0, |at| self.pass.partition_point(|(place, _)| *place <= at))
    }

    fn take_woken(&mut self, shared: &RunState) {
        while let Some(id) = self.pop(shared) {
            // A waker may outlive its routine. Then its slot, and with it the place, belongs to another routine.
            if self.slots[id.index()].generation == id.generation {
                let place = self.place(id);
                match self.pass.binary_search_by_key(&place, |(place, _)| *place) {
                    Ok(at) => self.pass[at].1 = id,
                    Err(at) => self.pass.insert(at, (place, id)),
                }
            }
        }
    }

    fn place(&self, id: RoutineId) -> Place {
        let slot = &self.slots[id.index()];
        match slot.body {
            Body::Main(_) => Place::Main,
            Body::Signal(_) | Body::Update(_) => Place::Message(slot.serial),
            _ => Place::Handler(slot.serial),
        }
    }

    /// Returns the routine of a message that was kept and has its handler now, or else the one that was woken first.
    ///
    /// A branch is in the queue from the moment it was spawned, and gets its slot only here.
    fn pop(&mut self, shared: &RunState) -> Option<RoutineId> {
        let due = shared.handlers.borrow_mut().next_due();
        if let Some(message) = due {
            return Some(self.begin_message(message));
        }
        let id = self.ready.pop()?;
        if id != RoutineId::SPAWNED {
            return Some(id);
        }
        let spawned =
            shared.operation_state.borrow_mut().spawned.pop_front().expect("each branch stands in the queue once");
        let Spawned { future, message } = spawned;
        let id = self.add(Body::Branch(future));
        self.slots[id.index()].message = message;
        Some(id)
    }

    /// Polls one routine, with its event groups as the current ones. A panic in it is returned as an error.
    pub(crate) fn poll(
        &mut self,
        id: RoutineId,
        instance: &Rc<dyn WorkflowInstance>,
        shared: &Rc<RunState>,
    ) -> Result<RoutineResult, TaskError> {
        let index = id.index();
        if self.slots[index].generation != id.generation {
            // This waker outlived its routine.
            return Ok(RoutineResult::Pending);
        }
        let outside = shared.swap_groups(std::mem::take(&mut self.slots[index].groups));
        let own_scope = self.slots[index].own_scope;
        if own_scope {
            shared.current_scope.replace(shared.handler_scope());
        }
        let polled = self.poll_in_its_groups(id, instance, shared).map(|polled| self.or_ended(polled, shared));
        if let Ok(polled) = &polled {
            let run_ends = matches!(polled, RoutineResult::Main(_) | RoutineResult::HandlerFailed(_));
            shared.operation_state.borrow_mut().settle_let_go(run_ends);
        }
        if own_scope {
            shared.current_scope.replace(shared.root_scope.clone());
        }
        let groups = shared.swap_groups(outside);
        if matches!(polled, Ok(RoutineResult::Pending)) {
            self.slots[index].groups = groups;
        }
        polled
    }

    fn poll_in_its_groups(
        &mut self,
        id: RoutineId,
        instance: &Rc<dyn WorkflowInstance>,
        shared: &Rc<RunState>,
    ) -> Result<RoutineResult, TaskError> {
        let index = id.index();
        let mut body = std::mem::take(&mut self.slots[index].body);
        if let Some(waker) = &self.slots[index].waker {
            waker.taken_from_queue();
        }
        if let Body::Signal(_) | Body::Update(_) = body {
            match self.begin(id, body, instance, shared)? {
                // Interceptors of a signal run at once, as a handler that is not async does; they yield before an async
                // one.
                Dispatched::Running(handler)
                    if self.order == QueueOrder::HandlersFirst && !is_intercepted_signal(&handler, shared) =>
                {
                    self.slots[index].body = handler;
                    self.ready.push(id);
                    shared.current_message.replace(None);
                    return Ok(RoutineResult::Pending);
                }
                Dispatched::Running(handler) => body = handler,
                Dispatched::Ended(polled) => {
                    shared.current_message.replace(None);
                    self.release(id);
                    return Ok(polled);
                }
            }
        }
        let ready = &self.ready;
        let slot = &mut self.slots[index];
        shared.current_message.replace(slot.message.clone());
        let waker = slot.waker.get_or_insert_with(|| WakerOf::new(id, ready));
        let mut cx = Context::from_waker(waker.waker());
        let (polled, calls) = poll_body(&mut body, &mut cx, slot.message.as_ref())?;
        self.called_directly(calls, shared);
        let slot = &mut self.slots[index];
        if matches!(polled, RoutineResult::Pending) {
            slot.body = body;
        } else {
            if matches!(body, Body::Handler(_) | Body::UpdateHandler(_)) {
                shared.handlers_running.set(shared.handlers_running.get() - 1);
            }
            // Authors' destructors may panic too.
            let dropped = panics::catch(|| drop(body));
            self.release(id);
            dropped?;
        }
        shared.current_message.replace(None);
        Ok(polled)
    }

    /// Keeps a direct call that a routine awaits, for an error, and warns of a first call.
    fn called_directly(&mut self, calls: DirectCalls, shared: &RunState) {
        // Kept when it has ended, because a wake-up from outside is found only afterwards.
        self.direct_call = calls.running.or(self.direct_call);
        let Some(call) = calls.last else { return };
        if !self.has_warned && !shared.operation_state.borrow().machines.has_run_before() {
            self.has_warned = true;
            let (workflow_id, run_id) = ids(shared);
            tracing::warn!(workflow_id, run_id, "{call}");
        }
    }

    /// Turns the failure of a handler into a plain end, if it ended as cancelled and this does not end the run.
    fn or_ended(&self, polled: RoutineResult, shared: &RunState) -> RoutineResult {
        match polled {
            RoutineResult::HandlerFailed(error) if self.handlers == HandlerScope::Own && error.is_cancelled() => {
                if !shared.operation_state.borrow().machines.has_run_before() {
                    let (workflow_id, run_id) = ids(shared);
                    tracing::debug!(workflow_id, run_id, "a signal handler ended as cancelled");
                }
                RoutineResult::Ended
            }
            polled => polled,
        }
    }

    /// Hands a message to its handler, which is polled next if it has not ended.
    fn begin(
        &mut self,
        id: RoutineId,
        body: Body,
        instance: &Rc<dyn WorkflowInstance>,
        shared: &Rc<RunState>,
    ) -> Result<Dispatched<Body>, TaskError> {
        let slot = &mut self.slots[id.index()];
        let mut message = |inbound| {
            let message = Rc::new(inbound);
            slot.message = Some(Rc::clone(&message));
            shared.current_message.replace(Some(Rc::clone(&message)));
            message
        };
        let dispatched = match body {
            Body::Signal(mut signal) => {
                let message = message(inbound_signal(&mut signal));
                dispatch_signal(*signal, &message, instance, shared, self.order)?.map(Body::Handler)
            }
            Body::Update(request) => {
                let message = message(inbound_update(&request));
                dispatch_update(*request, &message, instance, shared)?.map(Body::UpdateHandler)
            }
            other => Dispatched::Running(other),
        };
        if matches!(dispatched, Dispatched::Running(_)) {
            shared.handlers_running.set(shared.handlers_running.get() + 1);
        }
        Ok(dispatched)
    }

    /// Drops all routines, and the authors' futures with them.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
        self.pass.clear();
    }

    fn add(&mut self, body: Body) -> RoutineId {
        let index = self.free.pop().unwrap_or_else(|| {
            if self.slots.is_empty() {
                // Most runs have one routine, and a vector would begin with room for four.
                self.slots.reserve_exact(1);
            }
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("a run has fewer than 2^32 routines at a time")
        });
        let slot = &mut self.slots[index as usize];
        slot.serial = self.begun;
        self.begun = self.begun.wrapping_add(1);
        slot.body = body;
        RoutineId { index, generation: slot.generation }
    }

    /// Frees the slot. Wakers that still exist have the old generation and no effect.
    fn release(&mut self, id: RoutineId) {
        let slot = &mut self.slots[id.index()];
        slot.waker = None;
        slot.message = None;
        slot.own_scope = false;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
    }
}

fn is_intercepted_signal(handler: &Body, shared: &RunState) -> bool {
    matches!(handler, Body::Handler(_)) && shared.interceptors().is_some()
}

/// The workflow id and the run id.
pub(super) fn ids(shared: &RunState) -> (&str, &str) {
    shared.info.get().map_or(("", ""), |info| (info.workflow_id.as_str(), info.run_id.as_str()))
}

/// Runs authors' code. Also returns the activity functions that the code called directly.
fn poll_body(
    body: &mut Body,
    cx: &mut Context<'_>,
    message: Option<&Rc<InboundMessage>>,
) -> Result<(RoutineResult, DirectCalls), TaskError> {
    // A call that ran on this thread before belongs to other code.
    let _ = DirectCalls::take();
    let polled = panics::catch(|| match body {
        Body::Main(main) => match main.as_mut().poll(cx) {
            Poll::Ready(result) => RoutineResult::Main(result),
            Poll::Pending => RoutineResult::Pending,
        },
        Body::Handler(handler) => match handler.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => RoutineResult::Ended,
            Poll::Ready(Err(error)) => RoutineResult::HandlerFailed(error),
            Poll::Pending => RoutineResult::Pending,
        },
        Body::UpdateHandler(UpdateHandler { handler, machine }) => match (handler.as_mut().poll(cx), message) {
            (Poll::Ready(result), Some(message)) => {
                RoutineResult::Update { machine: *machine, message: Rc::clone(message), result }
            }
            _ => RoutineResult::Pending,
        },
        Body::Branch(branch) => match branch.as_mut().poll(cx) {
            Poll::Ready(()) => RoutineResult::Ended,
            Poll::Pending => RoutineResult::Pending,
        },
        Body::Empty | Body::Signal(_) | Body::Update(_) => RoutineResult::Pending,
    });
    let calls = DirectCalls::take();
    let polled = polled.map_err(|mut panic| {
        panic.direct_call = calls.running;
        panic
    })?;
    Ok((polled, calls))
}
