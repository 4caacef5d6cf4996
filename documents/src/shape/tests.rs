//! Documents with mistakes enter; what is said about each is compared.

use super::*;
use crate::yaml;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Garden {
    name: String,
    #[serde(default)]
    beds: Vec<Bed>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Bed {
    plant: Plant,
    rows: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Plant {
    Carrot,
    Bean,
}

fn read(text: &str) -> Result<Garden, String> {
    let shape = Shape::new(schemars::schema_for!(Garden).to_value()).expect("a schema");
    let mut problems = Problems::new("garden.yaml");
    let garden = shape.read(&yaml::parse(text).expect("yaml"), &mut problems);
    let lines: Vec<String> = problems.into_vec().iter().map(ToString::to_string).collect();
    garden.ok_or_else(|| lines.join("\n"))
}

#[test]
fn a_document_of_the_right_shape_is_read() {
    let garden =
        read("name: back\nbeds:\n- {plant: bean, rows: 3}\n- plant: carrot\n  rows: ~\n").expect("right");
    assert_eq!(garden.beds.len(), 2);
    assert_eq!(garden.beds[0], Bed { plant: Plant::Bean, rows: Some(3) });
}

#[test]
fn every_mistake_is_told_with_its_line_its_field_and_what_is_allowed() {
    let text =
        "nam: back\nbeds:\n- plant: beam\n  rows: many\n- plants: bean\n- rows: 3\n  colour: red\n- 7\n";
    insta::assert_snapshot!(read(text).expect_err("wrong"), @r"
    garden.yaml:1: nam: unknown key (did you mean `name`?)
    garden.yaml:1: name: missing
    garden.yaml:3: beds[0].plant: `beam` is none of: carrot, bean (did you mean `bean`?)
    garden.yaml:4: beds[0].rows: a whole number is expected here, not a text
    garden.yaml:5: beds[1].plants: unknown key (did you mean `plant`?)
    garden.yaml:5: beds[1].plant: missing
    garden.yaml:6: beds[2].plant: missing
    garden.yaml:7: beds[2].colour: unknown key; allowed here: plant, rows
    garden.yaml:8: beds[3]: a map is expected here, not a number
    ");
}
