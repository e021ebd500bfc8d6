//! What a journey is made of: the stage with its world, the shop that customers come from, and their browsers.

mod browser;
mod shop;
mod stage;

pub(crate) use browser::{Browser, Consent, query};
pub(crate) use shop::{Login, Shop, form};
pub(crate) use stage::{Stage, json_body, webhook};

/// Sending multicasts at LINE.
pub(crate) const MULTICAST: &str = "/v2/bot/message/multicast";

/// Exchanging LINE's login code.
pub(crate) const LINE_TOKEN: &str = "/oauth2/v2.1/token";

/// The seeds of a randomised suite: `ENISHI_SEEDS` many, a few by default. Each is printed, so that one that fails is
/// known.
pub(crate) fn for_each_seed(suite: &str, prove: impl Fn(u64)) {
    let seeds = std::env::var("ENISHI_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    for seed in 1..=seeds {
        println!("{suite}: seed {seed}");
        prove(seed);
    }
}
