//! What an ID token and `/userinfo` say of a customer alike: what the store knows, cut down to what scopes and the
//! client's policy allow.

use serde::{Deserialize, Serialize};

use super::Scope;
use crate::{
    config::EmailVerification,
    id::{LineUserId, MemberId},
    time::UnixMillis,
};

/// Claims about the customer; each is there only where it is known and in scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Profile {
    /// The name at LINE, with scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The picture at LINE, with scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// The address that LINE knows, with scope `email` and the customer's consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the customer has proven the address to us, or the client trusts LINE's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// The LINE user id, with scope `line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_user_id: Option<LineUserId>,
    /// The shop's own id of the member, once linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_id: Option<MemberId>,
    /// Whether the customer is a friend of the Official Account and does not block it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_friend: Option<bool>,
}

/// What the store knows of a customer, as [`KnownProfile::COLUMNS`] names it.
#[derive(Debug, Clone, Deserialize)]
pub struct KnownProfile {
    line_user_id: LineUserId,
    name: Option<String>,
    picture: Option<String>,
    email: Option<String>,
    email_verified_at: Option<UnixMillis>,
    friend: Option<i64>,
    member_id: Option<MemberId>,
}

impl KnownProfile {
    /// The columns, of `line_users u LEFT JOIN links l`.
    pub const COLUMNS: &'static str =
        "u.line_user_id, u.name, u.picture, u.email, u.email_verified_at, u.friend, l.member_id";

    /// What of it may be shown with these scopes to a client with this policy.
    #[must_use]
    pub fn shown(self, scope: Scope, policy: EmailVerification) -> Profile {
        let email = self.email.filter(|_| scope.email);
        let verified = self.email_verified_at.is_some() || policy == EmailVerification::TrustLine;
        Profile {
            name: self.name.filter(|_| scope.profile),
            picture: self.picture.filter(|_| scope.profile),
            email_verified: email.as_ref().map(|_| verified),
            email,
            line_user_id: scope.line.then_some(self.line_user_id),
            member_id: self.member_id,
            line_friend: self.friend.map(|friend| friend == 1),
        }
    }
}
