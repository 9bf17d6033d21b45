//! Actions of a test at a point in virtual time.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use abide_protos::fields::std_duration_text;
use abide_server::embedding::{Host, spawn};

use super::mock::{Guard, panicked};

/// The output of an action given to [`at`](crate::TestWorkflowEnvironment::at): nothing, or a result whose error fails
/// the test.
pub trait MomentOutcome {
    /// Returns the reason to fail the test, if there is one.
    fn error(self) -> Option<String>;
}

impl MomentOutcome for () {
    fn error(self) -> Option<String> {
        None
    }
}

impl<T, E: Display> MomentOutcome for Result<T, E> {
    fn error(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

/// Runs the action concurrently with the test when the server's clock reaches that time.
pub(crate) fn at<F>(host: &Arc<Host>, started: SystemTime, elapsed: Duration, what: F)
where
    F: Future<Output: MomentOutcome> + Send + 'static,
{
    let failed = Arc::clone(host);
    let at = std_duration_text(elapsed);
    let name = format!("the action of `env.at(..)` at {at}");
    let done = host.at(started, elapsed, format!("`env.at(..)` at {at}"), async move {
        let why = match Guard(Box::pin(what)).await {
            Ok(outcome) => outcome.error().map(|error| format!("{name} failed: {error}")),
            Err(panic) => Some(panicked(&name, &*panic)),
        };
        if let Some(why) = why {
            failed.end_test(why);
        }
    });
    spawn(done);
}
