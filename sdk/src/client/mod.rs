//! The client: connects to a Temporal server, starts workflows and talks to them.

mod connection;
mod environment;
mod errors;
mod options;
pub(crate) mod retry;
pub(crate) mod rpc;
mod rpc_error;

pub use connection::Connection;
pub use errors::ConnectError;
pub use options::{ClientOptions, TlsOptions};
pub use rpc_error::RpcError;

/// A client of one namespace, cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Connects to the server.
    ///
    /// # Errors
    /// When an option means nothing, or no Temporal server answers at the address.
    pub async fn connect(options: ClientOptions) -> Result<Self, ConnectError> {
        Ok(Self { connection: Connection::connect(&options).await? })
    }

    /// A client over a connection that is there already.
    pub fn from_connection(connection: Connection) -> Self {
        Self { connection }
    }

    /// The connection, to share it with a worker or another client.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}
