//! Splits a completion that exceeds the message size limit into pages.
//!
//! A namespace with this feature accepts the commands of one workflow task in several requests: it stores all pages but
//! the last, which has everything else and completes the task. The stored pages can get lost; then the server reports
//! it, and all pages are sent again.

use std::future::Future;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::workflowservice::v1::{
    RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskCompletedResponse,
};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::client::RpcError;

/// Request size in bytes above which it is split: a server accepts 4 MB, and the transport adds overhead.
pub(crate) const MAX_PAGE: usize = 3584 * 1024;
/// Maximum concurrent page requests.
const IN_PARALLEL: usize = 3;
/// Maximum resends of all pages before the task is abandoned, to be repeated as a whole.
const RESENDS: u32 = 3;
/// Maximum bytes of a field's tag and length.
const OVERHEAD: usize = 6;

/// Splits a request so that no page is larger than `max`, unless a single command is. A request that is small enough,
/// or whose only command is too large, stays unchanged.
pub(crate) fn split(
    mut request: RespondWorkflowTaskCompletedRequest,
    max: usize,
) -> Vec<RespondWorkflowTaskCompletedRequest> {
    if request.encoded_len() <= max || request.commands.len() < 2 {
        return vec![request];
    }
    let commands = std::mem::take(&mut request.commands);
    // Everything but the commands belongs to the last page; the others only identify the task.
    let intermediate = RespondWorkflowTaskCompletedRequest {
        messages: Vec::new(),
        query_results: Default::default(),
        sdk_metadata: None,
        metering_metadata: None,
        intermediate_page: true,
        ..request.clone()
    };
    let mut groups = group(commands, max.saturating_sub(intermediate.encoded_len()));
    let last_size = request.encoded_len() + groups.last().map_or(0, |group| group.iter().map(size).sum());
    let last = if groups.len() > 1 && last_size <= max { groups.pop().unwrap_or_default() } else { Vec::new() };
    let mut pages: Vec<_> = groups
        .into_iter()
        .map(|commands| RespondWorkflowTaskCompletedRequest { commands, ..intermediate.clone() })
        .chain([RespondWorkflowTaskCompletedRequest { commands: last, ..request }])
        .collect();
    for (number, page) in pages.iter_mut().enumerate() {
        page.page_number = i32::try_from(number).unwrap_or(i32::MAX);
    }
    pages
}

/// Sends pages with `send`, the last one after all others have arrived. Stops at the first error.
///
/// # Errors
/// Returns an error if a page could not be delivered, or the server keeps losing them.
pub(crate) async fn deliver<F: Future<Output = Result<RespondWorkflowTaskCompletedResponse, RpcError>>>(
    pages: &[RespondWorkflowTaskCompletedRequest],
    send: impl Fn(RespondWorkflowTaskCompletedRequest) -> F,
) -> Result<RespondWorkflowTaskCompletedResponse, RpcError> {
    let mut resends = 0;
    loop {
        match deliver_once(pages, &send).await {
            Err(error) if error.is_completion_buffer_lost() && resends < RESENDS => {
                resends += 1;
                tracing::debug!("a workflow task's completion is sent again with all its pages: {error}");
            }
            answered => return answered,
        }
    }
}

async fn deliver_once<F: Future<Output = Result<RespondWorkflowTaskCompletedResponse, RpcError>>>(
    pages: &[RespondWorkflowTaskCompletedRequest],
    send: &impl Fn(RespondWorkflowTaskCompletedRequest) -> F,
) -> Result<RespondWorkflowTaskCompletedResponse, RpcError> {
    let Some((last, intermediate)) = pages.split_last() else {
        return Ok(RespondWorkflowTaskCompletedResponse::default());
    };
    // Dropping the stream at the first error cancels the pages in flight.
    stream::iter(0..intermediate.len())
        .map(|number| send(intermediate[number].clone()))
        .buffer_unordered(IN_PARALLEL)
        .try_for_each(async |_| Ok(()))
        .await?;
    send(last.clone()).await
}

/// Groups commands into pages, in order.
fn group(commands: Vec<Command>, room: usize) -> Vec<Vec<Command>> {
    let mut groups: Vec<Vec<Command>> = Vec::new();
    let mut left = 0;
    for command in commands {
        let size = size(&command);
        match groups.last_mut() {
            Some(group) if size <= left => {
                group.push(command);
                left -= size;
            }
            _ => {
                groups.push(vec![command]);
                left = room.saturating_sub(size);
            }
        }
    }
    groups
}

fn size(command: &Command) -> usize {
    command.encoded_len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use abide_protos::temporal::api::command::v1::{CompleteWorkflowExecutionCommandAttributes, command::Attributes};
    use abide_protos::temporal::api::common::v1::{Payload, Payloads};
    use abide_protos::temporal::api::protocol::v1::Message as ProtocolMessage;
    use tonic::Code;

    use super::*;
    use crate::worker::polling::sleep;

    type Answer = Result<RespondWorkflowTaskCompletedResponse, RpcError>;

    fn command(size: usize) -> Command {
        let result = Payloads { payloads: vec![Payload { data: vec![0; size], ..Default::default() }] };
        let attributes = CompleteWorkflowExecutionCommandAttributes { result: Some(result) };
        Command {
            attributes: Some(Attributes::CompleteWorkflowExecutionCommandAttributes(attributes)),
            ..Default::default()
        }
    }

    fn request(sizes: &[usize], message: usize) -> RespondWorkflowTaskCompletedRequest {
        let message = ProtocolMessage { id: "m".repeat(message), ..Default::default() };
        RespondWorkflowTaskCompletedRequest {
            task_token: b"token".into(),
            namespace: "default".into(),
            commands: sizes.iter().map(|size| command(*size)).collect(),
            messages: if message.id.is_empty() { Vec::new() } else { vec![message] },
            ..Default::default()
        }
    }

    /// Shows pages as text: command sizes in hundreds, `+` for messages, `..` for pages before the last.
    fn pages(sizes: &[usize], message: usize) -> String {
        let original = request(sizes, message);
        let pages = split(original.clone(), 1000);
        let joined: Vec<_> = pages.iter().flat_map(|page| page.commands.clone()).collect();
        assert_eq!(joined, original.commands, "no command is lost, their order stays");
        let text = pages.iter().enumerate().map(|(number, page)| {
            assert_eq!((page.page_number, &page.task_token), (number as i32, &original.task_token));
            let commands = page.commands.iter().map(|command| (size(command) / 100).to_string());
            let mut text = commands.collect::<Vec<_>>().join(" ");
            text += if page.messages.is_empty() { "" } else { "+" };
            text + if page.intermediate_page { ".." } else { "" }
        });
        text.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn b040_pages_are_filled_in_order_and_only_the_last_completes_the_task() {
        assert_eq!(pages(&[300, 300], 0), "3 3", "small enough");
        assert_eq!(pages(&[300, 300, 300, 300, 300], 0), "3 3 3.. | 3 3");
        assert_eq!(pages(&[300, 800, 100], 0), "3.. | 8 1");
        assert_eq!(pages(&[300, 300, 300], 200), "3 3 3.. | +");
        assert_eq!(pages(&[300, 300, 300, 300], 200), "3 3 3.. | 3+");
    }

    #[test]
    fn b040_large_data_beside_the_commands_has_a_page_of_its_own() {
        assert_eq!(pages(&[300, 300], 900), "3 3.. | +");
        assert_eq!(pages(&[800, 800], 500), "8.. | 8.. | +");
    }

    #[test]
    fn b040_one_oversized_command_is_not_split() {
        assert_eq!(pages(&[3000], 0), "30");
        assert_eq!(pages(&[100, 3000, 100], 0), "1.. | 30.. | 1");
    }

    fn five_pages() -> Vec<RespondWorkflowTaskCompletedRequest> {
        let pages = split(request(&[900; 5], 0), 1000);
        assert_eq!(pages.len(), 5);
        pages
    }

    fn lost() -> RpcError {
        RpcError::for_test_with_detail(
            Code::Aborted,
            "buffer lost",
            &abide_protos::temporal::api::errordetails::v1::WorkflowTaskCompletionBufferLostFailure {},
        )
    }

    #[tokio::test(start_paused = true)]
    async fn b040_three_pages_are_under_way_at_a_time_and_the_last_one_comes_after_all() {
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let log = Mutex::new(Vec::new());
        deliver(&five_pages(), async |page: RespondWorkflowTaskCompletedRequest| -> Answer {
            let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            if !page.intermediate_page {
                assert_eq!(now, 1, "the last page is alone");
            }
            sleep(Duration::from_secs(1)).await;
            log.lock().unwrap().push(page.page_number);
            under_way.fetch_sub(1, Ordering::SeqCst);
            Ok(RespondWorkflowTaskCompletedResponse {
                reset_history_event_id: page.page_number.into(),
                ..Default::default()
            })
        })
        .await
        .map(|response| assert_eq!(response.reset_history_event_id, 4, "the last page's answer counts"))
        .unwrap();
        assert_eq!((most.into_inner(), log.into_inner().unwrap().last()), (3, Some(&4)));
    }

    #[tokio::test(start_paused = true)]
    async fn b040_a_page_that_fails_cancels_the_others() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let answer = deliver(&five_pages(), async |page: RespondWorkflowTaskCompletedRequest| -> Answer {
            sleep(Duration::from_secs(if page.page_number == 1 { 1 } else { 2 })).await;
            if page.page_number == 1 {
                return Err(RpcError::for_test(Code::NotFound, "the task has timed out"));
            }
            log.lock().unwrap().push(page.page_number);
            Ok(RespondWorkflowTaskCompletedResponse::default())
        })
        .await;
        assert!(answer.unwrap_err().is_not_found());
        sleep(Duration::from_secs(10)).await;
        assert!(log.lock().unwrap().is_empty(), "no other page has arrived");
    }

    #[tokio::test]
    async fn b040_all_pages_are_sent_again_when_the_server_lost_them() {
        let log = Mutex::new(Vec::new());
        deliver(&five_pages(), async |page: RespondWorkflowTaskCompletedRequest| -> Answer {
            let mut log = log.lock().unwrap();
            log.push(page.page_number);
            if log.len() == 5 { Err(lost()) } else { Ok(RespondWorkflowTaskCompletedResponse::default()) }
        })
        .await
        .unwrap();
        assert_eq!(log.into_inner().unwrap(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn b040_pages_that_are_always_lost_are_given_up() {
        let sent = AtomicUsize::new(0);
        let answer = deliver(&five_pages(), async |_| -> Answer {
            sent.fetch_add(1, Ordering::SeqCst);
            Err(lost())
        })
        .await;
        assert!(answer.unwrap_err().is_completion_buffer_lost());
        assert!(sent.into_inner() <= 4 * 3, "four times, each ended by its first answer");
    }
}
