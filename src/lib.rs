//! Enishi (縁, the tie between people): a Cloudflare Worker that ties a shop's members to their LINE accounts.
//!
//! To the shop it is an OpenID Provider, to LINE a relying party and a bot. The map, the invariants and the journeys
//! are in `docs/ARCHITECTURE.md`; in short, imports run down, with the few exceptions that are listed there:
//!
//! ```text
//! edge/      the door: the only module that names the crate `worker`; wasm32 only
//! app        the hall: picks a room for each request, job and tick
//! rooms      login  provider  go  webhook  link  friend  member  segment  audience  send  send_settings  insight  outbound
//!            customer_event  relay  replier  import  export  account  client  signing_keys  webhook_endpoint  report
//! seam       platform  config  channel  selection  quota  line_keys  dead_letters  ticket
//! cellar     store
//! languages  line  oauth  attribute  event  word  rule  message  web
//! foundations  secret  time  id  batch
//! ```

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod account;
pub mod app;
pub mod attribute;
mod audience;
mod batch;
pub mod channel;
mod client;
pub mod config;
mod customer_event;
mod dead_letters;
#[cfg(target_arch = "wasm32")]
mod edge;
pub mod event;
mod export;
mod friend;
/// What the fuzzers reach and nobody else outside does.
#[doc(hidden)]
pub mod fuzzed {
    pub use crate::{event::event_line, import::import_lines};
}
mod go;
pub mod id;
mod import;
mod insight;
pub mod line;
mod line_keys;
mod link;
mod login;
mod member;
pub mod message;
pub mod oauth;
mod outbound;
pub mod platform;
mod provider;
pub mod quota;
mod relay;
mod replier;
mod report;
pub mod rule;
pub mod secret;
mod segment;
pub mod selection;
mod send;
mod send_settings;
mod signing_keys;
pub mod store;
mod ticket;
pub mod time;
pub mod web;
mod webhook;
mod webhook_endpoint;
mod word;
