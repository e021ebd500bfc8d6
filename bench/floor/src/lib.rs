//! The least that a Rust worker costs, to compare Enishi with.
//!
//! The var `DOES` says what a request does: `nothing`, one `queue` message of `MESSAGE_BYTES` bytes, or one `d1` call.
//! Both vars are read once per isolate and nothing is read of the request, so that a floor costs what it is named for
//! and no more. The consumer acknowledges each message, unread.

use std::cell::OnceCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::{
    Context, Env, Error, MessageBatch, MessageExt, QueueContentType, RawMessageBuilder, Request, Response,
    Result, event,
};

/// What a request does.
enum Floor {
    Nothing,
    Queue { message: String },
    D1,
}

thread_local! {
    static FLOOR: OnceCell<Rc<Floor>> = const { OnceCell::new() };
}

/// The floor of this isolate.
fn floor(env: &Env) -> Result<Rc<Floor>> {
    if let Some(floor) = FLOOR.with(|slot| slot.get().cloned()) {
        return Ok(floor);
    }
    let floor = match env.var("DOES")?.to_string().as_str() {
        "nothing" => Floor::Nothing,
        "queue" => Floor::Queue { message: "x".repeat(message_bytes(env)?) },
        "d1" => Floor::D1,
        other => return Err(Error::RustError(format!("DOES is {other}"))),
    };
    Ok(FLOOR.with(|slot| Rc::clone(slot.get_or_init(|| Rc::new(floor)))))
}

fn message_bytes(env: &Env) -> Result<usize> {
    let text = env.var("MESSAGE_BYTES")?.to_string();
    text.parse().map_err(|_| Error::RustError(format!("MESSAGE_BYTES is {text}")))
}

#[event(fetch)]
async fn fetch(_: Request, env: Env, _: Context) -> Result<Response> {
    match &*floor(&env)? {
        Floor::Nothing => {}
        Floor::Queue { message } => {
            let body = JsValue::from_str(message);
            let message = RawMessageBuilder::new(body).build_with_content_type(QueueContentType::Text);
            env.queue("WEBHOOKS")?.send_raw(message).await?;
        }
        Floor::D1 => {
            let one: Option<u32> = env.d1("DB")?.prepare("SELECT 1 AS one").first(Some("one")).await?;
            if one != Some(1) {
                return Response::error("D1 cannot count to one", 500);
            }
        }
    }
    Response::empty()
}

#[event(queue)]
async fn queue(batch: MessageBatch<JsValue>, _: Env, _: Context) -> Result<()> {
    for message in batch.raw_iter() {
        message.ack();
    }
    Ok(())
}
