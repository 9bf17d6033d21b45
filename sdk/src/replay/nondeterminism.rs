//! Where a workflow's code and its history part, as a value that errors, tests and the replayer can look at.

use std::fmt;
use std::panic::Location;

/// Where a workflow's code and its history part.
///
/// Its `Display` fits on a screen: what the history recorded, what the code did now, where in the source, and what
/// to do next.
#[derive(Clone, Debug, PartialEq)]
pub struct Nondeterminism {
    kind: NondeterminismKind,
    event_id: i64,
    event_type: String,
    recorded: String,
    produced: Option<String>,
    /// The place where the code waits, or where it issued the command.
    waits_for: Option<String>,
    /// What to do next, where the kind alone does not say it.
    next_step: Option<String>,
    location: Option<&'static Location<'static>>,
}

/// In which way code and history differ; the letters are those of Core's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NondeterminismKind {
    /// (a) History has a command's event, the code produced no command.
    UnexpectedEvent,
    /// (b) History has one command's event, the code produced another command.
    DifferentCommand,
    /// (c) An event tells of an operation that the code never began.
    UnknownOperation,
    /// (d) The same kind of command, but another id or type.
    DifferentIdOrType,
    /// (e) History has a patch marker that the code no longer asks for.
    PatchRemoved,
    /// (f) A local activity's marker does not fit.
    LocalActivityMarker,
    /// (g) A search attribute upsert does not fit.
    SearchAttributes,
    /// (h) An event reached an operation that cannot be in that state.
    ImpossibleState,
    /// (i) The code produced a command that history has no event for.
    MissingEvent,
    /// The code waited for a future that is not the workflow's own (a tokio timer, a channel of another thread).
    ForeignFuture,
}

impl Nondeterminism {
    pub(crate) fn new(kind: NondeterminismKind, event_id: i64, event_type: &str, recorded: impl Into<String>) -> Self {
        let (event_type, recorded) = (event_type.to_string(), recorded.into());
        let (produced, waits_for, next_step, location) = (None, None, None, None);
        Self { kind, event_id, event_type, recorded, produced, waits_for, next_step, location }
    }

    /// Says what the code waits for, and where, if it is not known what it produced or by which statement.
    pub(crate) fn waits_for(&mut self, what: impl Into<String>, location: Option<&'static Location<'static>>) {
        if self.produced.is_none() || self.location.is_none() {
            self.waits_for.get_or_insert_with(|| what.into());
            self.location = self.location.or(location);
        }
    }

    /// Names the event, for what was found out where no event is at hand.
    pub(crate) fn at_event(&mut self, event_id: i64, event_type: &str) {
        if self.event_id == 0 {
            (self.event_id, self.event_type) = (event_id, event_type.to_string());
        }
    }

    pub(crate) fn with_next_step(mut self, next_step: impl Into<String>) -> Self {
        self.next_step = Some(next_step.into());
        self
    }

    pub(crate) fn produced(
        mut self,
        produced: impl Into<String>,
        location: Option<&'static Location<'static>>,
    ) -> Self {
        self.produced = Some(produced.into());
        self.location = location;
        self
    }

    /// In which way code and history differ.
    pub fn kind(&self) -> NondeterminismKind {
        self.kind
    }

    /// Id of the history event at which they part.
    pub fn event_id(&self) -> i64 {
        self.event_id
    }

    /// Type of that event, as in `ActivityTaskScheduled`.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// What the history recorded there.
    pub fn recorded(&self) -> &str {
        &self.recorded
    }

    /// What the code produced instead; `None` if nothing.
    pub fn produced_command(&self) -> Option<&str> {
        self.produced.as_deref()
    }

    /// The statement of the workflow that produced it, or else the one that it waits at.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }
}

impl fmt::Display for Nondeterminism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.")?;
        writeln!(f, "  history:  event {} {}{}", self.event_id, self.event_type, prefixed(": ", &self.recorded))?;
        match (&self.produced, &self.waits_for) {
            (Some(produced), Some(waits_for)) => writeln!(f, "  code now: {produced}; {waits_for}")?,
            (Some(produced), None) => writeln!(f, "  code now: {produced}")?,
            (None, Some(waits_for)) => writeln!(f, "  code now: produced no command here; {waits_for}")?,
            (None, None) => writeln!(f, "  code now: produced no command here")?,
        }
        if let Some(location) = self.location {
            writeln!(f, "  at:       {location}")?;
        }
        write!(f, "  next:     {}", self.next_step.as_deref().unwrap_or(next_step(self.kind)))
    }
}

impl std::error::Error for Nondeterminism {}

fn prefixed(prefix: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{prefix}{text}") }
}

fn next_step(kind: NondeterminismKind) -> &'static str {
    match kind {
        NondeterminismKind::ForeignFuture => {
            "await only what the context offers (ctx.timer, ctx.activity, ctx.wait_until); do I/O in an activity."
        }
        NondeterminismKind::PatchRemoved => "keep the patch call until no run that recorded the marker is left.",
        _ => {
            "put the old behaviour back, or let `ctx.patched(..)` decide which of the two a run takes; check \
             with WorkflowReplayer."
        }
    }
}
