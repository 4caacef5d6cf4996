//! Terms of alerters: a step enters, what the store says of the last term leaves.
//!
//! Promise: of several alerters that go on from the same row, one does: the insert compares under a query id that
//! only one insert can have at a time.

use super::{CALL_TIMEOUT, Store, StoreError, bounded};
use crate::leadership::Term;
use clickhouse::Row;
use serde::Deserialize;

const LAST_TERM: &str =
    "SELECT term, holder, beat, released FROM alerter_terms ORDER BY term DESC, beat DESC LIMIT 1";
/// Compares and sets.
const ADVANCE: &str = "INSERT INTO alerter_terms (term, holder, beat, released) \
     SELECT {term:UInt64}, {holder:String}, {beat:UInt64}, {released:UInt8} \
     WHERE throwIf((SELECT max((term, beat)) FROM alerter_terms) != ({last_term:UInt64}, {last_beat:UInt64}), \
     'FENCED') = 0";

#[derive(Debug, Row, Deserialize)]
struct TermRow {
    term: u64,
    holder: String,
    beat: u64,
    released: u8,
}

impl Store {
    /// The last term; `None` when there never was one.
    pub(crate) async fn last_term(&self) -> Result<Option<Term>, StoreError> {
        let rows: Vec<TermRow> = self.all(self.0.query_raw(LAST_TERM)).await?;
        Ok(rows.into_iter().next().map(|row| Term {
            number: row.term,
            holder: row.holder,
            beat: row.beat,
            released: row.released != 0,
        }))
    }

    /// Writes the next row, if the last one is still that of `last`: a term's number and beat; (0, 0) is none. An
    /// answer does not say whether it did.
    pub(crate) async fn advance_term(&self, last: (u64, u64), next: &Term) -> Result<(), StoreError> {
        let mutex = format!("{}/alerter_terms", self.0.database().unwrap_or_default());
        let client = self.0.clone().with_setting("async_insert", "0");
        let client = client.with_setting("query_id", mutex).with_setting("replace_running_query", "0");
        // One that hangs must not shut out the others for ever.
        let client = client.with_setting("max_execution_time", CALL_TIMEOUT.as_secs().to_string());
        let advance = client.query_raw(ADVANCE).param("last_term", last.0).param("last_beat", last.1);
        let advance = advance.param("term", next.number).param("beat", next.beat);
        let advance = advance.param("holder", &next.holder).param("released", u8::from(next.released));
        bounded(CALL_TIMEOUT, advance.execute()).await
    }
}
