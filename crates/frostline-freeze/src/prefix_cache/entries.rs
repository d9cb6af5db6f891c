use std::collections::{BTreeMap, HashMap};

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
    by_age: BTreeMap<u64, usize>,
    /// Inputs asked for so far: the time.
    now: u64,
    /// The longest time after which an input came back.
    longest_absence: Option<u64>,
}

impl Entries {
    pub(super) fn new(depth: usize, shape: Vec<usize>, store: Store) -> Self {
        Entries {
            depth,
            shape,
            store,
            slots: HashMap::new(),
            used: Vec::new(),
            by_age: BTreeMap::new(),
            now: 0,
            longest_absence: None,
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
        self.longest_absence = self.longest_absence.max(Some(self.now - last));
        self.by_age.remove(&last);
        self.by_age.insert(self.now, slot);
        Some(slot)
    }

    /// Keeps these rows as far as there is room, and gives all of them as they would be fetched.
    pub(super) fn insert(
        &mut self,
        keys: &[InputKey],
        rows: Tensor<2>,
        device: &Device,
    ) -> Result<Tensor<2>, String> {
        let slots: Vec<Option<usize>> = keys.iter().map(|key| self.slot_for(*key)).collect();
        self.store.write(&slots, rows, device)
    }

    /// A slot for this input: its own, a new one, or that of an input that has long stayed away.
    fn slot_for(&mut self, key: InputKey) -> Option<usize> {
        // The same input can be twice in one batch.
        if let Some(slot) = self.slots.get(&key) {
            return Some(*slot);
        }
        self.now += 1;
        let slot = match self.has_room() {
            true => {
                self.used.push((key, self.now));
                self.used.len() - 1
            }
            false => {
                let (&oldest, &slot) = self.by_age.first_key_value()?;
                if self.now - oldest <= 2 * self.longest_absence? {
                    return None;
                }
                self.by_age.remove(&oldest);
                self.slots.remove(&self.used[slot].0);
                self.used[slot] = (key, self.now);
                slot
            }
        };
        self.by_age.insert(self.now, slot);
        self.slots.insert(key, slot);
        Some(slot)
    }

    /// All inputs with their slots, the latest asked for first.
    pub(super) fn latest_first(&self) -> Vec<(InputKey, usize)> {
        let slots = self.by_age.values().rev();
        slots.map(|slot| (self.used[*slot].0, *slot)).collect()
    }

    /// Goes on with the times of the entries that these were made from.
    pub(super) fn inherit(&mut self, old: &Entries) {
        self.by_age.clear();
        for (slot, (key, used)) in self.used.iter_mut().enumerate() {
            *used = old.used[old.slots[key]].1;
            self.by_age.insert(*used, slot);
        }
        self.now = old.now;
        self.longest_absence = old.longest_absence;
    }
}
