//! A chart: ratios by batch size enter, an SVG leaves, written by hand.
//!
//! A bar ends at the median, a line goes from the smallest to the largest round, a tick stands at the target.

use crate::report::Case;

const LEFT: f64 = 110.0;
const WIDTH: f64 = 480.0;
const ROW: f64 = 44.0;
const TOP: f64 = 52.0;

/// Ratios of ingest to the control.
pub(crate) fn chart(cases: &[Case]) -> String {
    let largest = cases.iter().map(|case| case.ratio().max.max(case.target())).fold(1.0, f64::max);
    let x = |ratio: f64| LEFT + WIDTH * ratio / (largest * 1.05);
    let height = TOP + ROW * cases.len() as f64 + 34.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 680 {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"680\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\">CPU per event: callmeter ingest to Kafka ÷ a server that only parses</text>\n"
    );
    for (case, row) in cases.iter().zip(0_u32..) {
        svg += &bar(case, TOP + ROW * f64::from(row), &x);
    }
    let (one, bottom) = (x(1.0), TOP + ROW * cases.len() as f64);
    svg += &format!(
        "<line x1=\"{one:.1}\" y1=\"{TOP}\" x2=\"{one:.1}\" y2=\"{bottom}\" stroke=\"#555\" stroke-dasharray=\"3 3\"/>\n\
         <text x=\"16\" y=\"{:.0}\" fill=\"#555\">dashed: 1 · red: target · line: smallest to largest round</text>\n</svg>\n",
        bottom + 22.0
    );
    svg
}

fn bar(case: &Case, y: f64, x: &impl Fn(f64) -> f64) -> String {
    let (ratio, target) = (case.ratio(), x(case.target()));
    let (min, max, middle) = (x(ratio.min), x(ratio.max), y + 14.0);
    format!(
        "<text x=\"16\" y=\"{:.0}\">batch {}</text>\n\
         <rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"28\" fill=\"#7aa6d8\"/>\n\
         <line x1=\"{min:.1}\" y1=\"{middle}\" x2=\"{max:.1}\" y2=\"{middle}\" stroke=\"#123\" stroke-width=\"2\"/>\n\
         <line x1=\"{target:.1}\" y1=\"{:.0}\" x2=\"{target:.1}\" y2=\"{:.0}\" stroke=\"#c22\" stroke-width=\"2\"/>\n\
         <text x=\"{:.1}\" y=\"{:.0}\">{:.2}</text>\n",
        y + 19.0,
        case.batch,
        x(ratio.median) - LEFT,
        y - 4.0,
        y + 32.0,
        max.max(target) + 8.0,
        y + 19.0,
        ratio.median
    )
}
