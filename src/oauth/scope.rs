//! Scopes (RFC 6749 section 3.3). Those we do not know are ignored, as the specification allows; the token answer says
//! what was granted.

/// The scopes that were granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// `openid`: an ID token.
    pub openid: bool,
    /// `profile`: name and picture.
    pub profile: bool,
}

impl Scope {
    /// The scopes that discovery lists.
    pub const SUPPORTED: [&'static str; 2] = ["openid", "profile"];

    /// Reads a space-separated list.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut scope = Self::default();
        for name in text.split(' ') {
            match name {
                "openid" => scope.openid = true,
                "profile" => scope.profile = true,
                _ => {}
            }
        }
        scope
    }

    /// The granted scopes as a space-separated list.
    #[must_use]
    pub fn text(self) -> String {
        let granted = [(self.openid, "openid"), (self.profile, "profile")];
        let names: Vec<&str> = granted.iter().filter(|(yes, _)| *yes).map(|(_, name)| *name).collect();
        names.join(" ")
    }
}
