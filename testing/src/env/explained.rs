//! Asks stuck workflows for the lines at which their code waits, before the test fails because it would wait forever.

use std::fmt::Write as _;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use abide::QueryType;
use abide::client::Client;
use abide_server::embedding::{Host, Told, spawn};

use super::AnyWorkflow;

/// The query that every workflow answers with everything it waits for, and the lines of the statements.
const STACK_TRACE: QueryType<fn() -> String> = QueryType::new("__stack_trace");

/// Maximum time to wait for an answer.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// Adds these lines to the verdicts of an environment, until dropped.
#[derive(Debug)]
pub(crate) struct Explainer(tokio::task::AbortHandle);

impl Explainer {
    pub(crate) fn start(host: &Arc<Host>, client: &Client) -> Self {
        host.explain();
        let (host, client) = (Arc::clone(host), client.clone());
        Self(spawn(async move {
            loop {
                let unexplained = host.unexplained().await;
                let why = readable(unexplained.why.clone(), &client).await;
                let lines = where_code_waits(&host, &client).await;
                host.tell_explained(&unexplained, format!("{why}{lines}"));
            }
        }))
    }
}

impl Drop for Explainer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Decodes the failures in a text.
pub(super) async fn readable(mut told: Told, client: &Client) -> String {
    let converter = client.connection().data_converter();
    for failure in told.failures_mut() {
        if let Ok(message) = tokio::time::timeout(ANSWERS_WITHIN, converter.failure_message(failure.clone())).await {
            failure.message = message;
        }
    }
    told.to_string()
}

/// Returns the lines of all runs that answer, to append to a verdict.
async fn where_code_waits(host: &Host, client: &Client) -> String {
    let mut text = String::new();
    for run in host.waiting_runs(client.connection().namespace()) {
        let handle = client.handle(AnyWorkflow, run.workflow_id).with_run_id(run.run_id);
        let query = handle.query(STACK_TRACE, ()).into_future();
        let Ok(answer) = tokio::time::timeout(ANSWERS_WITHIN, query).await else { continue };
        // Code that cannot be asked says why.
        let answer = answer.unwrap_or_else(|error| error.to_string());
        let _ = write!(text, "\n  - {}", run.name);
        // Each wait and its source line are two lines of the answer.
        for waits_for in answer.replace("\n    at ", ", at ").lines() {
            let _ = write!(text, "\n      {waits_for}");
        }
    }
    if text.is_empty() { text } else { format!("\nWhere the code waits:{text}") }
}
