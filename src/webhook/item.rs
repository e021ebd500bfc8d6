//! Deliveries at work: what is known of each, and how its events are found again.

use serde_json::value::RawValue;

use super::effect::{Claimed, Lies};
use crate::{
    id::{AccountId, LineUserId, Subject},
    line::webhook::{self, Event},
    platform::{Context, Database, Platform, PlatformError},
    secret::Digest,
    store::{
        delivery::{self, Kept, Named, Stored},
        tombstone::Tombs,
    },
    time::UnixMillis,
};

/// One delivery that is to be applied.
#[derive(Debug)]
pub struct Received {
    /// The account.
    pub account: AccountId,
    /// What came.
    pub body: Body,
}

/// Where the raw body is.
#[derive(Debug)]
pub enum Body {
    /// In the job.
    Here {
        /// When it was acknowledged.
        received_at: UnixMillis,
        /// LINE's signature.
        signature: String,
        /// The raw body.
        text: String,
    },
    /// In the ledger, at this place.
    Ledger(i64),
}

impl Received {
    /// Its place in the ledger, if it lies there.
    pub(super) fn seq(&self) -> Option<i64> {
        match self.body {
            Body::Here { .. } => None,
            Body::Ledger(seq) => Some(seq),
        }
    }
}

/// A delivery at work.
pub(super) struct Item<'a> {
    /// When it was acknowledged.
    pub(super) received_at: UnixMillis,
    /// Signature and raw body, while it is to be kept yet.
    pub(super) keeps: Option<(&'a str, &'a str)>,
    /// Its events, in their order.
    pub(super) events: Vec<Read>,
    /// Where it lies, once it does.
    pub(super) seq: Option<i64>,
    /// Whether nobody counted it yet.
    pub(super) is_new: bool,
    /// Whether it is to be tried again.
    pub(super) failed: bool,
}

/// An event of a delivery, read.
pub(super) struct Read {
    /// None: it cannot be read.
    pub(super) event: Option<Event>,
    /// The digests of everybody whom it names,
    named: Vec<Digest>,
    /// and of its user.
    user: Vec<Digest>,
}

/// An event by its places: that of its delivery in the group, and its own there; none of a delivery without one that can be
/// read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) item: usize,
    pub(super) event: Option<usize>,
}

impl Read {
    fn of(tombs: &Tombs<'_>, raw: &RawValue) -> Self {
        let digests =
            |ids: &[LineUserId]| ids.iter().flat_map(|id| tombs.of_line_user(id)).collect::<Vec<_>>();
        let Some(event) = Event::read(raw.get()) else {
            return Self { event: None, named: digests(&webhook::user_ids(raw.get())), user: Vec::new() };
        };
        let user = event.user.as_ref().map(|user| tombs.of_line_user(user)).unwrap_or_default();
        let is_alone = event.named.len() == 1 && event.named.first() == event.user.as_ref();
        let named = if is_alone { user.clone() } else { digests(&event.named) };
        Self { event: Some(event), named, user }
    }
}

impl<'a> Item<'a> {
    /// Reads a delivery. One that lies in the ledger lies there whole, so that its body is not held.
    pub(super) async fn read<P: Platform>(
        cx: Context<'_, P>,
        database: &Database,
        tombs: &Tombs<'_>,
        received: &'a Received,
    ) -> Result<Self, PlatformError> {
        let item = |received_at, text: &str, keeps, is_new| {
            let events = webhook::Delivery::read(text).map(|delivery| delivery.events).unwrap_or_default();
            let events = events.iter().map(|raw| Read::of(tombs, raw)).collect();
            Self { received_at, keeps, events, seq: received.seq(), is_new, failed: false }
        };
        match &received.body {
            Body::Here { received_at, signature, text } => {
                Ok(item(*received_at, text, Some((signature, text)), true))
            }
            Body::Ledger(seq) => {
                let read = cx.platform.one(database, delivery::read(&received.account, *seq)).await?;
                let stored = read.first::<Stored>()?.unwrap_or_default();
                Ok(item(stored.received_at, &stored.body, None, stored.verdict == "waiting"))
            }
        }
    }

    /// Whether something in it cannot be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.events.is_empty() || self.events.iter().any(|read| read.event.is_none())
    }

    /// The ids of its events.
    pub(super) fn ids(&self) -> Vec<&str> {
        let events = self.events.iter().filter_map(|read| read.event.as_ref());
        events.map(|event| event.id.as_str()).collect()
    }

    /// The places of its events, in a group in which its own is this.
    pub(super) fn places(&self, item: usize) -> Vec<Placed> {
        let events = self.events.iter().enumerate().filter(|(_, read)| read.event.is_some());
        let places: Vec<Placed> = events.map(|(event, _)| Placed { item, event: Some(event) }).collect();
        if places.is_empty() { vec![Placed { item, event: None }] } else { places }
    }

    /// Bytes that an event brings into its batch: with the first one the raw body, which is kept with it.
    pub(super) fn weight(&self, placed: Placed) -> usize {
        let event =
            placed.event.and_then(|event| self.events.get(event)).and_then(|read| read.event.as_ref());
        let is_first = placed.event.is_none_or(|event| event == 0);
        event.map_or(0, Event::text_length)
            + self.keeps.filter(|_| is_first).map_or(0, |(_, body)| body.len())
    }
}

/// The events and deliveries of one batch.
pub(super) struct Batch<'a> {
    /// The events, each with the claim of this attempt.
    pub(super) events: Vec<Claimed<'a>>,
    /// The deliveries that are kept, and
    pub(super) kept: Vec<Kept<'a>>,
    /// their places in the group.
    pub(super) keeping: Vec<usize>,
    /// How late those are that nobody counted yet, in milliseconds.
    pub(super) lags: Vec<i64>,
}

impl<'a> Batch<'a> {
    /// Makes the batch of some events. A claim is of one attempt: a batch whose answer is lost may have happened, and its
    /// repeat must not take the claims for its own.
    pub(super) fn new<P: Platform>(cx: Context<'_, P>, items: &'a [Item<'a>], places: &[Placed]) -> Self {
        let (mut keeping, mut lags, mut events) = (Vec::new(), Vec::new(), Vec::new());
        let (mut last, now) = (None, cx.platform.now());
        for placed in places {
            let Some(item) = items.get(placed.item) else { continue };
            if last.replace(placed.item) != Some(placed.item) {
                lags.extend(item.is_new.then(|| now - item.received_at));
                keeping.extend(item.keeps.map(|_| placed.item));
            }
            let Some(read) = placed.event.and_then(|event| item.events.get(event)) else { continue };
            let Some(event) = &read.event else { continue };
            events.push((
                *placed,
                Claimed {
                    event,
                    received_at: item.received_at,
                    lies: item.seq.map_or(Lies::Next(keeping.len().saturating_sub(1)), Lies::At),
                    claim: crate::id::short(cx.platform.random()),
                    fresh: Subject::from_random(cx.platform.random()),
                    tombs: &read.user,
                },
            ));
        }
        let kept = keeping.iter().filter_map(|number| items.get(*number).map(|item| (*number, item)));
        let kept = kept.filter_map(|(number, item)| item.kept(number, &events)).collect();
        Self { kept, keeping, lags, events: events.into_iter().map(|(_, claimed)| claimed).collect() }
    }
}

impl Item<'_> {
    /// Its events, of which nothing is claimed.
    pub(super) fn unclaimed(&self) -> Vec<Named<'_>> {
        self.named(vec![None; self.events.len()])
    }

    /// The delivery as one that failed, if it does not lie in the ledger yet.
    pub(super) fn failed(&self) -> Option<Kept<'_>> {
        let (signature, body) = self.keeps?;
        let (events, verdict) = (self.unclaimed(), Some("failed"));
        Some(Kept { received_at: self.received_at, signature, body, events, verdict })
    }

    fn named(&self, claims: Vec<Option<String>>) -> Vec<Named<'_>> {
        self.events
            .iter()
            .zip(claims)
            .map(|(read, claim)| Named {
                id: read.event.as_ref().map(|event| event.id.as_str()),
                claim,
                at: read.event.as_ref().map_or(UnixMillis(0), |event| event.at),
                tombs: &read.named,
            })
            .collect()
    }

    fn kept<'a>(&'a self, number: usize, events: &[(Placed, Claimed<'a>)]) -> Option<Kept<'a>> {
        let (signature, body) = self.keeps?;
        let mut claims = vec![None; self.events.len()];
        for (placed, claimed) in events.iter().filter(|(placed, _)| placed.item == number) {
            if let Some(claim) = placed.event.and_then(|event| claims.get_mut(event)) {
                *claim = Some(claimed.claim.clone());
            }
        }
        let verdict = self.is_unreadable().then_some("unreadable");
        Some(Kept { received_at: self.received_at, signature, body, events: self.named(claims), verdict })
    }
}
