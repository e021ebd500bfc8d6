//! Webhooks out: each to its endpoint with LINE's two seconds, its outcome told to the library.
//!
//! In: the library's deliveries. Out: POST requests over plain HTTP; an https endpoint counts as not connected,
//! because the stand-in serves one machine. Names below `localhost` are loopback without asking a resolver.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use line_simulator::{TestOutcome, WEBHOOK_TIMEOUT_MS, WebhookDelivery};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::{Shared, now};

/// So many webhooks travel at once.
const AT_ONCE: usize = 16;
/// Shuffling waits so long for events to mix.
const MIXING: Duration = Duration::from_millis(200);

/// Carries webhooks whenever some wait.
pub(crate) async fn carry(shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        shared.webhooks.notified().await;
        let shuffle = shared.simulator().webhook_behaviour().shuffle;
        if shuffle {
            tokio::time::sleep(MIXING).await;
        }
        let taken = shared.simulator().take_webhooks();
        for delivery in taken {
            tokio::spawn(one(delivery, Arc::clone(&shared), Arc::clone(&places)));
        }
    }
}

async fn one(delivery: WebhookDelivery, shared: Arc<Shared>, places: Arc<Semaphore>) {
    let early = u64::try_from(delivery.due - now()).unwrap_or_default();
    if early > 0 {
        tokio::time::sleep(Duration::from_millis(early)).await;
    }
    let Ok(_place) = places.acquire().await else { return };
    let status = match deliver(&delivery).await {
        TestOutcome::Answered(status) => Some(status),
        TestOutcome::TimedOut | TestOutcome::CouldNotConnect => None,
    };
    shared.simulator().webhook_answered(now(), delivery, status);
    shared.ring();
}

/// Sends one delivery and waits for its status.
pub(crate) async fn deliver(delivery: &WebhookDelivery) -> TestOutcome {
    let limit = Duration::from_millis(WEBHOOK_TIMEOUT_MS);
    match tokio::time::timeout(limit, post(delivery)).await {
        Err(_) => TestOutcome::TimedOut,
        Ok(None) => TestOutcome::CouldNotConnect,
        Ok(Some(status)) => TestOutcome::Answered(status),
    }
}

async fn post(delivery: &WebhookDelivery) -> Option<u16> {
    let url = Url::parse(&delivery.url).ok().filter(|url| url.scheme() == "http")?;
    let stream = connect(&url).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let driving = tokio::spawn(connection);
    let reply = sender.send_request(request(&url, delivery)?).await.ok()?;
    let status = reply.status().as_u16();
    // The body is of no interest, but the endpoint shall see it taken.
    let _ = reply.into_body().collect().await;
    driving.abort();
    Some(status)
}

async fn connect(url: &Url) -> Option<TcpStream> {
    let port = url.port_or_known_default()?;
    match url.host()? {
        Host::Ipv4(address) => TcpStream::connect((address, port)).await.ok(),
        Host::Ipv6(address) => TcpStream::connect((address, port)).await.ok(),
        Host::Domain(name) if name == "localhost" || name.ends_with(".localhost") => {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                Ok(stream) => Some(stream),
                Err(_) => TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.ok(),
            }
        }
        Host::Domain(name) => TcpStream::connect((name, port)).await.ok(),
    }
}

fn request(url: &Url, delivery: &WebhookDelivery) -> Option<Request<Full<Bytes>>> {
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let authority = url.port().map_or_else(
        || url.host_str().unwrap_or_default().to_owned(),
        |port| format!("{}:{port}", url.host_str().unwrap_or_default()),
    );
    let mut request = Request::post(path).body(Full::new(Bytes::from(delivery.body.clone()))).ok()?;
    *request.headers_mut() = delivery.headers.clone();
    request.headers_mut().insert("host", HeaderValue::from_str(&authority).ok()?);
    Some(request)
}
