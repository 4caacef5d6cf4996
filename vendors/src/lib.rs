//! Vendors: one described call enters, what it meant leaves.
//!
//! A vendor's [`profile`] says in data which hosts are its own, which paths are one endpoint, what its errors mean
//! and which headers tell of limits. [`check`] holds a profile's text against its form and its meaning and runs its
//! fixtures; a [`Catalogue`] holds the built-in profiles and own ones and finds the one of a call;
//! [`Catalogue::meaning`] is the one path from a call to its meaning, and [`Catalogue::explain`] the same with
//! reasons.
//!
//! Promise: pure but for [`folder`]; vendors' text never panics and never becomes unbounded.

// What people write.
pub mod profile;

pub mod check;

mod built_in;

pub mod folder;

// The path of a call.
mod meaning;

mod reasons;

mod catalogue;

mod vendor;

mod hosts;

mod template;

mod generic;

mod secret;

pub mod kept;

mod errors;

mod client_errors;

mod words;

mod reach;

mod quota;

mod ietf;

mod headers;

mod forms;

mod moments;

pub use built_in::BUILT_IN;
pub use catalogue::Catalogue;
pub use meaning::{Call, Explanation, Meaning};
pub use reach::may_have_reached;
pub use reasons::Reason;
pub use secret::without_tokens;
