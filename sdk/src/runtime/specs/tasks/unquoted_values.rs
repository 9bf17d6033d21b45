//! A value of the wrong type is never repeated in a text for the server, because a codec may have encrypted it.

use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::query::v1::WorkflowQuery;

use crate::converter::to_payload;
use crate::duration::secs;
use crate::replay::text::parse_task;
use crate::replay::{Input, WorkflowTask};
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, new_run, query_answer, registry, task, text};
use crate::{
    ActivityError, ApplicationFailure, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods,
};

const SECRET: &str = "Zq7Xw9Kv3Jp5";

#[activity]
async fn number(of: u32) -> Result<u32, ActivityError> {
    Ok(of)
}

#[workflow(name = "child")]
async fn child(of: u32) -> Result<u32, WorkflowError> {
    Ok(of)
}

/// Reads its input in the way that its argument says.
#[workflow(name = "wf")]
#[derive(Default)]
struct Reader {
    way: State<String>,
}

#[workflow_methods]
impl Reader {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, way: String) -> Result<(), WorkflowError> {
        self.way.set(way.clone());
        match way.as_str() {
            "activity" => drop(ctx.activity(number, 1).start_to_close_timeout(secs(5)).await?),
            "local" => drop(ctx.local_activity(number, 1).start_to_close_timeout(secs(5)).await?),
            "child" => drop(ctx.child_workflow(child, 1).id("child-id").await?),
            "details" => {
                let failed = ctx.activity(number, 1).start_to_close_timeout(secs(5)).await;
                let cause = failed.err().and_then(|failure| failure.cause());
                cause.map(|cause| cause.detail::<u32>(0)).transpose()?;
            }
            _ => ctx.wait_until(|| false).await?,
        }
        Ok(())
    }

    #[update]
    fn take(&self, value: u32) -> u32 {
        value
    }

    #[query]
    fn ask(&self, value: u32) -> u32 {
        value
    }

    /// An author may repeat a caller's value in an error of his own; Abide does not.
    #[query]
    fn own(&self) -> Result<u32, WorkflowError> {
        Err(ApplicationFailure::new(self.way.get()).into())
    }
}

/// Returns all texts in the answer to the last task. Of an update's rejection it is the reason, not the request.
fn said(history: &str) -> String {
    let (events, messages) = parse_task(history).unwrap();
    let query_args = Some(Payloads { payloads: vec![to_payload(&SECRET.to_string()).unwrap()] });
    let query = WorkflowQuery { query_type: "ask".into(), query_args, header: None };
    let task = WorkflowTask { messages, queries: vec![("q".into(), query)], ..task(&events) };
    let output = new_run(&registry(Reader::run), None).handle(Input::WorkflowTask(Box::new(task)));
    let asked = match &output {
        crate::replay::Output::Complete(completion) => query_answer(&completion.query_results["q"]),
        _ => String::new(),
    };
    let told = text(&output);
    let told: Vec<&str> = told.split(' ').filter(|word| !word.starts_with("rejected_request.input.args=")).collect();
    format!("{}\n{asked}", told.join(" "))
}

#[test]
fn no_piece_of_a_value_that_does_not_fit_is_told_to_the_server() {
    let begun =
        |way: &str, rest: &str| after_first_task(rest).replacen("type=wf", &format!("type=wf input=\"{way}\""), 1);
    let histories = [
        FIRST_TASK.replacen("type=wf", &format!("type=wf input=[\"{SECRET}\"]"), 1),
        begun(
            "activity",
            &format!(
                "5 ActivityTaskScheduled type=number\n6 ActivityTaskStarted\n7 ActivityTaskCompleted result=\"{SECRET}\"
                 8 WorkflowTaskScheduled\n9 WorkflowTaskStarted"
            ),
        ),
        begun(
            "local",
            &format!(
                "5 MarkerRecorded local_activity=1 activity=number index=1 result={{\"{SECRET}\":\"{SECRET}\"}}
                 6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"
            ),
        ),
        begun(
            "child",
            &format!(
                "5 StartChildWorkflowExecutionInitiated id=child-id type=child\n6 ChildWorkflowExecutionStarted
                 7 ChildWorkflowExecutionCompleted result=\"{SECRET}\"\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted"
            ),
        ),
        begun(
            "details",
            &format!(
                "5 ActivityTaskScheduled type=number\n6 ActivityTaskStarted
                 7 ActivityTaskFailed message=no type=No details=\"{SECRET}\"
                 8 WorkflowTaskScheduled\n9 WorkflowTaskStarted"
            ),
        ),
        begun(
            "update",
            &format!("5 WorkflowTaskScheduled\n6 WorkflowTaskStarted\nupdate id=u1 name=take input=\"{SECRET}\""),
        ),
    ];
    for history in histories {
        let said = said(&history);
        assert!(said.contains("expected `"), "something did not fit:\n{history}\n{said}");
        for from in 0..=SECRET.len() - 4 {
            let piece = &SECRET[from..from + 4];
            assert!(!said.contains(piece), "{piece} is in: {said}");
        }
    }
}

#[test]
fn texts_are_bounded_however_long_a_name_or_a_message_is() {
    let long = "n".repeat(1_000_000);
    let unknown = FIRST_TASK.replacen("type=wf", &format!("type={long}"), 1);
    let update = after_first_task(&format!("5 WorkflowTaskScheduled\n6 WorkflowTaskStarted\nupdate id=u1 name={long}"))
        .replacen("type=wf", "type=wf input=\"update\"", 1);
    for history in [unknown, update] {
        let said = said(&history).replace(&format!("rejected_request.input.name={long}"), "");
        assert!(said.len() < 20_000, "{} bytes are told", said.len());
    }
    let (events, _) = parse_task(&FIRST_TASK.replacen("type=wf", &format!("type=wf input=\"{long}\""), 1)).unwrap();
    let query = WorkflowQuery { query_type: "own".into(), query_args: None, header: None };
    let task = WorkflowTask { queries: vec![("q".into(), query)], ..task(&events) };
    let output = new_run(&registry(Reader::run), None).handle(Input::WorkflowTask(Box::new(task)));
    let crate::replay::Output::Complete(completion) = output else { panic!("it completes") };
    let answer = &completion.query_results["q"];
    assert!(answer.error_message.len() <= crate::bounded_text::MESSAGE, "{} bytes", answer.error_message.len());
}
