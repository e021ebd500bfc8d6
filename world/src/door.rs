//! Requests as Workers hand them in: only the headers that the product reads, no body above its limit; and replies as
//! browsers take them.

use enishi::{
    app,
    web::{HEADERS_READ, MAX_BODY, Reply, Request},
};
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use crate::World;

/// What browsers keep of one cookie, in bytes; a longer one is dropped without a word.
const MAX_COOKIE: usize = 4_096;

/// A request to this absolute URL, without headers and body.
///
/// # Panics
///
/// If it is no URL.
#[must_use]
pub fn request(method: Method, url: &str) -> Request {
    let url = Url::parse(url).expect("an absolute URL");
    let host = url.host_str().unwrap_or_default();
    Request {
        method,
        authority: url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        path: url.path().to_owned(),
        query: url.query().unwrap_or_default().to_owned(),
        headers: HeaderMap::new(),
        body: Some(Vec::new()),
    }
}

impl World {
    /// Serves a request. To be run with [`World::run`] or [`World::together`].
    pub async fn serve(&self, mut request: Request) -> Reply {
        let sent = std::mem::take(&mut request.headers);
        for name in HEADERS_READ {
            for value in sent.get_all(&name) {
                request.headers.append(name.clone(), value.clone());
            }
        }
        request.body = request.body.filter(|body| body.len() <= MAX_BODY);
        self.overhear_request(&request);
        let memory = self.isolate();
        let reply = app::serve(self.context(&memory), request).await;
        self.overhear_reply(&reply);
        self.judge_cookies(&reply);
        reply
    }

    /// Serves a request alone. An invocation that crashed is what Workers make of it, a 500.
    #[must_use]
    pub fn answer(&self, request: Request) -> Reply {
        self.run(self.serve(request)).unwrap_or_else(|| Reply::new(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// Serves GET.
    #[must_use]
    pub fn get(&self, url: &str) -> Reply {
        self.answer(request(Method::GET, url))
    }

    fn judge_cookies(&self, reply: &Reply) {
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            if cookie.len() > MAX_COOKIE {
                self.breach(format!("a cookie of {} bytes", cookie.len()));
            }
        }
    }
}
