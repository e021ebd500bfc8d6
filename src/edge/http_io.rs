//! Requests and replies between Workers' types and ours. Only the headers that the product reads are fetched: each is
//! a call across the JavaScript border.

use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method};
use worker::{Headers, Response, ResponseBody, Result};

use crate::web::{HEADERS_READ, MAX_BODY, Reply, Request};

/// Reads a request; a body that announces or has too many bytes becomes none.
pub(super) async fn read(mut request: worker::Request) -> Result<Request> {
    let url = request.url()?;
    let given = request.headers();
    let mut headers = HeaderMap::with_capacity(HEADERS_READ.len());
    for name in HEADERS_READ {
        if let Some(value) = given.get(name.as_str())?.and_then(|value| header_value(&value)) {
            headers.insert(name, value);
        }
    }
    let announced = given.get("content-length")?.and_then(|length| length.parse::<usize>().ok());
    // The crate `worker` reads a method that it does not know as GET.
    let method = Method::from_bytes(request.inner().method().as_bytes()).unwrap_or(Method::TRACE);
    let has_body = request.inner().body().is_some();
    let body = match announced {
        Some(length) if length > MAX_BODY => None,
        _ if !has_body => Some(Vec::new()),
        Some(_) => Some(request.bytes().await?),
        None => unannounced(&mut request).await?,
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

/// A header as the runtime hands it over: decoded as UTF-8, whatever else was sent replaced. The bytes are kept, so that
/// a cookie that is no ASCII spoils only itself.
fn header_value(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(value.as_bytes()).ok()
}

/// A body whose length was not announced: read piece by piece, and given up where it becomes too large.
async fn unannounced(request: &mut worker::Request) -> Result<Option<Vec<u8>>> {
    let mut stream = request.stream()?;
    let mut body = Vec::new();
    while let Some(piece) = stream.next().await {
        body.extend(piece?);
        if body.len() > MAX_BODY {
            return Ok(None);
        }
    }
    Ok(Some(body))
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
