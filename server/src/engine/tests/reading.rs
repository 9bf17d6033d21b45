//! Reading a history: pages, waiting for new events, waiting for the end.

use super::super::api::{enums::HistoryEventFilterType, service};
use super::super::waiters::Step;
use super::spec::{Spec, execution};

fn request(token: &[u8], size: i32, wait: bool) -> service::GetWorkflowExecutionHistoryRequest {
    service::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("")),
        next_page_token: token.to_vec(),
        maximum_page_size: size,
        wait_new_event: wait,
        ..Default::default()
    }
}

fn read(spec: &mut Spec, request: &service::GetWorkflowExecutionHistoryRequest) -> Option<(Vec<i64>, Vec<u8>)> {
    match spec.engine.get_workflow_execution_history(request, true).expect("the workflow exists") {
        Step::Done(response) => {
            let events = response.history.unwrap_or_default().events;
            Some((events.iter().map(|event| event.event_id).collect(), response.next_page_token))
        }
        Step::Wait(id) => {
            spec.engine.withdraw(id);
            None
        }
    }
}

#[test]
fn pages_of_any_size_make_up_the_whole_history() {
    let mut spec = Spec::new();
    for line in ["start", "poll", "respond: timer 1 1s; timer 2 2s; activity 1", "wait 3s"] {
        spec.run(line);
    }
    for size in 1..12 {
        let mut all = Vec::new();
        let mut token = Vec::new();
        loop {
            let (events, next) = read(&mut spec, &request(&token, size, false)).expect("it was not asked to wait");
            assert!(events.len() <= usize::try_from(size).expect("sizes are positive"));
            all.extend(events);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(all, (1..=10).collect::<Vec<_>>(), "page size {size}");
    }
}

#[test]
fn a_history_longer_than_a_page_comes_to_the_worker_in_pages() {
    let mut spec = Spec::new();
    spec.run("start");
    for _ in 0..300 {
        spec.run("signal a");
    }
    spec.run("poll");
    assert!(spec.out.ends_with("poll: task, attempt 1, events 1-256\n"), "{}", spec.out);
    let (events, next) = read(&mut spec, &request(&[], 0, false)).expect("it was not asked to wait");
    assert_eq!((events.len(), next.is_empty()), (256, false));
    let (events, next) = read(&mut spec, &request(&next, 0, false)).expect("it was not asked to wait");
    assert_eq!((events, next.is_empty()), ((257..=303).collect(), true));
}

#[test]
fn a_transient_task_is_shown_to_sdks_only() {
    let mut spec = Spec::new();
    for line in ["start", "poll", "fail-task", "poll"] {
        spec.run(line);
    }
    let (events, _) = read(&mut spec, &request(&[], 0, false)).expect("it was not asked to wait");
    assert_eq!(events, [1, 2, 3, 4, 5, 6]);
    let Ok(Step::Done(response)) = spec.engine.get_workflow_execution_history(&request(&[], 0, false), false) else {
        panic!("the history can be read at once");
    };
    assert_eq!(response.history.unwrap_or_default().events.len(), 4);
}

#[test]
fn waiting_for_news_ends_with_the_workflow() {
    let mut spec = Spec::new();
    spec.run("start");
    let (events, token) = read(&mut spec, &request(&[], 0, true)).expect("there are events already");
    assert_eq!((events, token.is_empty()), (vec![1, 2], false));
    assert_eq!(read(&mut spec, &request(&token, 0, true)), None, "nothing new: it waits");
    spec.run("signal a");
    let (events, token) = read(&mut spec, &request(&token, 0, true)).expect("there is news");
    assert_eq!((events, token.is_empty()), (vec![3], false));
    spec.run("terminate");
    let (events, token) = read(&mut spec, &request(&token, 0, true)).expect("there is news");
    assert_eq!((events, token.is_empty()), (vec![4], true));
}

#[test]
fn a_waiting_reader_is_woken_by_the_end_only_if_that_is_all_it_wants() {
    let mut spec = Spec::new();
    spec.run("start");
    let close = service::GetWorkflowExecutionHistoryRequest {
        history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
        ..request(&[], 0, true)
    };
    let Ok(Step::Wait(waiter)) = spec.engine.get_workflow_execution_history(&close, true) else {
        panic!("the workflow is open");
    };
    spec.engine.take_wakeups();
    let signal = service::SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(execution("")),
        signal_name: "a".to_owned(),
        ..Default::default()
    };
    spec.engine.signal_workflow_execution(signal).expect("the workflow is open");
    assert_eq!(spec.engine.take_wakeups(), []);
    let terminate = service::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(execution("")),
        ..Default::default()
    };
    spec.engine.terminate_workflow_execution(terminate).expect("the workflow is open");
    assert_eq!(spec.engine.take_wakeups(), [waiter]);
    assert_eq!(read(&mut spec, &close), Some((vec![4], Vec::new())));
}
