//! ClickHouse's Native format: columns enter, the bytes of one block leave.
//!
//! Format as documented by ClickHouse ("Native"): varint columns, varint rows, then for each column its
//! name, its type and its values; over HTTP without block info. Integers are little-endian. A column of nothing but zeros
//! is left out: that is what ClickHouse takes an absent column for. Promise: every column has the block's number of rows, or
//! writing panics in tests.

/// Bytes for a row: more than nearly all have. What stays empty is only address space; growing would copy megabytes into
/// memory that the system must clear first.
const ROOM: usize = 1024;

/// One block being written, column after column.
#[derive(Debug)]
pub struct Block {
    /// The first byte becomes the number of columns.
    bytes: Vec<u8>,
    columns: u8,
    rows: usize,
}

impl Block {
    /// A block of so many rows and fewer than 128 columns.
    pub fn new(rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(ROOM * rows + 4096);
        bytes.push(0);
        varint(rows, &mut bytes);
        Self { bytes, columns: 0, rows }
    }

    /// The block's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        // Below 128, a varint of one byte. A block without rows or with zeros alone may have no column.
        self.bytes[0] = self.columns;
        self.bytes
    }

    /// Writes one column, and takes it back when it says nothing.
    fn column(&mut self, name: &str, kind: &str, values: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.bytes.len();
        text(name.as_bytes(), &mut self.bytes);
        text(kind.as_bytes(), &mut self.bytes);
        let first = self.bytes.len();
        values(&mut self.bytes);
        if self.bytes[first..].iter().all(|byte| *byte == 0) {
            self.bytes.truncate(begin);
        } else {
            self.columns += 1;
        }
    }

    /// A column of fixed-width values, each given as its little-endian bytes.
    pub fn fixed<const N: usize>(&mut self, name: &str, kind: &str, values: impl Iterator<Item = [u8; N]>) {
        let rows = self.rows;
        self.column(name, kind, |bytes| {
            let before = bytes.len();
            values.for_each(|value| bytes.extend_from_slice(&value));
            debug_assert_eq!(bytes.len() - before, rows * N, "{name}");
        });
    }

    /// A nullable column of fixed-width values.
    pub fn nullable<const N: usize>(&mut self, name: &str, kind: &str, values: &[Option<[u8; N]>]) {
        debug_assert_eq!(values.len(), self.rows, "{name}");
        self.column(name, &format!("Nullable({kind})"), |bytes| {
            bytes.extend(values.iter().map(|value| u8::from(value.is_none())));
            values.iter().for_each(|value| bytes.extend_from_slice(&value.unwrap_or([0; N])));
        });
    }

    /// A column whose values are given in Native form already.
    pub fn raw(&mut self, name: &str, kind: &str, values: &[u8]) {
        self.column(name, kind, |bytes| bytes.extend_from_slice(values));
    }

    /// A column of `UInt64`.
    pub fn u64(&mut self, name: &str, values: impl Iterator<Item = u64>) {
        self.fixed(name, "UInt64", values.map(u64::to_le_bytes));
    }

    /// A column of `Int64`.
    pub fn i64(&mut self, name: &str, values: impl Iterator<Item = i64>) {
        self.fixed(name, "Int64", values.map(i64::to_le_bytes));
    }

    /// A column of `Int32`.
    pub fn i32(&mut self, name: &str, values: impl Iterator<Item = i32>) {
        self.fixed(name, "Int32", values.map(i32::to_le_bytes));
    }

    /// A column of `String`.
    pub fn texts<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a [u8]>) {
        self.column(name, "String", |bytes| values.for_each(|value| text(value, bytes)));
    }

    /// A column of tuples of `Int64`.
    pub fn tuple<const N: usize>(&mut self, name: &str, kind: &str, values: &[[i64; N]]) {
        debug_assert_eq!(values.len(), self.rows, "{name}");
        self.column(name, kind, |bytes| {
            // A tuple is its members' columns, one after the other.
            for member in 0..N {
                values.iter().for_each(|value| bytes.extend_from_slice(&value[member].to_le_bytes()));
            }
        });
    }

    /// A column of maps, its keys and values given flat and in order.
    pub fn map(
        &mut self,
        name: &str,
        kind: &str,
        sizes: impl Iterator<Item = usize>,
        flat: impl FnOnce(&mut Vec<u8>),
    ) {
        self.column(name, kind, |bytes| {
            let mut end = 0_u64;
            for size in sizes {
                end += size as u64;
                bytes.extend_from_slice(&end.to_le_bytes());
            }
            flat(bytes);
        });
    }
}

fn varint(value: usize, out: &mut Vec<u8>) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends one `String` value.
pub fn text(value: &[u8], out: &mut Vec<u8>) {
    varint(value.len(), out);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_the_documented_bytes() {
        let mut block = Block::new(2);
        block.fixed("n", "UInt16", [1_u16, 258].into_iter().map(u16::to_le_bytes));
        block.texts("s", [&b"a"[..], b""].into_iter());
        assert_eq!(block.finish(), b"\x02\x02\x01n\x06UInt16\x01\x00\x02\x01\x01s\x06String\x01a\x00");
    }

    #[test]
    fn a_column_that_says_nothing_is_left_out() {
        let mut block = Block::new(2);
        block.u64("zeros", [0, 0].into_iter());
        block.texts("empty", [&b""[..], b""].into_iter());
        block.map("nothing", "Map(String, String)", [0, 0].into_iter(), |_| ());
        block.nullable("null", "UInt8", &[None, Some([0])]);
        assert_eq!(block.finish(), b"\x01\x02\x04null\x0fNullable(UInt8)\x01\x00\x00\x00");
    }
}
