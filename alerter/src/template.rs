//! Annotation templates: a text with `{{ $labels.customer }}` enters, the rendered text leaves.
//!
//! Go's forms are rewritten to MiniJinja: `$labels.x` and `.Labels.x`, `$value` and `.Value`,
//! `fn x` and `x | fn` for the functions `humanize`, `humanizePercentage` and `humanizeDuration`; `x | round` and
//! `x | int` are MiniJinja's own.
//! Promise: pure, and a template can never cost the alert: a mistake becomes the text `<error …>`.

use crate::rules::Texts;
use minijinja::{Environment, ErrorKind, Value, context};

/// Longest rendered text, in bytes; the rest is cut.
const MAX_BYTES: usize = 4_096;
/// Functions as templates may call them.
const FUNCTIONS: [&str; 3] = ["humanize", "humanizePercentage", "humanizeDuration"];

/// Renders one template.
pub fn render(template: &str, labels: &Texts, value: f64) -> String {
    if !template.contains("{{") && !template.contains("{%") {
        return cut(template.to_owned());
    }
    match try_render(template, labels, value) {
        Ok(text) => cut(text),
        Err(error) => cut(format!("<error in template: {error}>")),
    }
}

/// What no alert could make right in a template: its syntax, or a function that does not exist.
pub fn mistake(template: &str) -> Option<String> {
    let error = try_render(template, &Texts::new(), 1.0).err()?;
    let lasting = [
        ErrorKind::SyntaxError,
        ErrorKind::UnknownFilter,
        ErrorKind::UnknownFunction,
        ErrorKind::UnknownTest,
    ];
    lasting.contains(&error.kind()).then(|| error.detail().unwrap_or("not a template").to_owned())
}

fn try_render(template: &str, labels: &Texts, value: f64) -> Result<String, minijinja::Error> {
    let mut environment = Environment::empty();
    environment.add_filter("humanize", humanize);
    environment.add_filter("humanizePercentage", |value: f64| format!("{}%", significant(value * 100.0)));
    environment.add_filter("humanizeDuration", humanize_duration);
    environment.add_filter("round", minijinja::filters::round);
    environment.add_filter("int", minijinja::filters::int);
    let facts = context! { labels => labels, value => number(value) };
    environment.render_str(&rewrite(template), facts)
}

/// Renders every text of a rule.
pub fn render_all(templates: &Texts, labels: &Texts, value: f64) -> Texts {
    templates.iter().map(|(name, template)| (name.clone(), render(template, labels, value))).collect()
}

fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { Value::from(value as i64) } else { Value::from(value) }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_BYTES));
    text
}

/// Go's spelling becomes MiniJinja's, inside the braces only.
fn rewrite(template: &str) -> String {
    let mut parts = template.split("{{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, outside) =
            part.split_once("}}").map_or((part, None), |(inside, outside)| (inside, Some(outside)));
        text.push_str("{{ ");
        text.push_str(&expression(inside));
        if let Some(outside) = outside {
            text.push_str(" }}");
            text.push_str(outside);
        }
    }
    text
}

fn expression(inside: &str) -> String {
    let plain = inside.replace("$labels", "labels").replace("$value", "value");
    let plain = plain.replace(".Labels.", "labels.").replace(".Value", "value");
    let words: Vec<&str> = plain.split_whitespace().collect();
    match words.as_slice() {
        [function, operand] if FUNCTIONS.contains(function) => format!("{operand} | {function}"),
        _ => plain.trim().to_owned(),
    }
}

/// Four significant digits, without trailing zeros.
pub(crate) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn humanize(value: f64) -> String {
    const STEPS: [(f64, &str); 8] =
        [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")];
    let step = STEPS.iter().find(|(size, _)| value.abs() >= *size);
    step.map_or_else(|| significant(value), |(size, unit)| format!("{}{unit}", significant(value / size)))
}

/// Seconds as days, hours, minutes and seconds.
pub(crate) fn humanize_duration(seconds: f64) -> String {
    if seconds.abs() < 1.0 {
        return format!("{}s", humanize(seconds));
    }
    let (sign, whole) = (if seconds < 0.0 { "-" } else { "" }, seconds.abs() as u64);
    let parts = [(whole / 86_400, "d"), (whole / 3_600 % 24, "h"), (whole / 60 % 60, "m"), (whole % 60, "s")];
    let from = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown: Vec<String> = parts[from..].iter().map(|(count, unit)| format!("{count}{unit}")).collect();
    format!("{sign}{}", shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, value: f64, wanted: &str) {
        let labels = Texts::from([("customer".to_owned(), "a<b>&{{x}}".to_owned())]);
        assert_eq!(render(template, &labels, value), wanted);
    }

    #[test]
    fn the_forms_people_bring_from_prometheus_render() {
        check("no template", 1.0, "no template");
        check("{{ $labels.customer }}: {{ $value }}", 0.125, "a<b>&{{x}}: 0.125");
        check("{{.Labels.customer}} {{ .Value }}", 5.0, "a<b>&{{x}} 5");
        check("{{ $value | humanizePercentage }}", 0.12345, "12.35%");
        check("{{ humanizePercentage $value }}", 0.05, "5%");
        check("{{ humanize $value }}/{{ $value|humanize }}", 1_234_567.0, "1.235M/1.235M");
        check("{{ $value | humanizeDuration }}", 93_784.0, "1d 2h 3m 4s");
        check("{{ $value | round | int }} ms", 3_326.46, "3326 ms");
        check("[{{ $labels.absent }}]", 0.0, "[]");
    }

    #[test]
    fn a_broken_template_becomes_a_note_and_a_long_text_is_cut() {
        for broken in ["{{ $value | nonsense }}", "{{ $value", "{% for %}", "{{ $labels.a.b }}"] {
            let text = render(broken, &Texts::new(), 1.0);
            assert!(text.starts_with("<error in template: "), "{broken}: {text}");
        }
        assert_eq!(render(&"é".repeat(5_000), &Texts::new(), 1.0).len(), MAX_BYTES);
    }
}
