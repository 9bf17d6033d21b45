//! Unregistered search attributes, and values of wrong types.

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    Command, ContinueAsNewWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{Payload, SearchAttributes, WorkflowType};
use abide_protos::temporal::api::enums::v1::{CommandType, IndexedValueType};
use abide_protos::temporal::api::history::v1::history_event;
use abide_protos::temporal::api::operatorservice::v1::{
    AddSearchAttributesRequest, ListSearchAttributesRequest, RemoveSearchAttributesRequest,
};
use abide_protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, SignalWithStartWorkflowExecutionRequest,
};
use expect_test::expect;
use tonic::Status;

use crate::arm::Outcome;
use crate::raw::{Raw, command, compare_answers, json, unique};

fn attributes(name: &str, value: Payload) -> SearchAttributes {
    SearchAttributes { indexed_fields: [(name.to_owned(), value)].into() }
}

async fn start(raw: &mut Raw, attributes: SearchAttributes) -> Result<&'static str, Status> {
    let mut request = raw.start_request(&unique());
    request.search_attributes = Some(attributes);
    raw.service.start_workflow_execution(request).await.map(|_| "started")
}

fn upsert(search_attributes: SearchAttributes) -> Vec<Command> {
    let search_attributes = Some(search_attributes);
    vec![command(
        CommandType::UpsertWorkflowSearchAttributes,
        Attributes::UpsertWorkflowSearchAttributesCommandAttributes(UpsertWorkflowSearchAttributesCommandAttributes {
            search_attributes,
        }),
    )]
}

fn continue_as_new(search_attributes: SearchAttributes) -> Vec<Command> {
    let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
        search_attributes: Some(search_attributes),
        ..Default::default()
    };
    vec![command(
        CommandType::ContinueAsNewWorkflowExecution,
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
    )]
}

fn child(raw: &Raw, search_attributes: SearchAttributes) -> Vec<Command> {
    let attributes = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: raw.id_of("child"),
        workflow_type: Some(WorkflowType { name: "child".into() }),
        search_attributes: Some(search_attributes),
        ..Default::default()
    };
    vec![command(
        CommandType::StartChildWorkflowExecution,
        Attributes::StartChildWorkflowExecutionCommandAttributes(attributes),
    )]
}

#[tokio::test]
async fn a_start_with_an_unregistered_attribute_is_refused() -> Outcome {
    let expected = expect![[r#"
        unregistered: InvalidArgument: Namespace default has no mapping defined for search attribute Nowhere
        unregistered, signal-with-start: InvalidArgument: Namespace default has no mapping defined for search attribute Nowhere
        TestInt = "five": InvalidArgument: invalid value for search attribute TestInt of type Int: five
        TestInt = 1.5: InvalidArgument: invalid value for search attribute TestInt of type Int: 1.5
        TestInt = [1,2]: InvalidArgument: invalid value for search attribute TestInt of type Int: [1 2]
        TestInt = [1]: started
        TestKeyword = 5: InvalidArgument: invalid value for search attribute TestKeyword of type Keyword: 5
        TestKeywordList = "a": InvalidArgument: invalid value for search attribute TestKeywordList of type KeywordList: a
        TestDatetime = "yesterday": InvalidArgument: invalid value for search attribute TestDatetime of type Datetime: yesterday
        TestBool = null: started
        WorkflowType = "mine": InvalidArgument: WorkflowType attribute can't be set in SearchAttributes
        TemporalWorkerDeployment = "mine": InvalidArgument: TemporalWorkerDeployment attribute can't be set in SearchAttributes
        TemporalChangeVersion = ["a"]: started
        BuildIds = ["a"]: started
        a long value: InvalidArgument: search attribute TestKeyword value size 2052 exceeds size limit 2048
    "#]];
    compare_answers("unregistered-start", expected, |mut raw| async move {
        let answer = start(&mut raw, attributes("Nowhere", json("1"))).await;
        raw.note("unregistered", &answer);
        let request = SignalWithStartWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_id: raw.id_of("signalled"),
            workflow_type: Some(WorkflowType { name: "raw".into() }),
            task_queue: Some(raw.queue()),
            signal_name: "s".into(),
            request_id: unique(),
            search_attributes: Some(attributes("Nowhere", json("1"))),
            ..Default::default()
        };
        let answer = raw.service.signal_with_start_workflow_execution(request).await.map(|_| "started");
        raw.note("unregistered, signal-with-start", &answer);
        for (name, value) in [
            ("TestInt", "\"five\""),
            ("TestInt", "1.5"),
            ("TestInt", "[1,2]"),
            ("TestInt", "[1]"),
            ("TestKeyword", "5"),
            ("TestKeywordList", "\"a\""),
            ("TestDatetime", "\"yesterday\""),
            ("TestBool", "null"),
            ("WorkflowType", "\"mine\""),
            ("TemporalWorkerDeployment", "\"mine\""),
            ("TemporalChangeVersion", "[\"a\"]"),
            ("BuildIds", "[\"a\"]"),
        ] {
            let answer = start(&mut raw, attributes(name, json(value))).await;
            raw.note(&format!("{name} = {value}"), &answer);
        }
        let long = format!("\"{}\"", "x".repeat(2050));
        let answer = start(&mut raw, attributes("TestKeyword", json(&long))).await;
        raw.note("a long value", &answer);
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn a_command_with_an_unregistered_attribute_is_refused() -> Outcome {
    let expected = expect![[r#"
        upsert, unregistered: InvalidArgument: BadSearchAttributes: Namespace default has no mapping defined for search attribute Nowhere
        child, unregistered: InvalidArgument: BadSearchAttributes: Namespace default has no mapping defined for search attribute Nowhere
        continue as new, unregistered: InvalidArgument: BadSearchAttributes: Namespace default has no mapping defined for search attribute Nowhere
        upsert, does not fit: InvalidArgument: BadSearchAttributes: invalid value for search attribute TestInt of type Int: five
        child, does not fit: InvalidArgument: BadSearchAttributes: invalid SearchAttributes on StartChildWorkflowCommand: invalid value for search attribute TestInt of type Int: five. WorkflowId=<id>child WorkflowType=child Namespace=default
        continue as new, does not fit: InvalidArgument: BadSearchAttributes: invalid SearchAttributes on ContinueAsNewWorkflowExecutionCommand: invalid value for search attribute TestInt of type Int: five. WorkflowType=raw
        upsert, system: InvalidArgument: BadSearchAttributes: RunId attribute can't be set in SearchAttributes
        child, system: InvalidArgument: BadSearchAttributes: invalid SearchAttributes on StartChildWorkflowCommand: RunId attribute can't be set in SearchAttributes. WorkflowId=<id>child WorkflowType=child Namespace=default
        continue as new, system: InvalidArgument: BadSearchAttributes: invalid SearchAttributes on ContinueAsNewWorkflowExecutionCommand: RunId attribute can't be set in SearchAttributes. WorkflowType=raw
        upsert: done
        the type in the event: Int
    "#]];
    compare_answers("unregistered-command", expected, |mut raw| async move {
        raw.start("").await?;
        for (what, name, value) in
            [("unregistered", "Nowhere", "1"), ("does not fit", "TestInt", "\"five\""), ("system", "RunId", "\"five\"")]
        {
            let commands = [
                ("upsert", upsert(attributes(name, json(value)))),
                ("child", child(&raw, attributes(name, json(value)))),
                ("continue as new", continue_as_new(attributes(name, json(value)))),
            ];
            for (kind, commands) in commands {
                raw.poll().await?;
                let answer = raw.complete(commands).await;
                let answer = answer.map_err(|status| {
                    // A real server's messages end with a dump of the task queue.
                    let text = status.message().split(" TaskQueue=").next().unwrap_or_default().to_owned();
                    Status::new(status.code(), text)
                });
                raw.note(&format!("{kind}, {what}"), &answer);
                raw.restart().await?;
            }
        }
        raw.poll().await?;
        let answer = raw.complete(upsert(attributes("TestInt", json("5")))).await;
        raw.note("upsert", &answer);
        let events = raw.events("").await?;
        let upserted = events.iter().find_map(|event| match &event.attributes {
            Some(history_event::Attributes::UpsertWorkflowSearchAttributesEventAttributes(a)) => {
                a.search_attributes.clone()
            }
            _ => None,
        });
        let value = upserted.unwrap_or_default().indexed_fields.remove("TestInt").unwrap_or_default();
        let kind = String::from_utf8_lossy(value.metadata.get("type").map_or(&[][..], Vec::as_slice)).into_owned();
        raw.note("the type in the event", &Ok(kind));
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn a_query_for_an_unregistered_attribute_is_refused() -> Outcome {
    let expected = expect![[r#"
        Nowhere = 1: InvalidArgument: invalid query: invalid search attribute: Nowhere
        WorkflowType = 'x' AND Nowhere IS NULL: InvalidArgument: invalid query: invalid search attribute: Nowhere
        TemporalWorkflowType = 'surely nobody has this': 0
        ChangeVersion = 'surely nobody has this': 0
        ScheduleId = 'surely nobody has this': 0
        TemporalScheduleId = 'surely nobody has this': 0
        TemporalNowhere = 'x': InvalidArgument: invalid query: invalid search attribute: TemporalNowhere
        BuildIds = 'surely nobody has this': 0
        TemporalWorkerDeployment = 'surely nobody has this': 0
        Memo = 'x': InvalidArgument: invalid query: invalid search attribute: Memo
    "#]];
    compare_answers("unregistered-query", expected, |mut raw| async move {
        for query in [
            "Nowhere = 1",
            "WorkflowType = 'x' AND Nowhere IS NULL",
            "TemporalWorkflowType = 'surely nobody has this'",
            "ChangeVersion = 'surely nobody has this'",
            "ScheduleId = 'surely nobody has this'",
            "TemporalScheduleId = 'surely nobody has this'",
            "TemporalNowhere = 'x'",
            "BuildIds = 'surely nobody has this'",
            "TemporalWorkerDeployment = 'surely nobody has this'",
            "Memo = 'x'",
        ] {
            let request = CountWorkflowExecutionsRequest { namespace: "default".into(), query: query.into() };
            let answer = raw.service.count_workflow_executions(request).await;
            raw.note(query, &answer.map(|count| count.into_inner().count.to_string()));
        }
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn attributes_are_registered_listed_and_removed() -> Outcome {
    let expected = expect![[r#"
        add WorkflowId: InvalidArgument: Search attribute WorkflowId is reserved by system.
        add TemporalMine: InvalidArgument: Search attribute TemporalMine is reserved by system.
        add Memo: InvalidArgument: Search attribute Memo is reserved by system.
        add AbideConformanceBool: registered
        add AbideConformanceBool: registered
        add nothing: InvalidArgument: SearchAttributes are not set on request.
        it is listed: Some(5)
        the server's own: BatcherNamespace:2 BatcherUser:2 BinaryChecksums:7 BuildIds:7 CloseTime:6 ExecutionDuration:3 ExecutionStatus:2 ExecutionTime:6 HistoryLength:3 HistorySizeBytes:3 ParentRunId:2 ParentWorkflowId:2 RootRunId:2 RootWorkflowId:2 RunId:2 StartTime:6 StateTransitionCount:3 TaskQueue:2 TemporalChangeVersion:7 TemporalExternalPayloadCount:3 TemporalExternalPayloadSizeBytes:3 TemporalNamespaceDivision:2 TemporalPauseInfo:7 TemporalReportedProblems:7 TemporalSchedulePaused:5 TemporalScheduledById:2 TemporalScheduledStartTime:6 TemporalUsedWorkerDeploymentVersions:7 TemporalWorkerDeployment:2 TemporalWorkerDeploymentVersion:2 TemporalWorkflowVersioningBehavior:2 WorkflowId:2 WorkflowType:2
        start with it: started
        remove AbideConformanceBool: removed
        remove AbideConformanceBool: removed
        remove WorkflowId: InvalidArgument: Unable to remove non-custom search attributes: WorkflowId.
        remove NobodyKnows: removed
        start without it: InvalidArgument: Namespace default has no mapping defined for search attribute AbideConformanceBool
    "#]];
    compare_answers("registering", expected, |mut raw| async move {
        let name = "AbideConformanceBool";
        let add = |name: &str, kind: IndexedValueType| AddSearchAttributesRequest {
            namespace: "default".into(),
            search_attributes: [(name.to_owned(), kind.into())].into(),
        };
        for (name, kind) in [
            ("WorkflowId", IndexedValueType::Keyword),
            ("TemporalMine", IndexedValueType::Keyword),
            ("Memo", IndexedValueType::Keyword),
            (name, IndexedValueType::Bool),
            (name, IndexedValueType::Bool),
        ] {
            let answer = raw.operator.add_search_attributes(add(name, kind)).await.map(|_| "registered");
            raw.note(&format!("add {name}"), &answer);
        }
        let nothing = AddSearchAttributesRequest { namespace: "default".into(), ..Default::default() };
        let answer = raw.operator.add_search_attributes(nothing).await.map(|_| "registered");
        raw.note("add nothing", &answer);
        let list = ListSearchAttributesRequest { namespace: "default".into() };
        let listed = raw.operator.list_search_attributes(list).await?.into_inner();
        raw.note("it is listed", &Ok(format!("{:?}", listed.custom_attributes.get(name))));
        let mut own: Vec<String> =
            listed.system_attributes.iter().map(|(name, kind)| format!("{name}:{kind}")).collect();
        own.sort();
        raw.note("the server's own", &Ok(own.join(" ")));
        let answer = start(&mut raw, attributes(name, json("true"))).await;
        raw.note("start with it", &answer);
        for name in [name, name, "WorkflowId", "NobodyKnows"] {
            let request =
                RemoveSearchAttributesRequest { namespace: "default".into(), search_attributes: vec![name.to_owned()] };
            let answer = raw.operator.remove_search_attributes(request).await.map(|_| "removed");
            raw.note(&format!("remove {name}"), &answer);
        }
        let answer = start(&mut raw, attributes(name, json("true"))).await;
        raw.note("start without it", &answer);
        Ok(raw)
    })
    .await
}
