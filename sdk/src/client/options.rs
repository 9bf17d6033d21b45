//! The options for connecting a client.

use std::fmt;
use std::sync::Arc;

use super::environment;
use super::errors::ConnectError;
use super::proxy::HttpProxy;
use crate::converter::DataConverter;
use crate::interceptor::client::ClientInterceptor;
use crate::into_shared::IntoShared;
use crate::metrics::Metrics;
use crate::plugin::{Plugin, Plugins};

/// The server's address and the client's settings.
///
/// The default is a server without TLS at `http://localhost:7233`, namespace `default`.
///
/// ```
/// use abide::client::ClientOptions;
/// let options = ClientOptions::new("temporal.example:7233").namespace("orders").identity("checkout");
/// # let _ = options;
/// ```
#[derive(Clone)]
#[must_use = "options do nothing until a client connects with them"]
pub struct ClientOptions {
    pub(super) address: String,
    pub(super) namespace: String,
    pub(super) identity: Option<String>,
    pub(super) api_key: Option<String>,
    /// True if the API key may be sent unencrypted.
    pub(super) api_key_without_tls: bool,
    pub(super) tls: TlsChoice,
    pub(super) http_proxy: Option<HttpProxy>,
    pub(super) rpc_metadata: Vec<(String, String)>,
    pub(super) data_converter: DataConverter,
    pub(super) metrics: Metrics,
    pub(super) interceptors: Vec<Arc<dyn ClientInterceptor>>,
    pub(super) plugins: Plugins,
}

/// The choice of encryption.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TlsChoice {
    /// Decided by the address's scheme; without one, TLS if there is an API key.
    Auto,
    Off,
    On(TlsOptions),
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self::new("http://localhost:7233")
    }
}

impl ClientOptions {
    /// Creates options for the server at this address: `host:port`, `http://host:port` or `https://host:port`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            namespace: "default".to_string(),
            identity: None,
            api_key: None,
            api_key_without_tls: false,
            tls: TlsChoice::Auto,
            http_proxy: None,
            rpc_metadata: Vec::new(),
            data_converter: DataConverter::new(),
            metrics: Metrics::default(),
            interceptors: Vec::new(),
            plugins: Plugins::default(),
        }
    }

    /// Reads options from the environment variables that Temporal's tools and SDKs share.
    ///
    /// | variable | meaning |
    /// | --- | --- |
    /// | `TEMPORAL_ADDRESS` | `host:port`, with or without `http://` or `https://` |
    /// | `TEMPORAL_NAMESPACE` | the namespace |
    /// | `TEMPORAL_API_KEY` | sent as a bearer token; enables TLS |
    /// | `TEMPORAL_TLS` | `true` or `false`; `false` with an API key allows sending the key unencrypted |
    /// | `TEMPORAL_TLS_SERVER_CA_CERT_PATH` or `_DATA` | PEM file or text of the certificates to trust |
    /// | `TEMPORAL_TLS_CLIENT_CERT_PATH` or `_DATA` | PEM file or text of the client's certificate |
    /// | `TEMPORAL_TLS_CLIENT_KEY_PATH` or `_DATA` | PEM file or text of the client's key |
    /// | `TEMPORAL_TLS_SERVER_NAME` | the name that the server's certificate must have |
    /// | `TEMPORAL_GRPC_META_NAME` | metadata `name` of every call |
    /// | `TEMPORAL_CODEC_ENDPOINT`, `TEMPORAL_CODEC_AUTH` | a codec server, and the value of the header `authorization` for it; needs the feature `codec-server` |
    /// | `TEMPORAL_CONFIG_FILE` | the configuration file; default: `temporalio/temporal.toml` in the user's configuration folder |
    /// | `TEMPORAL_PROFILE` | the profile of that file; default: `default` |
    ///
    /// A profile of the configuration file provides the values that the environment does not set:
    ///
    /// ```toml
    /// [profile.production]
    /// address = "orders.example.com:7233"
    /// namespace = "orders"
    /// [profile.production.tls]
    /// client_cert_path = "client.pem"
    /// client_key_path = "client.key"
    /// [profile.production.grpc_meta]
    /// team = "blue"
    /// ```
    ///
    /// # Errors
    /// Returns an error if a variable or the file has an invalid value, if two variables contradict each other, or if a
    /// file or a profile that was named does not exist.
    pub fn from_env() -> Result<Self, ConnectError> {
        environment::read_process(None)
    }

    /// Like [`from_env`](Self::from_env), from this profile, whatever `TEMPORAL_PROFILE` names.
    ///
    /// # Errors
    /// As `from_env`. Also if there is no such profile.
    pub fn from_profile(profile: impl AsRef<str>) -> Result<Self, ConnectError> {
        environment::read_process(Some(profile.as_ref()))
    }

    /// Sets the namespace. Default: `default`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sets the client's identity, as shown in histories. Default: `pid@hostname`.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Sends an API key as a bearer token with every call. Enables TLS.
    ///
    /// Without TLS, others on the network could read the key. So connecting with a key fails if the address begins with
    /// `http://` or if [`plaintext`](Self::plaintext) is set. For servers on this machine or behind proxies that
    /// encrypt, use [`api_key_without_tls`](Self::api_key_without_tls).
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self.api_key_without_tls = false;
        self
    }

    /// Sends an API key as a bearer token with every call, even over a connection that is **not encrypted**. Others on
    /// the network can then read the key. Does not change the TLS setting.
    pub fn api_key_without_tls(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self.api_key_without_tls = true;
        self
    }

    /// Encrypts the connection.
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = TlsChoice::On(tls);
        self
    }

    /// Disables encryption. Connecting with an [API key](Self::api_key) then fails, unless you set the key with
    /// [`api_key_without_tls`](Self::api_key_without_tls).
    pub fn plaintext(mut self) -> Self {
        self.tls = TlsChoice::Off;
        self
    }

    /// Connects through an HTTP proxy. Default: directly. No environment variable sets it.
    pub fn http_proxy(mut self, proxy: HttpProxy) -> Self {
        self.http_proxy = Some(proxy);
        self
    }

    /// Adds metadata to every call, as a gRPC header, not a Temporal header. Names are lower case. Names
    /// that begin with `grpc-` or end with `-bin` are refused.
    pub fn rpc_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.rpc_metadata.push((name.into(), value.into()));
        self
    }

    /// Sets the data converter, which holds payload codecs and a failure converter. It converts values and errors
    /// between this program and the server. The client's workers use it, too. Default: payloads are sent unencoded.
    pub fn data_converter(mut self, converter: DataConverter) -> Self {
        self.data_converter = converter;
        self
    }

    /// Sets the metrics into which the client and its workers count. Several clients may share them. Default: metrics of
    /// this client, which [`Client::metrics`](super::Client::metrics) returns and nothing exports.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Adds an interceptor of this client's calls. It sees them before payload codecs encode them. The first interceptor
    /// is the outermost one. Default: none. The calls of a worker itself (polls, completions, heartbeats) are not
    /// intercepted.
    pub fn interceptor(mut self, interceptor: impl IntoShared<dyn ClientInterceptor>) -> Self {
        self.interceptors.push(interceptor.into_shared());
        self
    }

    /// Changes the data converter that was set so far, for example to add a codec to it. For [plugins](crate::plugin::Plugin).
    pub fn map_data_converter(mut self, change: impl FnOnce(DataConverter) -> DataConverter) -> Self {
        self.data_converter = change(self.data_converter);
        self
    }

    /// Adds a plugin, as a value or as an `Arc`. It configures this client, and all workers that are built with it.
    /// Plugins are applied when the client connects, in the order in which they were added. Two plugins must not have
    /// the same name. Default: none.
    pub fn plugin(mut self, plugin: impl IntoShared<dyn Plugin>) -> Self {
        self.plugins.add(plugin.into_shared());
        self
    }

    /// Returns these options as the plugins change them.
    ///
    /// # Errors
    /// Returns an error if two plugins have the same name.
    pub(super) fn with_plugins(&self) -> Result<Self, ConnectError> {
        let mut options = self.clone();
        let mut plugins = std::mem::take(&mut options.plugins);
        let mut applied = 0;
        loop {
            plugins.check("the client").map_err(ConnectError::invalid)?;
            let Some(plugin) = plugins.at(applied) else { break };
            options = plugin.configure_client(options);
            // A plugin may add others.
            plugins.extend(std::mem::take(&mut options.plugins));
            applied += 1;
        }
        Ok(Self { plugins, ..options })
    }

    /// Returns the address with its scheme, and the TLS settings if the connection is encrypted.
    pub(super) fn endpoint(&self) -> Result<(String, Option<TlsOptions>), ConnectError> {
        let (scheme, host) = match self.address.split_once("://") {
            Some((scheme @ ("http" | "https"), host)) => (Some(scheme), host),
            Some((scheme, _)) => {
                return Err(ConnectError::invalid(format!(
                    "the address `{}` has the scheme `{}`; expected `host:port`, `http://host:port` or `https://host:port`",
                    without_secret(&self.address),
                    scheme.escape_debug()
                )));
            }
            None => (None, self.address.as_str()),
        };
        let host = host.trim_end_matches('/');
        check_host_and_port(&self.address, host)?;
        let tls = match (&self.tls, scheme) {
            (TlsChoice::On(_), Some("http")) | (TlsChoice::Off, Some("https")) => {
                return Err(ConnectError::invalid(format!(
                    "the address `{}` and the TLS setting contradict each other: `https://` needs TLS, and `http://` \
                     excludes it; remove the scheme, or make both agree (in the environment: TEMPORAL_ADDRESS and \
                     TEMPORAL_TLS)",
                    self.address
                )));
            }
            (TlsChoice::On(tls), _) => Some(tls.clone()),
            (TlsChoice::Off, _) | (TlsChoice::Auto, Some("http")) => None,
            (TlsChoice::Auto, Some(_)) => Some(TlsOptions::new()),
            (TlsChoice::Auto, None) => (self.api_key.is_some() && !self.api_key_without_tls).then(TlsOptions::new),
        };
        if tls.is_none() && self.api_key.is_some() && !self.api_key_without_tls {
            return Err(ConnectError::invalid(format!(
                "the connection to `{}` is not encrypted, so others on the network could read the API key; use TLS (an \
                 address without `http://`, no `plaintext()`), or allow the unencrypted key with \
                 `api_key_without_tls(..)` (in the environment: TEMPORAL_TLS=false)",
                self.address
            )));
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        Ok((format!("{scheme}://{host}"), tls))
    }
}

/// Checks the address without its scheme. The transport would replace a port that it cannot read by 80 or 443, ignore a
/// path, and show a password in errors.
fn check_host_and_port(address: &str, host: &str) -> Result<(), ConnectError> {
    let invalid = |found: &str| {
        let address = without_secret(address);
        ConnectError::invalid(format!(
            "the address `{address}` {found}; expected `host:port`, such as `localhost:7233`, with or without `http://` \
             or `https://`"
        ))
    };
    if address.trim().is_empty() {
        return Err(ConnectError::invalid(
            "the server's address is empty; expected `host:port`, such as `localhost:7233` (in the environment: \
             TEMPORAL_ADDRESS)",
        ));
    }
    if host.contains('@') {
        return Err(invalid("has a user name; a Temporal server knows API keys and client certificates"));
    }
    if host.contains(char::is_whitespace) {
        return Err(invalid("has white space in it"));
    }
    if host.contains(['/', '?', '#']) {
        return Err(invalid("has a path"));
    }
    // The colons within `[..]` belong to an IPv6 address.
    let (name, port) = match host.rsplit_once(':') {
        Some((_, port)) if port.ends_with(']') => (host, None),
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    if name.is_empty() {
        return Err(invalid("has no host"));
    }
    if name.contains(':') && !name.starts_with('[') {
        return Err(invalid("has more than one colon; an IPv6 address is written in brackets, as in `[::1]:7233`"));
    }
    match port.map(|port| (port, port.parse::<u16>())) {
        None | Some((_, Ok(1..))) => Ok(()),
        Some((port, _)) => Err(invalid(&format!("has the port `{port}`, which is no number from 1 to 65535"))),
    }
}

/// Returns an address for errors, on one line and without a user name and a password.
fn without_secret(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (_, None) => address.escape_debug().to_string(),
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://..@{host}").escape_debug().to_string(),
        (None, Some((_, host))) => format!("..@{host}").escape_debug().to_string(),
    }
}

/// Does not show secrets.
impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("address", &self.address)
            .field("namespace", &self.namespace)
            .field("identity", &self.identity)
            .field("api_key", &self.api_key.as_ref().map(|_| "(set)"))
            .field("tls", &self.tls)
            .field("http_proxy", &self.http_proxy)
            .field("rpc_metadata", &self.rpc_metadata.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("data_converter", &self.data_converter)
            .field("metrics", &self.metrics)
            .field("interceptors", &self.interceptors.len())
            .field("plugins", &self.plugins)
            .finish()
    }
}

/// TLS settings of the connection. The server's certificate is always verified.
#[derive(Clone, Default, PartialEq)]
#[must_use = "options do nothing until `ClientOptions::tls` takes them"]
pub struct TlsOptions {
    pub(super) server_ca_cert: Option<Vec<u8>>,
    pub(super) client_identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) server_name: Option<String>,
}

impl TlsOptions {
    /// Trusts the operating system's certificates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these certificates (PEM) instead of the operating system's.
    pub fn server_ca_cert(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.server_ca_cert = Some(pem.into());
        self
    }

    /// Presents this client certificate to the server, with its private key (both PEM).
    pub fn client_identity(mut self, cert_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.client_identity = Some((cert_pem.into(), key_pem.into()));
        self
    }

    /// Sets the name that the server's certificate must have. Default: the address's host.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }
}

/// Does not show keys.
impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("server_ca_cert", &self.server_ca_cert.as_ref().map(|_| "(set)"))
            .field("client_identity", &self.client_identity.as_ref().map(|_| "(set)"))
            .field("server_name", &self.server_name)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: ClientOptions, expected: &str) {
        let found = match options.endpoint() {
            Ok((address, _)) => address,
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_scheme_follows_from_the_address_the_tls_setting_and_the_api_key() {
        check(ClientOptions::default(), "http://localhost:7233");
        check(ClientOptions::new("temporal:7233"), "http://temporal:7233");
        check(ClientOptions::new("https://temporal:7233/"), "https://temporal:7233");
        check(ClientOptions::new("temporal:7233").tls(TlsOptions::new()), "https://temporal:7233");
        check(ClientOptions::new("temporal:7233").api_key("k"), "https://temporal:7233");
        check(ClientOptions::new("temporal:7233").api_key_without_tls("k").plaintext(), "http://temporal:7233");
        check(ClientOptions::new("http://temporal:7233").api_key_without_tls("k"), "http://temporal:7233");
        check(ClientOptions::new("temporal:7233").api_key_without_tls("k"), "http://temporal:7233");
        check(ClientOptions::new("https://temporal:7233").api_key_without_tls("k"), "https://temporal:7233");
    }

    #[test]
    fn an_api_key_is_not_sent_for_everybody_to_read_unless_that_is_asked_for() {
        let key = "SECRET";
        for options in [
            ClientOptions::new("http://temporal:7233").api_key(key),
            ClientOptions::new("temporal:7233").plaintext().api_key(key),
            ClientOptions::new("temporal:7233").api_key(key).plaintext(),
            ClientOptions::default().api_key_without_tls("other").api_key(key),
        ] {
            let text = options.endpoint().unwrap_err().to_string();
            assert!(
                text.contains("not encrypted") && text.contains("api_key_without_tls") && !text.contains(key),
                "{text}"
            );
        }
    }

    #[test]
    fn an_address_that_contradicts_the_tls_setting_is_refused() {
        let text = "the address `http://temporal:7233` and the TLS setting contradict each other: `https://` needs TLS, \
                    and `http://` excludes it; remove the scheme, or make both agree (in the environment: \
                    TEMPORAL_ADDRESS and TEMPORAL_TLS)";
        check(ClientOptions::new("http://temporal:7233").tls(TlsOptions::new()), text);
        check(
            ClientOptions::new("grpc://temporal:7233"),
            "the address `grpc://temporal:7233` has the scheme `grpc`; expected `host:port`, `http://host:port` or `https://host:port`",
        );
    }

    #[test]
    fn an_address_without_a_valid_host_and_port_says_what_is_wrong_with_it() {
        for (address, found) in [
            ("", "the server's address is empty"),
            ("http://", "has no host"),
            (":7233", "has no host"),
            ("localhost:", "has the port ``"),
            ("localhost:99999", "has the port `99999`, which is no number from 1 to 65535"),
            ("localhost:0", "has the port `0`"),
            ("one:7233,two:7233", "has more than one colon"),
            ("::1:7233", "as in `[::1]:7233`"),
            ("localhost:7233/api", "has a path"),
            ("http:/localhost:7233", "has a path"),
            ("localhost:7233\n", "the address `localhost:7233\\n` has white space"),
        ] {
            let text = ClientOptions::new(address).endpoint().unwrap_err().to_string();
            assert!(text.contains(found) && text.contains("expected `host:port`"), "{address:?}: {text}");
            assert_eq!(text.lines().count(), 1, "{address:?}: {text}");
        }
        check(ClientOptions::new("[::1]:7233"), "http://[::1]:7233");
        check(ClientOptions::new("[::1]"), "http://[::1]");
        check(ClientOptions::new("https://temporal.example"), "https://temporal.example");
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for address in ["me:SECRET@temporal:7233", "https://me:SECRET@temporal:7233", "grpc://me:SECRET@temporal:7233"]
        {
            let text = ClientOptions::new(address).endpoint().unwrap_err().to_string();
            assert!(text.contains("temporal:7233") && !text.contains("SECRET"), "{text}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let tls = TlsOptions::new().client_identity("SECRET cert", "SECRET key");
        let options = ClientOptions::default().api_key("SECRET").rpc_metadata("x-token", "SECRET").tls(tls);
        let text = format!("{options:?}");
        assert!(!text.contains("SECRET") && !text.contains("83, 69, 67"), "{text}");
    }
}
