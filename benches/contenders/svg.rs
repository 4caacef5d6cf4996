//! Bars: series enter, one SVG with CPU per event of each contender and of ClickHouse for it leaves.

use crate::{contender::Contender, report::Series};
use std::fmt::Write;

const LEFT: f64 = 160.0;
const BARS: f64 = 560.0;
const ROW: f64 = 26.0;
const STYLE: &str = "text{font:13px sans-serif}.process{fill:#2563eb}.clickhouse{fill:#f59e0b}";

/// One block of bars for each log, all on one scale.
pub(crate) fn svg(all: &[Series]) -> String {
    let longest = all.iter().flat_map(bars).map(|(_, process, clickhouse)| process + clickhouse);
    let scale = BARS / longest.fold(1.0, f64::max);
    let (mut body, mut y) = (String::new(), 24.0);
    for series in all {
        let _ = writeln!(body, r#"<text x="8" y="{y}">{}</text>"#, series.title());
        for (contender, process, clickhouse) in bars(series) {
            y += ROW;
            bar(&mut body, y, contender, process, clickhouse, scale);
        }
        y += 2.0 * ROW;
    }
    let _ = writeln!(
        body,
        r#"<text x="8" y="{y}">ns of CPU per event: blue its own process, amber ClickHouse</text>"#
    );
    let (width, height) = (LEFT + BARS + 140.0, y + 12.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\">\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

/// Contender, ns per event of its process and of ClickHouse.
fn bars(series: &Series) -> Vec<(Contender, f64, f64)> {
    let bar = |contender| {
        let process = series.median(contender, |figures| series.per_event(figures.process.cpu));
        let clickhouse = series.median(contender, |figures| series.per_event(figures.clickhouse.cpu));
        (contender, process, clickhouse)
    };
    series.contenders().map(bar).collect()
}

fn bar(body: &mut String, y: f64, contender: Contender, process: f64, clickhouse: f64, scale: f64) {
    let (top, middle) = (y - 14.0, LEFT + process * scale);
    let (own, rest, end) = (process * scale, clickhouse * scale, middle + clickhouse * scale + 6.0);
    let _ = writeln!(body, r#"<text x="8" y="{y}">{}</text>"#, contender.name());
    let _ = writeln!(body, r#"<rect class="process" x="{LEFT}" y="{top}" width="{own:.1}" height="18"/>"#);
    let _ = writeln!(
        body,
        r#"<rect class="clickhouse" x="{middle:.1}" y="{top}" width="{rest:.1}" height="18"/>"#
    );
    let _ = writeln!(body, r#"<text x="{end:.1}" y="{y}">{process:.0} + {clickhouse:.0}</text>"#);
}
