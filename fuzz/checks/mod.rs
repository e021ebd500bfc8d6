//! What holds of whatever outsiders send. Each file is one target of `cargo xtask fuzz`, and takes any bytes; a check that
//! fails panics. `tests/corpus` runs the same checks over the committed corpus, on stable.

pub(crate) mod csv;
pub(crate) mod delivery;
pub(crate) mod event;
pub(crate) mod form;
pub(crate) mod instant;
pub(crate) mod job;
pub(crate) mod message;
pub(crate) mod rule;
pub(crate) mod signature;
pub(crate) mod uri;
