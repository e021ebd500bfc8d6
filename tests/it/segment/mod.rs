//! Segments: rules that are kept, whom they reach, and what that would cost.

mod api;
mod evaluate;
mod largest;
mod malformed;
mod people;
mod plans;
mod prove;
mod random;
