//! The answers of a codec server, and a remote codec that gets them.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use tower_service::Service as _;

use super::{CodecServer, RemoteCodec};
use crate::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};

/// Turns the data around. Refuses data that begins with `!`.
struct Reversed;

fn reversed(payloads: Vec<RawPayload>) -> CodecResult {
    let reverse = |mut payload: RawPayload| {
        if payload.data.starts_with(b"!") {
            return Err("it begins with an exclamation mark".into());
        }
        payload.data.reverse();
        payload.metadata.insert("turned".into(), b"yes".to_vec());
        Ok(payload)
    };
    payloads.into_iter().map(reverse).collect()
}

impl PayloadCodec for Reversed {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        reversed(payloads)
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        reversed(payloads)
    }
}

fn converter() -> DataConverter {
    DataConverter::new().codec(Reversed)
}

/// The data `abc`, with an encoding.
const PAYLOADS: &str = r#"{"payloads":[{"metadata":{"encoding":"YQ=="},"data":"YWJj"}]}"#;

fn post(path: &str, body: &'static str) -> Request<Full<Bytes>> {
    Request::post(path).body(Full::from(body)).unwrap()
}

async fn ask(server: CodecServer, request: Request<Full<Bytes>>) -> Response<String> {
    server.clone().call(request).await.unwrap()
}

fn summary(response: &Response<String>) -> String {
    format!("{} {}", response.status().as_u16(), response.body())
}

#[tokio::test]
async fn encode_and_decode_answer_with_the_payloads_of_the_codec() {
    let server = CodecServer::open_to_everybody(converter());
    for path in ["/encode", "/decode", "/codec/default/decode"] {
        let response = ask(server.clone(), post(path, PAYLOADS)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert!(response.body().contains(r#""data":"Y2Jh""#), "cba: {}", response.body());
    }
    // An empty list is one.
    assert_eq!(summary(&ask(server, post("/decode", "{}")).await), "200 {}");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_without_their_values() {
    let server = CodecServer::open_to_everybody(converter()).max_request_bytes(100);
    let cases = [
        (post("/elsewhere", PAYLOADS), "404 expected a path that ends with /encode or /decode"),
        (Request::get("/decode").body(Full::from("")).unwrap(), "405 expected POST"),
        (
            post("/decode", r#"{"payloads":[{"data":"secret!"}]}"#),
            "400 expected `temporal.api.common.v1.Payloads` as JSON: found an error in line 1, column 30",
        ),
        (
            post("/decode", r#"{"payloads":[{"data":"IWFiYw=="}]}"#),
            "400 the payload codec failed to decode 1 payloads: it begins with an exclamation mark",
        ),
        (post("/decode", Box::leak("x".repeat(101).into_boxed_str())), "413 expected at most 100 bytes"),
    ];
    for (request, expected) in cases {
        assert_eq!(summary(&ask(server.clone(), request).await), expected);
    }
}

#[tokio::test]
async fn only_callers_with_the_token_are_answered() {
    let server = CodecServer::with_bearer_token(converter(), "open sesame");
    let with = |value: &str| {
        let mut request = post("/decode", PAYLOADS);
        request.headers_mut().insert("authorization", value.parse().unwrap());
        request
    };
    assert_eq!(ask(server.clone(), with("Bearer open sesame")).await.status(), 200);
    for wrong in ["Bearer open sesamf", "open sesame", "Bearer", "Basic open sesame", "Bearer open sesame "] {
        assert_eq!(ask(server.clone(), with(wrong)).await.status(), 401, "{wrong}");
    }
    assert_eq!(ask(server.clone(), post("/decode", PAYLOADS)).await.status(), 401);
    assert!(!format!("{server:?}").contains("sesame"), "{server:?}");

    let checked = CodecServer::with_authorization(converter(), |headers| headers.contains_key("x-user"));
    assert_eq!(ask(checked.clone(), with("Bearer open sesame")).await.status(), 401);
    let mut request = post("/decode", PAYLOADS);
    request.headers_mut().insert("x-user", "ada".parse().unwrap());
    assert_eq!(ask(checked, request).await.status(), 200);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call_and_no_others() {
    let server = CodecServer::with_bearer_token(converter(), "token").allow_origin("https://temporal.example.com");
    let preflight = |origin: &str| {
        let request = Request::options("/decode").header("origin", origin);
        request.header("access-control-request-method", "POST").body(Full::from("")).unwrap()
    };
    let allowed = ask(server.clone(), preflight("https://temporal.example.com")).await;
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://temporal.example.com");
    assert_eq!(allowed.headers()["access-control-allow-methods"], "POST, OPTIONS");
    assert_eq!(allowed.headers()["access-control-allow-headers"], "authorization, content-type, x-namespace");
    assert_eq!(allowed.headers()["vary"], "origin");
    for other in ["https://temporal.example.com.evil.example", "null", "http://temporal.example.com"] {
        let refused = ask(server.clone(), preflight(other)).await;
        assert!(!refused.headers().contains_key("access-control-allow-origin"), "{other}");
    }
}

#[tokio::test]
async fn a_remote_codec_sends_its_payloads_to_the_server_and_back() {
    let server = CodecServer::with_bearer_token(converter(), "token");
    let endpoint = server.serve(0).await.unwrap();
    let url = format!("http://{}/codec/", endpoint.address());
    let codec = RemoteCodec::new(&url).unwrap().bearer_token("token").unwrap();
    let payload = RawPayload::from_value(&"a secret").unwrap();
    let encoded = codec.encode(&SerializationContext::Unknown, vec![payload.clone(), payload.clone()]).await.unwrap();
    assert_eq!(encoded.len(), 2);
    assert_eq!(encoded[0].data, b"\"terces a\"");
    let decoded = codec.decode(&SerializationContext::Unknown, encoded).await.unwrap();
    assert_eq!(decoded[1].to_value::<String>().unwrap(), "a secret");
    assert!(!format!("{codec:?}").contains("token"), "{codec:?}");

    let wrong = RemoteCodec::new(&url).unwrap().bearer_token("guessed").unwrap();
    let error = wrong.decode(&SerializationContext::Unknown, vec![payload.clone()]).await.unwrap_err().to_string();
    assert!(error.contains("/codec/decode answered 401 Unauthorized: the codec server did not accept"), "{error}");

    drop(endpoint);
    let error = codec.decode(&SerializationContext::Unknown, vec![payload]).await.unwrap_err().to_string();
    assert!(error.contains("could not be asked: client error (Connect)"), "{error}");
}

#[tokio::test]
async fn a_remote_codec_waits_for_its_time_only() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let codec = RemoteCodec::new(url).unwrap().timeout(Duration::from_millis(50));
    let error = codec
        .encode(&SerializationContext::Unknown, vec![RawPayload::from_value(&1).unwrap()])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("has not answered within 50ms"), "{error}");
}

#[test]
fn urls_and_headers_are_checked_when_they_are_set() {
    for url in ["", "codec.example.com", "ftp://codec.example.com", "http://"] {
        let error = RemoteCodec::new(url).unwrap_err().to_string();
        assert!(error.starts_with("expected the URL of a codec server"), "{error}");
    }
    let codec = RemoteCodec::new("https://codec.example.com").unwrap();
    let error = codec.bearer_token("two\nlines").unwrap_err().to_string();
    assert_eq!(error, "the value of the header `authorization` has characters that no header can have");
}
