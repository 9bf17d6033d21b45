//! The entry to the calls that are about a namespace or the whole server.

use std::fmt;

use crate::client::Client;
use crate::client::connection::Connection;

impl Client {
    /// Returns the calls about namespaces, search attributes, Nexus endpoints and the server itself. Makes no call.
    ///
    /// ```no_run
    /// use abide::SearchAttributeKey;
    /// # use abide::prelude::*;
    /// const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");
    ///
    /// # async fn prepare(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let operator = client.operator();
    /// operator.add_search_attribute(&CUSTOMER).await?;
    /// println!("server {}", operator.cluster_info().await?.server_version);
    /// # Ok(()) }
    /// ```
    pub fn operator(&self) -> Operator {
        Operator { connection: self.connection().clone() }
    }
}

/// Calls about namespaces, search attributes, Nexus endpoints and the server itself.
#[derive(Clone)]
pub struct Operator {
    pub(super) connection: Connection,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("connection", &self.connection).finish()
    }
}
