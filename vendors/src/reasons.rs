//! Reasons: why a field of a meaning is what it is, for people.
//!
//! The path of a call is written once; it gives its reasons to whoever listens. `()` does not, and costs nothing.

/// Why one field is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The field, such as `error_class` or `quota daily`.
    pub field: String,
    /// Where it comes from.
    pub why: String,
}

/// Somebody who may want to know.
pub(crate) trait Reasons {
    /// Whether anybody listens, for reasons that cost something to find.
    const WANTED: bool;

    fn give(&mut self, field: &str, why: impl FnOnce() -> String);
}

impl Reasons for () {
    const WANTED: bool = false;

    fn give(&mut self, _: &str, _: impl FnOnce() -> String) {}
}

impl Reasons for Vec<Reason> {
    const WANTED: bool = true;

    fn give(&mut self, field: &str, why: impl FnOnce() -> String) {
        self.push(Reason { field: field.to_owned(), why: why() });
    }
}
