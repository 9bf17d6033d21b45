//! The routines of a run (its main routine, one for each handler, one for each spawned branch), polled in place.
//!
//! There is no task, no channel and no message between the machines and the authors' futures: a routine is polled
//! on the stack of [`WorkflowRun::handle`](super::WorkflowRun::handle), first in first out, in the order in which
//! jobs and code woke it, until nothing is ready and no condition has become true.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use abide_protos::temporal::api::common::v1::Payload;

use super::panics::{self, Panic};
use super::ready_queue::{ReadyQueue, RoutineId, WakerOf};
use crate::converter::PayloadReader;
use crate::failure::WorkflowError;
use crate::replay::event_groups::CurrentGroups;
use crate::replay::jobs::Signal;
use crate::workflow::shared::Shared;
use crate::workflow::{RoutineFuture, SignalDispatch, WorkflowContext, WorkflowInstance};

/// All routines of a run.
pub(crate) struct Routines {
    ready: Arc<ReadyQueue>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    body: Body,
    /// The event groups of what it issues.
    groups: CurrentGroups,
    waker: Option<WakerOf>,
}

#[derive(Default)]
enum Body {
    #[default]
    Empty,
    Main(RoutineFuture<Payload>),
    /// A signal that has not reached its handler yet.
    Signal(Box<Signal>),
    Handler(RoutineFuture<()>),
    Branch(Pin<Box<dyn Future<Output = ()>>>),
}

/// What came of polling a routine.
pub(crate) enum Polled {
    Pending,
    /// The main routine has ended.
    Main(Result<Payload, WorkflowError>),
    /// A handler or a branch has ended well.
    Ended,
    /// A handler has failed, and the workflow with it.
    HandlerFailed(WorkflowError),
    /// No handler of that name: the signal is kept for one that comes later.
    UnknownSignal(Box<Signal>),
}

impl Routines {
    pub(crate) fn new(ready: Arc<ReadyQueue>) -> Self {
        Self { ready, slots: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn add_main(&mut self, main: RoutineFuture<Payload>) {
        let id = self.add(Body::Main(main));
        self.ready.push(id);
    }

    pub(crate) fn add_signal(&mut self, signal: Signal) {
        let groups = CurrentGroups::OfSignal { event_id: signal.event_id };
        let id = self.add(Body::Signal(Box::new(signal)));
        self.slots[id.index()].groups = groups;
        self.ready.push(id);
    }

    /// The routine that was woken first, to be polled now.
    ///
    /// A branch stands in the queue from the moment it was spawned, and gets its slot only here.
    pub(crate) fn next(&mut self, shared: &Shared) -> Option<RoutineId> {
        let id = self.ready.pop()?;
        if id != RoutineId::SPAWNED {
            return Some(id);
        }
        let branch = shared.core.borrow_mut().spawned.pop_front().expect("each branch stands in the queue once");
        Some(self.add(Body::Branch(branch)))
    }

    /// Polls one routine, with its event groups as the current ones. A panic in it comes back as an error.
    pub(crate) fn poll(
        &mut self,
        id: RoutineId,
        instance: &Rc<dyn WorkflowInstance>,
        shared: &Rc<Shared>,
    ) -> Result<Polled, Panic> {
        let index = id.index();
        if self.slots[index].generation != id.generation {
            // A waker that outlived its routine.
            return Ok(Polled::Pending);
        }
        let outside = shared.swap_groups(std::mem::take(&mut self.slots[index].groups));
        let polled = self.poll_in_its_groups(id, instance, shared);
        let groups = shared.swap_groups(outside);
        if matches!(polled, Ok(Polled::Pending)) {
            self.slots[index].groups = groups;
        }
        polled
    }

    fn poll_in_its_groups(
        &mut self,
        id: RoutineId,
        instance: &Rc<dyn WorkflowInstance>,
        shared: &Rc<Shared>,
    ) -> Result<Polled, Panic> {
        let index = id.index();
        let mut body = std::mem::take(&mut self.slots[index].body);
        if let Some(waker) = &self.slots[index].waker {
            waker.taken_from_queue();
        }
        if let Body::Signal(signal) = body {
            match dispatch(signal, instance, shared)? {
                Dispatched::Ended(polled) => {
                    self.release(id);
                    return Ok(polled);
                }
                Dispatched::Running(handler) => {
                    shared.handlers_running.set(shared.handlers_running.get() + 1);
                    body = Body::Handler(handler);
                }
            }
        }
        let ready = &self.ready;
        let waker = self.slots[index].waker.get_or_insert_with(|| WakerOf::new(id, ready));
        let mut cx = Context::from_waker(waker.waker());
        let polled = panics::catch(|| match &mut body {
            Body::Main(main) => match main.as_mut().poll(&mut cx) {
                Poll::Ready(result) => Polled::Main(result),
                Poll::Pending => Polled::Pending,
            },
            Body::Handler(handler) => match handler.as_mut().poll(&mut cx) {
                Poll::Ready(Ok(())) => Polled::Ended,
                Poll::Ready(Err(error)) => Polled::HandlerFailed(error),
                Poll::Pending => Polled::Pending,
            },
            Body::Branch(branch) => match branch.as_mut().poll(&mut cx) {
                Poll::Ready(()) => Polled::Ended,
                Poll::Pending => Polled::Pending,
            },
            Body::Empty | Body::Signal(_) => Polled::Pending,
        })?;
        if matches!(polled, Polled::Pending) {
            self.slots[index].body = body;
        } else {
            if matches!(body, Body::Handler(_)) {
                shared.handlers_running.set(shared.handlers_running.get() - 1);
            }
            // Authors' destructors may panic as well as their code.
            let dropped = panics::catch(|| drop(body));
            self.release(id);
            dropped?;
        }
        Ok(polled)
    }

    /// Drops all routines: authors' futures first, whatever they hold.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
    }

    fn add(&mut self, body: Body) -> RoutineId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("a run has fewer than 2^32 routines at a time")
        });
        let slot = &mut self.slots[index as usize];
        slot.body = body;
        RoutineId { index, generation: slot.generation }
    }

    /// Frees the slot. Wakers that others still hold name its old generation and reach nobody.
    fn release(&mut self, id: RoutineId) {
        let slot = &mut self.slots[id.index()];
        slot.waker = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
    }
}

enum Dispatched {
    Running(RoutineFuture<()>),
    Ended(Polled),
}

/// Hands a signal to its handler.
fn dispatch(
    signal: Box<Signal>,
    instance: &Rc<dyn WorkflowInstance>,
    shared: &Rc<Shared>,
) -> Result<Dispatched, Panic> {
    let dispatched = panics::catch(|| {
        let mut reader = PayloadReader::of(signal.input.as_ref());
        instance.clone().signal(WorkflowContext::new(shared.clone()), &signal.name, &mut reader)
    })?;
    Ok(match dispatched {
        SignalDispatch::Running(handler) => Dispatched::Running(handler),
        SignalDispatch::Done(Ok(())) => Dispatched::Ended(Polled::Ended),
        SignalDispatch::Done(Err(error)) => Dispatched::Ended(Polled::HandlerFailed(error)),
        SignalDispatch::Undecodable(error) => {
            if !shared.core.borrow().machines.replaying {
                tracing::warn!(
                    workflow_id = shared.info.get().map_or("", |info| &info.workflow_id),
                    signal = signal.name,
                    "a signal was dropped because its arguments do not fit its handler: {error}"
                );
            }
            Dispatched::Ended(Polled::Ended)
        }
        SignalDispatch::Unknown => Dispatched::Ended(Polled::UnknownSignal(signal)),
    })
}
