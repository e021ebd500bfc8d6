//! What is not a request: batches of the queues, what the queues gave up on, and the tick of each minute.

use futures_util::future::join_all;

use super::Disposition;
use crate::{
    audience, insight, outbound,
    platform::{Context, Database, Platform, PlatformError},
    relay, send, signing_keys,
    store::{Job, dead_letter, sweep},
    webhook,
};

/// How long what cannot even be buried waits, in seconds: with 100 retries the dead letters' queue outlasts 4 days.
const DEAD_RETRY_AFTER: u32 = 3_600;

/// Works through a batch of queue bodies; answers for each, in order, what becomes of it.
pub async fn work<P: Platform>(cx: Context<'_, P>, bodies: &[&str]) -> Vec<Disposition> {
    let mut dispositions = vec![Disposition::Done; bodies.len()];
    let (mut received, mut due, mut expand, mut owed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut relays, mut personal) = (Vec::new(), Vec::new());
    let (mut audiences, mut narrowcasts) = (Vec::new(), Vec::new());
    for (index, body) in bodies.iter().enumerate() {
        match Job::parse(body) {
            Ok(Job::Webhook { account, received_at, signature, body: text }) => {
                let body = webhook::Body::Here { received_at, signature, text };
                received.push((index, webhook::Received { account, body }));
            }
            Ok(Job::Delivery { account, seq }) => {
                received.push((index, webhook::Received { account, body: webhook::Body::Ledger(seq) }));
            }
            Ok(Job::Expand { account, send }) => expand.push((index, account, send)),
            Ok(Job::Deliver { account, send, chunk }) => {
                due.push((index, send::Due { account, send, chunk }));
            }
            Ok(Job::Push { account, send, chunk }) => {
                personal.push((index, send::Due { account, send, chunk }));
            }
            Ok(Job::Audience { account, audience }) => audiences.push((index, account, audience)),
            Ok(Job::Narrowcast { account, narrowcast }) => narrowcasts.push((index, account, narrowcast)),
            Ok(Job::Outbox { account, id }) => owed.push((index, outbound::Owed { account, id })),
            Ok(Job::Relay { account, relay }) => relays.push((index, relay::Due { account, relay })),
            Err(error) => {
                let buried = bury(cx, "unreadable_job", &error.to_string(), body).await;
                settle(&mut dispositions, vec![index], vec![buried]);
            }
        }
    }
    let (places, received) = received.into_iter().unzip();
    settle(&mut dispositions, places, webhook::apply(cx, received).await);
    let moved =
        expand.iter().map(async |(index, account, send)| (*index, send::advance(cx, account, send).await));
    for (index, moved) in join_all(moved).await {
        settle(&mut dispositions, vec![index], vec![moved]);
    }
    for (index, account, audience) in &audiences {
        settle(&mut dispositions, vec![*index], vec![audience::upload(cx, account, audience).await]);
    }
    for (index, account, narrowcast) in &narrowcasts {
        settle(&mut dispositions, vec![*index], vec![audience::follow(cx, account, narrowcast).await]);
    }
    let (places, due): (_, Vec<_>) = due.into_iter().unzip();
    settle(&mut dispositions, places, send::deliver(cx, &due).await);
    let (places, personal): (_, Vec<_>) = personal.into_iter().unzip();
    settle(&mut dispositions, places, send::deliver_personal(cx, &personal).await);
    let (places, owed): (_, Vec<_>) = owed.into_iter().unzip();
    settle(&mut dispositions, places, outbound::deliver(cx, &owed).await);
    let (places, relays): (_, Vec<_>) = relays.into_iter().unzip();
    settle(&mut dispositions, places, relay::run(cx, &relays).await);
    dispositions
}

/// What became of the bodies at these places.
fn settle(dispositions: &mut [Disposition], places: Vec<usize>, settled: Vec<Disposition>) {
    for (index, disposition) in places.into_iter().zip(settled) {
        if let Some(place) = dispositions.get_mut(index) {
            *place = disposition;
        }
    }
}

/// What the queues gave up on. A webhook is tried again, for what failed it may have been an outage that is over; if it
/// fails still, it stays in the ledger as one that failed; if even that fails, the outage lasts, and it comes again in an hour. A send's open rows, the outbox's and relays are found by cron,
/// so nothing of theirs is lost.
pub async fn dead<P: Platform>(cx: Context<'_, P>, bodies: &[&str]) -> Vec<Disposition> {
    let mut dispositions = Vec::with_capacity(bodies.len());
    for body in bodies {
        dispositions.push(match Job::parse(body) {
            Ok(
                Job::Expand { .. }
                | Job::Deliver { .. }
                | Job::Push { .. }
                | Job::Audience { .. }
                | Job::Narrowcast { .. }
                | Job::Outbox { .. }
                | Job::Relay { .. },
            ) => Disposition::Done,
            Ok(Job::Delivery { account, seq }) => {
                let received = webhook::Received { account, body: webhook::Body::Ledger(seq) };
                buried(cx, webhook::apply_at_last(cx, received).await)
            }
            Ok(Job::Webhook { account, received_at, signature, body: text }) => {
                let received =
                    webhook::Received { account, body: webhook::Body::Here { received_at, signature, text } };
                buried(cx, webhook::apply_at_last(cx, received).await)
            }
            Err(_) => bury(cx, "queue", "unreadable_job", body).await,
        });
    }
    dispositions
}

async fn bury<P: Platform>(cx: Context<'_, P>, source: &str, reason: &str, body: &str) -> Disposition {
    let letter = dead_letter::write(source, reason, body, cx.platform.now());
    buried(cx, cx.platform.one(&Database::default(), letter).await.map(|_| ()))
}

fn buried<P: Platform>(cx: Context<'_, P>, result: Result<(), PlatformError>) -> Disposition {
    match result {
        Ok(()) => Disposition::Done,
        Err(error) => {
            cx.log_failure("dead_letter", &error);
            Disposition::Retry { seconds: DEAD_RETRY_AFTER }
        }
    }
}

/// Cron, each minute: what was lost of the queues goes on them again, what is over is deleted. Each part on its own, so
/// that one that fails does not stop the others.
pub async fn tick<P: Platform>(cx: Context<'_, P>) {
    let drained = webhook::drain(cx).await;
    let swept = send::sweep(cx).await;
    let told = outbound::sweep(cx).await;
    let relayed = relay::sweep(cx).await;
    let narrowcast = audience::sweep(cx).await;
    let figures = insight::sweep(cx).await;
    let rotated = signing_keys::rotate_by_age(cx).await;
    let expired =
        cx.platform.batch(&Database::default(), sweep::expired(cx.platform.now())).await.map(|_| ());
    for (part, result) in [
        ("drain_webhooks", drained),
        ("sweep_sends", swept),
        ("sweep_outbox", told),
        ("sweep_relays", relayed),
        ("sweep_audiences", narrowcast),
        ("sweep_insight", figures),
        ("rotate_keys", rotated),
        ("sweep_expired", expired),
    ] {
        if let Err(error) = result {
            cx.log_failure(part, &error);
        }
    }
}
