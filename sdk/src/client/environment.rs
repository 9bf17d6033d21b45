//! Reads client options from the environment variables and the configuration file that Temporal's tools and SDKs share.
//!
//! A profile of the file has the values of variables, so one function reads both. A variable of the environment takes
//! precedence.

use std::collections::BTreeMap;
use std::io;

use super::config_file::{ConfigFile, Profile, metadata_name, read_profile};
use super::errors::ConnectError;
use super::options::{ClientOptions, TlsChoice, TlsOptions};

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;
type ReadFile<'a> = &'a dyn Fn(&str) -> io::Result<Vec<u8>>;

/// Variables with metadata begin with this.
const METADATA: &str = "TEMPORAL_GRPC_META_";

/// Reads the options of this process, from that profile or from the one that `TEMPORAL_PROFILE` names.
pub(super) fn read_process(profile: Option<&str>) -> Result<ClientOptions, ConnectError> {
    let mut variables = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| is_known(name)) else { continue };
        let Some(value) = value.to_str() else {
            return Err(ConnectError::invalid(format!("{name} is not valid Unicode; expected text in UTF-8")));
        };
        variables.insert(name.to_string(), value.to_string());
    }
    read(&variables, profile, &|path| std::fs::read(path))
}

/// Returns true for a variable that may decide about the options.
fn is_known(name: &str) -> bool {
    name.starts_with("TEMPORAL_") || ["HOME", "XDG_CONFIG_HOME", "APPDATA"].contains(&name)
}

/// Reads the options from the variables of an environment. `read_file` gives access to its files.
fn read(
    variables: &BTreeMap<String, String>,
    profile: Option<&str>,
    read_file: ReadFile<'_>,
) -> Result<ClientOptions, ConnectError> {
    // An empty variable counts as unset, because that is how shells and containers unset them.
    let of_process = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
    let named = profile.map(str::to_string).or_else(|| of_process("TEMPORAL_PROFILE"));
    let from_file = match ConfigFile::find(&of_process) {
        Some(file) => read_profile(&file, named.as_deref(), read_file)?,
        None => Profile::default(),
    };
    let variable = &|name: &str| {
        // A file of the environment replaces data of the profile, and the other way round.
        let replaced = twin(name).and_then(|twin| of_process(&twin)).is_some();
        of_process(name).or_else(|| from_file.variables.get(name).filter(|_| !replaced).cloned())
    };
    let mut options = variable("TEMPORAL_ADDRESS").map_or_else(ClientOptions::default, ClientOptions::new);
    if let Some(namespace) = variable("TEMPORAL_NAMESPACE") {
        options = options.namespace(namespace);
    }
    options.tls = tls(variable, read_file)?;
    if let Some(key) = variable("TEMPORAL_API_KEY") {
        // With an explicit `false` beside the key, the key may be sent unencrypted.
        let is_off = options.tls == TlsChoice::Off;
        options = if is_off { options.api_key_without_tls(key) } else { options.api_key(key) };
    }
    let mut metadata = from_file.metadata.clone();
    for (name, value) in variables {
        if let Some(name) = name.strip_prefix(METADATA) {
            metadata.insert(metadata_name(name), value.clone());
        }
    }
    // An empty value removes what the profile has.
    for (name, value) in metadata.into_iter().filter(|(_, value)| !value.is_empty()) {
        options = options.rpc_metadata(name, value);
    }
    if let Some(endpoint) = variable("TEMPORAL_CODEC_ENDPOINT") {
        options = with_codec(options, &endpoint, variable("TEMPORAL_CODEC_AUTH"))?;
    }
    // Contradictions are reported here, where the error can name the variables.
    options.endpoint().map(|_| options)
}

/// Returns the name of the variable that gives the same as a file or as data.
fn twin(name: &str) -> Option<String> {
    let path = name.strip_suffix("_PATH").map(|base| format!("{base}_DATA"));
    path.or_else(|| name.strip_suffix("_DATA").map(|base| format!("{base}_PATH")))
}

#[cfg(feature = "codec-server")]
fn with_codec(options: ClientOptions, endpoint: &str, auth: Option<String>) -> Result<ClientOptions, ConnectError> {
    let wrong = |error: crate::codec_server::RemoteCodecError| {
        ConnectError::invalid(format!("TEMPORAL_CODEC_ENDPOINT or TEMPORAL_CODEC_AUTH is wrong: {error}"))
    };
    let endpoint = endpoint.replace("{namespace}", &options.namespace);
    let mut codec = crate::codec_server::RemoteCodec::new(endpoint).map_err(wrong)?;
    codec = codec.header("x-namespace", &options.namespace).map_err(wrong)?;
    if let Some(auth) = auth {
        codec = codec.header("authorization", auth).map_err(wrong)?;
    }
    Ok(options.map_data_converter(|converter| converter.codec(codec)))
}

#[cfg(not(feature = "codec-server"))]
fn with_codec(options: ClientOptions, _: &str, _: Option<String>) -> Result<ClientOptions, ConnectError> {
    tracing::warn!(
        "TEMPORAL_CODEC_ENDPOINT, or the profile's codec, is ignored, because the feature `codec-server` of the crate \
         `abide` is off: turn it on, or set the codec in the program"
    );
    Ok(options)
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
        read_profile_from(variables, None)
    }

    fn read_profile_from(variables: &[(&str, &str)], profile: Option<&str>) -> Result<ClientOptions, ConnectError> {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let read_file = |path: &str| match path {
            "/certs/missing.pem" | "/home/no/.config/temporalio/temporal.toml" => {
                Err(io::Error::from(io::ErrorKind::NotFound))
            }
            "/temporal.toml" | "/home/me/.config/temporalio/temporal.toml" => Ok(FILE.into()),
            "/broken.toml" => Ok("[profile.default]\napi_key = \"SECRET\naddress = 1".into()),
            path => Ok(format!("contents of {path}").into_bytes()),
        };
        read(&variables, profile, &read_file)
    }

    const FILE: &str = r#"
        [profile.default]
        address = "file:1"
        namespace = "of-file"
        [profile.default.grpc_meta]
        Some_Header = "of file"
        other = "stays"

        [profile.cloud]
        address = "cloud:7233"
        api_key = "SECRET"
        [profile.cloud.tls]
        server_name = "temporal.example"
        server_ca_cert_data = "pem"

        [profile.plain]
        address = "plain:7233"
        [profile.plain.tls]
        disabled = true

        [profile.sealed.codec]
        endpoint = "http://localhost:8888/{namespace}"
        auth = "Bearer SECRET"
    "#;

    const AT: (&str, &str) = ("TEMPORAL_CONFIG_FILE", "/temporal.toml");

    #[test]
    fn the_default_profile_is_read_and_the_environment_takes_precedence() {
        let options = read_from(&[AT]).unwrap();
        assert_eq!((options.address.as_str(), options.namespace.as_str()), ("file:1", "of-file"));
        let expected = [("other", "stays"), ("some-header", "of file")];
        assert_eq!(options.rpc_metadata, expected.map(|(name, value)| (name.to_string(), value.to_string())));
        let overridden = read_from(&[
            AT,
            ("TEMPORAL_ADDRESS", "env:1"),
            ("TEMPORAL_GRPC_META_SOME_HEADER", "of env"),
            ("TEMPORAL_GRPC_META_OTHER", ""),
        ]);
        let options = overridden.unwrap();
        assert_eq!((options.address.as_str(), options.namespace.as_str()), ("env:1", "of-file"));
        assert_eq!(options.rpc_metadata, [("some-header".to_string(), "of env".to_string())]);
    }

    #[test]
    fn a_profile_is_named_by_the_program_or_by_its_environment() {
        let cloud = ("TEMPORAL_PROFILE", "cloud");
        for options in [read_from(&[AT, cloud]), read_profile_from(&[AT, ("TEMPORAL_PROFILE", "plain")], Some("cloud"))]
        {
            let options = options.unwrap();
            assert_eq!(options.endpoint().unwrap().0, "https://cloud:7233");
            assert_eq!(options.api_key.as_deref(), Some("SECRET"));
            let expected = TlsOptions::new().server_ca_cert("pem").server_name("temporal.example");
            assert!(options.tls == TlsChoice::On(expected));
        }
        // A file instead of the profile's data.
        let options = read_from(&[AT, cloud, ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", "/ca.pem")]).unwrap();
        let expected = TlsOptions::new().server_ca_cert("contents of /ca.pem").server_name("temporal.example");
        assert!(options.tls == TlsChoice::On(expected));
        assert_eq!(address(&[AT, ("TEMPORAL_PROFILE", "plain")]), "http://plain:7233");
        assert_eq!(
            error(&[AT, ("TEMPORAL_PROFILE", "prod")]),
            "the configuration file `/temporal.toml` has no profile `prod`: it has `cloud`, `default`, `plain`, `sealed`"
        );
    }

    #[test]
    fn the_file_has_a_default_place_and_need_not_exist() {
        if cfg!(target_os = "linux") {
            assert_eq!(address(&[("HOME", "/home/me")]), "http://file:1");
            assert_eq!(address(&[("HOME", "/home/no"), ("XDG_CONFIG_HOME", "/home/me/.config")]), "http://file:1");
        }
        assert_eq!(address(&[("HOME", "/home/no"), ("APPDATA", "/home/no/.config")]), "http://localhost:7233");
        let missing = error(&[("TEMPORAL_CONFIG_FILE", "/certs/missing.pem")]);
        assert!(missing.contains("`/certs/missing.pem` cannot be read") && missing.contains("TEMPORAL_CONFIG_FILE"));
    }

    #[test]
    fn an_error_in_the_file_names_its_line_and_no_key() {
        let text = error(&[("TEMPORAL_CONFIG_FILE", "/broken.toml")]);
        assert!(text.starts_with("the configuration file `/broken.toml` is wrong in line 2: "), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
    }

    #[cfg(feature = "codec-server")]
    #[test]
    fn the_codec_of_a_profile_is_a_remote_codec() {
        let options = read_from(&[AT, ("TEMPORAL_PROFILE", "sealed"), ("TEMPORAL_NAMESPACE", "orders")]).unwrap();
        assert!(format!("{options:?}").contains("codecs: 1"), "{options:?}");
        assert!(error(&[("TEMPORAL_CODEC_ENDPOINT", "nowhere")]).starts_with("TEMPORAL_CODEC_ENDPOINT or"));
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
