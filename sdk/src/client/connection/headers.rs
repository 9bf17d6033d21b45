//! The gRPC metadata of calls: what Temporal asks for, the API key, and what the user adds.

use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};

use crate::client::errors::ConnectError;
use crate::client::options::ClientOptions;

/// Returns the headers of every call.
///
/// # Errors
/// Returns an error if an option is empty, or does not fit into a header.
pub(super) fn metadata(options: &ClientOptions) -> Result<MetadataMap, ConnectError> {
    let mut metadata = MetadataMap::new();
    metadata.insert("client-name", MetadataValue::from_static("abide"));
    metadata.insert("client-version", MetadataValue::from_static(env!("CARGO_PKG_VERSION")));
    // Without this header, the server reports a retried or repeated run as continued as new.
    metadata.insert("supported-features", MetadataValue::from_static("follows-next-run-id"));
    check_names(options)?;
    metadata.insert("temporal-namespace", header_value("the namespace", &options.namespace)?);
    for (name, value) in &options.rpc_metadata {
        let (key, value) = entry(name, value).map_err(ConnectError::invalid)?;
        metadata.insert(key, value);
    }
    if let Some(key) = &options.api_key {
        metadata.insert("authorization", bearer(key)?);
    }
    Ok(metadata)
}

/// Returns the header of a user's metadata, or a text that says what is wrong with it, without the value.
pub(in crate::client) fn entry(name: &str, value: &str) -> Result<(MetadataKey<Ascii>, MetadataValue<Ascii>), String> {
    if name.starts_with("grpc-") {
        return Err(format!(
            "`{}` in `rpc_metadata` begins with `grpc-`, which gRPC reserves; choose another name",
            name.escape_debug()
        ));
    }
    let key = name.parse().map_err(|_| {
        format!(
            "`{}` is not a valid name of a header in `rpc_metadata`; expected lower-case letters, digits, `-` and `_`, \
             not the prefix `grpc-`, and not the suffix `-bin`",
            name.escape_debug()
        )
    })?;
    Ok((key, header_text(&format!("the value of the header `{name}`"), value)?))
}

/// Returns the header with an API key.
///
/// # Errors
/// Returns an error if the key is empty, or has characters that a header cannot hold.
pub(super) fn bearer(key: &str) -> Result<MetadataValue<Ascii>, ConnectError> {
    let key = key.trim();
    if key.is_empty() {
        return Err(ConnectError::invalid(
            "the API key is empty; expected the key, or leave the option out to connect without one",
        ));
    }
    let mut bearer = header_value("the API key", &format!("Bearer {key}"))?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

/// Refuses settings that the server would take for missing ones, or the protocol for its own.
fn check_names(options: &ClientOptions) -> Result<(), ConnectError> {
    if options.namespace.is_empty() {
        return Err(ConnectError::invalid(
            "the namespace is empty; expected the name of a namespace, or leave the option out for `default`",
        ));
    }
    if options.identity.as_ref().is_some_and(|identity| identity.is_empty()) {
        return Err(ConnectError::invalid(
            "the client's identity is empty; expected a name for histories, or leave the option out for `pid@hostname`",
        ));
    }
    Ok(())
}

fn header_value(what: &str, value: &str) -> Result<MetadataValue<Ascii>, ConnectError> {
    header_text(what, value).map_err(ConnectError::invalid)
}

/// The error does not show the value, because it may be a secret.
fn header_text(what: &str, value: &str) -> Result<MetadataValue<Ascii>, String> {
    value
        .parse()
        .map_err(|_| format!("{what} has characters that a gRPC header cannot hold; expected visible ASCII characters"))
}
