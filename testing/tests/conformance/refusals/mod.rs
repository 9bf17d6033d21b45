//! Requests that are refused: one mistake each, the same code and the same text on both servers.

mod runs;
mod starts;
mod workers;

use tonic::Status;

/// Spoils a valid request.
type Mistake<R> = fn(&mut R);

/// The id of a run that is not there.
const NOBODY: &str = "00000000-0000-4000-8000-000000000005";

/// One byte more than an id or a name may have.
fn long() -> String {
    "x".repeat(1001)
}

fn before() -> Option<abide_protos::Duration> {
    Some(abide_protos::Duration { seconds: -1, nanos: 0 })
}

/// A real server shows a number in the place of some causes, in parentheses.
fn shown<T>(answer: Result<T, Status>) -> Result<&'static str, Status> {
    answer.map(|_| "taken").map_err(|status| match status.message().split_once("please retry (") {
        Some((text, _)) => Status::new(status.code(), format!("{text}please retry (..)")),
        None => status,
    })
}

/// Sends a valid request with each of these mistakes, and writes the answers down.
macro_rules! send {
    ($raw:ident, $method:ident, $valid:expr, $mistakes:expr) => {
        for (what, spoil) in $mistakes {
            let mut request = $valid;
            spoil(&mut request);
            let answer = $raw.service.$method(crate::raw::with_deadline(request)).await;
            $raw.note(what, &crate::refusals::shown(answer));
        }
    };
}
pub(crate) use send;
