//! Messages to receivers: a notification enters, what each kind of receiver reads leaves.
//!
//! Promise: pure; the same notification gives the same bytes. Nothing that events brought along can
//! break a message's form, ping anybody or outgrow a receiver's limits.

pub mod alertmanager;
pub mod email;
pub mod json;
pub mod pagerduty;
pub mod slack;
pub mod test_alert;

mod facts;
mod template;
mod words;

pub use json::JsonTemplate;
pub use template::Template;

/// The beginning of a text, with `…` where it was cut; `limit` is in characters and at least 1.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
