//! Signal-with-start: an operation of the server's own endpoint, whose input and answer are protobuf messages.

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::command::v1::command::Attributes as Command;
use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::history::v1::history_event::Attributes as Event;
use abide_protos::temporal::api::workflowservice::v1::{
    SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse,
};
use expect_test::expect;

use crate::by_name::{SignalType, WorkflowType};
use crate::replay::text::parse_history;
use crate::replay::{Input, Output};
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded, run_of, task};
use crate::workflow::SignalWithStart;
use crate::{WorkflowContext, WorkflowError};

const STOCK: WorkflowType<fn(String) -> ()> = WorkflowType::new("stock");
const RESTOCK: SignalType<fn(u32)> = SignalType::new("restock");
const SCHEDULED: &str = "5 NexusOperationScheduled endpoint=__temporal_system \
                         service=temporal.api.workflowservice.v1.WorkflowService \
                         operation=SignalWithStartWorkflowExecution input=null\n";
const TASK: &str = "7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";

fn restock(ctx: &WorkflowContext) -> SignalWithStart {
    ctx.signal_with_start("stock-7", STOCK, "Paris".to_string(), RESTOCK, 12)
}

async fn restocked(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    let stock = restock(&ctx).await?;
    Ok(format!("{} {} {}", stock.workflow_id(), stock.run_id(), stock.was_started()))
}

#[test]
fn its_input_is_the_request_of_a_client() {
    let mut run = run_of(restocked);
    let events = parse_history(FIRST_TASK).unwrap();
    let Output::Complete(completion) = run.handle(Input::WorkflowTask(Box::new(task(&events)))) else { panic!() };
    let Some(Command::ScheduleNexusOperationCommandAttributes(command)) = &completion.commands[0].attributes else {
        panic!("{:?}", completion.commands)
    };
    let input = command.input.as_ref().unwrap();
    let name = "temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionRequest";
    assert_eq!(
        (&*input.metadata["encoding"], &*input.metadata["messageType"]),
        (&b"binary/protobuf"[..], name.as_bytes())
    );
    let request = SignalWithStartWorkflowExecutionRequest::decode(input.data.as_slice()).unwrap();
    assert_eq!((&*request.workflow_id, &*request.signal_name, &*request.request_id), ("stock-7", "restock", ""));
    assert_eq!(request.input.unwrap().payloads[0].data, b"\"Paris\"");
    assert_eq!(request.signal_input.unwrap().payloads[0].data, b"12");
    assert_eq!(request.task_queue.unwrap().name, crate::replay::text::TASK_QUEUE, "that of the workflow");
}

#[test]
fn it_is_an_operation_of_the_server_itself() {
    check(
        restocked,
        FIRST_TASK,
        expect![
            "ScheduleNexusOperation endpoint=__temporal_system service=temporal.api.workflowservice.v1.WorkflowService operation=SignalWithStartWorkflowExecution input=<121 bytes binary/protobuf>"
        ],
    );
}

#[test]
fn the_outcome_tells_the_run_that_has_the_signal() {
    let mut run = run_of(restocked);
    let history = after_first_task(&format!("{SCHEDULED}6 NexusOperationCompleted\n{TASK}"));
    let mut events = parse_history(&history).unwrap();
    let response =
        SignalWithStartWorkflowExecutionResponse { run_id: "r-1".into(), started: true, ..Default::default() };
    let metadata = [("encoding".to_string(), b"binary/protobuf".to_vec())].into();
    for event in &mut events {
        if let Some(Event::NexusOperationCompletedEventAttributes(completed)) = &mut event.attributes {
            completed.result = Some(Payload { metadata, data: response.encode_to_vec(), ..Default::default() });
            break;
        }
    }
    let Output::Complete(completion) = run.handle(Input::WorkflowTask(Box::new(task(&events)))) else { panic!() };
    let Some(Command::CompleteWorkflowExecutionCommandAttributes(completed)) = &completion.commands[0].attributes
    else {
        panic!("{:?}", completion.commands)
    };
    assert_eq!(completed.result.as_ref().unwrap().payloads[0].data, b"\"stock-7 r-1 true\"");
}

#[test]
fn a_failed_operation_is_an_error() {
    check(
        |ctx| async move { Ok(restock(&ctx).await.map(drop).unwrap_err().to_string()) },
        &after_first_task(&format!("{SCHEDULED}6 NexusOperationFailed cause=\"the id is taken\"\n{TASK}")),
        expect![[
            r#"CompleteWorkflowExecution result="Nexus operation temporal.api.workflowservice.v1.WorkflowService/SignalWithStartWorkflowExecution at __temporal_system: nexus operation completed unsuccessfully: the id is taken""#
        ]],
    );
}

#[test]
fn an_answer_that_is_none_fails_the_task() {
    check(
        restocked,
        &after_first_task(&format!("{SCHEDULED}6 NexusOperationCompleted result=7\n{TASK}")),
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: the server's answer to a signal-with-start cannot be read: expected a SignalWithStartWorkflowExecutionResponse with the encoding `binary/protobuf`, found the encoding `json/plain` (at signal_with_start.rs `ctx.signal_with_start("stock-7", STOCK, "Paris".to_string(), RESTOCK, 12)`)"#
        ]],
    );
}

#[test]
fn another_operation_does_not_fit_its_history() {
    check_recorded(
        restocked,
        &after_first_task(&format!("5 NexusOperationScheduled input=null\n6 NexusOperationCompleted result=7\n{TASK}")),
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 NexusOperationScheduled: service=service operation=operation
              code now: ScheduleNexusOperation service=temporal.api.workflowservice.v1.WorkflowService operation=SignalWithStartWorkflowExecution
              at:       signal_with_start.rs `ctx.signal_with_start("stock-7", STOCK, "Paris".to_string(), RESTOCK, 12)`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}
