//! Lists and counts: the runs that a query selects, and the queries that are refused, with the same messages.

use std::time::{Duration, SystemTime};

use abide::SearchAttributeKey;
use abide::client::WorkflowCount;
use abide::prelude::*;

use crate::arm::{Arm, Outcome, compare, until};

type Failed = Box<dyn std::error::Error>;

const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("TestKeyword");
const TEXT: SearchAttributeKey<String> = SearchAttributeKey::text("TestText");
const LIST: SearchAttributeKey<Vec<String>> = SearchAttributeKey::keyword_list("TestKeywordList");
const INT: SearchAttributeKey<i64> = SearchAttributeKey::int("TestInt");
const DOUBLE: SearchAttributeKey<f64> = SearchAttributeKey::double("TestDouble");
const BOOL: SearchAttributeKey<bool> = SearchAttributeKey::bool("TestBool");
const DATETIME: SearchAttributeKey<SystemTime> = SearchAttributeKey::datetime("TestDatetime");

#[workflow]
async fn listed(ctx: &WorkflowContext, ends: bool) -> Result<(), WorkflowError> {
    if !ends {
        ctx.timer(hours(1)).await?;
    }
    Ok(())
}

/// The runs selected by each query, among three: `a` has completed, `b` and `c` are running, `c` has no attributes.
const SELECTED: [(&str, &str); 53] = [
    ("WorkflowType = 'listed'", "abc"),
    ("WorkflowType != 'listed'", ""),
    ("WorkflowType IN ('other', 'listed')", "abc"),
    ("WorkflowType NOT IN ('other')", "abc"),
    ("ExecutionStatus = 'Completed'", "a"),
    ("ExecutionStatus = 'WORKFLOW_EXECUTION_STATUS_COMPLETED'", "a"),
    ("ExecutionStatus = 1", "bc"),
    ("ExecutionStatus != \"Running\"", "a"),
    ("ExecutionStatus IN ('Running', 'Failed')", "bc"),
    ("`ExecutionStatus` = 'Running' OR `ExecutionStatus` = 'Completed'", "abc"),
    ("NOT ExecutionStatus = 'Running'", "a"),
    ("CloseTime IS NULL", "bc"),
    ("CloseTime is not null", "a"),
    ("CloseTime > '2020-01-01T00:00:00Z'", "a"),
    ("NOT CloseTime < '2020-01-01T00:00:00Z'", "a"),
    ("StartTime > '2020-01-01T00:00:00Z' AND StartTime < '2100-01-01T00:00:00.5+02:00'", "abc"),
    ("StartTime BETWEEN '2020-01-01T00:00:00Z' AND '2020-01-02T00:00:00Z'", ""),
    ("StartTime NOT BETWEEN '2020-01-01T00:00:00Z' AND '2020-01-02T00:00:00Z'", "abc"),
    ("ExecutionTime >= 0", "abc"),
    ("ExecutionDuration < '1h'", "a"),
    ("ExecutionDuration > '1h'", ""),
    ("HistoryLength > 3", "a"),
    ("TestKeyword = 'red'", "a"),
    ("TestKeyword != 'red'", "b"),
    ("NOT TestKeyword = 'red'", "b"),
    ("TestKeyword IS NULL", "c"),
    ("TestKeyword STARTS_WITH 're'", "ab"),
    ("TestKeyword NOT STARTS_WITH 'redd'", "a"),
    ("TestKeyword > 'red'", "b"),
    ("TestKeyword BETWEEN 'a' AND 'red'", "a"),
    ("TestInt > 1", "b"),
    ("TestInt >= 1 AND TestInt <= 20", "ab"),
    ("TestInt IN (1, 2)", "a"),
    ("TestInt = -5 OR TestInt = 20", "b"),
    ("TestInt < 1.5", "a"),
    ("TestDouble BETWEEN 1 AND 2", "a"),
    ("TestBool = true", "a"),
    ("TestBool != true", "b"),
    ("TestDatetime = '2026-11-23T15:07:28.123+01:00'", "a"),
    ("TestDatetime < '2026-11-23T14:07:29Z'", "a"),
    ("TestText = 'QUICK'", "a"),
    ("TestText = 'slow fox'", "a"),
    ("TestText != 'quick'", "bc"),
    ("TestKeywordList = 'x'", "a"),
    ("TestKeywordList IN ('y', 'z')", "ab"),
    ("TestKeywordList != 'x'", "bc"),
    ("(TestInt = 1 OR TestInt = 20) AND NOT (TestKeyword = 'red' AND TestBool = true)", "b"),
    ("TestInt = 1 OR TestInt = 20 AND TestKeyword = 'red'", "a"),
    ("TestInt < 1e1 && TestInt >= 1", "a"),
    ("TestInt = 1 || TestInt = 20 /* both */", "ab"),
    ("TestKeyword Starts_With 're' -- red and redder\n", "ab"),
    ("TestInt = - 5 OR TestDouble = 15E-1 # one\n", "a"),
    ("TestInt in (1) or TestInt between 19 and 21", "ab"),
];

/// Queries that are refused, and the error messages.
const REFUSED: [(&str, &str); 65] = [
    ("WorkflowType =", "invalid query: malformed SQL query: syntax error"),
    ("WorkflowType = 'x", "invalid query: malformed SQL query: syntax error"),
    ("(WorkflowType = 'x'", "invalid query: malformed SQL query: syntax error"),
    ("WorkflowType", "invalid query: invalid expression: incomplete expression"),
    ("WorkflowType = 'x' ORDER BY StartTime", "invalid query: operation is not supported: 'ORDER BY' clause"),
    ("WorkflowType = 'x' ORDER BY Nowhere DESC", "invalid query: invalid search attribute: Nowhere"),
    ("GROUP BY Nowhere", "invalid query: invalid search attribute: Nowhere"),
    (
        "GROUP BY TestKeyword",
        "invalid query: operation is not supported: 'GROUP BY' clause is not supported for search attribute TestKeyword",
    ),
    (
        "WorkflowType = 'x' GROUP BY ExecutionStatus, WorkflowType",
        "invalid query: operation is not supported: 'GROUP BY' clause supports only a single field",
    ),
    ("WorkflowType = 'x' LIMIT 5", "invalid query: operation is not supported: 'LIMIT' clause"),
    (
        "WorkflowType = listed",
        "invalid query: operation is not supported: column name on the right side of comparison expression (did you \
         forget to quote \"listed\"?)",
    ),
    ("ExecutionStatus = 'Gone'", "invalid query: invalid expression: invalid ExecutionStatus value 'Gone'"),
    ("ExecutionStatus = 77", "invalid query: invalid expression: invalid ExecutionStatus value 77"),
    (
        "ExecutionStatus = 1.5",
        "invalid query: invalid expression: unexpected value type float64 for search attribute ExecutionStatus",
    ),
    (
        "ExecutionStatus = true",
        "invalid query: invalid expression: invalid value type for search attribute ExecutionStatus of type Keyword: true \
         (type: bool)",
    ),
    (
        "ExecutionDuration > 1.5",
        "invalid query: invalid expression: unexpected value type float64 for search attribute ExecutionDuration",
    ),
    (
        "TestKeyword LIKE 'red%'",
        "invalid query: operation is not supported: operator 'LIKE' not supported for Keyword type search attribute \
         'TestKeyword'",
    ),
    ("StartTime > 'yesterday'", "invalid query: invalid expression: unable to parse datetime 'yesterday'"),
    ("StartTime STARTS_WITH '2026'", "invalid query: invalid expression: unable to parse datetime '2026'"),
    (
        "StartTime STARTS_WITH '2026-11-23T14:07:28Z'",
        "invalid query: operation is not supported: operator 'STARTS_WITH' not supported for Datetime type search \
         attribute 'StartTime'",
    ),
    (
        "WorkflowId = 5",
        "invalid query: invalid expression: invalid value type for search attribute WorkflowId of type Keyword: 5 (type: \
         int64)",
    ),
    (
        "TestInt = 'one'",
        "invalid query: invalid expression: invalid value type for search attribute TestInt of type Int: \"one\" (type: \
         string)",
    ),
    (
        "TestText > 'a'",
        "invalid query: operation is not supported: operator '>' not supported for Text type search attribute 'TestText'",
    ),
    (
        "TestKeywordList BETWEEN 'a' AND 'b'",
        "invalid query: invalid expression: cannot do range condition on search attribute 'TestKeywordList' of type \
         KeywordList",
    ),
    (
        "TestText = ' '",
        "invalid query: invalid expression: no tokens found filtering on Text type search attribute TestText",
    ),
    ("TestInt = 0x10", "invalid query: invalid expression: unable to parse value \"0x10\""),
    ("TestDouble = 1e", "invalid query: invalid expression: unable to parse value \"1e\""),
    ("TestInt = NULL", "invalid query: invalid expression: unexpected value type *sqlparser.NullVal"),
    ("TestInt IN (NULL)", "invalid query: invalid expression: unexpected value type *sqlparser.NullVal"),
    ("TestInt IN ()", "invalid query: malformed SQL query: syntax error at position 41"),
    ("TestInt IN 1", "invalid query: malformed SQL query: syntax error at position 40 near '1'"),
    (
        "TestBool IS NOT TRUE",
        "invalid query: invalid expression: 'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'",
    ),
    ("'TestInt' = 1", "invalid query: invalid expression: must be a column name but was *sqlparser.SQLVal"),
    ("1 = TestInt", "invalid query: invalid expression: must be a column name but was *sqlparser.SQLVal"),
    ("(TestInt) = 1", "invalid query: invalid expression: must be a column name but was *sqlparser.ParenExpr"),
    ("TestInt = (1)", "invalid query: invalid expression: unexpected value type *sqlparser.ParenExpr"),
    ("! TestInt = 1", "invalid query: invalid expression: must be a column name but was *sqlparser.UnaryExpr"),
    ("TestInt + 1 = 2", "invalid query: invalid expression: must be a column name but was *sqlparser.BinaryExpr"),
    ("TestInt = 1 + 1", "invalid query: invalid expression: unexpected value type *sqlparser.BinaryExpr"),
    ("TestInt = ~1", "invalid query: operation is not supported: unary operator \"~\""),
    ("TestInt = 1 = 1", "invalid query: malformed SQL query: syntax error at position 41"),
    (
        "TestInt <=> 1",
        "invalid query: operation is not supported: operator '<=>' not supported for Int type search attribute 'TestInt'",
    ),
    ("TestInt == 1", "invalid query: malformed SQL query: syntax error at position 38"),
    (
        "TestKeyword RLIKE 'a'",
        "invalid query: operation is not supported: operator 'REGEXP' not supported for Keyword type search attribute 'TestKeyword'",
    ),
    ("TestKeyword STARTS_WITH", "invalid query: malformed SQL query: syntax error at position 51"),
    (
        "STARTS_WITH(TestKeyword,'a')",
        "invalid query: malformed SQL query: syntax error at position 39 near 'starts_with'",
    ),
    ("TestKeyword CONTAINS 'a'", "invalid query: malformed SQL query: syntax error at position 48 near 'CONTAINS'"),
    ("TestInt = 1; TestInt = 2", "invalid query: malformed SQL query: syntax error at position 48 near 'TestInt'"),
    ("TestInt=1AND TestInt=2", "invalid query: malformed SQL query: syntax error at position 37 near '1'"),
    ("TestInt = 1_000", "invalid query: malformed SQL query: syntax error at position 39 near '1'"),
    ("StartTime > now()", "invalid query: operation is not supported: nested func"),
    (
        "StartTime > 1e18",
        "invalid query: invalid expression: invalid value type for search attribute StartTime of type Datetime: 1e+18 (type: float64)",
    ),
    ("LIMIT 1", "invalid query: malformed SQL query: syntax error at position 33 near 'limit'"),
    ("SELECT 1", "invalid query: malformed SQL query: syntax error at position 34 near 'select'"),
    ("''", "invalid query: operation is not supported: expression of type *sqlparser.SQLVal"),
    ("true", "invalid query: operation is not supported: expression of type sqlparser.BoolVal"),
    (
        "WorkflowId = a.b",
        "invalid query: operation is not supported: column name on the right side of comparison expression (did you forget to quote \"a.b\"?)",
    ),
    ("Custom.Attr = 1", "invalid query: invalid search attribute: Custom.Attr"),
    ("Custom-Attr = 1", "invalid query: invalid expression: must be a column name but was *sqlparser.BinaryExpr"),
    ("Status = 'a'", "invalid query: invalid search attribute: status"),
    ("key = 1", "invalid query: malformed SQL query: syntax error at position 31 near 'key'"),
    ("AND WorkflowId = 'a'", "invalid query: malformed SQL query: syntax error at position 31 near 'and'"),
    ("TestInt DIV 1", "invalid query: operation is not supported: expression of type *sqlparser.BinaryExpr"),
    ("TestInt = 1 XOR TestInt = 2", "invalid query: malformed SQL query: syntax error at position 43 near 'xor'"),
    ("nope IS NULL", "invalid query: invalid search attribute: nope"),
];

/// Returns which of this body's runs a query selects, by the last letters of their ids.
async fn selected(arm: &Arm, query: &str) -> Result<String, Failed> {
    let query = format!("WorkflowId STARTS_WITH '{}' AND ({query})", arm.id());
    let mut list = arm.client.list(query.clone());
    let mut found = Vec::new();
    while let Some(info) = list.next().await? {
        found.extend(info.workflow_id().chars().last());
    }
    assert_eq!(arm.client.count(query).await?.count(), found.len() as u64);
    found.sort_unstable();
    Ok(found.into_iter().collect())
}

/// Returns the counts of a query with GROUP BY ExecutionStatus.
fn by_status(count: &WorkflowCount) -> Result<Vec<String>, Failed> {
    let mut all = Vec::new();
    for group in count.groups() {
        all.push(format!("{} {}", group.count(), group.value::<String>(0)?.unwrap_or_default()));
    }
    all.sort();
    Ok(all)
}

async fn start_three(arm: &Arm) -> Outcome {
    let start = |name: &str, ends| {
        let id = format!("{}-{name}", arm.id());
        arm.client.start(listed, ends).id(id).task_queue(arm.queue())
    };
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_795_442_848, 123_000_000);
    let first = [
        KEYWORD.set("red"),
        TEXT.set("The quick, brown fox"),
        LIST.set(vec!["x".to_string(), "y".to_string()]),
        INT.set(1),
        DOUBLE.set(1.5),
        BOOL.set(true),
        DATETIME.set(time),
    ];
    let second = [KEYWORD.set("redder"), INT.set(20), BOOL.set(false), LIST.set(vec!["z".to_string()])];
    start("a", true).search_attributes(first).await?.result().await?;
    start("b", false).search_attributes(second).await?;
    start("c", false).await?;
    Ok(())
}

#[tokio::test]
async fn queries_select_the_same_runs_and_are_refused_alike() -> Outcome {
    compare("lists", |arm| async move {
        let worker = arm.worker().workflow(listed).build()?;
        worker
            .run_until(Box::pin(async {
                start_three(&arm).await?;
                // A real server updates its lists with a delay.
                until("all are listed as they are", || async {
                    let closed = selected(&arm, "ExecutionStatus = 'Completed'").await?;
                    Ok(closed == "a" && selected(&arm, "ExecutionStatus = 'Running'").await? == "bc")
                })
                .await?;
                for (query, expected) in SELECTED {
                    assert_eq!(selected(&arm, query).await?, expected, "{query}");
                }
                let query = format!("WorkflowId STARTS_WITH '{}' GROUP BY ExecutionStatus", arm.id());
                assert_eq!(
                    arm.client.list(query.clone()).next().await?.map(|info| info.status().is_open()),
                    Some(true)
                );
                assert_eq!(by_status(&arm.client.count(query).await?)?, ["1 Completed", "2 Running"]);
                for (query, expected) in REFUSED {
                    let error = arm.client.count(query).await.expect_err(query);
                    assert!(error.to_string().contains(expected), "{query}: {error}");
                    assert!(arm.client.list(query).next().await.is_err(), "{query}");
                }
                for name in ["b", "c"] {
                    arm.client.handle(listed, format!("{}-{name}", arm.id())).terminate().reason("seen enough").await?;
                }
                Ok::<_, Failed>(Vec::new())
            }))
            .await?
    })
    .await
}
