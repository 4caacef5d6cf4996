//! Payloads of the built-in schema, field by field in its order: the same reading as by its steps, without choosing each.
//!
//! Nearly every record of a log has this schema. Promise: what leaves is what the steps of the same schema read, and so is
//! every refusal (a property test compares them over damaged payloads).

use super::fields::{Block, Fields, Number, Text};
use super::input::{Input, Malformed};

/// Most events end in this many nulls and empty collections, a zero byte each, of which the last are the collections.
const USUAL_END: [u8; 16] = [0; 16];

/// Reads one payload up to its last field.
pub(super) fn read<'a>(input: &mut Input<'a>, fields: &mut Fields<'a>) -> Result<(), Malformed> {
    for place in [Text::Workspace, Text::Id] {
        fields.texts[place as usize] = Some(input.text()?);
    }
    fields.numbers[Number::Time as usize] = Some(input.long()?);
    for place in [Text::Customer, Text::Integration, Text::Endpoint, Text::Tier, Text::Environment] {
        fields.texts[place as usize] = Some(input.text()?);
    }
    optional_text(Text::ErrorClass, input, fields)?;
    if input.is_some()? {
        fields.numbers[Number::Status as usize] = Some(input.int()?);
    }
    optional_long(Number::LatencyUs, input, fields)?;
    optional_long(Number::QueueUs, input, fields)?;
    fields.numbers[Number::Attempt as usize] = Some(input.int()?);
    for place in [Number::Items, Number::Records, Number::BytesIn, Number::BytesOut] {
        optional_long(place, input, fields)?;
    }
    if input.is_some()? {
        fields.amount = Some(input.decimal()?);
        fields.texts[Text::Currency as usize] = Some(input.text()?);
    }
    if *input.0 == USUAL_END {
        let (_, collections) = input.0.split_at(USUAL_END.len() - fields.blocks.len());
        fields.blocks = std::array::from_fn(|at| &collections[at..=at]);
        input.0 = &[];
        return Ok(());
    }
    read_rest(input, fields)
}

/// Reads what follows the cost.
fn read_rest<'a>(input: &mut Input<'a>, fields: &mut Fields<'a>) -> Result<(), Malformed> {
    for place in [
        Text::Host,
        Text::Method,
        Text::Path,
        Text::RetryOf,
        Text::RunId,
        Text::DataType,
        Text::Operation,
        Text::Error,
        Text::TraceId,
    ] {
        optional_text(place, input, fields)?;
    }
    if input.is_some()? {
        fields.numbers[Number::Billable as usize] = Some(input.boolean()?);
    }
    optional_long(Number::RetryAt, input, fields)?;
    if input.is_some()? {
        fields.numbers[Number::BatchSize as usize] = Some(input.int()?);
    }
    fields.blocks[Block::Quota as usize] = collection(input, |input| {
        input.text()?;
        input.text()?;
        for _ in ["limit", "remaining", "reset"] {
            if input.is_some()? {
                input.long()?;
            }
        }
        Ok(())
    })?;
    for place in [Block::Headers, Block::Attributes, Block::Extra] {
        fields.blocks[place as usize] = collection(input, |input| {
            input.text()?;
            input.text()?;
            Ok(())
        })?;
    }
    Ok(())
}

#[inline(always)]
fn optional_text<'a>(place: Text, input: &mut Input<'a>, fields: &mut Fields<'a>) -> Result<(), Malformed> {
    if input.is_some()? {
        fields.texts[place as usize] = Some(input.text()?);
    }
    Ok(())
}

#[inline(always)]
fn optional_long(place: Number, input: &mut Input<'_>, fields: &mut Fields<'_>) -> Result<(), Malformed> {
    if input.is_some()? {
        fields.numbers[place as usize] = Some(input.long()?);
    }
    Ok(())
}

/// The bytes of an array or map, walked.
fn collection<'a>(
    input: &mut Input<'a>,
    item: impl FnMut(&mut Input<'a>) -> Result<(), Malformed>,
) -> Result<&'a [u8], Malformed> {
    let before = input.0;
    input.items(item)?;
    Ok(&before[..before.len() - input.0.len()])
}
