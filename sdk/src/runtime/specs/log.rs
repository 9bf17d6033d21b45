//! A subscriber that keeps the log of workflow code on this thread, for specs.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// The messages of all events, each after the spans around it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    lines: Vec<String>,
    /// All spans as text; an id is an index, from 1.
    spans: Vec<String>,
    entered: Vec<Id>,
}

impl Log {
    /// Keeps what `code` logs.
    pub(crate) fn of<T>(&self, code: impl FnOnce() -> T) -> T {
        // With a single subscriber `tracing` would ask the thread that logs something first whether to log it anywhere,
        // which can be another test's.
        let _second = Dispatch::new(self.clone());
        tracing::subscriber::with_default(self.clone(), code)
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().lines)
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text { of_field: |_| true, text: String::new() };
        span.record(&mut text);
        let spans = &mut self.0.lock().unwrap().spans;
        let metadata = span.metadata();
        spans.push(format!("{} {}{{{}}}", metadata.target(), metadata.name(), text.text.trim_start()));
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text { of_field: |field| field.name() == "message", text: String::new() };
        event.record(&mut text);
        let mut kept = self.0.lock().unwrap();
        let spans = kept.entered.iter().map(|id| format!("{}: ", kept.spans[id.into_u64() as usize - 1]));
        let line = spans.chain([text.text]).collect();
        kept.lines.push(line);
    }

    fn enter(&self, id: &Id) {
        self.0.lock().unwrap().entered.push(id.clone());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }
}

struct Text {
    of_field: fn(&Field) -> bool,
    text: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if (self.of_field)(field) {
            let _ = match field.name() {
                "message" => write!(self.text, "{value:?}"),
                name => write!(self.text, " {name}={value:?}"),
            };
        }
    }
}
