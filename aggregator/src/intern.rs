//! Series: the dimensions of a key enter as texts, a small number leaves.
//!
//! Promise: the same texts always have the same number until [`Interner::clear`]; two different
//! series never share one. Memory is bounded by its owner, who clears it when [`Interner::bytes`]
//! passes a bound, between two batches.

use crate::dedup::{hash64, spread};
use hashbrown::HashTable;
use std::{hint::black_box, ops::Range};

/// The series of one partition, of N dimensions each.
#[derive(Debug, Default)]
pub struct Interner<const N: usize> {
    /// Each series: its number, where each of its texts ends, 16 bits each, and the texts one after the other. Pages never
    /// move: growing would copy all of them into new memory.
    pages: Vec<Vec<u8>>,
    /// Where each begins, by number.
    starts: Vec<Place>,
    /// The tag of each and where it begins: by its tag, looking touches few series but the right one, and growing none.
    table: HashTable<(u32, Place)>,
    /// What is being looked for, as in the pages but without numbers.
    wanted_arena: Vec<u8>,
    wanted: Vec<Wanted>,
    likely: Vec<Option<Place>>,
}

/// Where a series begins: page and byte.
#[derive(Clone, Copy, Debug)]
struct Place(u32);

/// Bytes of a page; a series never spans two.
const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 20;

impl Place {
    fn new(page: usize, byte: usize) -> Self {
        Self((page << PAGE_BITS | byte).try_into().expect("a batch names less than 4 GiB of series"))
    }

    /// What begins here, up to the end of the page.
    fn of(self, pages: &[Vec<u8>]) -> &[u8] {
        &pages[(self.0 >> PAGE_BITS) as usize][self.0 as usize % PAGE..]
    }
}

/// The number of a series and what follows it.
fn numbered(series: &[u8]) -> (u32, &[u8]) {
    let (number, rest) = series.split_first_chunk().expect("every series begins with its number");
    (u32::from_le_bytes(*number), rest)
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    tag: u32,
    /// Where it stands among what is looked for.
    start: usize,
    end: usize,
}

impl<const N: usize> Interner<N> {
    /// Bytes between the number and the texts of a series.
    const ENDS: usize = N * size_of::<u16>();

    /// The number of the series that has these texts, each of at most 8,191 bytes.
    pub fn number(&mut self, texts: [&str; N]) -> u32 {
        self.wanted.clear();
        self.wanted_arena.clear();
        self.want(texts);
        self.known(0).unwrap_or_else(|| self.insert(0))
    }

    /// The numbers of many series at once. Looking in steps, each for all of them, lets waits for memory overlap.
    pub fn numbers<'t>(&mut self, texts: impl Iterator<Item = [&'t str; N]>, numbers: &mut Vec<u32>) {
        self.wanted.clear();
        self.wanted_arena.clear();
        texts.for_each(|texts| self.want(texts));
        let Self { pages, table, wanted, likely, .. } = self;
        let by_tag = |tag| table.find(spread(tag), |(known, _)| *known == tag).map(|(_, place)| *place);
        likely.clear();
        likely.extend(wanted.iter().map(|wanted| by_tag(wanted.tag)));
        for place in likely.iter().flatten() {
            black_box(place.of(pages)[0]);
        }
        numbers.clear();
        for at in 0..self.wanted.len() {
            // Another series may have the same tag, and an earlier one of these may have been the first of its series.
            let likely = self.likely[at].and_then(|place| self.same(place, at));
            numbers.push(likely.or_else(|| self.known(at)).unwrap_or_else(|| self.insert(at)));
        }
    }

    fn want(&mut self, texts: [&str; N]) {
        let arena = &mut self.wanted_arena;
        let (start, mut length) = (arena.len(), 0);
        let ends = texts.map(|text| {
            length += text.len();
            (length as u16).to_le_bytes()
        });
        arena.extend_from_slice(ends.as_flattened());
        for text in texts.iter().filter(|text| !text.is_empty()) {
            arena.extend_from_slice(text.as_bytes());
        }
        let tag = hash64(&arena[start..]) as u32;
        self.wanted.push(Wanted { tag, start, end: arena.len() });
    }

    fn known(&self, at: usize) -> Option<u32> {
        let tag = self.wanted[at].tag;
        let mut alike = self.table.iter_hash(spread(tag)).filter(|(known, _)| *known == tag);
        alike.find_map(|(_, place)| self.same(*place, at))
    }

    /// The number of the series at a place when it is the one that is looked for.
    fn same(&self, place: Place, at: usize) -> Option<u32> {
        let Wanted { start, end, .. } = self.wanted[at];
        let (number, known) = numbered(place.of(&self.pages));
        // Where texts end stands first: what begins alike and is as long is the same series.
        (known.get(..end - start) == Some(&self.wanted_arena[start..end])).then_some(number)
    }

    fn insert(&mut self, at: usize) -> u32 {
        let Wanted { tag, start, end } = self.wanted[at];
        let number = self.starts.len() as u32;
        let place = self.append(number, start..end);
        self.starts.push(place);
        self.table.insert_unique(spread(tag), (tag, place), |(tag, _)| spread(*tag));
        number
    }

    /// Writes a series that is looked for behind the others.
    fn append(&mut self, number: u32, wanted: Range<usize>) -> Place {
        let bytes = size_of::<u32>() + wanted.len();
        if self.pages.last().is_none_or(|page| page.len() + bytes > PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let last = self.pages.len() - 1;
        let page = &mut self.pages[last];
        let place = Place::new(last, page.len());
        page.extend_from_slice(&number.to_le_bytes());
        page.extend_from_slice(&self.wanted_arena[wanted]);
        place
    }

    /// Where a text of a series ends, among its texts.
    fn end(series: &[u8], dimension: usize) -> usize {
        let at = dimension * size_of::<u16>();
        u16::from_le_bytes([series[at], series[at + 1]]).into()
    }

    /// Fetches what [`Self::texts`] will read; done for many series in a row, waits for memory overlap.
    pub fn look_ahead(&self, number: u32) {
        black_box(self.starts[number as usize].of(&self.pages)[0]);
    }

    /// The dimensions of a series.
    pub fn texts(&self, number: u32) -> [&[u8]; N] {
        let (_, series) = numbered(self.starts[number as usize].of(&self.pages));
        let texts = &series[Self::ENDS..];
        let mut begin = 0;
        std::array::from_fn(|dimension| {
            let end = Self::end(series, dimension);
            &texts[std::mem::replace(&mut begin, end)..end]
        })
    }

    /// Bytes held, near enough for a bound.
    pub fn bytes(&self) -> usize {
        let series = size_of::<Place>() + 2 * size_of::<(u32, Place)>();
        self.pages.iter().map(Vec::len).sum::<usize>() + self.starts.len() * series
    }

    /// Forgets every series; numbers given out before mean nothing afterwards.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equal_texts_have_one_number_and_others_another(
            chunks in prop::collection::vec(prop::collection::vec(("[ab]{0,2}", "[ab]{0,2}"), 1..20), 1..5),
        ) {
            let (mut interner, mut defined) = (Interner::<2>::default(), Vec::new());
            for chunk in &chunks {
                let mut numbers = Vec::new();
                interner.numbers(chunk.iter().map(|(one, other)| [one.as_str(), other]), &mut numbers);
                for (texts, number) in chunk.iter().zip(numbers) {
                    let wanted = defined.iter().position(|known| *known == texts).unwrap_or(defined.len());
                    if wanted == defined.len() {
                        defined.push(texts);
                    }
                    prop_assert_eq!(number as usize, wanted);
                    prop_assert_eq!(interner.number([&texts.0, &texts.1]), number);
                }
            }
            for (number, (one, other)) in defined.into_iter().enumerate() {
                prop_assert_eq!(interner.texts(number as u32), [one.as_bytes(), other.as_bytes()]);
            }
        }
    }

    #[test]
    fn series_of_many_pages_keep_their_texts() {
        let text = |series: usize| format!("{series:08191}");
        let mut interner = Interner::<1>::default();
        for series in 0..3 * PAGE / 8_191 {
            assert_eq!(interner.number([&text(series)]) as usize, series);
        }
        assert!(interner.pages.len() > 2 && interner.bytes() > 2 * PAGE);
        for series in 0..3 * PAGE / 8_191 {
            assert_eq!(interner.number([&text(series)]) as usize, series);
            assert_eq!(interner.texts(series as u32), [text(series).as_bytes()]);
        }
    }
}
