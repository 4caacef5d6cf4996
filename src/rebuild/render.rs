//! The report of a rebuild for people: a report enters, its text leaves.

use callmeter_aggregator::rebuild::{Cells, Differing, LedgerPart, Report, Totals};
use std::fmt::Write;

/// Longest value of a column that is shown in full, in characters.
const LONG: usize = 60;

/// The text of a report.
pub(crate) fn text(report: &Report, database: &str) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = write(&mut out, report, database);
    out
}

fn write(out: &mut String, report: &Report, database: &str) -> std::fmt::Result {
    let windows =
        report.cut.as_ref().map_or("all windows".to_owned(), |cut| format!("windows from {cut} on"));
    let cells = report.cells;
    let word = match (report.equal, report.compared) {
        (true, true) => "equal",
        (true, false) => "NOTHING COMPARED",
        (false, _) => "DIFFERENT",
    };
    writeln!(out, "{word}: {windows}")?;
    writeln!(
        out,
        "cells    {} equal, {} different, {} only live, {} only rebuilt",
        cells.equal, cells.different, cells.only_live, cells.only_rebuilt
    )?;
    if report.cut.is_some() && cells == Cells::default() {
        writeln!(
            out,
            "         no such window holds anything; an earlier --from, or a shorter --ahead, compares more"
        )?;
    }
    for sums in &report.sums {
        let currency = if sums.currency.is_empty() { "no cost" } else { &sums.currency };
        writeln!(out, "{currency:<8} calls {}", pair(sums.calls_live, sums.calls_rebuilt))?;
        if !sums.currency.is_empty() {
            writeln!(out, "         cost  {}", pair(&sums.cost_live, &sums.cost_rebuilt))?;
        }
    }
    report.ledger.iter().try_for_each(|part| ledger(out, part))?;
    report.differing.iter().try_for_each(|cell| differing(out, cell))?;
    let shown = report.differing.len() as u64;
    let all = cells.different + cells.only_live + cells.only_rebuilt;
    if all > shown {
        writeln!(out, "… and {} more", all - shown)?;
    }
    if let Some(table) = &report.table {
        writeln!(out, "what was counted anew is in {database}.{table}; live was not changed")?;
    }
    if let Some(before) = &report.before {
        writeln!(out, "replaced: {database}.deltas; as it was: {database}.{before}")?;
        writeln!(out, "back:     EXCHANGE TABLES {database}.deltas AND {database}.{before}")?;
        writeln!(out, "          (what came since is then counted again from the log)")?;
        writeln!(out, "away:     DROP TABLE {database}.{before}")?;
    }
    Ok(())
}

/// One value where both sides say the same, else both.
fn pair<T: std::fmt::Display + PartialEq>(live: T, rebuilt: T) -> String {
    match live == rebuilt {
        true => live.to_string(),
        false => format!("{live} live, {rebuilt} rebuilt"),
    }
}

fn ledger(out: &mut String, part: &LedgerPart) -> std::fmt::Result {
    let LedgerPart { partition, first_offset, next_offset, rebuilt, .. } = part;
    let all = |totals: &Totals| {
        let Totals { consumed, counted, duplicates, dead_lettered } = totals;
        format!(
            "{consumed} consumed, {counted} counted, {duplicates} duplicates, {dead_lettered} dead-lettered"
        )
    };
    write!(out, "ledger   {partition}: {first_offset}..{next_offset}: {}", all(rebuilt))?;
    match &part.live {
        None => writeln!(out, " (live has a batch across {first_offset}: not compared)"),
        Some(live) if live == rebuilt => writeln!(out),
        Some(live) => writeln!(out, " rebuilt; live: {}", all(live)),
    }
}

fn differing(out: &mut String, cell: &Differing) -> std::fmt::Result {
    let key: Vec<String> = cell.key.iter().map(|(name, value)| format!("{name}={value}")).collect();
    writeln!(out, "{}: {} {} {}", cell.state, cell.kind, cell.window_start, key.join(" "))?;
    for (name, live, rebuilt) in &cell.columns {
        writeln!(out, "    {name}: {} live, {} rebuilt", short(live), short(rebuilt))?;
    }
    Ok(())
}

fn short(value: &str) -> String {
    match value.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callmeter_aggregator::rebuild::Sums;

    #[test]
    fn a_report_shows_what_differs_and_the_way_back() {
        let counted = Totals { consumed: 9, counted: 7, duplicates: 1, dead_lettered: 1 };
        let report = Report {
            equal: false,
            compared: true,
            cut: Some("2026-11-20T00:00:00Z".into()),
            price_book: "b1".into(),
            cells: Cells { equal: 5, different: 1, only_live: 1, only_rebuilt: 0 },
            sums: vec![Sums {
                currency: "EUR".into(),
                calls_live: 8,
                calls_rebuilt: 7,
                cost_live: "1.5".into(),
                cost_rebuilt: "1.5".into(),
            }],
            differing: vec![Differing {
                state: "different".into(),
                kind: "data".into(),
                window_start: "2026-11-20T10:00:00Z".into(),
                key: vec![("customer".into(), "acme".into())],
                columns: vec![("calls".into(), "4".into(), "3".into())],
            }],
            ledger: vec![LedgerPart {
                source: "log".into(),
                partition: 0,
                first_offset: 0,
                next_offset: 9,
                live: Some(counted),
                rebuilt: counted,
            }],
            held_ms: 5,
            table: None,
            before: Some("deltas_before_X".into()),
        };
        let wanted = "DIFFERENT: windows from 2026-11-20T00:00:00Z on\n\
            cells    5 equal, 1 different, 1 only live, 0 only rebuilt\n\
            EUR      calls 8 live, 7 rebuilt\n         cost  1.5\n\
            ledger   0: 0..9: 9 consumed, 7 counted, 1 duplicates, 1 dead-lettered\n\
            different: data 2026-11-20T10:00:00Z customer=acme\n    calls: 4 live, 3 rebuilt\n\
            … and 1 more\n\
            replaced: c.deltas; as it was: c.deltas_before_X\n\
            back:     EXCHANGE TABLES c.deltas AND c.deltas_before_X\n\
            \x20         (what came since is then counted again from the log)\n\
            away:     DROP TABLE c.deltas_before_X\n";
        assert_eq!(text(&report, "c"), wanted);
        assert_eq!(short(&"ü".repeat(100)), format!("{}…", "ü".repeat(60)));
    }
}
