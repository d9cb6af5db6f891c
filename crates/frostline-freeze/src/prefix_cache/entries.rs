use std::collections::{BTreeSet, HashMap};

use burn::tensor::{Device, Tensor};

use super::InputKey;
use super::rows::Store;
use crate::Features;

/// What is kept: which input lies in which slot of the store, and when each was last asked for.
#[derive(Debug)]
pub(super) struct Entries {
    /// The number of layers that the rows have gone through.
    pub(super) depth: usize,
    /// The shape of one row.
    shape: Vec<usize>,
    pub(super) store: Store,
    slots: HashMap<InputKey, usize>,
    /// The key in each slot, and when it was last asked for.
    used: Vec<(InputKey, u64)>,
    /// The slots by when they were last asked for.
    by_age: BTreeSet<(u64, usize)>,
    /// Inputs asked for so far: the time.
    now: u64,
}

impl Entries {
    pub(super) fn new(depth: usize, shape: Vec<usize>, store: Store) -> Self {
        Entries {
            depth,
            shape,
            store,
            slots: HashMap::new(),
            used: Vec::new(),
            by_age: BTreeSet::new(),
            now: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.used.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.used.len() < self.store.capacity()
    }

    /// Rows as the network takes them.
    pub(super) fn features(&self, rows: Tensor<2>) -> Features {
        Features::from_rows(rows, &self.shape)
    }

    /// The slot of this input.
    pub(super) fn find(&mut self, key: InputKey) -> Option<usize> {
        self.now += 1;
        let slot = *self.slots.get(&key)?;
        let last = std::mem::replace(&mut self.used[slot].1, self.now);
        self.by_age.remove(&(last, slot));
        self.by_age.insert((self.now, slot));
        Some(slot)
    }

    /// Keeps these rows as far as there is room, and gives all of them as they would be fetched. Inputs
    /// that have stayed away for `absent` others make room.
    pub(super) fn insert(
        &mut self,
        keys: &[InputKey],
        rows: Tensor<2>,
        absent: usize,
        device: &Device,
    ) -> Result<Tensor<2>, String> {
        let slots = keys.iter().map(|key| self.slot_for(*key, absent));
        let slots: Vec<Option<usize>> = slots.collect();
        self.store.write(&slots, rows, device)
    }

    /// A slot for this input: its own, a new one, or that of an input that has long stayed away.
    fn slot_for(&mut self, key: InputKey, absent: usize) -> Option<usize> {
        // The same input can be twice in one batch.
        if let Some(slot) = self.slots.get(&key) {
            return Some(*slot);
        }
        let slot = match self.has_room() {
            true => {
                self.used.push((key, self.now));
                self.used.len() - 1
            }
            false => {
                let &(oldest, slot) = self.by_age.first()?;
                if self.now - oldest <= absent as u64 {
                    return None;
                }
                self.by_age.remove(&(oldest, slot));
                self.slots.remove(&self.used[slot].0);
                self.used[slot] = (key, self.now);
                slot
            }
        };
        self.by_age.insert((self.now, slot));
        self.slots.insert(key, slot);
        Some(slot)
    }

    /// All inputs with their slots, the latest asked for first.
    pub(super) fn latest_first(&self) -> Vec<(InputKey, usize)> {
        let slots = self.by_age.iter().rev();
        slots.map(|(_, slot)| (self.used[*slot].0, *slot)).collect()
    }

    /// Goes on with the times of the entries that these were made from.
    pub(super) fn inherit(&mut self, old: &Entries) {
        self.by_age.clear();
        for (slot, (key, used)) in self.used.iter_mut().enumerate() {
            *used = old.used[old.slots[key]].1;
            self.by_age.insert((*used, slot));
        }
        self.now = old.now;
    }
}
