//! Templates over a notification: a text with `{{ .CommonLabels.customer }}` enters, the rendered text
//! leaves, escaped for where it goes.
//!
//! The language is MiniJinja; Go's plain `{{ .Name }}` is read too, its `range`, `if` and `template`
//! are refused with what to write instead. Promise: pure, and a template can never cost the alert: a
//! mistake that only an alert brings to light becomes the text `(error …)`.

use super::facts::Facts;
use minijinja::{AutoEscape, Environment, Error, HtmlEscape, Output, State, Value};

/// What Go's templates have and MiniJinja spells differently.
const GO: [(&str, &str); 8] = [
    ("range", "{% for alert in Alerts %} … {% endfor %}"),
    ("if", "{% if Status == \"firing\" %} … {% endif %}"),
    ("else", "{% else %}"),
    ("end", "{% endfor %} or {% endif %}"),
    ("with", "{% set name = … %}"),
    ("template", "the text itself"),
    ("define", "the text itself"),
    ("block", "the text itself"),
];

/// Where a rendered text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where no character means anything.
    Plain,
    /// Slack's markup: nothing that alerts bring along becomes a link, a mention or a ping.
    Slack,
    /// HTML.
    Html,
    /// JSON: every value is written as JSON, with its quotes.
    Json,
}

/// A text into which facts of a notification are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// Reads one; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let jinja = rewrite(text)?;
        let environment = environment(Place::Plain);
        match environment.template_from_str(&jinja) {
            Ok(_) => Ok(Self(jinja)),
            Err(error) => Err(format!("not a template: {error}")),
        }
    }

    /// Renders it; what is wrong with it only for this notification stands in the text.
    pub(super) fn render(&self, facts: &Facts<'_>, place: Place) -> String {
        self.try_render(facts, place).unwrap_or_else(|error| {
            let told = format!("(error in template: {error})");
            match place {
                Place::Slack => super::slack::escape(&told),
                Place::Html => HtmlEscape(&told).to_string(),
                Place::Plain | Place::Json => told,
            }
        })
    }

    pub(super) fn try_render(&self, facts: &Facts<'_>, place: Place) -> Result<String, Error> {
        environment(place).render_str(&self.0, facts)
    }
}

fn environment(place: Place) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(move |_| match place {
        Place::Plain | Place::Slack => AutoEscape::None,
        Place::Html => AutoEscape::Html,
        Place::Json => AutoEscape::Json,
    });
    if place == Place::Slack {
        environment.set_formatter(write_for_slack);
    }
    environment.add_filter("toUpper", |text: String| text.to_uppercase());
    environment.add_filter("toLower", |text: String| text.to_lowercase());
    environment
}

fn write_for_slack(out: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    if !value.is_undefined() {
        out.write_str(&super::slack::escape(&value.to_string()))?;
    }
    Ok(())
}

/// Go's `{{ .Name }}` becomes MiniJinja's `{{ Name }}`.
fn rewrite(text: &str) -> Result<String, String> {
    let mut parts = text.split("{{");
    let mut jinja = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, outside) = part.split_once("}}").ok_or("not a template: {{ is not closed by }}")?;
        let word = inside.trim_start_matches('-').split_whitespace().next().unwrap_or_default();
        if let Some((_, instead)) = GO.iter().find(|(go, _)| *go == word) {
            return Err(format!("Go's `{word}` is not supported in templates: write {instead}"));
        }
        jinja.push_str("{{");
        jinja.push_str(&without_dots(inside));
        jinja.push_str("}}");
        jinja.push_str(outside);
    }
    Ok(jinja)
}

/// Drops the dot of a name that begins with one.
fn without_dots(inside: &str) -> String {
    let mut kept = String::with_capacity(inside.len());
    let mut before = ' ';
    let mut letters = inside.chars().peekable();
    while let Some(letter) = letters.next() {
        let begins = !(before.is_alphanumeric() || "_)]\"'".contains(before));
        let names = letters.peek().is_some_and(char::is_ascii_uppercase);
        if !(letter == '.' && begins && names) {
            kept.push(letter);
        }
        before = letter;
    }
    kept
}
