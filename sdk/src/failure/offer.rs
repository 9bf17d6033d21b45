//! Lets an error provide its failure, even inside a box or a transparent wrapper.
//!
//! `Error` has no method for that, and a `dyn Error` can be compared only with types known here. So errors with a
//! failure answer through [`Error::source`]: while an error is asked, its `source` stores the failure here. A wrapper
//! whose `source` calls the wrapped error's (thiserror's `transparent`, a boxed `anyhow::Error`) passes the question
//! on.

use std::cell::Cell;
use std::error::Error;

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;

#[derive(Default)]
enum Question {
    #[default]
    NotAsked,
    Asked,
    Answered(Box<FailureProto>),
}

thread_local! {
    /// The state of the question on this thread.
    static QUESTION: Cell<Question> = const { Cell::new(Question::NotAsked) };
}

/// Returns the failure that an error provides; `None` for any other error.
pub(crate) fn offered(error: &(dyn Error + 'static)) -> Option<Box<FailureProto>> {
    let asking = Asking { outer: QUESTION.replace(Question::Asked) };
    let _ = error.source();
    let answer = QUESTION.take();
    drop(asking);
    match answer {
        Question::Answered(failure) => Some(failure),
        Question::NotAsked | Question::Asked => None,
    }
}

/// Stores a failure; called by the `source` of an error that provides one. The first answer counts.
pub(crate) fn offer(failure: impl FnOnce() -> FailureProto) {
    match QUESTION.take() {
        // The question is suspended meanwhile, because the error may ask its own causes.
        Question::Asked => {
            let failure = Box::new(failure());
            QUESTION.set(Question::Answered(failure));
        }
        other => QUESTION.set(other),
    }
}

/// Restores the outer question, even if a user's `source` panics.
struct Asking {
    outer: Question,
}

impl Drop for Asking {
    fn drop(&mut self) {
        QUESTION.set(std::mem::take(&mut self.outer));
    }
}
