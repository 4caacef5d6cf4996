//! Verdicts for build servers: what became of test files enters, JUnit's XML leaves.
//!
//! The form is that of Ant's JUnit task as Jenkins and GitLab read it: a suite per file, a case per expectation.
//! Promise: pure; well-formed whatever the files hold.

use crate::ruletest::{Tested, render, run::Verdict};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};
use std::io;

type Xml = Writer<Vec<u8>>;

/// The report on all files.
pub fn xml(files: &[Tested]) -> io::Result<String> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .write_inner_content(|xml| files.iter().try_for_each(|tested| suite(xml, tested)))?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn suite(xml: &mut Xml, tested: &Tested) -> io::Result<()> {
    let broken = !tested.mistakes.is_empty();
    let tests = tested.expectations() + usize::from(broken);
    xml.create_element("testsuite")
        .with_attribute(("name", clean(&tested.file).as_str()))
        .with_attribute(("tests", tests.to_string().as_str()))
        .with_attribute(("failures", tested.failed().to_string().as_str()))
        .with_attribute(("errors", usize::from(broken).to_string().as_str()))
        .write_inner_content(|xml| {
            if broken {
                let told = ("error", "the file has mistakes", tested.mistakes.join("\n"));
                case(xml, &tested.file, "mistakes", "1", Some(told))?;
            }
            for test in &tested.tests {
                for verdict in &test.verdicts {
                    let Verdict { line, alertname, eval_time, differences } = verdict;
                    let name = format!("{}: {alertname} at {eval_time}", test.name);
                    let text = || render::failure(&tested.file, &test.name, verdict, false);
                    let told = (!differences.is_empty()).then(|| ("failure", "not as expected", text()));
                    case(xml, &tested.file, &name, &line.to_string(), told)?;
                }
            }
            Ok(())
        })?;
    Ok(())
}

/// One case; what is told of it is an element's name, its message and its text.
fn case(
    xml: &mut Xml,
    file: &str,
    name: &str,
    line: &str,
    told: Option<(&str, &str, String)>,
) -> io::Result<()> {
    let (name, file) = (clean(name), clean(file));
    let element = xml
        .create_element("testcase")
        .with_attribute(("name", name.as_str()))
        .with_attribute(("classname", file.as_str()))
        .with_attribute(("file", file.as_str()))
        .with_attribute(("line", line))
        .with_attribute(("time", "0"));
    let Some((kind, message, text)) = told else {
        element.write_empty()?;
        return Ok(());
    };
    element.write_inner_content(|xml| {
        let element = xml.create_element(kind).with_attribute(("message", message));
        element.write_text_content(BytesText::new(&clean(&text)))?;
        Ok(())
    })?;
    Ok(())
}

/// A text without the characters that XML 1.0 cannot hold, escaped or not.
fn clean(text: &str) -> String {
    let held = |letter: &char| matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|letter| if held(&letter) { letter } else { '\u{fffd}' }).collect()
}
