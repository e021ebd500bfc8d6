//! What a journey is made of: the stage with its world, the shop that customers come from, and their browsers.

mod browser;
pub(crate) mod delivery;
mod shop;
mod stage;

pub(crate) use browser::{Browser, Consent, Page, query, without};
pub(crate) use shop::{Login, Shop, claims_of, form, header_of};
pub(crate) use stage::{HOOKS, Stage, json_body, webhook};

/// Sending multicasts at LINE.
pub(crate) const MULTICAST: &str = "/v2/bot/message/multicast";

/// Pushing to one person.
pub(crate) const PUSH: &str = "/v2/bot/message/push";

/// Obtaining a channel access token.
pub(crate) const CHANNEL_TOKEN: &str = "/oauth2/v3/token";

/// LINE's public keys.
pub(crate) const LINE_KEYS: &str = "/oauth2/v2.1/certs";

/// Exchanging LINE's login code.
pub(crate) const LINE_TOKEN: &str = "/oauth2/v2.1/token";

/// What a randomised run counted, by name.
pub(crate) type Figures = Vec<(&'static str, u64)>;

/// Whether the randomised suites run with their full figures.
pub(crate) fn is_full() -> bool {
    std::env::var_os("ENISHI_PROVE").is_some()
}

/// Runs a randomised suite by seed: `ENISHI_SEEDS` many, else a few, or the full figure where `ENISHI_PROVE` is set.
/// Prints the sums; a seed that fails is printed too, to be kept.
pub(crate) fn for_each_seed(suite: &'static str, prove: impl Fn(u64) -> Figures) {
    for_each_seed_of(suite, 1_000, prove);
}

/// The same with another full figure, for a suite whose every seed is much work.
pub(crate) fn for_each_seed_of(suite: &'static str, full: u64, prove: impl Fn(u64) -> Figures) {
    let full = if is_full() { full } else { 3 };
    let seeds = std::env::var("ENISHI_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(full);
    let mut sums = Figures::new();
    for seed in 1..=seeds {
        let underway = Underway { suite, seed };
        for (name, number) in prove(seed) {
            match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += number,
                None => sums.push((name, number)),
            }
        }
        drop(underway);
    }
    let sums: Vec<String> = sums.iter().map(|(name, sum)| format!("{sum} {name}")).collect();
    println!("{suite}: {seeds} seeds, {}", sums.join(", "));
}

/// Names the seed that is running if it fails.
struct Underway {
    suite: &'static str,
    seed: u64,
}

impl Drop for Underway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}: failed at seed {}", self.suite, self.seed);
        }
    }
}
