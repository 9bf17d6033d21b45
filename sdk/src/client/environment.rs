//! Reads client options from the environment variables that Temporal's tools and SDKs share.

use std::io;

use super::errors::ConnectError;
use super::options::{ClientOptions, TlsChoice, TlsOptions};

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;
type ReadFile<'a> = &'a dyn Fn(&str) -> io::Result<Vec<u8>>;

/// The variables that [`read`] knows.
const NAMES: [&str; 13] = [
    "TEMPORAL_ADDRESS",
    "TEMPORAL_NAMESPACE",
    "TEMPORAL_API_KEY",
    "TEMPORAL_TLS",
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "TEMPORAL_TLS_SERVER_CA_CERT_DATA",
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "TEMPORAL_TLS_CLIENT_CERT_DATA",
    "TEMPORAL_TLS_CLIENT_KEY_PATH",
    "TEMPORAL_TLS_CLIENT_KEY_DATA",
    "TEMPORAL_TLS_SERVER_NAME",
    "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
    "TEMPORAL_PROFILE",
];

/// Reads the options of this process.
pub(super) fn read_process() -> Result<ClientOptions, ConnectError> {
    let unreadable = NAMES.iter().find(|name| std::env::var_os(name).is_some_and(|value| value.to_str().is_none()));
    if let Some(name) = unreadable {
        return Err(ConnectError::invalid(format!("{name} is not valid Unicode; expected text in UTF-8")));
    }
    read(&|name| std::env::var(name).ok(), &|path| std::fs::read(path))
}

/// Reads the options. `variable` and `read_file` access the environment, so that tests can replace it.
pub(super) fn read(variable: Variable<'_>, read_file: ReadFile<'_>) -> Result<ClientOptions, ConnectError> {
    // An empty variable counts as unset, because that is how shells and containers unset them.
    let variable = &|name: &str| variable(name).filter(|value| !value.is_empty());
    let address = variable("TEMPORAL_ADDRESS");
    // Other SDKs take the address from the profile. Without it, the default would be another server.
    if let (Some(profile), None) = (variable("TEMPORAL_PROFILE"), &address) {
        return Err(ConnectError::invalid(format!(
            "TEMPORAL_PROFILE is `{profile}`, but Abide does not read configuration files; set TEMPORAL_ADDRESS and \
             TEMPORAL_NAMESPACE instead"
        )));
    }
    let mut options = address.map_or_else(ClientOptions::default, ClientOptions::new);
    if let Some(namespace) = variable("TEMPORAL_NAMESPACE") {
        options = options.namespace(namespace);
    }
    options.tls = tls(variable, read_file)?;
    if let Some(key) = variable("TEMPORAL_API_KEY") {
        // With an explicit `false` beside the key, the key may be sent unencrypted.
        let is_off = options.tls == TlsChoice::Off;
        options = if is_off { options.api_key_without_tls(key) } else { options.api_key(key) };
    }
    // Contradictions are reported here, where the error can name the variables.
    options.endpoint().map(|_| options)
}

fn tls(variable: Variable<'_>, read_file: ReadFile<'_>) -> Result<TlsChoice, ConnectError> {
    if flag("TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", variable)? == Some(true) {
        return Err(ConnectError::invalid(
            "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION is set, but Abide always verifies certificates; to trust the \
             server's certificate, set TEMPORAL_TLS_SERVER_CA_CERT_PATH",
        ));
    }
    let mut tls = TlsOptions { server_name: variable("TEMPORAL_TLS_SERVER_NAME"), ..TlsOptions::default() };
    tls.server_ca_cert = pem("TEMPORAL_TLS_SERVER_CA_CERT", variable, read_file)?;
    let cert = pem("TEMPORAL_TLS_CLIENT_CERT", variable, read_file)?;
    let key = pem("TEMPORAL_TLS_CLIENT_KEY", variable, read_file)?;
    tls.client_identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(half("TEMPORAL_TLS_CLIENT_CERT", "TEMPORAL_TLS_CLIENT_KEY")),
        (None, Some(_)) => return Err(half("TEMPORAL_TLS_CLIENT_KEY", "TEMPORAL_TLS_CLIENT_CERT")),
    };
    Ok(match flag("TEMPORAL_TLS", variable)? {
        Some(false) => TlsChoice::Off,
        Some(true) => TlsChoice::On(tls),
        None if tls == TlsOptions::default() => TlsChoice::Auto,
        None => TlsChoice::On(tls),
    })
}

fn flag(name: &str, variable: Variable<'_>) -> Result<Option<bool>, ConnectError> {
    let Some(value) = variable(name) else { return Ok(None) };
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => {
            let value = value.escape_debug();
            Err(ConnectError::invalid(format!("{name} is `{value}`; expected `true` or `false`")))
        }
    }
}

fn pem(name: &str, variable: Variable<'_>, read_file: ReadFile<'_>) -> Result<Option<Vec<u8>>, ConnectError> {
    let (path_name, data_name) = (format!("{name}_PATH"), format!("{name}_DATA"));
    match (variable(&path_name), variable(&data_name)) {
        (Some(_), Some(_)) => {
            Err(ConnectError::invalid(format!("{path_name} and {data_name} are both set; unset one of them")))
        }
        (Some(path), None) => read_file(&path).map(Some).map_err(|error| {
            ConnectError::invalid(format!("{path_name} names the file `{path}`, which cannot be read: {error}"))
        }),
        (None, data) => Ok(data.map(String::into_bytes)),
    }
}

fn half(there: &str, missing: &str) -> ConnectError {
    ConnectError::invalid(format!(
        "{there}_PATH or _DATA is set, but {missing}_PATH or _DATA is not; a client certificate needs its key, so set \
         both"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(variables: &[(&str, &str)]) -> Result<ClientOptions, ConnectError> {
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_string());
        let read_file = |path: &str| match path {
            "/certs/missing.pem" => Err(io::Error::from(io::ErrorKind::NotFound)),
            path => Ok(format!("contents of {path}").into_bytes()),
        };
        read(&variable, &read_file)
    }

    #[track_caller]
    fn address(variables: &[(&str, &str)]) -> String {
        read_from(variables).unwrap().endpoint().unwrap().0
    }

    #[track_caller]
    fn error(variables: &[(&str, &str)]) -> String {
        read_from(variables).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        assert_eq!(address(&[]), "http://localhost:7233");
        assert_eq!(address(&[("TEMPORAL_ADDRESS", "")]), "http://localhost:7233");
        assert_eq!(read_from(&[]).unwrap().namespace, "default");
    }

    #[test]
    fn an_address_has_a_scheme_or_none() {
        assert_eq!(address(&[("TEMPORAL_ADDRESS", "127.0.0.1:7233")]), "http://127.0.0.1:7233");
        assert_eq!(address(&[("TEMPORAL_ADDRESS", "http://127.0.0.1:7233")]), "http://127.0.0.1:7233");
        assert_eq!(address(&[("TEMPORAL_ADDRESS", "https://127.0.0.1:7233")]), "https://127.0.0.1:7233");
    }

    #[test]
    fn a_profile_is_not_replaced_by_the_default_address() {
        let profile = ("TEMPORAL_PROFILE", "production");
        assert!(error(&[profile]).starts_with("TEMPORAL_PROFILE is `production`, but Abide does not read"));
        assert_eq!(address(&[profile, ("TEMPORAL_ADDRESS", "t:1")]), "http://t:1");
    }

    #[test]
    fn true_means_tls_and_false_means_plaintext() {
        let tls = |value| address(&[("TEMPORAL_ADDRESS", "t:1"), ("TEMPORAL_TLS", value)]);
        assert_eq!(tls("true"), "https://t:1");
        assert_eq!(tls("1"), "https://t:1");
        assert_eq!(tls("false"), "http://t:1");
        assert_eq!(tls("0"), "http://t:1");
        assert_eq!(error(&[("TEMPORAL_TLS", "maybe")]), "TEMPORAL_TLS is `maybe`; expected `true` or `false`");
    }

    #[test]
    fn false_wins_over_an_api_key_and_over_certificates() {
        let off = ("TEMPORAL_TLS", "false");
        assert_eq!(address(&[("TEMPORAL_ADDRESS", "t:1"), ("TEMPORAL_API_KEY", "k"), off]), "http://t:1");
        assert_eq!(address(&[("TEMPORAL_ADDRESS", "t:1"), ("TEMPORAL_TLS_SERVER_NAME", "s"), off]), "http://t:1");
    }

    #[test]
    fn an_api_key_beside_an_address_that_says_plaintext_is_refused() {
        let text = error(&[("TEMPORAL_ADDRESS", "http://t:1"), ("TEMPORAL_API_KEY", "SECRET")]);
        assert!(text.contains("TEMPORAL_TLS=false") && !text.contains("SECRET"), "{text}");
    }

    #[test]
    fn an_api_key_or_a_certificate_switches_tls_on() {
        let at = ("TEMPORAL_ADDRESS", "t:1");
        assert_eq!(address(&[at, ("TEMPORAL_API_KEY", "k")]), "https://t:1");
        assert_eq!(address(&[at, ("TEMPORAL_TLS_SERVER_CA_CERT_DATA", "pem")]), "https://t:1");
    }

    #[test]
    fn certificates_come_from_files_or_from_the_variables_themselves() {
        let options = read_from(&[
            ("TEMPORAL_ADDRESS", "t:1"),
            ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", "/certs/ca.pem"),
            ("TEMPORAL_TLS_CLIENT_CERT_DATA", "cert"),
            ("TEMPORAL_TLS_CLIENT_KEY_PATH", "/certs/key.pem"),
            ("TEMPORAL_TLS_SERVER_NAME", "temporal.example"),
        ]);
        let expected = TlsOptions::new()
            .server_ca_cert("contents of /certs/ca.pem")
            .client_identity("cert", "contents of /certs/key.pem")
            .server_name("temporal.example");
        assert!(options.unwrap().tls == TlsChoice::On(expected));
    }

    #[test]
    fn contradictions_and_missing_files_are_named() {
        let both = [("TEMPORAL_TLS_CLIENT_KEY_PATH", "/k"), ("TEMPORAL_TLS_CLIENT_KEY_DATA", "k")];
        assert!(error(&both).starts_with("TEMPORAL_TLS_CLIENT_KEY_PATH and TEMPORAL_TLS_CLIENT_KEY_DATA are both set"));
        let half = [("TEMPORAL_TLS_CLIENT_CERT_DATA", "c")];
        assert!(error(&half).contains("TEMPORAL_TLS_CLIENT_KEY_PATH or _DATA is not"));
        let missing = [("TEMPORAL_TLS_SERVER_CA_CERT_PATH", "/certs/missing.pem")];
        assert!(error(&missing).contains("names the file `/certs/missing.pem`, which cannot be read"));
        let contradiction = [("TEMPORAL_ADDRESS", "http://t:1"), ("TEMPORAL_TLS", "true")];
        assert!(error(&contradiction).contains("contradict each other"));
        assert!(error(&[("TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", "true")]).contains("always verifies"));
    }
}
