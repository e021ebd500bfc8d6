//! OAuth 2.0 and OpenID Connect as a provider: parameters, errors, PKCE, tokens, all pure and synchronous.

pub mod authorization;
pub mod client_auth;
mod id_token;
pub mod metadata;
pub mod pkce;
mod scope;

pub use id_token::{Authentication, IdTokenClaims, KnownProfile, Profile, signed, signing_input};
pub use scope::Scope;
