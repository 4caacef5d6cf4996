//! Explanations: an attempt or a month enters, the way to its price leaves as text and as JSON.
//!
//! Promise: pure; the numbers are those of the fold and of the month, never computed a second way.

pub mod attempt;
pub mod month;
