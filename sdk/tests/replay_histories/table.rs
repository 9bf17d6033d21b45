//! The results for each recorded history: one or several rows for each file, checked against the tests' source, and
//! written to `README.md` beside this file.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use expect_test::expect_file;

use self::Verdict::{EndsAsRecorded, NoHistory, NotOurs, RefusedAt, ResultNotCompared};

/// The result of a test for a history.
#[derive(Debug)]
enum Verdict {
    /// It fits the twin, which ends as recorded, with the same result or failure.
    EndsAsRecorded,
    /// It fits the twin, whose result differs for this reason.
    ResultNotCompared(&'static str),
    /// A changed definition is reported at this event.
    RefusedAt(i64),
    /// No twin can produce it: the nearest one is refused at this event, for this reason.
    NotOurs(i64, &'static str),
    /// The file is not a history, for this reason.
    NoHistory(&'static str),
}

/// Files by folder and name, their verdicts, and the tests that check them (`MODULE::TEST`).
const TABLE: &[(&str, Verdict, &str)] = &[
    ("core/ends_empty_wft_complete.bin", EndsAsRecorded, "others::core_ends_in_an_empty_task_completed"),
    (
        "core/evict_while_la_running_no_interference-16_history.bin",
        EndsAsRecorded,
        "local_activities::core_evict_while_la_running",
    ),
    ("core/fail_wf_task.bin", EndsAsRecorded, "local_activities::core_fail_wf_task"),
    (
        "core/la_replay_without_activation_index.bin",
        EndsAsRecorded,
        "local_activities::core_groups_old_markers_as_it_did",
    ),
    (
        "core/la_replay_without_activation_index.json",
        NoHistory("what each of the 69 histories of the `.bin` must lead to; the test reads both"),
        "local_activities::core_groups_old_markers_as_it_did",
    ),
    (
        "core/long_local_activity_with_update-0_history.bin",
        EndsAsRecorded,
        "messages::core_long_local_activity_with_update",
    ),
    (
        "core/long_local_activity_with_update-1_history.bin",
        EndsAsRecorded,
        "messages::core_long_local_activity_with_update",
    ),
    ("core/old_change_marker_format.bin", EndsAsRecorded, "versions::markers_of_old_cores_are_read"),
    ("core/timer_workflow_history.bin", EndsAsRecorded, "others::core_timer_workflow_history"),
    (
        "features/retry_on_error.go.json",
        ResultNotCompared("it fails with the same cause; SDKs word the failure around it in their own ways"),
        "others::features_retry_on_error",
    ),
    (
        "features/retry_on_error.java.json",
        ResultNotCompared("it fails with the same cause; SDKs word the failure around it in their own ways"),
        "others::features_retry_on_error",
    ),
    ("go/activity-same-time-as-cancel.json", EndsAsRecorded, "go::an_activity_and_a_cancelled_timer_in_one_task"),
    ("go/bad-continue-as-new.json", RefusedAt(5), "go::completes_where_history_continued_as_new"),
    ("go/bad-search-attribute.json", RefusedAt(12), "versions::go_search_attributes"),
    (
        "go/cancel-timer-after-activity.json",
        NotOurs(5, "Go sends a timer that is started and cancelled within one task; Core-based SDKs send neither"),
        "go::a_timer_cancelled_in_its_own_task_is_in_gos_history_only",
    ),
    (
        "go/child-workflow-cancel-with-update.json",
        NotOurs(10, "Go accepted an update after the commands of what came before it; Core-based SDKs accept it first"),
        "messages::go_accepts_an_update_after_what_came_before_it",
    ),
    ("go/continue-as-new.json", EndsAsRecorded, "go::continues_as_new"),
    ("go/duplicate-child-workflow.json", EndsAsRecorded, "children::go_a_child_that_is_signalled_by_its_run"),
    ("go/multiple-updates.json", EndsAsRecorded, "updates::go_multiple_updates"),
    ("go/partial-replay-non-command-event.json", EndsAsRecorded, "go::a_history_may_end_with_a_task_that_timed_out"),
    (
        "go/reset-workflow-before-child-init.json",
        EndsAsRecorded,
        "children::go_a_child_with_an_id_that_go_made_up_after_a_reset",
    ),
    ("go/search-attribute.json", EndsAsRecorded, "versions::go_search_attributes"),
    (
        "go/unhandled_cmd_timer_cancel.json",
        EndsAsRecorded,
        "go::a_cancellation_and_a_timer_that_fired_meet_in_one_task",
    ),
    ("go/update-reset-accepted.json", EndsAsRecorded, "updates::b116_go_update_reset_accepted"),
    ("go/update_accept_and_complete_and_exit.json", EndsAsRecorded, "updates::go_update_accept_and_complete_and_exit"),
    ("go/upsert-memo-workflow.json", EndsAsRecorded, "versions::go_memo"),
    ("go/workflow_with_unknown_event.json", EndsAsRecorded, "versions::go_unknown_event"),
    ("python/test_replayer_complete_history.json", EndsAsRecorded, "others::python_complete_history"),
    (
        "python/test_replayer_event_tracing.json",
        ResultNotCompared(
            "whose turn is next is a matter of Python's event loop; the notes of each handler are the same, in the same order",
        ),
        "messages::python_event_tracing_issues_the_same_commands",
    ),
    (
        "python/test_replayer_event_tracing_single_batch.json",
        ResultNotCompared(
            "whose turn is next is a matter of Python's event loop; the notes of each handler are the same, in the same order",
        ),
        "messages::python_event_tracing_issues_the_same_commands",
    ),
    ("python/test_replayer_nondeterministic_history.json", RefusedAt(11), "others::python_nondeterministic_history"),
    ("python-1.35/activity_cancel.json", EndsAsRecorded, "python::ends_as_recorded::activity_cancel"),
    ("python-1.35/activity_outcomes.json", EndsAsRecorded, "python::ends_as_recorded::activity_outcomes"),
    ("python-1.35/buffered_signals.json", EndsAsRecorded, "python::ends_as_recorded::buffered_signals"),
    (
        "python-1.35/cancel_completed_activity.json",
        ResultNotCompared(
            "Python (its language flag 1) lets a cancellation win over a completion of the same task; here the completion wins",
        ),
        "python::a_cancel_that_meets_a_completion_loses_where_python_lets_it_win",
    ),
    ("python-1.35/cancel_with_cleanup.json", EndsAsRecorded, "python::ends_as_recorded::cancel_with_cleanup"),
    (
        "python-1.35/cancelled_before_sent.json",
        EndsAsRecorded,
        "children::python_children_and_external_workflows_end_as_recorded",
    ),
    (
        "python-1.35/child_cancel.json",
        EndsAsRecorded,
        "children::python_children_and_external_workflows_end_as_recorded",
    ),
    (
        "python-1.35/child_outcomes.json",
        EndsAsRecorded,
        "children::python_children_and_external_workflows_end_as_recorded",
    ),
    ("python-1.35/continue_as_new-1.json", EndsAsRecorded, "side_data::both_runs_of_a_continue_as_new_fit"),
    ("python-1.35/continue_as_new-2.json", EndsAsRecorded, "side_data::both_runs_of_a_continue_as_new_fit"),
    ("python-1.35/cron_run-2.json", EndsAsRecorded, "python::later_runs_of_a_chain_end_as_recorded"),
    ("python-1.35/evicted.json", EndsAsRecorded, "python::ends_as_recorded::evicted"),
    ("python-1.35/external.json", EndsAsRecorded, "children::python_children_and_external_workflows_end_as_recorded"),
    ("python-1.35/fails_on_activity.json", EndsAsRecorded, "python::ends_as_recorded::fails_on_activity"),
    ("python-1.35/gather50.json", EndsAsRecorded, "python::ends_as_recorded::gather50"),
    ("python-1.35/large_payload.json", EndsAsRecorded, "python::ends_as_recorded::large_payload"),
    ("python-1.35/local_activities.json", EndsAsRecorded, "local_activities::python_local_activities"),
    ("python-1.35/local_activity_backoff.json", EndsAsRecorded, "local_activities::python_local_activities"),
    ("python-1.35/local_activity_cancel.json", EndsAsRecorded, "local_activities::python_local_activities"),
    ("python-1.35/local_activity_heartbeat.json", EndsAsRecorded, "local_activities::python_local_activities"),
    ("python-1.35/nexus_cancel.json", EndsAsRecorded, "nexus::nexus_cancel_replays"),
    ("python-1.35/nexus_cancel.json", RefusedAt(5), "nexus::another_operation_is_refused"),
    ("python-1.35/nexus_operations.json", EndsAsRecorded, "nexus::nexus_operations_replays"),
    ("python-1.35/open.json", EndsAsRecorded, "children::python_runs_that_were_left_open_are_open"),
    ("python-1.35/open_task_scheduled.json", EndsAsRecorded, "children::python_runs_that_were_left_open_are_open"),
    ("python-1.35/open_task_started.json", EndsAsRecorded, "children::python_runs_that_were_left_open_are_open"),
    (
        "python-1.35/options.json",
        EndsAsRecorded,
        "side_data::priorities_summaries_details_and_groups_do_not_matter_to_a_replay",
    ),
    (
        "python-1.35/parent_close.json",
        EndsAsRecorded,
        "children::python_children_and_external_workflows_end_as_recorded",
    ),
    ("python-1.35/patch_before.json", EndsAsRecorded, "versions::a_run_from_before_the_patch_fits_both"),
    (
        "python-1.35/patch_before.json",
        RefusedAt(5),
        "versions::a_run_from_before_the_patch_does_not_fit_its_deprecation",
    ),
    (
        "python-1.35/patch_deprecated.json",
        EndsAsRecorded,
        "versions::a_run_of_a_deprecated_patch_fits_all_but_the_code_from_before",
    ),
    (
        "python-1.35/patch_deprecated.json",
        RefusedAt(7),
        "versions::a_run_of_a_deprecated_patch_fits_all_but_the_code_from_before",
    ),
    ("python-1.35/patch_new.json", EndsAsRecorded, "versions::a_patched_run_fits_the_patch_and_its_deprecation"),
    ("python-1.35/patch_new.json", RefusedAt(5), "versions::a_patch_that_is_gone_is_missed_at_its_marker"),
    ("python-1.35/patched_loop.json", EndsAsRecorded, "versions::patches_in_a_loop"),
    ("python-1.35/paused.json", EndsAsRecorded, "side_data::b034_the_servers_own_events_are_skipped"),
    ("python-1.35/payloads.json", EndsAsRecorded, "payloads::every_encoding_is_read"),
    ("python-1.35/pinned-child.json", EndsAsRecorded, "side_data::b105_a_versioned_run_fits_and_is_told_its_version"),
    ("python-1.35/pinned.json", EndsAsRecorded, "side_data::a_pinned_run_fits"),
    ("python-1.35/queries.json", EndsAsRecorded, "python::ends_as_recorded::queries"),
    ("python-1.35/random_and_time.json", EndsAsRecorded, "side_data::random_numbers_and_times_are_pythons"),
    ("python-1.35/reset.json", EndsAsRecorded, "updates::b116_reset"),
    ("python-1.35/retried_run-1.json", EndsAsRecorded, "python::later_runs_of_a_chain_end_as_recorded"),
    ("python-1.35/retried_run-2.json", EndsAsRecorded, "python::later_runs_of_a_chain_end_as_recorded"),
    ("python-1.35/signal_timer_race.json", EndsAsRecorded, "local_activities::python_local_activities"),
    ("python-1.35/signal_timer_race_single_batch.json", EndsAsRecorded, "local_activities::python_local_activities"),
    ("python-1.35/steps.json", EndsAsRecorded, "python::ends_as_recorded::steps"),
    ("python-1.35/steps.json", RefusedAt(16), "changed::another_activity_type_is_refused"),
    ("python-1.35/steps.json", RefusedAt(5), "changed::another_order_is_refused"),
    ("python-1.35/steps.json", RefusedAt(16), "changed::a_missing_step_is_refused"),
    ("python-1.35/steps.json", RefusedAt(16), "changed::an_additional_step_is_refused"),
    ("python-1.35/task_failure.json", EndsAsRecorded, "python::ends_as_recorded::task_failure"),
    ("python-1.35/task_timed_out.json", EndsAsRecorded, "python::ends_as_recorded::task_timed_out"),
    ("python-1.35/timed_out.json", EndsAsRecorded, "python::ends_as_recorded::timed_out"),
    ("python-1.35/timers.json", EndsAsRecorded, "python::ends_as_recorded::timers"),
    ("python-1.35/unhandled_command.json", EndsAsRecorded, "local_activities::python_local_activities"),
    ("python-1.35/update_ends_workflow.json", EndsAsRecorded, "updates::update_ends_workflow"),
    ("python-1.35/update_ends_workflow.json", RefusedAt(8), "updates::a_definition_without_the_update_no_longer_fits"),
    ("python-1.35/update_with_start.json", EndsAsRecorded, "updates::b118_update_with_start"),
    ("python-1.35/updates.json", EndsAsRecorded, "updates::updates"),
    ("python-1.35/updates_concurrent.json", EndsAsRecorded, "updates::updates_concurrent"),
    ("python-1.35/upserts.json", EndsAsRecorded, "versions::search_attributes_and_memo"),
    ("python-1.35/wait_any.json", EndsAsRecorded, "python::ends_as_recorded::wait_any"),
    (
        "typescript/complete_update_after_workflow_returns_pre1488.json",
        EndsAsRecorded,
        "updates::b018_typescript_complete_update_after_workflow_returns",
    ),
    (
        "typescript/lang_flags_replay_correctly_1_11_2.json",
        EndsAsRecorded,
        "updates::typescript_lang_flags_replay_correctly",
    ),
    (
        "typescript/lang_flags_replay_correctly_1_9_3.json",
        EndsAsRecorded,
        "updates::typescript_lang_flags_replay_correctly",
    ),
];

/// The folders of the collection. Only `OURS` is part of this repository, as `tests/histories`.
const FOLDERS: [&str; 6] = ["core", "features", "go", "python", OURS, "typescript"];
const OURS: &str = "python-1.35";

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Returns the histories of a folder, as the table names them.
fn listed(path: &Path, folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "json" || end == "bin"))
        .map(|path| format!("{folder}/{}", path.file_name().unwrap().to_string_lossy()))
        .collect()
}

fn in_table(folder: &str) -> BTreeSet<String> {
    let files = TABLE.iter().map(|(file, ..)| (*file).to_string());
    files.filter(|file| file.split('/').next() == Some(folder)).collect()
}

/// Returns the text of a test, or of the list in which a macro finds its name.
fn text_of_test<'a>(source: &'a str, test: &str) -> Option<&'a str> {
    if let Some((_, body)) = source.split_once(&format!("#[test]\nfn {test}() {{")) {
        return body.split("\n}\n").next();
    }
    let (before, list) = source.split_once("\nsame_outcome! {")?;
    let is_listed = list.split('}').next().is_some_and(|list| words(list).any(|word| word == test));
    let (_, generated) = before.split_once("macro_rules! same_outcome")?;
    is_listed.then_some(generated.split("\n}\n").next()).flatten()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || "_-".contains(c)))
}

/// Returns the mistake in a row, according to the source of its test.
fn problem(file: &str, verdict: &Verdict, test: &str) -> Option<String> {
    let module = test.split("::").next().unwrap_or_default();
    let name = test.rsplit("::").next().unwrap_or_default();
    let Ok(source) = std::fs::read_to_string(here().join(format!("replay_histories/{module}.rs"))) else {
        return Some(format!("{file}: there is no module `{module}`"));
    };
    let Some(body) = text_of_test(&source, name) else {
        return Some(format!("{file}: there is no test `{test}`"));
    };
    let stem = file.split('/').next_back().unwrap_or_default().split('.').next().unwrap_or_default();
    if !words(&source).any(|word| word == stem) {
        return Some(format!("{file}: the module of `{test}` does not name it"));
    }
    let says_so = match verdict {
        EndsAsRecorded => body.contains("fits("),
        ResultNotCompared(_) => body.contains("replayed("),
        RefusedAt(event) | NotOurs(event, _) => {
            let event = event.to_string();
            (body.contains("differs(") || body.contains("check(")) && words(body).any(|word| word == event)
        }
        NoHistory(_) => true,
    };
    (!says_so).then(|| format!("{file}: `{test}` does not show {verdict:?}"))
}

fn readme() -> String {
    let files: BTreeSet<&str> = TABLE.iter().map(|(file, ..)| *file).collect();
    let mut text = format!(
        "# Recorded histories and what a replay makes of them\n\n\
         Generated by `UPDATE_EXPECT=1 cargo test --test replay_histories` from `table.rs`, {} files; do not edit. The \
         files of `{OURS}` are those in `tests/histories`; the others are test data of other repositories, which \
         `ABIDE_HISTORIES` points to. \"Refused\" is what must become of a changed definition, and of the files that were made not to fit; a file \
         with several verdicts has several rows.\n\n\
         | file | verdict | test |\n| --- | --- | --- |\n",
        files.len(),
    );
    for (file, verdict, test) in TABLE {
        let verdict = match verdict {
            EndsAsRecorded => "replays and ends as recorded".to_string(),
            ResultNotCompared(why) => format!("replays; the result is not compared: {why}"),
            RefusedAt(event) => format!("refused at event {event}"),
            NotOurs(event, why) => format!("not replayable, refused at event {event}: {why}"),
            NoHistory(what) => format!("no history: {what}"),
        };
        let _ = writeln!(text, "| {file} | {verdict} | `{test}` |");
    }
    text
}

/// Checks that a test replays every file in the folders, and that every row has its file. Folders of other repositories
/// are checked if they are available.
#[test]
fn every_history_is_named_by_a_test() {
    assert_eq!(listed(&here().join("histories"), OURS), in_table(OURS));
    let Some(root) = std::env::var_os("ABIDE_HISTORIES").map(PathBuf::from) else {
        println!("not looked at, ABIDE_HISTORIES is not set: the folders of other repositories");
        return;
    };
    for folder in FOLDERS {
        assert_eq!(listed(&root.join(folder), folder), in_table(folder), "{folder}");
    }
}

#[test]
fn every_row_is_what_its_test_says() {
    let problems: Vec<String> = TABLE.iter().filter_map(|(file, verdict, test)| problem(file, verdict, test)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let known = |file: &str| FOLDERS.iter().any(|folder| file.split('/').next() == Some(*folder));
    assert!(TABLE.iter().all(|(file, ..)| known(file)), "a row of no known folder");
}

#[test]
fn the_readme_is_the_table() {
    expect_file!["README.md"].assert_eq(&readme());
}
