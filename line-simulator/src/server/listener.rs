//! HTTP/1.1 in: each request is read whole, answered by the library, and held or cut as its fault says.
//!
//! In: connections. Out: answers. Not here: what they say.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use line_simulator::Answer;
use tokio::net::{TcpListener, TcpStream};

use super::{Shared, carrier, now};

/// Larger bodies are not even read to be refused with 413.
const READ_AT_MOST: usize = 16 * 1024 * 1024;
/// How long a connection hangs whose answer never comes.
const HANG: Duration = Duration::from_secs(15);

/// The connection ends without an answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("cut on demand")]
struct Cut;

pub(crate) async fn listen(listener: TcpListener, shared: &Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, Arc::clone(shared)));
            }
            Err(error) => {
                eprintln!("line-simulator: accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    // The error of a cut or broken connection is the caller's to notice.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, READ_AT_MOST).collect().await else {
        let mut reply = Response::new(Full::default());
        *reply.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(reply);
    };
    let request = Request::from_parts(parts, body.to_bytes().to_vec());
    let test = shared.simulator().webhook_test(now(), &request);
    let answer = match test {
        None => shared.simulator().handle(now(), request),
        Some(delivery) => {
            let outcome = carrier::deliver(&delivery).await;
            shared.simulator().handle_webhook_test(now(), request, outcome)
        }
    };
    shared.ring();
    match answer {
        Answer::Reply(reply) => Ok(reply.map(|body| Full::new(body.into()))),
        Answer::Delayed { reply, ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(reply.map(|body| Full::new(body.into())))
        }
        Answer::Dropped => Err(Cut),
        Answer::TimedOut => {
            tokio::time::sleep(HANG).await;
            Err(Cut)
        }
    }
}
