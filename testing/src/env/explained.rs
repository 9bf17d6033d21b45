//! Asks the code of stuck workflows at which line it waits, before the test is told that it would wait for ever.

use std::fmt::Write as _;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use abide::QueryType;
use abide::client::Client;
use abide_server::embedding::{Host, spawn};

use super::AnyWorkflow;

/// A query that every workflow answers: everything it waits for, with the line of the statement.
const STACK_TRACE: QueryType<fn() -> String> = QueryType::new("__stack_trace");

/// Code that does not answer by then is not waited for.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// Adds the lines to the verdicts of an environment, until it is dropped.
#[derive(Debug)]
pub(crate) struct Explainer(tokio::task::AbortHandle);

impl Explainer {
    pub(crate) fn start(host: &Arc<Host>, client: &Client) -> Self {
        host.explain();
        let (host, client) = (Arc::clone(host), client.clone());
        Self(spawn(async move {
            loop {
                let unexplained = host.unexplained().await;
                let lines = where_code_waits(&host, &client).await;
                host.tell_explained(&unexplained, &lines);
            }
        }))
    }
}

impl Drop for Explainer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The lines of all runs that answer, as the end of a verdict.
async fn where_code_waits(host: &Host, client: &Client) -> String {
    let mut text = String::new();
    for run in host.waiting_runs(client.connection().namespace()) {
        let handle = client.handle(AnyWorkflow, run.workflow_id).with_run_id(run.run_id);
        let query = handle.query(STACK_TRACE, ()).into_future();
        let Ok(Ok(answer)) = tokio::time::timeout(ANSWERS_WITHIN, query).await else { continue };
        let _ = write!(text, "\n  - {}", run.name);
        // Each thing and its line are two lines of the answer.
        for waits_for in answer.replace("\n    at ", ", at ").lines() {
            let _ = write!(text, "\n      {waits_for}");
        }
    }
    if text.is_empty() { text } else { format!("\nWhere the code waits:{text}") }
}
