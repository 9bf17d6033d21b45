//! The worker's own heartbeat: its content and its times. Nothing depends on it.

use abide::prelude::*;
use abide_protos::Timestamp;
use abide_protos::temporal::api::enums::v1::WorkerStatus;
use abide_protos::temporal::api::worker::v1::{WorkerHeartbeat, WorkerSlotsInfo};
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Code;

use crate::harness::{FIRST_TASK, after_first_task};
use crate::server::{Server, activity, run, sticky_task, task};

type Heartbeat = RecordWorkerHeartbeatRequest;

#[activity]
async fn work() -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn fails() -> Result<(), ActivityError> {
    Err(ApplicationFailure::new("no beans").into())
}

#[workflow(name = "wf")]
async fn sleeps(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    ctx.timer(secs(2)).await?;
    Ok(())
}

fn only(mut request: Heartbeat) -> WorkerHeartbeat {
    assert_eq!(request.worker_heartbeat.len(), 1);
    request.worker_heartbeat.remove(0)
}

/// Used and free slots; ended and failed tasks, in total and since the last heartbeat.
fn numbers(slots: Option<WorkerSlotsInfo>) -> [i32; 6] {
    let slots = slots.unwrap();
    let ended = [slots.total_processed_tasks, slots.total_failed_tasks];
    let last = [slots.last_interval_processed_tasks, slots.last_interval_failure_tasks];
    [slots.current_used_slots, slots.current_available_slots, ended[0], ended[1], last[0], last[1]]
}

fn time(time: Option<Timestamp>) -> (i64, i32) {
    time.map(|time| (time.seconds, time.nanos)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn b128_a_worker_tells_every_minute_how_it_fares() {
    let server = Server::new().taking_heartbeats();
    let worker = server.worker().await.activities(work).activities(fails).identity("barista");
    let worker = worker.max_concurrent_activities(20).build_id("build-7").build().unwrap();
    run(worker, async {
        let first = only(server.request(1).await);
        let methods = server.all_methods();
        let position = |name: &str| methods.iter().position(|method| method == name).unwrap();
        assert!(position("PollActivityTaskQueue") < position("RecordWorkerHeartbeat"), "polling has begun");
        let told =
            [first.worker_identity, first.task_queue, first.sdk_name, first.deployment_version.unwrap().build_id];
        assert_eq!(told, ["barista", "queue", "abide", "build-7"]);
        let poll: PollActivityTaskQueueRequest = server.request(1).await;
        assert_eq!(first.worker_instance_key, poll.worker_instance_key);
        assert_eq!(first.host_info.unwrap().process_id, std::process::id().to_string());
        assert_eq!(first.status, WorkerStatus::Running as i32);
        assert_eq!(numbers(first.activity_task_slots_info), [0, 20, 0, 0, 0, 0]);
        assert!(first.workflow_task_slots_info.is_none() && first.elapsed_since_last_heartbeat.is_none());

        server.activity_task(activity("work"));
        server.activity_task(activity("fails"));
        let second = only(server.request(2).await);
        assert_eq!(numbers(second.activity_task_slots_info), [0, 20, 2, 1, 2, 1]);
        let pollers = second.activity_poller_info.unwrap();
        assert_eq!(pollers.current_pollers, 5);
        assert!(time(pollers.last_successful_poll_time) >= time(second.start_time), "{pollers:?}");
        assert!(
            second.elapsed_since_last_heartbeat.is_some() && time(second.heartbeat_time) >= time(first.heartbeat_time)
        );
        let third = only(server.request(3).await);
        assert_eq!(numbers(third.activity_task_slots_info), [0, 20, 2, 1, 0, 0]);
    })
    .await;
    let times: Vec<u64> = server.asked::<Heartbeat>().iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 60, 120]);
    let [(_, last)] = &server.asked::<ShutdownWorkerRequest>()[..] else { panic!("one shutdown") };
    let last = last.worker_heartbeat.as_ref().unwrap();
    assert_eq!(last.status, WorkerStatus::ShuttingDown as i32);
}

#[tokio::test]
async fn b128_tasks_of_workflows_and_what_their_cache_does_are_told() {
    let server = Server::new().taking_heartbeats();
    let worker = server.worker().await.workflow(sleeps).worker_heartbeat_interval(millis(20)).build().unwrap();
    let fired = after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted");
    run(worker, async {
        server.workflow_task(task(&FIRST_TASK.replace("type=wf", "type=unknown")));
        server.request::<RespondWorkflowTaskFailedRequest>(1).await;
        server.workflow_task(task(FIRST_TASK));
        server.request::<RespondWorkflowTaskCompletedRequest>(1).await;
        server.workflow_task(sticky_task(3, &fired));
        server.request::<RespondWorkflowTaskCompletedRequest>(2).await;
        // A task of a run that this worker does not have and cannot fetch.
        server.refuse("GetWorkflowExecutionHistory", Code::NotFound, "gone");
        let mut elsewhere = sticky_task(3, &fired);
        elsewhere.workflow_execution.as_mut().unwrap().run_id = "another-run".into();
        server.workflow_task(elsewhere);
        let mut number = 1;
        let told = loop {
            let told = only(server.request(number).await);
            let quiet = numbers(told.workflow_task_slots_info.clone())[0] == 0;
            if quiet && told.total_sticky_cache_miss == 1 {
                break told;
            }
            number += 1;
        };
        assert_eq!((told.total_sticky_cache_hit, told.current_sticky_cache_size), (1, 1));
        let [used, free, ended, failed, ..] = numbers(told.workflow_task_slots_info);
        assert_eq!([used, free], [0, 100]);
        assert!(ended >= 3 && failed >= 1, "{ended} ended, {failed} failed");
        assert_eq!(numbers(told.local_activity_slots_info), [0, 100, 0, 0, 0, 0]);
        let pollers = [told.workflow_poller_info, told.workflow_sticky_poller_info];
        assert_eq!(pollers.map(|info| info.unwrap().current_pollers), [1, 4]);
        assert!(told.activity_task_slots_info.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b128_no_heartbeat_is_sent_where_it_is_not_wanted() {
    for (takes, off) in [(false, false), (true, true)] {
        let server = if takes { Server::new().taking_heartbeats() } else { Server::new() };
        let worker = server.worker().await.activities(work);
        let worker = if off { worker.disable_worker_heartbeats() } else { worker };
        run(worker.build().unwrap(), tokio::time::sleep(secs(200))).await;
        assert_eq!(server.methods(), ["ShutdownWorker"]);
        assert!(server.asked::<ShutdownWorkerRequest>()[0].1.worker_heartbeat.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn b128_a_worker_lives_without_its_heartbeat() {
    let server = Server::new().taking_heartbeats();
    server.refuse("RecordWorkerHeartbeat", Code::Unavailable, "not now");
    server.refuse("RecordWorkerHeartbeat", Code::PermissionDenied, "not for you");
    let worker = server.worker().await.activities(work).worker_heartbeat_interval(secs(10)).build().unwrap();
    run(worker, async {
        server.request::<Heartbeat>(3).await;
        server.activity_task(activity("work"));
        server.request::<RespondActivityTaskCompletedRequest>(1).await;
    })
    .await;
    let times: Vec<u64> = server.asked::<Heartbeat>().iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 10, 20], "not more often than otherwise");
}
