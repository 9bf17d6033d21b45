//! How an error says which failure it stands for, also behind a box or a wrapper that shows it as itself.
//!
//! `Error` has no method for that, and a `dyn Error` can only be compared with types that are known here. So the
//! errors that stand for a failure answer through [`Error::source`]: while an error is asked, their `source` leaves
//! the failure behind. A wrapper whose `source` is the wrapped one's (thiserror's `transparent`, an `anyhow::Error`
//! that was made a box) passes the question on.

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
    /// What the error that is looked at on this thread is asked.
    static QUESTION: Cell<Question> = const { Cell::new(Question::NotAsked) };
}

/// The failure that an error stands for; `None` if it is any other error.
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

/// Called by the `source` of an error that stands for a failure. The first answer counts.
pub(crate) fn offer(failure: impl FnOnce() -> FailureProto) {
    match QUESTION.take() {
        // Not asked while it answers: it may ask its own causes.
        Question::Asked => {
            let failure = Box::new(failure());
            QUESTION.set(Question::Answered(failure));
        }
        other => QUESTION.set(other),
    }
}

/// Puts the outer question back, also if an author's `source` panics.
struct Asking {
    outer: Question,
}

impl Drop for Asking {
    fn drop(&mut self) {
        QUESTION.set(std::mem::take(&mut self.outer));
    }
}
