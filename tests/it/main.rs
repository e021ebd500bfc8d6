//! Journeys: what shops, customers, operators and LINE do to the whole product, on the native `World`.
//!
//! A module per room, a test per sentence. Every journey ends by looking whether a rule of LINE's or of the platform's
//! was broken on the way (`support::Stage`).

mod account;
mod assertion;
mod audience;
mod channel;
mod chat_link;
mod client;
mod cost;
mod customer_event;
mod email;
mod erase;
mod events;
mod export;
mod go;
mod hostile;
mod http;
mod import;
mod insight;
mod keys;
mod ledger;
mod link;
mod login;
mod logout;
mod member;
mod model;
mod par;
mod prove;
mod prove_audiences;
mod prove_browsers;
mod prove_sends;
mod prove_webhooks;
mod provider;
mod relay;
mod replier;
mod report;
mod segment;
mod send;
mod sends;
mod support;
mod token;
mod unlink;
mod webhook;
mod webhook_counters;
mod webhook_deliveries;
mod webhook_setup;

#[path = "../conformance/mod.rs"]
mod conformance;
