//! Scopes (RFC 6749 section 3.3). Those we do not know are ignored, as the specification allows; the token answer says
//! what was granted.

use serde::{Deserialize, Serialize};

/// The scopes that were granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[expect(clippy::struct_excessive_bools, reason = "a set of five known names")]
pub struct Scope {
    /// `openid`: an ID token.
    pub openid: bool,
    /// `profile`: name and picture.
    pub profile: bool,
    /// `email`: the address that LINE knows, if the customer agrees.
    pub email: bool,
    /// `offline_access`: a refresh token (OpenID Connect Core section 11).
    pub offline_access: bool,
    /// `line`: the LINE user id.
    pub line: bool,
}

impl Scope {
    /// The scopes that discovery lists.
    pub const SUPPORTED: [&'static str; 5] = ["openid", "profile", "email", "offline_access", "line"];

    /// Reads a space-separated list.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut scope = Self::default();
        for name in text.split(' ') {
            match name {
                "openid" => scope.openid = true,
                "profile" => scope.profile = true,
                "email" => scope.email = true,
                "offline_access" => scope.offline_access = true,
                "line" => scope.line = true,
                _ => {}
            }
        }
        scope
    }

    /// The names of the granted scopes.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let granted = [self.openid, self.profile, self.email, self.offline_access, self.line];
        granted.into_iter().zip(Self::SUPPORTED).filter(|(yes, _)| *yes).map(|(_, name)| name).collect()
    }

    /// The granted scopes as a space-separated list.
    #[must_use]
    pub fn text(self) -> String {
        self.names().join(" ")
    }
}

impl From<String> for Scope {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_survive_their_text_and_unknown_ones_are_dropped() {
        let all = Scope::parse("line offline_access unknown openid email profile");
        assert_eq!(all.text(), Scope::SUPPORTED.join(" "));
        assert_eq!(Scope::parse(&Scope::parse("openid line").text()).names(), ["openid", "line"]);
    }
}
