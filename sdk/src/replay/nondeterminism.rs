//! The difference between a workflow's code and its history, as a value for errors, tests and the replayer.

use std::fmt;
use std::panic::Location;

/// The first difference between a workflow's code and its history.
///
/// Its `Display` fits on a screen: the record in the history, the code's command, its place in the source, and the next
/// step to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Nondeterminism {
    kind: NondeterminismKind,
    event_id: i64,
    event_type: String,
    recorded: String,
    produced: Option<String>,
    /// Place where the code waits, or where it issued the command.
    waits_for: Option<String>,
    /// Next step to take, if it does not follow from the kind alone.
    next_step: Option<String>,
    location: Option<&'static Location<'static>>,
}

/// Kind of a difference between code and history. The letters are those of Core's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NondeterminismKind {
    /// (a) The history has a command's event, the code produced no command.
    UnexpectedEvent,
    /// (b) The history has one command's event, the code produced another command.
    DifferentCommand,
    /// (c) An event belongs to an operation that the code never began.
    UnknownOperation,
    /// (d) The same kind of command, but another id or type.
    DifferentIdOrType,
    /// (e) The history has a patch marker that the code no longer asks for.
    PatchRemoved,
    /// (f) A local activity's marker does not match.
    LocalActivityMarker,
    /// (g) An upsert of search attributes does not match.
    SearchAttributes,
    /// (h) An event is impossible in the state of its operation.
    ImpossibleState,
    /// (i) The code produced a command without an event in the history.
    MissingEvent,
    /// The code no longer supports the recorded version of a change, or does not support it yet.
    UnsupportedVersion,
    /// The code waited for a future that is not the workflow's own (a tokio timer, a channel of another thread).
    ForeignFuture,
}

impl Nondeterminism {
    pub(crate) fn new(kind: NondeterminismKind, event_id: i64, event_type: &str, recorded: impl Into<String>) -> Self {
        let (event_type, recorded) = (event_type.to_string(), recorded.into());
        let (produced, waits_for, next_step, location) = (None, None, None, None);
        Self { kind, event_id, event_type, recorded, produced, waits_for, next_step, location }
    }

    /// Adds the place where the code waits, if its command, or the command's statement, is not known.
    pub(crate) fn waits_for(&mut self, what: impl Into<String>, location: Option<&'static Location<'static>>) {
        if self.produced.is_none() || self.location.is_none() {
            self.waits_for.get_or_insert_with(|| what.into());
            self.location = self.location.or(location);
        }
    }

    /// Sets the event, if it is not known yet.
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

    /// Kind of the difference.
    pub fn kind(&self) -> NondeterminismKind {
        self.kind
    }

    /// Id of the history event at which code and history differ.
    pub fn event_id(&self) -> i64 {
        self.event_id
    }

    /// Type of that event, as in `ActivityTaskScheduled`.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Record in the history.
    pub fn recorded(&self) -> &str {
        &self.recorded
    }

    /// The code's command instead; `None` if there was none.
    pub fn produced_command(&self) -> Option<&str> {
        self.produced.as_deref()
    }

    /// Statement of the workflow that produced the command, or else the statement at which it waits.
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
        NondeterminismKind::PatchRemoved => "keep the patch call until no run with its marker is left.",
        _ => "restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer.",
    }
}
