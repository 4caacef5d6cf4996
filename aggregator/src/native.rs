//! ClickHouse's Native format: columns enter, the bytes of one block leave.
//!
//! Format as documented by ClickHouse ("Native"): varint columns, varint rows, then for each column its
//! name, its type and its values; over HTTP without block info. Integers are little-endian. Promise:
//! every column has the block's number of rows, or writing panics in tests.

/// One block being written, column after column.
#[derive(Debug)]
pub struct Block {
    bytes: Vec<u8>,
    rows: usize,
}

impl Block {
    /// A block of so many columns and rows.
    pub fn new(columns: usize, rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(64 * rows + 1024);
        varint(columns, &mut bytes);
        varint(rows, &mut bytes);
        Self { bytes, rows }
    }

    /// The block's bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn header(&mut self, name: &str, kind: &str) {
        text(name.as_bytes(), &mut self.bytes);
        text(kind.as_bytes(), &mut self.bytes);
    }

    /// A column of fixed-width values, each given as its little-endian bytes.
    pub fn fixed<const N: usize>(&mut self, name: &str, kind: &str, values: impl Iterator<Item = [u8; N]>) {
        self.header(name, kind);
        let before = self.bytes.len();
        values.for_each(|value| self.bytes.extend_from_slice(&value));
        debug_assert_eq!(self.bytes.len() - before, self.rows * N, "{name}");
    }

    /// A nullable column of fixed-width values.
    pub fn nullable<const N: usize>(&mut self, name: &str, kind: &str, values: &[Option<[u8; N]>]) {
        self.header(name, &format!("Nullable({kind})"));
        debug_assert_eq!(values.len(), self.rows, "{name}");
        self.bytes.extend(values.iter().map(|value| u8::from(value.is_none())));
        values.iter().for_each(|value| self.bytes.extend_from_slice(&value.unwrap_or([0; N])));
    }

    /// A column whose values are given in Native form already.
    pub fn raw(&mut self, name: &str, kind: &str, values: &[u8]) {
        self.header(name, kind);
        self.bytes.extend_from_slice(values);
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
        self.header(name, "String");
        values.for_each(|value| text(value, &mut self.bytes));
    }

    /// A column of tuples of `Int64`.
    pub fn tuple<const N: usize>(&mut self, name: &str, kind: &str, values: &[[i64; N]]) {
        self.header(name, kind);
        debug_assert_eq!(values.len(), self.rows, "{name}");
        // A tuple is its members' columns, one after the other.
        for member in 0..N {
            values.iter().for_each(|value| self.bytes.extend_from_slice(&value[member].to_le_bytes()));
        }
    }

    /// A column of maps, its keys and values given flat and in order.
    pub fn map(
        &mut self,
        name: &str,
        kind: &str,
        sizes: impl Iterator<Item = usize>,
        flat: impl FnOnce(&mut Vec<u8>),
    ) {
        self.header(name, kind);
        let mut end = 0_u64;
        for size in sizes {
            end += size as u64;
            self.bytes.extend_from_slice(&end.to_le_bytes());
        }
        flat(&mut self.bytes);
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
        let mut block = Block::new(2, 2);
        block.fixed("n", "UInt16", [1_u16, 258].into_iter().map(u16::to_le_bytes));
        block.texts("s", [&b"a"[..], b""].into_iter());
        assert_eq!(block.finish(), b"\x02\x02\x01n\x06UInt16\x01\x00\x02\x01\x01s\x06String\x01a\x00");
    }
}
