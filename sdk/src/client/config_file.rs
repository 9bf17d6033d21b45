//! The configuration file that Temporal's tools and SDKs share, `temporal.toml`: profiles with the values of environment
//! variables.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;

use super::errors::ConnectError;

/// The profile that is read if none is named.
pub(super) const DEFAULT_PROFILE: &str = "default";

/// A profile, as environment variables and metadata.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Profile {
    pub(super) variables: BTreeMap<&'static str, String>,
    /// gRPC metadata by name.
    pub(super) metadata: BTreeMap<String, String>,
}

/// Reads a profile of a file. A file or a profile that nobody has named need not exist.
///
/// # Errors
/// Returns an error if a named file or profile does not exist, or if the file cannot be read. It does not quote the file,
/// which may contain keys.
pub(super) fn read_profile(
    file: &ConfigFile,
    name: Option<&str>,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Profile, ConnectError> {
    let path = &file.path;
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.is_named && name.is_none() => {
            return Ok(Profile::default());
        }
        Err(error) => {
            let why = if file.is_named { "TEMPORAL_CONFIG_FILE names it" } else { "a profile was asked for" };
            let text = format!("the configuration file `{path}` cannot be read: {error} ({why})");
            return Err(ConnectError::invalid(text));
        }
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| ConnectError::invalid(format!("the configuration file `{path}` is not UTF-8: expected TOML")))?;
    let mut config: Config = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
        let what = error.message();
        ConnectError::invalid(format!("the configuration file `{path}` is wrong in line {line}: {what}"))
    })?;
    match (config.profile.remove(name.unwrap_or(DEFAULT_PROFILE)), name) {
        (Some(profile), _) => Ok(profile.into_profile()),
        (None, None) => Ok(Profile::default()),
        (None, Some(name)) => {
            let known: Vec<String> = config.profile.keys().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "it has none".into() } else { format!("it has {}", known.join(", ")) };
            let text = format!("the configuration file `{path}` has no profile `{name}`: {known}");
            Err(ConnectError::invalid(text))
        }
    }
}

/// The place of the file.
#[derive(Debug, PartialEq)]
pub(super) struct ConfigFile {
    pub(super) path: String,
    /// True if `TEMPORAL_CONFIG_FILE` names it.
    pub(super) is_named: bool,
}

impl ConfigFile {
    /// Returns the file that the variables name, or the default one of the operating system; `None` if there is no such
    /// place.
    pub(super) fn find(variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        if let Some(path) = variable("TEMPORAL_CONFIG_FILE") {
            return Some(Self { path, is_named: true });
        }
        let home = |folder: &str| variable("HOME").map(|home| format!("{home}/{folder}"));
        let folder = if cfg!(windows) {
            variable("APPDATA")
        } else if cfg!(target_os = "macos") {
            home("Library/Application Support")
        } else {
            variable("XDG_CONFIG_HOME").or_else(|| home(".config"))
        };
        Some(Self { path: format!("{}/temporalio/temporal.toml", folder?), is_named: false })
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    profile: BTreeMap<String, ProfileTable>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ProfileTable {
    address: Option<String>,
    namespace: Option<String>,
    api_key: Option<String>,
    tls: Option<TlsTable>,
    codec: CodecTable,
    grpc_meta: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TlsTable {
    disabled: Option<bool>,
    server_name: Option<String>,
    disable_host_verification: Option<bool>,
    server_ca_cert_path: Option<String>,
    server_ca_cert_data: Option<String>,
    client_cert_path: Option<String>,
    client_cert_data: Option<String>,
    client_key_path: Option<String>,
    client_key_data: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CodecTable {
    endpoint: Option<String>,
    auth: Option<String>,
}

impl ProfileTable {
    fn into_profile(self) -> Profile {
        let mut variables = BTreeMap::new();
        let mut set = |name, value: Option<String>| {
            if let Some(value) = value {
                variables.insert(name, value);
            }
        };
        set("TEMPORAL_ADDRESS", self.address);
        set("TEMPORAL_NAMESPACE", self.namespace);
        set("TEMPORAL_API_KEY", self.api_key);
        set("TEMPORAL_CODEC_ENDPOINT", self.codec.endpoint);
        set("TEMPORAL_CODEC_AUTH", self.codec.auth);
        if let Some(tls) = self.tls {
            // The table itself turns TLS on.
            set("TEMPORAL_TLS", Some((!tls.disabled.unwrap_or_default()).to_string()));
            set("TEMPORAL_TLS_SERVER_NAME", tls.server_name);
            set("TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", tls.disable_host_verification.map(|it| it.to_string()));
            set("TEMPORAL_TLS_SERVER_CA_CERT_PATH", tls.server_ca_cert_path);
            set("TEMPORAL_TLS_SERVER_CA_CERT_DATA", tls.server_ca_cert_data);
            set("TEMPORAL_TLS_CLIENT_CERT_PATH", tls.client_cert_path);
            set("TEMPORAL_TLS_CLIENT_CERT_DATA", tls.client_cert_data);
            set("TEMPORAL_TLS_CLIENT_KEY_PATH", tls.client_key_path);
            set("TEMPORAL_TLS_CLIENT_KEY_DATA", tls.client_key_data);
        }
        let metadata = self.grpc_meta.into_iter().map(|(name, value)| (metadata_name(&name), value)).collect();
        Profile { variables, metadata }
    }
}

/// Returns the name of metadata as gRPC has it: lower case, with hyphens.
pub(super) fn metadata_name(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}
