//! Namespaces and search attributes, as far as the embedded server does not serve their calls.

use abide::SearchAttributeKey;
use abide::client::operator::{HealthStatus, NamespaceState};
use abide::{days, mins};

use crate::{client, unique, until};

#[tokio::test]
async fn a_namespace_is_changed_and_keeps_what_was_not_mentioned() {
    let Some(client) = client("a_namespace_is_changed_and_keeps_what_was_not_mentioned").await else { return };
    let (operator, name) = (client.operator(), unique("namespace"));
    let register = operator.register_namespace(&name, days(2)).description("for a test").owner_email("ada@example.org");
    register.data("team", "red").await.unwrap();
    until("the server knows it", || async { operator.describe_namespace(&name).await.is_ok() }).await;
    until("it can be changed", || async { operator.update_namespace(&name).data("floor", "2").await.is_ok() }).await;
    let changed = operator.update_namespace(&name).description("for all tests").retention(days(3)).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.state), (name.as_str(), NamespaceState::Registered));
    assert_eq!((changed.description.as_str(), changed.owner_email.as_str()), ("for all tests", "ada@example.org"));
    assert_eq!(changed.retention, Some(days(3)));
    assert_eq!(changed.data.get("team").map(String::as_str), Some("red"));
    assert_eq!(changed.data.get("floor").map(String::as_str), Some("2"));
    let short = operator.update_namespace(&name).retention(mins(1)).await.unwrap_err();
    assert!(short.is_invalid_argument(), "{short}");
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let Some(client) = client("the_server_says_what_it_is").await else { return };
    let operator = client.operator();
    let (cluster, system) = (operator.cluster_info().await.unwrap(), operator.system_info().await.unwrap());
    assert_eq!(cluster.server_version, system.server_version);
    assert!(cluster.history_shard_count > 0 && !cluster.cluster_id.is_empty() && !cluster.persistence_store.is_empty());
    assert!(system.nexus && system.eager_workflow_start && system.supports_schedules);
    assert_eq!(operator.check_health().await.unwrap(), HealthStatus::Serving);
    let reserved = operator.add_search_attribute(&SearchAttributeKey::keyword("WorkflowType")).await.unwrap_err();
    assert!(reserved.is_invalid_argument(), "{reserved}");
}
