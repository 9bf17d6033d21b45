//! Search attributes and memo, changed by the workflow.

use std::borrow::Cow;

use expect_test::expect;

use crate::definition::Arguments;
use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded};
use crate::workflow::MemoUpdate;
use crate::{SearchAttributeKey, WorkflowContext, WorkflowError};

const PLACE: SearchAttributeKey<String> = SearchAttributeKey::keyword("Place");
const COUNT: SearchAttributeKey<i64> = SearchAttributeKey::int("Count");
const CHANGE_VERSION: SearchAttributeKey<Vec<String>> = SearchAttributeKey::keyword_list("TemporalChangeVersion");

#[test]
fn one_call_is_one_command_with_only_what_it_changes() {
    check(
        |ctx: WorkflowContext| async move {
            ctx.upsert_search_attributes([PLACE.set("Oslo")]);
            ctx.upsert_search_attributes([COUNT.set(2)]);
            ctx.upsert_search_attributes([COUNT.unset()]);
            ctx.upsert_memo(MemoUpdate::new().set("note", &1).remove("draft"));
            Ok((ctx.search_attribute(&PLACE), ctx.search_attribute(&COUNT), ctx.memo::<i32>("note")?, ctx.memo_keys()))
        },
        "1 WorkflowExecutionStarted type=wf memo.draft=true search_attributes.Count=7
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted",
        expect![[r#"
            UpsertWorkflowSearchAttributes search_attributes.Place="Oslo"
            UpsertWorkflowSearchAttributes search_attributes.Count=2
            UpsertWorkflowSearchAttributes search_attributes.Count=null
            ModifyWorkflowProperties upserted_memo.draft=null upserted_memo.note=1
            CompleteWorkflowExecution result=["Oslo",null,1,["note"]]"#]],
    );
}

#[test]
fn values_are_not_compared_on_replay() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            ctx.upsert_search_attributes([PLACE.set("Rome")]);
            ctx.upsert_memo(MemoUpdate::new().set("note", &1));
            ctx.timer(secs(1)).await?;
            Ok(ctx.search_attribute(&PLACE))
        },
        &after_first_task(
            "5 UpsertWorkflowSearchAttributes search_attributes.Place=\"Oslo\"
             6 WorkflowPropertiesModified
             7 TimerStarted
             8 TimerFired
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="Rome""#]],
    );
}

#[test]
fn an_upsert_that_the_code_no_longer_makes_is_refused() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(
            "5 UpsertWorkflowSearchAttributes search_attributes.Place=\"Oslo\"
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 UpsertWorkflowSearchAttributes
              code now: StartTimer id=1
              at:       upserts.rs `ctx.timer(secs(1)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn the_list_of_patches_cannot_be_changed_by_the_author() {
    check(
        |ctx: WorkflowContext| async move {
            ctx.upsert_search_attributes([CHANGE_VERSION.set(vec!["mine".to_string()])]);
            Ok(())
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_change_of_nothing_is_not_sent() {
    check(
        |ctx: WorkflowContext| async move {
            ctx.upsert_search_attributes([]);
            ctx.upsert_memo(MemoUpdate::new());
            Ok(())
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn before_patches_wrote_their_list_it_was_the_authors() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            ctx.upsert_search_attributes([CHANGE_VERSION.set(vec!["mine".to_string()])]);
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        r#"1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted flags=1
         5 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["mine"]
         6 TimerStarted
         7 TimerFired started=6
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted"#,
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn an_authors_upsert_does_not_stand_for_the_one_of_a_patch() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            ctx.upsert_search_attributes([PLACE.set("Oslo")]);
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(
            "5 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p\"]
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError SearchAttributes: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 UpsertWorkflowSearchAttributes: of TemporalChangeVersion
              code now: UpsertWorkflowSearchAttributes of the author's attributes
              at:       upserts.rs `ctx.upsert_search_attributes([PLACE.set("Oslo")]);`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[derive(Clone, Copy)]
struct Next;

impl Arguments for Next {
    type Args = ();

    fn write_args((): &(), _: &mut crate::converter::PayloadWriter) -> Result<(), crate::converter::PayloadError> {
        Ok(())
    }

    fn read_args(_: &mut crate::converter::PayloadReader<'_>) -> Result<(), crate::converter::PayloadError> {
        Ok(())
    }
}

impl crate::definition::WorkflowDefinition for Next {
    type Output = ();
    type Workflow = Self;

    fn name(&self) -> Cow<'static, str> {
        "next".into()
    }
}

#[test]
fn the_next_run_gets_what_is_set_now_without_the_patches() {
    check(
        |ctx: WorkflowContext| async move {
            ctx.patched("p");
            ctx.upsert_search_attributes([PLACE.set("Oslo")]);
            ctx.upsert_memo(MemoUpdate::new().set("note", &1).remove("draft"));
            Err::<(), WorkflowError>(ctx.continue_as_new(Next, ()).into())
        },
        "1 WorkflowExecutionStarted type=wf memo.draft=true search_attributes.Count=7
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted",
        expect![[r#"
            RecordMarker name=core_patch details.patch-data={"id":"p","deprecated":false}
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["p"]
            UpsertWorkflowSearchAttributes search_attributes.Place="Oslo"
            ModifyWorkflowProperties upserted_memo.draft=null upserted_memo.note=1
            ContinueAsNewWorkflowExecution type=next memo.note=1 search_attributes.Count=7 search_attributes.Place="Oslo""#]],
    );
}

/// One attribute of each type that is not a plain keyword.
#[derive(Debug, PartialEq, crate::SearchAttributes)]
struct OrderAttributes {
    customer_id: String,
    #[search_attribute(name = "Note", text)]
    note: Option<String>,
    items: Option<i64>,
    paid_at: Option<std::time::SystemTime>,
    tags: Vec<String>,
}

#[test]
fn a_struct_sets_and_removes_its_attributes_and_is_read_back() {
    check(
        |ctx: WorkflowContext| async move {
            assert!(ctx.search_attributes::<OrderAttributes>().is_none());
            let order = || OrderAttributes {
                customer_id: "ada".into(),
                note: Some("a gift".into()),
                items: None,
                paid_at: Some(std::time::SystemTime::UNIX_EPOCH),
                tags: vec!["new".into()],
            };
            ctx.upsert_search_attributes(order());
            assert_eq!(ctx.search_attributes(), Some(order()));
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            UpsertWorkflowSearchAttributes search_attributes.CustomerId="ada" search_attributes.Items=null search_attributes.Note="a gift" search_attributes.PaidAt="1970-01-01T00:00:00Z" search_attributes.Tags=["new"]
            CompleteWorkflowExecution result=null"#]],
    );
}
