//! Queries: answered from the state that the history has led to, without changing anything.

use std::collections::HashMap;
use std::rc::Rc;

use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::enums::v1::QueryResultType;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::query::v1::{WorkflowQuery, WorkflowQueryResult};

use super::built_in_queries as built_in;
use super::failures::TaskError;
use super::handlers::{self, is_handled, known_handlers};
use super::intercepted;
use super::logs::CodeLog;
use super::messages::inbound_query;
use super::read_only::read_only;
use crate::bounded_text::{cut_message, name as short};
use crate::converter::PayloadReader;
use crate::failure::{SOURCE, WorkflowErrorKind};
use crate::replay::Output;
use crate::workflow::run_state::RunState;
use crate::workflow::{HandlerKind, ReadOnlyCode, WorkflowInstance};

/// Answers the queries that came with a workflow task.
pub(crate) fn answer_all(
    queries: Vec<(String, WorkflowQuery)>,
    instance: Option<&Rc<dyn WorkflowInstance>>,
    shared: &Rc<RunState>,
) -> HashMap<String, WorkflowQueryResult> {
    queries.into_iter().map(|(id, query)| (id, answer_one(&query, instance, shared))).collect()
}

/// Answers one query. An error becomes the answer: a query never fails its workflow task.
pub(crate) fn answer_one(
    query: &WorkflowQuery,
    instance: Option<&Rc<dyn WorkflowInstance>>,
    shared: &Rc<RunState>,
) -> WorkflowQueryResult {
    let Some(instance) = instance else {
        return failed("the workflow has not begun: none of its workflow tasks has been processed yet".into());
    };
    if let Some(answer) = built_in::answer(&query.query_type, &**instance, shared) {
        return answer;
    }
    let mut args = PayloadReader::of(query.query_args.as_ref());
    // The code is live, even though the task before it may have been replayed: each query is answered once.
    let _log = CodeLog::live(shared.info.get());
    // Set only while the handler runs, so that nothing of the query is left behind.
    let message = Rc::new(inbound_query(query));
    let outside = shared.current_message.replace(Some(Rc::clone(&message)));
    let is_handled = || is_handled(&**instance, shared, HandlerKind::Query, &query.query_type);
    let answered = read_only(shared, ReadOnlyCode::Query, || match shared.interceptors() {
        Some(interceptors) if is_handled() => Some(intercepted::query(interceptors, query, message, instance, shared)),
        _ => handlers::query(&**instance, shared, &query.query_type, &mut args),
    });
    shared.current_message.replace(outside);
    match answered {
        Ok(Some(Ok(payload))) => WorkflowQueryResult {
            result_type: QueryResultType::Answered as i32,
            answer: Some(Payloads { payloads: vec![payload] }),
            ..Default::default()
        },
        Ok(Some(Err(error))) => match error.into_kind() {
            WorkflowErrorKind::Error { error, type_name } => {
                let failure = shared.data_converter.to_failure(&*error, Some(type_name));
                let result_type = QueryResultType::Failed as i32;
                let error_message = failure.message.clone();
                WorkflowQueryResult { result_type, error_message, failure: Some(failure), ..Default::default() }
            }
            WorkflowErrorKind::ContinueAsNew(_) => failed("a query handler cannot continue as new".into()),
            WorkflowErrorKind::TaskFailure(message) => failed(message),
        },
        Ok(None) => failed(unknown_query(&query.query_type, &**instance, shared)),
        Err(panic) => failed(format!("the query handler panicked at {}: {}", panic.location, panic.message)),
    }
}

/// Answers a query whose workflow could not be replayed.
pub(crate) fn query_failed(error: &TaskError) -> Output {
    Output::AnswerQuery(Box::new(failed(error.message())))
}

pub(super) fn unknown_query(name: &str, instance: &dyn WorkflowInstance, shared: &RunState) -> String {
    let name = short(name);
    format!("unknown query `{name}`; {}", known_handlers(instance, shared, HandlerKind::Query, "queries"))
}

fn failed(mut message: String) -> WorkflowQueryResult {
    cut_message(&mut message);
    WorkflowQueryResult {
        result_type: QueryResultType::Failed as i32,
        failure: Some(FailureProto { message: message.clone(), source: SOURCE.to_string(), ..Default::default() }),
        error_message: message,
        ..Default::default()
    }
}
