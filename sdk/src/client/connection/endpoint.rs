//! The settings of connections over a network: time limits, keep-alive pings, and TLS.

use std::time::Duration;

use tonic::transport::Endpoint;

use crate::client::errors::ConnectError;
use crate::client::options::TlsOptions;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the settings of connections to this address, with TLS if there are settings for it.
///
/// # Errors
/// Returns an error if the address or a TLS setting is invalid.
pub(super) fn endpoint(address: &str, tls: Option<TlsOptions>) -> Result<Endpoint, ConnectError> {
    let invalid = |error: &dyn std::error::Error| {
        let address = address.escape_debug();
        ConnectError::invalid(format!("`{address}` is not the address of a server ({error}); expected `host:port`"))
    };
    let endpoint = Endpoint::from_shared(address.to_string())
        .map_err(|error| invalid(&error))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(15))
        .keep_alive_while_idle(true);
    match tls {
        Some(tls) => with_tls(endpoint, tls),
        None => Ok(endpoint),
    }
}

#[cfg(feature = "tls")]
fn with_tls(endpoint: Endpoint, tls: TlsOptions) -> Result<Endpoint, ConnectError> {
    use tonic::transport::{Certificate, ClientTlsConfig, Identity};

    let mut config = ClientTlsConfig::new();
    config = match tls.server_ca_cert {
        Some(pem) if !has_certificate(&pem) => {
            return Err(ConnectError::invalid(format!(
                "the {} bytes of `TlsOptions::server_ca_cert` (TEMPORAL_TLS_SERVER_CA_CERT_PATH or _DATA) hold no \
                 certificate; expected PEM text with `-----BEGIN CERTIFICATE-----`: the content of the file, not its \
                 path",
                pem.len()
            )));
        }
        Some(pem) => config.ca_certificate(Certificate::from_pem(pem)),
        None => config.with_native_roots(),
    };
    if let Some((cert, key)) = tls.client_identity {
        config = config.identity(Identity::from_pem(cert, key));
    }
    if let Some(name) = tls.server_name {
        config = config.domain_name(name);
    }
    endpoint.tls_config(config).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        ConnectError::invalid(format!("the TLS settings cannot be used: {}{cause}", expected_of_tls(&cause)))
    })
}

/// Names the setting that the transport's error is about.
#[cfg(feature = "tls")]
fn expected_of_tls(cause: &str) -> &'static str {
    if cause.contains("dns name") {
        "expected `TlsOptions::server_name` (TEMPORAL_TLS_SERVER_NAME) to be a name such as `temporal.example`: "
    } else if cause.contains("private key") {
        "expected the key of `TlsOptions::client_identity` (TEMPORAL_TLS_CLIENT_KEY_PATH) as PEM: "
    } else {
        "expected certificates and keys as PEM: "
    }
}

/// A PEM text without a certificate would trust none, and every server would be rejected as untrusted.
#[cfg(feature = "tls")]
fn has_certificate(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    let begin =
        ["-----BEGIN CERTIFICATE-----", "-----BEGIN TRUSTED CERTIFICATE-----", "-----BEGIN X509 CERTIFICATE-----"];
    begin.iter().any(|begin| text.contains(begin))
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Endpoint, _: TlsOptions) -> Result<Endpoint, ConnectError> {
    Err(ConnectError::invalid(
        "TLS is requested, but this program was built without it; enable the feature `tls` of `abide`",
    ))
}
