//! Requests and replies between Workers' types and ours. Only the headers that the product reads are fetched: each is
//! a call across the JavaScript border.

use http::{HeaderMap, HeaderValue, Method};
use worker::{Headers, Response, ResponseBody, Result};

use crate::web::{HEADERS_READ, MAX_BODY, Reply, Request};

/// Reads a request; a body that announces or has too many bytes becomes none.
pub(super) async fn read(mut request: worker::Request) -> Result<Request> {
    let url = request.url()?;
    let given = request.headers();
    let mut headers = HeaderMap::with_capacity(HEADERS_READ.len());
    for name in HEADERS_READ {
        if let Some(value) = given.get(name.as_str())?.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    let announced = given.get("content-length")?.and_then(|length| length.parse::<usize>().ok());
    let method = Method::from_bytes(request.method().to_string().as_bytes()).unwrap_or(Method::GET);
    let has_body = matches!(method, Method::POST | Method::PUT | Method::PATCH);
    let body = match announced {
        Some(length) if length > MAX_BODY => None,
        _ if !has_body => Some(Vec::new()),
        _ => Some(request.bytes().await?).filter(|bytes| bytes.len() <= MAX_BODY),
    };
    let authority = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    Ok(Request {
        method,
        authority,
        path: url.path().to_owned(),
        query: url.query().unwrap_or_default().to_owned(),
        headers,
        body,
    })
}

/// Writes a reply.
pub(super) fn write(reply: Reply) -> Result<Response> {
    let headers = Headers::new();
    for (name, value) in &reply.headers {
        headers.append(name.as_str(), value.to_str().unwrap_or_default())?;
    }
    let body = if reply.body.is_empty() { ResponseBody::Empty } else { ResponseBody::Body(reply.body) };
    Ok(Response::from_body(body)?.with_status(reply.status.as_u16()).with_headers(headers))
}
