//! Whether and how logins offer to add the Official Account as a friend (LINE Login documentation, "Add a LINE Official
//! Account as a friend when logged in").

use serde::{Deserialize, Serialize};

/// Whether and how logins offer to add the Official Account as a friend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FriendAdd {
    /// A box on the consent screen.
    #[default]
    Normal,
    /// A screen of its own after the consent screen.
    Aggressive,
    /// Nothing is offered.
    Off,
    /// One of the first two, drawn for each login, so that they can be compared.
    Split,
}

/// How one login offers it: `bot_prompt` of LINE's authorization request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FriendMode {
    /// A box on the consent screen.
    #[default]
    Normal,
    /// A screen of its own after the consent screen.
    Aggressive,
    /// Nothing is offered.
    Off,
}

impl FriendAdd {
    /// The mode of one login; half of all random bytes choose either side of a split.
    #[must_use]
    pub fn drawn(self, random: u8) -> FriendMode {
        match self {
            Self::Normal => FriendMode::Normal,
            Self::Split if random & 1 == 0 => FriendMode::Normal,
            Self::Aggressive | Self::Split => FriendMode::Aggressive,
            Self::Off => FriendMode::Off,
        }
    }
}

impl FriendMode {
    /// The name in reports.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Aggressive => "aggressive",
            Self::Off => "off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_draws_either_mode_and_nothing_else_is_drawn() {
        let drawn =
            |wish: FriendAdd| (0..=u8::MAX).filter(|byte| wish.drawn(*byte) == FriendMode::Normal).count();
        assert_eq!(drawn(FriendAdd::Split), 128);
        assert_eq!(
            (drawn(FriendAdd::Normal), drawn(FriendAdd::Aggressive), drawn(FriendAdd::Off)),
            (256, 0, 0)
        );
        assert!((0..=u8::MAX).all(|byte| FriendAdd::Split.drawn(byte) != FriendMode::Off));
    }
}
