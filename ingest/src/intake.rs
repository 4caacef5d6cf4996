//! One body's way from bytes to records: bytes enter, an [`Intake`] with one outcome per item leaves.
//!
//! Promise: pure; every item is either a record of the batch or a rejection with its index, and a bad
//! item never costs a good one.

use crate::{
    admit::{Context, Notes, admit},
    draft::{Draft, Rejection},
    encode::Batch,
    json::{self, BodyError, Layout},
    otlp, sieve,
};
use callmeter_schemas::{CallEvent, limits};

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Plain JSON events.
    Events(Layout),
    /// An OTLP export of spans, protobuf.
    SpansProtobuf,
    /// An OTLP export of spans, JSON.
    SpansJson,
}

/// What became of the items of one body.
#[derive(Debug, Default)]
pub struct Intake {
    /// Records of the accepted items.
    pub batch: Batch,
    /// The others.
    pub rejected: Vec<Rejected>,
    /// Spans that are no calls.
    pub ignored: u64,
    /// What was seen beside the events.
    pub notes: Notes,
}

/// An item that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place among the items of the body, from 0.
    pub index: usize,
    /// Its id, when it has one of bearable length.
    pub id: Option<String>,
    /// Why.
    pub why: Rejection,
}

/// Reads a body of at most `most` items.
pub fn take_in(body: &[u8], form: Form, most: usize, context: Context<'_>) -> Result<Intake, BodyError> {
    let mut desk = Desk { context, event: CallEvent::default(), index: 0, intake: Intake::default() };
    match form {
        Form::Events(layout) => {
            json::for_each(body, layout, most, &mut |item| desk.take(item.draft, item.mistake))?;
        }
        Form::SpansProtobuf => otlp::protobuf(body, most, &mut |span| desk.take_span(span))?,
        Form::SpansJson => otlp::json(body, most, &mut |span| desk.take_span(span))?,
    }
    Ok(desk.intake)
}

struct Desk<'c> {
    context: Context<'c>,
    /// One event, filled again for each item, so that its texts are allocated once.
    event: CallEvent,
    index: usize,
    intake: Intake,
}

impl Desk<'_> {
    fn take(&mut self, draft: Draft<'_>, mistake: Option<Rejection>) {
        let id = draft.id.as_deref().filter(|id| id.len() <= limits::ID_BYTES);
        if let Some(why) = mistake {
            return self.reject(id.map(str::to_owned), why);
        }
        // Only a rejection needs the id again; the event holds it once it was taken over.
        let had_id = id.is_some();
        self.event.id.clear();
        let named = draft.integration.clone().filter(|name| !name.is_empty());
        let admitted = admit(draft, &mut self.context, &mut self.event, &mut self.intake.notes);
        let named = named.as_deref().map(sieve::text).filter(|name| !name.is_empty());
        let said = named.as_deref().or(self.event.host.as_deref()).unwrap_or_default();
        match admitted.and_then(|()| self.intake.batch.push(&self.event, said)) {
            Ok(()) => self.index += 1,
            Err(why) => {
                let id = (had_id && !self.event.id.is_empty()).then(|| self.event.id.clone());
                self.reject(id, why);
            }
        }
    }

    fn take_span(&mut self, span: otlp::Taken<'_>) {
        match span {
            otlp::Taken::Call(draft) => self.take(*draft, None),
            otlp::Taken::NoCall => self.intake.ignored += 1,
            otlp::Taken::Malformed(why) => self.reject(None, why),
        }
    }

    fn reject(&mut self, id: Option<String>, why: Rejection) {
        self.intake.rejected.push(Rejected { index: self.index, id, why });
        self.index += 1;
    }
}

#[cfg(test)]
mod tests;
