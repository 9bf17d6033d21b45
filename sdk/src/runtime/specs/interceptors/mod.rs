//! Workflow interceptors: what they see, change and replace, live and on replay.
//!
//! (That one that only passes on changes nothing: every `check` in the other specs, and `property.rs`.)

mod inbound;
mod messages;
mod outbound;
mod results;

use std::sync::{Arc, Mutex};

use crate::IntoShared;
use crate::interceptor::WorkflowInterceptor;

/// Interceptors for [`check_with`](super::harness::check_with).
fn one(interceptor: impl IntoShared<dyn WorkflowInterceptor>) -> Vec<Arc<dyn WorkflowInterceptor>> {
    vec![interceptor.into_shared()]
}

/// The calls that interceptors saw, for specs of what no command shows.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
