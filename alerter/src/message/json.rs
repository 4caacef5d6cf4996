//! A JSON body of one's own: a template and a notification enter, JSON leaves.
//!
//! Promise: pure; what leaves is JSON whatever alerts are named, because every `{{ … }}` is written as
//! a JSON value, with its quotes.

use super::{
    facts::Facts,
    template::{Place, Template},
    test_alert,
};
use crate::{
    dispatch::{Integration, Notification},
    routing::receivers::TargetName,
};
use jiff::Timestamp;
use serde::de::IgnoredAny;

/// Largest body, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// A template that gives JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonTemplate(Template);

impl JsonTemplate {
    /// Reads one and tries it on an alert; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let template = Self(Template::parse(text)?);
        let integration = Integration { kind: "json".to_owned(), place: 0 };
        let nobody = TargetName { receiver: String::new(), integration };
        let sample = test_alert::notification(&nobody, Timestamp::UNIX_EPOCH);
        match template.body(&sample, "http://callmeter.example") {
            Ok(_) => Ok(template),
            Err(mistake) => Err(format!(
                "{mistake}; {{{{ … }}}} is written as a JSON value, with its quotes: put none around it"
            )),
        }
    }

    /// Renders the body; the error says why it cannot be sent.
    pub fn body(&self, notification: &Notification, external_url: &str) -> Result<String, String> {
        let facts = Facts::of(notification, external_url);
        let body =
            self.0.try_render(&facts, Place::Json).map_err(|error| format!("the body fails: {error}"))?;
        if body.len() > MAX_BYTES {
            return Err(format!("the body is larger than {MAX_BYTES} bytes"));
        }
        match serde_json::from_str::<IgnoredAny>(&body) {
            Ok(_) => Ok(body),
            Err(error) => Err(format!("the body is not JSON: {error}")),
        }
    }
}
