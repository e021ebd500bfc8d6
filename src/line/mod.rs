//! LINE's side as a language: requests to build, answers and events to read, all pure and synchronous.
//!
//! Facts are from LINE's reference (`developers.line.biz`). What comes in is read leniently, because LINE adds fields
//! and event types without notice; what goes out is built strictly.

pub mod assertion;
pub mod audience;
pub mod endpoint;
mod id_token;
pub mod insight;
pub mod login;
pub mod messaging;
pub mod webhook;

pub use id_token::{
    Expected, IdToken, IdTokenError, LEEWAY, unverified_es256_kid, verify_es256, verify_hs256,
};
