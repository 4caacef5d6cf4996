//! Documents: the files that people write enter, values that know their line or problems leave.
//!
//! Rules, routing, vendor profiles and price books are read through here: [`files`] finds and reads them,
//! [`yaml`] keeps the line of every key and value, [`shape`] holds a document against the JSON Schema of
//! its type, [`Fields`] takes the keys of a map, and [`Problems`] collects every mistake of a file in one run. Promise: nothing here knows what
//! a document means.

pub mod duration;
mod fields;
pub mod files;
mod pattern;
mod problem;
pub mod shape;
pub mod yaml;

pub use fields::{Fields, scalar};
pub use pattern::Pattern;
pub use problem::{Problem, Problems, closest};
pub use shape::Shape;
