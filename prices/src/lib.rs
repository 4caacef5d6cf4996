//! Prices: a price book and described attempts enter, exact money and the usage to be priced leave.
//!
//! The way of a price: the text of a book has the form of its [`document`], its meaning is checked once and
//! becomes a [`Book`]; the fold asks it for a [`Selection`] per series and a [`Charge`] per attempt; what
//! depends on a whole month is only counted there and priced by [`month`] when somebody reads. [`explain`]
//! tells either in words.
//!
//! Promise: pure. Nothing is ever rounded: what would need rounding is refused when the book is checked. Bad
//! input never panics: an attempt that cannot be priced exactly says so.

mod book;
mod charge;
mod compile;
pub mod document;
pub mod explain;
mod metered;
pub mod month;
mod number;

pub use book::{Book, Selection, Tariff};
pub use charge::{Attempt, Attributes, Charge};
pub use document::Pool;
pub use metered::{Kind, MeteredEntry, Tier, TooLarge};
