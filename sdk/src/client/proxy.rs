//! An HTTP proxy between the client and the server.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tonic::codegen::http::Uri;

/// An HTTP proxy through which the client connects, with the method `CONNECT`. For
/// [`ClientOptions::http_proxy`](super::ClientOptions::http_proxy).
///
/// ```
/// use abide::client::{ClientOptions, HttpProxy};
///
/// let proxy = HttpProxy::new("proxy.example:3128").basic_auth("worker", "secret");
/// let options = ClientOptions::new("https://temporal.example:7233").http_proxy(proxy);
/// # let _ = options;
/// ```
#[derive(Clone)]
#[must_use = "a proxy does nothing until `ClientOptions::http_proxy` takes it"]
pub struct HttpProxy {
    address: String,
    credentials: Option<(String, String)>,
}

impl HttpProxy {
    /// Describes the proxy at this address: `host:port` or `http://host:port`.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), credentials: None }
    }

    /// Presents a user name and a password to the proxy (HTTP basic authentication). Default: none. The way to the proxy is
    /// not encrypted, so others on that network can read them.
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    pub(super) fn address(&self) -> &str {
        self.address.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Returns the proxy's address, or a text that says what is wrong with it.
    pub(super) fn uri(&self) -> Result<Uri, String> {
        let address = self.address();
        let invalid = |found: &str| {
            format!("the proxy's address {found}; expected `host:port` or `http://host:port`, such as `proxy:3128`")
        };
        if address.contains('@') {
            return Err(invalid("has a user name; set it with `HttpProxy::basic_auth`"));
        }
        if self.credentials.as_ref().is_some_and(|(user, _)| user.contains(':')) {
            return Err("the proxy's user name has a colon, which basic authentication does not allow".to_string());
        }
        if address.contains("://") {
            return Err(invalid("has a scheme other than `http`"));
        }
        let uri: Uri = format!("http://{address}").parse().map_err(|_| invalid("cannot be read"))?;
        if uri.host().is_none_or(str::is_empty) || uri.path() != "/" {
            return Err(invalid("has no host, or has a path"));
        }
        uri.port_u16().map(|_| uri).ok_or_else(|| invalid("has no port"))
    }

    /// Returns the header with the credentials.
    pub(super) fn authorization(&self) -> Option<String> {
        let (user, password) = self.credentials.as_ref()?;
        Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
    }
}

/// Does not show the credentials.
impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProxy")
            .field("address", &self.address())
            .field("credentials", &self.credentials.as_ref().map(|_| "(set)"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_those_of_an_http_proxy_are_refused_without_their_secrets() {
        assert_eq!(HttpProxy::new("proxy:3128").uri().unwrap(), "http://proxy:3128");
        assert_eq!(HttpProxy::new("http://proxy:3128/").uri().unwrap(), "http://proxy:3128");
        for (address, found) in [
            ("proxy", "has no port"),
            ("", "cannot be read"),
            ("https://proxy:3128", "a scheme other than `http`"),
            ("http://me:SECRET@proxy:3128", "has a user name"),
            ("proxy:3128/path", "has a path"),
        ] {
            let text = HttpProxy::new(address).uri().unwrap_err();
            assert!(text.contains(found) && !text.contains("SECRET"), "{address}: {text}");
        }
        assert!(HttpProxy::new("proxy:3128").basic_auth("a:b", "c").uri().unwrap_err().contains("a colon"));
    }

    #[test]
    fn credentials_are_those_of_basic_authentication_and_are_not_shown() {
        let proxy = HttpProxy::new("proxy:3128").basic_auth("Aladdin", "open sesame");
        // The example of RFC 7617.
        assert_eq!(proxy.authorization().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{proxy:?}").contains("sesame"));
    }
}
