//! Namespaces and search attributes, as far as the embedded server does not serve their calls.

use abide::SearchAttributeKey;
use abide::client::operator::{HealthStatus, NamespaceState, NexusEndpointTarget};
use abide::client::{Client, ClientOptions};
use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
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

/// Turns all bytes around.
struct Mirror;

impl PayloadCodec for Mirror {
    async fn encode(&self, _: &SerializationContext, mut payloads: Vec<RawPayload>) -> CodecResult {
        payloads.iter_mut().for_each(|payload| payload.data.reverse());
        Ok(payloads)
    }

    async fn decode(&self, context: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        self.encode(context, payloads).await
    }
}

#[tokio::test]
async fn descriptions_of_endpoints_and_metadata_of_versions_are_encoded() {
    let Some(plain) = client("descriptions_of_endpoints_and_metadata_of_versions_are_encoded").await else { return };
    let address = std::env::var("ABIDE_TEST_SERVER").unwrap();
    let options = ClientOptions::new(address).data_converter(DataConverter::new().codec(Mirror));
    let coded = Client::connect(options).await.unwrap();
    let name = unique("coded");
    let target = NexusEndpointTarget::worker("default", &name);
    let endpoint = coded.operator().create_nexus_endpoint(&name, target).description("secret").await.unwrap();
    assert_eq!(endpoint.description().unwrap().as_deref(), Some("secret"));
    let seen = plain.operator().find_nexus_endpoint(&name).await.unwrap().unwrap();
    assert_ne!(seen.description().ok().flatten().as_deref(), Some("secret"));
    let seen = coded.operator().nexus_endpoints().next().await.unwrap().unwrap();
    assert!(!seen.name().is_empty());
    let changed = coded.operator().update_nexus_endpoint(&endpoint).name(format!("{name}-2")).await.unwrap();
    assert_eq!(changed.description().unwrap().as_deref(), Some("secret"));
    let got = coded.operator().get_nexus_endpoint(endpoint.id()).await.unwrap();
    assert_eq!(got.description().unwrap().as_deref(), Some("secret"));
    coded.operator().delete_nexus_endpoint(&changed).await.unwrap();

    let deployment = coded.deployment(&name);
    deployment.set_current_version("a").allow_no_pollers().await.unwrap();
    deployment.update_version_metadata("a").set("commit", &"secret".to_string()).await.unwrap();
    let commit = |description: abide::client::operator::WorkerDeploymentVersionDescription| {
        description.metadata::<String>("commit").ok().flatten()
    };
    assert_eq!(commit(deployment.describe_version("a").await.unwrap()).as_deref(), Some("secret"));
    assert_ne!(commit(plain.deployment(&name).describe_version("a").await.unwrap()).as_deref(), Some("secret"));
}
