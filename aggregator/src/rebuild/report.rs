//! What a rebuild found: two tables and a plan enter, a report leaves, for people and for scripts.

use super::{
    Held, RebuildError, Swap,
    compare::{self, Cells, Differing, LedgerRow, Sides, Sums, Totals},
    plan::{self, Plan},
    tables::Tables,
};
use serde::Serialize;

/// The outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Whether every cell and every total that was compared is the same.
    pub equal: bool,
    /// Whether anything was: the windows from the cut on may all be empty.
    pub compared: bool,
    /// First window that was compared, RFC 3339; `None`: all.
    pub cut: Option<String>,
    /// Price book of what was recounted; empty: none.
    pub price_book: String,
    /// Cells of rollups and quotas.
    pub cells: Cells,
    /// Sums by currency.
    pub sums: Vec<Sums>,
    /// The first cells that differ.
    pub differing: Vec<Differing>,
    /// Totals of the ledger by partition.
    pub ledger: Vec<LedgerPart>,
    /// How long live was held.
    pub held_ms: u64,
    /// Table of what was recounted, when it was left.
    pub table: Option<String>,
    /// What the table that was replaced is called now.
    pub before: Option<String>,
}

/// What was recounted of one partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LedgerPart {
    /// Identity of the log.
    pub source: String,
    /// Kafka partition.
    pub partition: i32,
    /// First offset.
    pub first_offset: i64,
    /// Offset after the last.
    pub next_offset: i64,
    /// What live's batches from there on consumed; `None` where one lies across the first offset.
    pub live: Option<Totals>,
    /// What the recount consumed.
    pub rebuilt: Totals,
}

impl LedgerPart {
    /// Whether both say something.
    fn is_told(&self) -> bool {
        self.live.is_some_and(|live| live.consumed + self.rebuilt.consumed > 0)
    }

    /// Whether both say the same, as far as that can be known.
    pub fn is_equal(&self) -> bool {
        self.live.is_none_or(|live| live == self.rebuilt)
    }
}

/// Compares live, as it was held, with what was recounted.
pub(super) async fn compare(tables: &Tables, plan: &Plan, held: &Held) -> Result<Report, RebuildError> {
    let sides = Sides { live: &held.live, rebuilt: &tables.into, cut_s: plan.cut_s };
    let cells = Cells::of(&tables.rows::<(String, u64)>(&sides.counts()).await?);
    let differing = match cells.all_equal() {
        true => Vec::new(),
        false => tables.rows::<Differing>(&sides.differing()).await?,
    };
    let sums = tables.rows::<Sums>(&sides.sums()).await?;
    let mut ledger = Vec::new();
    for start in &plan.starts {
        let of = |table: &str| compare::ledger(table, &start.source, start.partition, start.first);
        let live = tables.rows::<LedgerRow>(&of(&held.live)).await?.pop().unwrap_or_default();
        let rebuilt = tables.rows::<LedgerRow>(&of(&tables.into)).await?.pop().unwrap_or_default();
        ledger.push(LedgerPart {
            source: start.source.clone(),
            partition: start.partition,
            first_offset: start.first,
            next_offset: held.standing.marker(start.partition).unwrap_or(start.first),
            live: (live.4 == 0).then(|| totals(live)),
            rebuilt: totals(rebuilt),
        });
    }
    Ok(Report {
        equal: cells.all_equal() && ledger.iter().all(LedgerPart::is_equal),
        compared: plan.cut_s == 0 || cells != Cells::default() || ledger.iter().any(LedgerPart::is_told),
        cut: (plan.cut_s > 0).then(|| plan::moment(plan.cut_s * 1000)),
        price_book: plan.price_book.clone(),
        cells,
        sums,
        differing,
        ledger,
        held_ms: held.held_for.as_millis() as u64,
        table: held.before.is_none().then(|| tables.into.clone()),
        before: held.before.clone(),
    })
}

fn totals(row: LedgerRow) -> Totals {
    Totals { consumed: row.0, counted: row.1, duplicates: row.2, dead_lettered: row.3 }
}

/// The note of the ledger's row. It begins with the time: of several from one offset the newest is kept.
pub(super) fn note(swap: &Swap, plan: &Plan) -> String {
    let windows = match plan.cut_s {
        0 => "all windows".to_owned(),
        cut_s => format!("windows from {}", plan::moment(cut_s * 1000)),
    };
    let book = if plan.price_book.is_empty() { "none" } else { &plan.price_book };
    let said = if swap.note.is_empty() { String::new() } else { format!(": {}", swap.note) };
    format!("{} {windows}, price book {book}{said}", swap.stamp)
}
