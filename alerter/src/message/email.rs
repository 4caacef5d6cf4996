//! Mail: a notification enters, a subject and a text, plain and as HTML, leave.
//!
//! Promise: pure; the subject is one line, and what alerts bring along is escaped in the HTML.

use super::{
    cut,
    facts::{Facts, firing},
    template::{Place, Template},
    words,
};
use crate::dispatch::Notification;
use minijinja::HtmlEscape;
use std::fmt::Write;

/// Alerts that one mail lists.
const MAX_ALERTS: usize = 200;
/// Characters of a subject.
const MAX_SUBJECT: usize = 200;

/// What an operator may say otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wording<'a> {
    /// The subject.
    pub subject: Option<&'a Template>,
    /// The plain text.
    pub text: Option<&'a Template>,
    /// The HTML.
    pub html: Option<&'a Template>,
}

/// One mail without its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// Renders one mail.
pub fn mail(notification: &Notification, external_url: &str, wording: Wording<'_>) -> Mail {
    let facts = Facts::of(notification, external_url);
    let render = |template: Option<&Template>, place| template.map(|template| template.render(&facts, place));
    let subject = render(wording.subject, Place::Plain).unwrap_or_else(|| words::headline(notification));
    let subject: String =
        subject.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    Mail {
        subject: cut(subject.trim(), MAX_SUBJECT),
        text: render(wording.text, Place::Plain).unwrap_or_else(|| text(notification, external_url)),
        html: render(wording.html, Place::Html).unwrap_or_else(|| html(notification, external_url)),
    }
}

fn text(notification: &Notification, external_url: &str) -> String {
    let mut text = format!("{}\n", words::headline(notification));
    let lines = words::lines(notification);
    for line in lines.iter().take(MAX_ALERTS) {
        let state = if line.firing { "FIRING" } else { "RESOLVED" };
        let _ = write!(text, "\n{state} {}\n  {}\n  {}\n", line.who, line.what, line.how);
    }
    if lines.len() > MAX_ALERTS {
        let _ = write!(text, "\n… and {} more alerts\n", lines.len() - MAX_ALERTS);
    }
    if let Some(query) = words::query(notification) {
        let _ = write!(text, "\nLook closer:\n\n{query}\n");
    }
    for (title, url) in words::links(notification) {
        let _ = write!(text, "\n{title}: {url}\n");
    }
    let _ = write!(text, "\n{external_url}\n");
    text
}

fn html(notification: &Notification, external_url: &str) -> String {
    let colour = if firing(notification) > 0 { "#b3261e" } else { "#1b7f3b" };
    let headline = words::headline(notification);
    let mut html = format!(
        "<!doctype html>\n<html><body style=\"font-family:sans-serif\">\n<h2 style=\"color:{colour}\">{}</h2>\n",
        HtmlEscape(&headline)
    );
    let lines = words::lines(notification);
    for line in lines.iter().take(MAX_ALERTS) {
        let state = if line.firing { "FIRING" } else { "RESOLVED" };
        let (who, what, how) = (HtmlEscape(&line.who), HtmlEscape(&line.what), HtmlEscape(&line.how));
        let _ = writeln!(html, "<p>{state} <b>{who}</b><br>{what}<br>{how}</p>");
    }
    if lines.len() > MAX_ALERTS {
        let _ = writeln!(html, "<p>… and {} more alerts</p>", lines.len() - MAX_ALERTS);
    }
    if let Some(query) = words::query(notification) {
        let _ = writeln!(html, "<p>Look closer:</p>\n<pre>{}</pre>", HtmlEscape(&query));
    }
    let links = words::links(notification).into_iter().chain([("Callmeter", external_url.to_owned())]);
    for (title, url) in links.filter(|(_, url)| words::is_link(url)) {
        let _ = writeln!(html, "<p><a href=\"{}\">{title}</a></p>", HtmlEscape(&url));
    }
    html.push_str("</body></html>\n");
    html
}
