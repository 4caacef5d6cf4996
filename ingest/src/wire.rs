//! The outer layer of protobuf: bytes enter, their fields leave without being decoded.
//!
//! Source: protobuf's "Encoding" guide. Promise: nothing is copied; bytes that are no protobuf end the
//! walk with `None` once.

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Its number.
    pub(crate) number: u64,
    /// Its bytes, when it is length-delimited.
    pub(crate) bytes: Option<&'a [u8]>,
}

/// The fields of a message; `None` for the first that is broken, then the end.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = Option<Field<'_>>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = field(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field)
    })
}

/// The embedded messages of one field number; `None` for the first broken field, then the end.
pub(crate) fn messages(message: &[u8], number: u64) -> impl Iterator<Item = Option<&[u8]>> {
    fields(message).filter_map(move |field| match field {
        Some(field) if field.number == number => Some(field.bytes),
        Some(_) => None,
        None => Some(None),
    })
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let key = varint(rest)?;
    let bytes = match key & 7 {
        0 => varint(rest).map(|_| None)?,
        1 => skip(rest, 8).map(|_| None)?,
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Some(skip(rest, length)?)
        }
        5 => skip(rest, 4).map(|_| None)?,
        _ => return None,
    };
    (key >> 3 != 0).then_some(Field { number: key >> 3, bytes })
}

fn skip<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let byte = skip(rest, 1)?[0];
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
