//! Keys of the KV cache. It holds only what was found, never absence, and only what may be 60 s stale.

use crate::id::{AccountId, AutoLoginLinkId, MemberId, Subject};

/// A key of the cache, with the account in front of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CacheKey {
    /// The link of a subject.
    LinkBySubject(AccountId, Subject),
    /// The link of a member.
    LinkByMember(AccountId, MemberId),
    /// An auto-login link that is stored.
    AutoLoginLink(AccountId, AutoLoginLinkId),
}

impl CacheKey {
    /// The key as text. KV takes at most 512 bytes, so a member id, which may be long, goes in as its digest.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::LinkBySubject(account, subject) => format!("link:v1:{account}:s:{subject}"),
            Self::LinkByMember(account, member) => {
                let digest = crate::secret::Digest::of(member.as_str().as_bytes());
                format!("link:v1:{account}:m:{}", digest.as_str())
            }
            Self::AutoLoginLink(account, id) => format!("go:v1:{account}:{id}"),
        }
    }
}
