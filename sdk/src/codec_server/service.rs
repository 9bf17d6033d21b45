//! The requests of a codec server and their answers.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use abide_protos::payloads_json;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, ORIGIN, VARY,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::{Access, CodecServer};
use crate::converter::Direction;

impl<B> tower_service::Service<Request<B>> for CodecServer
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = respond(self.clone(), request);
        Box::pin(async { Ok(response.await) })
    }
}

/// Answers a request.
pub(super) async fn respond<B>(server: CodecServer, request: Request<B>) -> Response<String>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let origin = server.allowed_origin(request.headers());
    let mut response = match answer(&server, request).await {
        Ok(response) | Err(response) => response,
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        // A page of a listed origin may send its user's cookies.
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, OPTIONS"));
        let sent = HeaderValue::from_static("authorization, content-type, x-namespace");
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, sent);
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("origin"));
    response
}

async fn answer<B>(server: &CodecServer, request: Request<B>) -> Result<Response<String>, Response<String>>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let direction = match request.uri().path().rsplit('/').next() {
        Some("encode") => Direction::Encode,
        Some("decode") => Direction::Decode,
        _ => return Err(text(StatusCode::NOT_FOUND, "expected a path that ends with /encode or /decode")),
    };
    if request.method() == Method::OPTIONS {
        return Ok(text(StatusCode::NO_CONTENT, ""));
    }
    if request.method() != Method::POST {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "expected POST");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        return Err(response);
    }
    if !server.access.admits(request.headers()) {
        return Err(text(
            StatusCode::UNAUTHORIZED,
            "the codec server did not accept the authorization of this request",
        ));
    }
    let body = Limited::new(request.into_body(), server.most_bytes).collect().await;
    let body = body.map_err(|error| unreadable(error, server.most_bytes))?.to_bytes();
    let mut payloads = payloads_json::from_json(&body).map_err(|error| text(StatusCode::BAD_REQUEST, error))?;
    drop(body);
    let coded = server.converter.code_list(std::mem::take(&mut payloads.payloads), direction).await;
    payloads.payloads = coded.map_err(|error| text(StatusCode::BAD_REQUEST, error))?;
    let mut response = text(StatusCode::OK, payloads_json::to_json(&payloads));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

impl CodecServer {
    fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

impl Access {
    fn admits(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Everybody => true,
            Self::Token(token) => {
                let sent = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
                sent.and_then(bearer).is_some_and(|sent| is_same(sent, token.as_bytes()))
            }
            Self::Check(check) => check(headers),
        }
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Compares in a time that depends on the lengths alone, so that nobody can guess a token byte by byte.
fn is_same(sent: &[u8], token: &[u8]) -> bool {
    sent.len() == token.len() && sent.iter().zip(token).fold(0, |differs, (sent, own)| differs | (sent ^ own)) == 0
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>, most: usize) -> Response<String> {
    if error.is::<http_body_util::LengthLimitError>() {
        text(StatusCode::PAYLOAD_TOO_LARGE, format!("expected at most {most} bytes"))
    } else {
        text(StatusCode::BAD_REQUEST, "the request's body could not be read")
    }
}

fn text(status: StatusCode, text: impl Display) -> Response<String> {
    let mut response = Response::new(text.to_string());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
