//! The purposes of a test environment, as tests that its users could write.

mod activities;
mod basics;
mod blocked;
mod blocking;
mod debug;
mod dynamic;
mod endless;
mod held;
mod interceptors;
mod logs;
mod metrics;
mod mocks;
mod nexus;
mod noticed;
mod own_queues;
mod plugins;
mod run_time_names;
#[cfg(unix)]
mod stopped;
mod waiting;

use std::time::Instant;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Returns the machine's time: no test may take long, whatever its clock shows.
#[expect(clippy::disallowed_methods, reason = "how long a test takes is measured on the machine's clock")]
fn real_time() -> Instant {
    Instant::now()
}
