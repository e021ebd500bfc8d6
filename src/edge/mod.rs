//! The door: the only module that names the crate `worker`. It turns what Workers hand in into values, calls the hall,
//! and turns the answer back. Nothing is decided here.
//!
//! A queue handler always answers `Ok`: an `Err` would panic and take every other request of the isolate with it.

mod d1;
mod http_io;
mod platform;
mod rs256;

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::{
    Context as WorkerContext, Env, MessageBatch, MessageExt, QueueRetryOptionsBuilder, Response, Result,
    ScheduleContext, ScheduledEvent, event,
};

use self::platform::{Edge, env_text};
use crate::{
    app::{self, Disposition},
    config::Memory,
    platform::{Context, LineBases, Settings},
    secret::Keys,
};

/// The queue of what other queues gave up on.
const DEAD_QUEUE: &str = "enishi-dead";

/// What an isolate keeps between requests: plain data only.
struct Isolate {
    memory: Memory,
    settings: Settings,
}

thread_local! {
    static ISOLATE: RefCell<Option<Rc<Isolate>>> = const { RefCell::new(None) };
}

/// The isolate's memory and settings; the settings are read once. `None` if `MASTER_KEY` is missing or malformed.
fn isolate(env: &Env) -> Option<Rc<Isolate>> {
    ISOLATE.with(|slot| {
        let mut slot = slot.borrow_mut();
        if slot.is_none() {
            let default = LineBases::default();
            let base = |name, default: String| env_text(env, name).unwrap_or(default);
            let keys = Keys::parse(
                &env_text(env, "MASTER_KEY").unwrap_or_default(),
                env_text(env, "MASTER_KEY_PREVIOUS").as_deref(),
            );
            let line = LineBases {
                access: base("LINE_ACCESS_BASE", default.access),
                api: base("LINE_API_BASE", default.api),
                api_data: base("LINE_API_DATA_BASE", default.api_data),
            };
            let settings = Settings { keys: keys.ok()?, line };
            *slot = Some(Rc::new(Isolate { memory: Memory::default(), settings }));
        }
        slot.clone()
    })
}

#[event(fetch)]
async fn fetch(request: worker::Request, env: Env, _: WorkerContext) -> Result<Response> {
    let Some(isolate) = isolate(&env) else {
        return Response::error(
            "MASTER_KEY is not set: `wrangler secret put MASTER_KEY`, 32 random bytes as base64url",
            500,
        );
    };
    let edge = Edge::new(env);
    let cx = Context { platform: &edge, memory: &isolate.memory, settings: &isolate.settings };
    match http_io::read(request).await {
        Ok(request) => http_io::write(app::serve(cx, request).await),
        Err(_) => Response::error("the request could not be read", 400),
    }
}

#[event(queue)]
async fn queue(batch: MessageBatch<JsValue>, env: Env, _: WorkerContext) -> Result<()> {
    let Some(isolate) = isolate(&env) else {
        batch.retry_all();
        return Ok(());
    };
    let edge = Edge::new(env);
    let cx = Context { platform: &edge, memory: &isolate.memory, settings: &isolate.settings };
    let messages: Vec<_> = batch.raw_iter().collect();
    let bodies: Vec<String> =
        messages.iter().map(|message| message.body().as_string().unwrap_or_default()).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let dispositions =
        if batch.queue() == DEAD_QUEUE { app::dead(cx, &bodies).await } else { app::work(cx, &bodies).await };
    for (message, disposition) in messages.iter().zip(dispositions) {
        match disposition {
            Disposition::Done => message.ack(),
            Disposition::Retry { seconds } => {
                message
                    .retry_with_options(&QueueRetryOptionsBuilder::new().with_delay_seconds(seconds).build());
            }
        }
    }
    Ok(())
}

#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    if let Some(isolate) = isolate(&env) {
        let edge = Edge::new(env);
        app::tick(Context { platform: &edge, memory: &isolate.memory, settings: &isolate.settings }).await;
    }
}
