//! A strict stand-in for the LINE Platform: LINE Login v2.1, the Messaging API and webhooks, for tests and demos.
//!
//! In: the time, and requests to LINE's paths or to `/sim/`. Out: answers, and the webhooks that LINE would send.
//! Nothing here reads a clock, draws real randomness or touches a network: the same seed, times and requests give
//! the same answers. The binary `line-simulator` (feature `server`) is a thin loopback server over this library.
//!
//! ```
//! use line_simulator::{Answer, Config, NewUser, Simulator};
//!
//! let mut line = Simulator::new(Config::default(), 1);
//! let user = line.add_user(NewUser { name: "花子".into(), ..NewUser::default() });
//! let request = http::Request::get("https://api.line.me/v2/bot/info").body(Vec::new()).unwrap();
//! let Answer::Reply(reply) = line.handle(1_767_225_600_000, request) else { panic!() };
//! assert_eq!(reply.status(), 401);
//! assert!(line.chat(&user).is_empty());
//! ```
//!
//! Not here: rich menus, groups and rooms; see the README for the whole list.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::todo)
)]
#![warn(missing_docs)]

mod calls;
mod config;
mod door;
mod event;
mod fault;
mod id;
mod login;
mod memory;
mod messaging;
mod people;
mod random;
mod rate;
mod reply;
mod request;
mod sim;
mod time;
mod webhook;

pub use calls::{Accepted, CALLS_KEPT, Call, Violation, ViolationKind};
pub use config::{AssertionKey, Config, LoginChannel, LoginCredential, MessagingChannel};
pub use door::{Answer, Simulator};
pub use event::DeedError;
pub use fault::{Fault, FaultKind};
pub use id::{ChannelId, UserId};
pub use login::{LiffError, LiffLogin, RsaPublicKey};
pub use memory::RestoreError;
pub use messaging::endpoint::TestOutcome;
pub use people::{AutoLogin, Delivered, Friendship, NewUser, Said, User};
pub use webhook::{WEBHOOK_TIMEOUT_MS, WebhookBehaviour, WebhookDelivery, WebhookResult, sign};
