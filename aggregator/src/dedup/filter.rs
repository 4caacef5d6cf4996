//! Which generations may hold an id: hashes enter, a set of generations leaves.
//!
//! A Bloom filter for every generation, bit by bit beside each other and blocked: all that one hash asks for, of all
//! generations, stands in one cache line (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007).
//! Promise: a generation that holds an id is always named; one that does not is named a few times in a hundred.

/// Generations told apart at a time.
const BITS: usize = u16::BITS as usize;
/// Words of a cache line.
const LINE: usize = 64 / size_of::<u16>();
/// Words that a hash marks.
const PROBES: usize = 4;
/// Words for each id of a generation.
const WORDS_PER_ID: usize = 8;

/// The filters of up to [`BITS`] generations in a row.
#[derive(Debug)]
pub(super) struct Filter {
    words: Vec<u16>,
    /// Words before the first whole cache line.
    skew: usize,
    /// Lines less one: their number is a power of two.
    mask: u64,
}

/// The bit of a generation.
pub(super) fn bit(number: usize) -> u16 {
    1 << (number % BITS)
}

impl Filter {
    /// An empty filter for generations of about `ids` ids each.
    pub(super) fn new(ids: usize) -> Self {
        let lines = (ids * WORDS_PER_ID / LINE).next_power_of_two();
        let words = vec![0_u16; (lines + 1) * LINE];
        // It is at most a line; where it cannot be told, lines straddle and answers are the same.
        let skew = words.as_ptr().align_offset(64).min(LINE);
        Self { words, skew, mask: lines as u64 - 1 }
    }

    /// The generations that may hold an id of this hash, each as its [`bit`].
    pub(super) fn generations(&self, hash: u64) -> u16 {
        let line = self.start(hash);
        let Some(line) = self.words.get(line..line + LINE) else { return u16::MAX };
        probes(hash).fold(u16::MAX, |named, probe| named & line[probe])
    }

    /// Notes that a generation holds an id of this hash.
    pub(super) fn insert(&mut self, hash: u64, number: usize) {
        let line = self.start(hash);
        if let Some(line) = self.words.get_mut(line..line + LINE) {
            probes(hash).for_each(|probe| line[probe] |= bit(number));
        }
    }

    /// Forgets every generation but these.
    pub(super) fn keep(&mut self, bits: u16) {
        self.words.iter_mut().for_each(|word| *word &= bits);
    }

    fn start(&self, hash: u64) -> usize {
        self.skew + (hash & self.mask) as usize * LINE
    }
}

/// The words of a line that a hash marks, by bits that do not choose the line.
fn probes(hash: u64) -> impl Iterator<Item = usize> {
    (0..PROBES).map(move |probe| (hash >> (64 - 5 * (probe + 1))) as usize % LINE)
}
