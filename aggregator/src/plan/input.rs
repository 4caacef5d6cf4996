//! The bytes of one payload: they enter, Avro's primitive values leave.
//!
//! Promise: no length and no count is believed before as many bytes are there, so that a payload that
//! lies about its size costs no memory.
#![allow(
    unsafe_code,
    reason = "the standard library's check of a short text costs three times that for ASCII"
)]

/// The payload does not follow its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends too early, or a length is negative or too large.
    #[error("the payload is cut short")]
    Short,
    /// Bytes are left over.
    #[error("bytes are left over after the last field")]
    Long,
    /// A text is no UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A union branch, boolean or enum symbol that the schema does not have.
    #[error("a union branch or symbol is not in the schema")]
    BadBranch,
    /// An integer has more bits than its type, or a decimal more than 128.
    #[error("a number is too long")]
    NumberTooLong,
}

/// The rest of a payload; also reads the collections that [`super::Fields::block`] hands out.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// A zigzag varint of at most 10 bytes.
    #[inline(always)]
    pub fn long(&mut self) -> Result<i64, Malformed> {
        // Most are a length, a branch or a small number, of one byte or two.
        match self.0 {
            [byte @ 0..0x80, rest @ ..] => {
                self.0 = rest;
                Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1))
            }
            [first, last @ 0..0x80, rest @ ..] => {
                self.0 = rest;
                Ok(unzigzag(u64::from(first & 0x7f) | u64::from(*last) << 7))
            }
            _ => self.long_of_more_bytes(),
        }
    }

    /// Whether the second branch of a union of null and another type follows.
    #[inline(always)]
    pub(super) fn is_some(&mut self) -> Result<bool, Malformed> {
        match self.long()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::BadBranch),
        }
    }

    fn long_of_more_bytes(&mut self) -> Result<i64, Malformed> {
        if let [first, second, last @ 0..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            let low = u64::from(first & 0x7f) | u64::from(second & 0x7f) << 7;
            return Ok(unzigzag(low | u64::from(*last) << 14));
        }
        let Some(next) = self.0.first_chunk() else { return self.long_by_byte() };
        let next = u64::from_le_bytes(*next);
        // The first byte without the bit that says that more follow.
        let last = (!next & HIGH).trailing_zeros();
        if last == u64::BITS {
            return self.long_by_byte();
        }
        let bytes = last as usize / 8 + 1;
        self.0 = &self.0[bytes..];
        // Seven bits of each byte move together: first of pairs, then of pairs of these, then of both halves.
        let groups = next & (u64::MAX >> (63 - last)) & 0x7f7f_7f7f_7f7f_7f7f;
        let groups = (groups & 0x007f_007f_007f_007f) | (groups & 0x7f00_7f00_7f00_7f00) >> 1;
        let groups = (groups & 0x0000_3fff_0000_3fff) | (groups & 0x3fff_0000_3fff_0000) >> 2;
        Ok(unzigzag((groups & 0x0fff_ffff) | (groups & 0x0fff_ffff_0000_0000) >> 4))
    }

    #[cold]
    fn long_by_byte(&mut self) -> Result<i64, Malformed> {
        let mut raw = 0_u64;
        for (place, byte) in self.0.iter().enumerate().take(10) {
            if place == 9 && *byte > 1 {
                return Err(Malformed::NumberTooLong);
            }
            raw |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Ok(unzigzag(raw));
            }
        }
        Err(Malformed::Short)
    }

    /// An integer of 32 bits, which is written like one of 64.
    #[inline(always)]
    pub(super) fn int(&mut self) -> Result<i64, Malformed> {
        let value = self.long()?;
        i32::try_from(value).map(i64::from).map_err(|_| Malformed::NumberTooLong)
    }

    /// 0 for false, 1 for true.
    #[inline]
    pub(super) fn boolean(&mut self) -> Result<i64, Malformed> {
        match self.take(1)?[0] {
            byte @ 0..=1 => Ok(i64::from(byte)),
            _ => Err(Malformed::BadBranch),
        }
    }

    #[inline(always)]
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The length of a text or of bytes.
    #[inline(always)]
    fn length(&mut self) -> Result<usize, Malformed> {
        match self.0 {
            // An even byte below 0x80 is twice the length.
            [byte, rest @ ..] if byte & 0x81 == 0 => {
                self.0 = rest;
                Ok(usize::from(byte >> 1))
            }
            _ => usize::try_from(self.long()?).map_err(|_| Malformed::Short),
        }
    }

    #[inline(always)]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        self.take(length)
    }

    /// A text, checked as UTF-8.
    #[inline(always)]
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.length()?;
        let from = self.0;
        let bytes = self.take(length)?;
        if is_ascii(from, length) {
            // SAFETY: ASCII is UTF-8.
            return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
        }
        std::str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)
    }

    /// A decimal of scale 12: big-endian two's complement of at most 16 bytes.
    pub(super) fn decimal(&mut self) -> Result<i128, Malformed> {
        let length = self.length()?;
        let from = self.0;
        let bytes = self.take(length)?;
        match (bytes, from.first_chunk()) {
            ([], _) => Ok(0),
            // What follows a short one is shifted out, and its sign in.
            (_, Some(word)) if length <= 8 => Ok((i64::from_be_bytes(*word) >> (64 - 8 * length)).into()),
            ([first, ..], _) if length <= 16 => {
                let sign = if first & 0x80 == 0 { 0 } else { -1 };
                Ok(bytes.iter().fold(sign, |units, byte| units << 8 | i128::from(*byte)))
            }
            _ => Err(Malformed::NumberTooLong),
        }
    }

    /// The count of items in the next block of an array or map; `None` at its end.
    pub fn block(&mut self) -> Result<Option<u64>, Malformed> {
        let count = self.long()?;
        if count < 0 {
            // A negative count is followed by the block's size in bytes.
            self.long()?;
        }
        // An item may be empty only in schemas that no event has; a count beyond the bytes left is a lie.
        let count = count.unsigned_abs();
        if count > self.0.len() as u64 {
            return Err(Malformed::Short);
        }
        Ok((count > 0).then_some(count))
    }

    /// Walks the items of an array or map to its end.
    pub(super) fn items(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        while let Some(count) = self.block()? {
            for _ in 0..count {
                item(self)?;
            }
        }
        Ok(())
    }
}

fn unzigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// The highest bit of each byte: ASCII does not have it.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Whether the first `length` bytes are ASCII, by words: nearly every text of an event is a few of them.
#[inline(always)]
fn is_ascii(from: &[u8], length: usize) -> bool {
    let word = |at: usize| from[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) & HIGH;
    match length {
        // What follows a short text is cut off.
        0..8 if from.len() >= 8 => word(0).unbounded_shl(64 - 8 * length as u32) == 0,
        // The last words overlap the first.
        8..=16 => word(0) | word(length - 8) == 0,
        17..=32 => word(0) | word(8) | word(length - 16) | word(length - 8) == 0,
        _ => from[..length].is_ascii(),
    }
}

/// Walks the items of an array or map that [`super::Fields::block`] handed out; none when it is empty.
pub fn items<'a>(
    avro: &'a [u8],
    item: impl FnMut(&mut Input<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if avro.is_empty() { Ok(()) } else { Input(avro).items(item) }
}

/// Walks the entries of a map of texts.
pub fn entries<'a>(avro: &'a [u8], mut each: impl FnMut(&'a str, &'a str)) -> Result<(), Malformed> {
    items(avro, |input| {
        each(input.text()?, input.text()?);
        Ok(())
    })
}
