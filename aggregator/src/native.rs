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
        if says_nothing(&self.bytes[first..]) {
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

    /// A column of fixed-width zeros but for these rows.
    pub fn sparse<const N: usize>(
        &mut self,
        name: &str,
        kind: &str,
        values: impl Iterator<Item = (usize, [u8; N])>,
    ) {
        let (mut values, rows) = (values.peekable(), self.rows);
        if values.peek().is_none() {
            return;
        }
        self.column(name, kind, |bytes| {
            let begin = bytes.len();
            bytes.resize(begin + rows * N, 0);
            let (places, _) = bytes[begin..].as_chunks_mut();
            values.for_each(|(row, value)| places[row] = value);
        });
    }

    /// Columns of `UInt64` that are filled together, so that rows which no cache holds are walked once.
    pub fn u64s<const K: usize>(&mut self, names: [&str; K], values: impl Iterator<Item = [u64; K]>) {
        let begin = self.bytes.len();
        let starts = names.map(|name| {
            text(name.as_bytes(), &mut self.bytes);
            text(b"UInt64", &mut self.bytes);
            let start = self.bytes.len();
            self.bytes.resize(start + self.rows * size_of::<u64>(), 0);
            start
        });
        let mut written = 0;
        values.for_each(|values| {
            for (start, value) in starts.iter().zip(values) {
                let at = start + written * size_of::<u64>();
                self.bytes[at..at + size_of::<u64>()].copy_from_slice(&value.to_le_bytes());
            }
            written += 1;
        });
        debug_assert_eq!(written, self.rows, "{names:?}");
        self.close_up(begin, &starts);
    }

    /// Takes back those of the columns from `begin` on that say nothing; the values of each start at one of `starts`.
    fn close_up(&mut self, begin: usize, starts: &[usize]) {
        let (mut from, mut kept) = (begin, begin);
        for start in starts {
            let column = from..start + self.rows * size_of::<u64>();
            from = column.end;
            if !says_nothing(&self.bytes[*start..column.end]) {
                let length = column.len();
                self.bytes.copy_within(column, kept);
                kept += length;
                self.columns += 1;
            }
        }
        self.bytes.truncate(kept);
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

    /// A column of tuples of `Int64`, all zero but for those of the rows from `first` on.
    pub fn tuple<const N: usize>(
        &mut self,
        name: &str,
        kind: &str,
        first: usize,
        values: impl Iterator<Item = [i64; N]> + Clone,
    ) {
        let rows = self.rows;
        self.column(name, kind, |bytes| {
            // A tuple is its members' columns, one after the other.
            for member in 0..N {
                let begin = bytes.len();
                bytes.resize(begin + first * size_of::<i64>(), 0);
                values.clone().for_each(|value| bytes.extend_from_slice(&value[member].to_le_bytes()));
                bytes.resize(begin + rows * size_of::<i64>(), 0);
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

/// Whether all bytes are zero; a piece at a time, which the processor does as one.
fn says_nothing(bytes: &[u8]) -> bool {
    bytes.chunks(64).all(|piece| piece.iter().fold(0, |any, byte| any | byte) == 0)
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
    fn columns_filled_together_or_in_few_rows_are_those_filled_one_by_one() {
        let rows = [[1, 0, 7, 3], [2, 0, 0, 4], [0, 0, 9, 5]];
        let (mut block, mut wanted) = (Block::new(3), Block::new(3));
        block.u64s(["a", "b", "c", "d"], rows.into_iter());
        block.sparse("e", "UInt16", [(1, [5, 6])].into_iter());
        block.tuple("f", "Tuple(g Int64, h Int64)", 1, [[8, -9]].into_iter());
        for (name, at) in [("a", 0), ("b", 1), ("c", 2), ("d", 3)] {
            wanted.u64(name, rows.iter().map(|row| row[at]));
        }
        wanted.fixed("e", "UInt16", [[0, 0], [5, 6], [0, 0]].into_iter());
        let members = [0_i64, 8, 0, 0, -9, 0].map(i64::to_le_bytes);
        wanted.raw("f", "Tuple(g Int64, h Int64)", members.as_flattened());
        assert_eq!(block.finish(), wanted.finish());
    }

    #[test]
    fn a_column_that_says_nothing_is_left_out() {
        let mut block = Block::new(2);
        block.u64("zeros", [0, 0].into_iter());
        block.texts("empty", [&b""[..], b""].into_iter());
        block.map("nothing", "Map(String, String)", [0, 0].into_iter(), |_| ());
        block.nullable("null", "UInt8", &[None, Some([0])]);
        block.sparse("few", "UInt8", [].into_iter().map(|row: usize| (row, [1])));
        block.u64s(["none", "neither"], [[0, 0], [0, 0]].into_iter());
        assert_eq!(block.finish(), b"\x01\x02\x04null\x0fNullable(UInt8)\x01\x00\x00\x00");
    }
}
