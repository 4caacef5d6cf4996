//! The published form and the example: files enter, and are held against the types.

use super::*;
use crate::Book;

#[test]
fn the_published_schema_is_that_of_the_types() {
    let file = include_str!("../../../schemas/json/prices.schema.json");
    let published: serde_json::Value = serde_json::from_str(file).unwrap_or_default();
    assert!(
        published == schema(),
        "schemas/json/prices.schema.json is out of date: `callmeter prices schema > schemas/json/prices.schema.json` renews it"
    );
}

#[test]
fn the_example_is_right() {
    let book = Book::parse("prices.yaml", include_str!("../../../prices.yaml")).expect("no mistakes");
    assert_eq!(book.lines().len(), 11);
}

#[test]
fn no_word_of_the_schema_is_an_alternative_of_its_own() {
    // A misspelt word is told which there are only where the words are one enumeration.
    assert!(!schema().to_string().contains("oneOf") && !schema().to_string().contains("anyOf"));
}
