//! OAuth 2.0 and OpenID Connect as a provider: parameters, errors, PKCE, tokens, all pure and synchronous.

mod algorithm;
pub mod authorization;
pub mod client_auth;
pub mod es256;
mod id_token;
pub mod logout_token;
pub mod metadata;
pub mod pkce;
mod profile;
mod scope;

pub use algorithm::SignatureAlgorithm;
pub use id_token::{Authentication, HintClaims, IdTokenClaims, UnverifiedHint, signed, signing_input};
pub use profile::{KnownProfile, Profile};
pub use scope::Scope;
