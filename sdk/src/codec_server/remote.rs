//! A payload codec whose work another process does.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use abide_protos::payloads_json;
use abide_protos::temporal::api::common::v1::Payloads;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::bounded_text::name;
use crate::converter::{CodecResult, PayloadCodec, RawPayload, SerializationContext};

/// Maximum time of a call, unless set otherwise.
const CALL_TIME: Duration = Duration::from_secs(10);
/// Maximum size of an answer.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A payload codec that sends payloads to a codec server, and takes them back encoded or decoded (a remote codec).
///
/// It speaks to a [`CodecServer`](super::CodecServer) and to the codec servers of other SDKs. Payloads travel to it in
/// clear text, so use `https` except on one machine. A call that fails fails the operation that needed the payloads,
/// which is then retried. A replay blocks its thread while it waits for the codec: if the codec server runs in the same
/// program, use a runtime with several threads.
///
/// ```
/// use abide::codec_server::RemoteCodec;
/// use abide::converter::DataConverter;
///
/// # fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// let codec = RemoteCodec::new("https://codec.example.com/orders")?.bearer_token("the token")?;
/// let converter = DataConverter::new().codec(codec);
/// # let _ = converter; Ok(()) }
/// # connect().unwrap();
/// ```
#[derive(Clone)]
pub struct RemoteCodec {
    encode: Uri,
    decode: Uri,
    headers: HeaderMap,
    time: Duration,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl RemoteCodec {
    /// Creates a codec for a server at this URL. `/encode` and `/decode` are added to it.
    ///
    /// # Errors
    /// Returns an error if the URL is not one of `http` or `https`, or if the platform's root certificates cannot be
    /// read.
    pub fn new(url: impl AsRef<str>) -> Result<Self, RemoteCodecError> {
        let url = url.as_ref().trim_end_matches('/');
        let of = |verb| format!("{url}/{verb}").parse::<Uri>().map_err(|error| invalid(url, &error));
        let (encode, decode) = (of("encode")?, of("decode")?);
        if !matches!(encode.scheme_str(), Some("http" | "https")) || encode.host().is_none_or(str::is_empty) {
            return Err(invalid(url, &"it has no scheme `http` or `https`, or no host"));
        }
        let roots =
            HttpsConnectorBuilder::new().with_provider_and_native_roots(rustls::crypto::ring::default_provider());
        let roots = roots.map_err(|error| RemoteCodecError {
            text: format!("the platform's root certificates cannot be read, which {url} needs: {error}"),
        })?;
        let client = Client::builder(TokioExecutor::new()).build(roots.https_or_http().enable_http1().build());
        Ok(Self { encode, decode, headers: HeaderMap::new(), time: CALL_TIME, client })
    }

    /// Sends this token with each request, as `authorization: Bearer TOKEN`. Default: none.
    ///
    /// # Errors
    /// Returns an error if the token has characters that a header cannot have.
    pub fn bearer_token(self, token: impl AsRef<str>) -> Result<Self, RemoteCodecError> {
        self.header(AUTHORIZATION.as_str(), format!("Bearer {}", token.as_ref()))
    }

    /// Sends this header with each request, such as `X-Namespace`. Default: none.
    ///
    /// # Errors
    /// Returns an error, without the value, if the name or the value is not one of a header.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Result<Self, RemoteCodecError> {
        let text =
            |what| format!("the {what} of the header `{}` has characters that no header can have", name.as_ref());
        let key: HeaderName = name.as_ref().parse().map_err(|_| RemoteCodecError { text: text("name") })?;
        let mut value: HeaderValue = value.as_ref().parse().map_err(|_| RemoteCodecError { text: text("value") })?;
        value.set_sensitive(true);
        self.headers.insert(key, value);
        Ok(self)
    }

    /// Limits the time of one request. Default: 10 s, which is also the default time of a workflow task.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    async fn call(&self, uri: &Uri, payloads: Vec<RawPayload>) -> CodecResult {
        let payloads = Payloads { payloads: payloads.into_iter().map(RawPayload::into_proto).collect() };
        let mut request = Request::post(uri).body(Full::from(payloads_json::to_json(&payloads)))?;
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answered = async {
            let response = self.client.request(request).await.map_err(|error| with_sources(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
            Ok::<_, String>((status, body.map_err(|error| error.to_string())?.to_bytes()))
        };
        let failed = |text: String| RemoteCodecError { text: format!("the codec server at {uri} {text}") };
        let answer = timeout(self.time, answered).await;
        let answer = answer.map_err(|_| failed(format!("has not answered within {:?}", self.time)))?;
        let (status, body) = answer.map_err(|error| failed(format!("could not be asked: {error}")))?;
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body);
            return Err(failed(format!("answered {status}: {}", name(&text))).into());
        }
        let coded =
            payloads_json::from_json(&body).map_err(|error| failed(format!("did not answer as one: {error}")))?;
        Ok(coded.payloads.into_iter().map(RawPayload::from_proto).collect())
    }
}

impl PayloadCodec for RemoteCodec {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        self.call(&self.encode, payloads).await
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        self.call(&self.decode, payloads).await
    }
}

/// Shows the names of the headers, but no value.
impl fmt::Debug for RemoteCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&HeaderName> = self.headers.keys().collect();
        f.debug_struct("RemoteCodec")
            .field("encode", &self.encode)
            .field("headers", &headers)
            .field("timeout", &self.time)
            .finish_non_exhaustive()
    }
}

/// A [`RemoteCodec`] cannot be set up, or its server did not do its work.
#[derive(Clone, Debug)]
pub struct RemoteCodecError {
    text: String,
}

impl fmt::Display for RemoteCodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for RemoteCodecError {}

fn invalid(url: &str, why: &dyn fmt::Display) -> RemoteCodecError {
    let text = format!("expected the URL of a codec server, such as `https://codec.example.com`, found `{url}`: {why}");
    RemoteCodecError { text }
}

/// The client's own text says only that something went wrong.
fn with_sources(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |error| (*error).source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
