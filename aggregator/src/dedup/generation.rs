//! The ids of a range of offsets, exact.

use super::Identity;
use hashbrown::HashTable;

/// Ids by offset, and where each was last.
#[derive(Debug)]
pub(super) struct Generation {
    first: i64,
    /// By offset less `first`; the default where an offset held no event.
    ids: Vec<Identity>,
    /// Places in `ids`, each the latest of its identity.
    index: HashTable<u32>,
}

impl Generation {
    /// Begins at an offset, with room for so many ids.
    pub(super) fn new(first: i64, room: usize) -> Self {
        Self { first, ids: Vec::with_capacity(room), index: HashTable::with_capacity(room) }
    }

    /// Its first offset.
    pub(super) fn first(&self) -> i64 {
        self.first
    }

    /// Looks where an identity would stand.
    pub(super) fn touch(&self, identity: Identity) -> bool {
        self.index.find(identity.index_hash(), |_| false).is_some()
    }

    /// The last offset of an identity.
    pub(super) fn latest(&self, identity: Identity) -> Option<i64> {
        let same = |place: &u32| self.ids.get(*place as usize) == Some(&identity);
        self.index.find(identity.index_hash(), same).map(|place| self.first + i64::from(*place))
    }

    /// Notes an identity at an offset above all others here; `maybe_known` says whether it may be here already.
    pub(super) fn insert(&mut self, offset: i64, identity: Identity, maybe_known: bool) {
        let Self { first, ids, index } = self;
        let place = (offset - *first) as u32;
        ids.resize(place as usize, Identity::default());
        ids.push(identity);
        let hash = |place: &u32| ids.get(*place as usize).map_or(0, |id| id.index_hash());
        let same = |place: &u32| ids.get(*place as usize) == Some(&identity);
        let known = if maybe_known { index.find_mut(identity.index_hash(), same) } else { None };
        match known {
            Some(latest) => *latest = place,
            None => {
                index.insert_unique(identity.index_hash(), place, hash);
            }
        }
    }

    /// Begins anew at an offset, in the room that it has.
    pub(super) fn begin(&mut self, first: i64) {
        self.first = first;
        self.ids.clear();
        self.index.clear();
    }
}
