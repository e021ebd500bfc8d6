//! The algorithms that sign ID tokens (RFC 7518 section 3.1). RS256 comes first everywhere: every client knows it.

use serde::{Deserialize, Serialize};

/// `id_token_signed_response_alg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
}

impl SignatureAlgorithm {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::Es256];

    /// The name in headers and metadata.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}
