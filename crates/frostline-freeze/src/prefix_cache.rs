//! The outputs of the frozen layers, kept by input.

mod entries;
mod rows;

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::uses::distance_of;
use crate::{Features, Layered};
use entries::Entries;
use rows::{Place, Store};

/// Which input a row of a batch is: the sample, and which of finitely many views of it.
///
/// With random mirroring a sample has two views. With random crops nearly every row is new; the cache finds
/// that out and switches itself off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InputKey {
    /// The sample, the same number in every epoch.
    pub sample: u64,
    /// The augmented view of it.
    pub view: u32,
}

impl From<usize> for InputKey {
    /// The only view of this sample.
    fn from(sample: usize) -> Self {
        InputKey {
            sample: sample as u64,
            view: 0,
        }
    }
}

/// Keeps what the frozen layers made of each input, so that they compute it once.
///
/// When more layers freeze, what is kept goes through those once. Over its budget it computes and never
/// fails. What it keeps then stays, since an epoch comes back to all inputs alike: the least recently used
/// makes room only when it hasn't been asked for in two epochs.
///
/// It changes no result, or switches itself off and says why ([`switched_off`](Self::switched_off), the log and the warnings
/// of the next check): when frozen layers give the same input two outputs, as with a dropout that is on, and when what it
/// kept is no longer what the frozen layers make of an input, as with keys that name other inputs in the next epoch. The
/// first batch that it serves at each depth, and one of 64 after it, is computed again for that.
#[derive(Debug)]
pub struct PrefixCache {
    place: Place,
    bytes: u64,
    half: bool,
    entries: Option<Entries>,
    counted: Counted,
    recent: Recent,
    /// The number of inputs in an epoch.
    epoch: usize,
    off: Option<String>,
    /// Batches of which something was fetched, since the depth last changed.
    fetched: u64,
    /// The depth at which the frozen layers were seen to give the same twice.
    repeats_at: usize,
}

/// What a cache did so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Inputs whose frozen prefix was there.
    pub hits: u64,
    /// Inputs whose frozen prefix was computed.
    pub misses: u64,
    /// Inputs that each frozen layer computed, from the input up.
    pub computed: Vec<u64>,
    /// Inputs whose frozen prefix was computed once more, to see whether it is still what was kept.
    pub rechecked: u64,
    /// Time spent on keeping, fetching and moving up.
    pub time: Duration,
}

/// Hits among the inputs asked for since the hit rate was last looked at.
#[derive(Debug, Default)]
struct Recent {
    hits: usize,
    asked: usize,
}

/// The hit rate below which keeping costs more than it brings.
const WORTH_IT: f64 = 0.05;

/// Of the batches that fetch something, the first is computed again and compared with what was kept, and after it one of so
/// many.
const RECHECKED: u64 = 64;

/// Inputs that go through newly frozen layers at once.
const BLOCK: usize = 256;

impl PrefixCache {
    /// A cache in memory, of up to so many bytes.
    pub fn in_memory(bytes: u64) -> Self {
        PrefixCache::at(Place::Memory, bytes)
    }

    /// A cache on the model's device, of up to so many bytes.
    pub fn on_device(bytes: u64) -> Self {
        PrefixCache::at(Place::Device, bytes)
    }

    /// A cache in a nameless file in this folder, of up to so many bytes.
    pub fn in_file(folder: impl Into<PathBuf>, bytes: u64) -> Self {
        PrefixCache::at(Place::File(folder.into()), bytes)
    }

    fn at(place: Place, bytes: u64) -> Self {
        PrefixCache {
            place,
            bytes,
            half: false,
            entries: None,
            counted: Counted::default(),
            recent: Recent::default(),
            epoch: 0,
            off: None,
            fetched: 0,
            repeats_at: 0,
        }
    }

    /// Keeps f16 instead of f32: half the bytes, each value within 2⁻¹¹ of itself.
    ///
    /// Rows are rounded when they are computed too, so that results don't depend on what was kept. A value
    /// beyond f16's range, 65504, switches the cache off.
    pub fn half(mut self) -> Self {
        self.half = true;
        self
    }

    /// What it did so far.
    pub fn counted(&self) -> &Counted {
        &self.counted
    }

    /// Inputs that it keeps now.
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, Entries::len)
    }

    /// Whether it keeps nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why it has switched itself off, if it has.
    pub fn switched_off(&self) -> Option<&str> {
        self.off.as_deref()
    }

    /// Forgets what it keeps, as has to be when layers thaw or get other weights.
    pub fn clear(&mut self) {
        self.entries = None;
        self.fetched = 0;
        self.repeats_at = 0;
    }

    /// What all layers of the model make of a batch, the lowest `frozen` of them frozen.
    ///
    /// `inputs` gives the rows of the batch with these indices; it is asked for those alone whose prefix is not
    /// kept. `epoch` is the number of inputs in an epoch: when two epochs found fewer than 5 % of theirs, the
    /// cache switches itself off.
    ///
    /// # Panics
    /// If `inputs` gives another number of rows than it was asked for.
    pub fn forward<M: Module + Layered, const D: usize>(
        &mut self,
        model: &M,
        frozen: usize,
        keys: &[InputKey],
        epoch: usize,
        inputs: impl Fn(&[usize]) -> Tensor<D>,
    ) -> Features {
        match self.prefix(model, frozen, keys, epoch, &inputs) {
            Some(prefix) => model.run(frozen..model.depth(), prefix),
            None => {
                let all: Vec<usize> = (0..keys.len()).collect();
                model.run(0..model.depth(), Features::new(inputs(&all)))
            }
        }
    }

    /// What the frozen layers make of the batch; none while nothing is frozen or kept.
    pub(crate) fn prefix<M: Module + Layered, const D: usize>(
        &mut self,
        model: &M,
        frozen: usize,
        keys: &[InputKey],
        epoch: usize,
        inputs: &impl Fn(&[usize]) -> Tensor<D>,
    ) -> Option<Features> {
        // More may be kept than is frozen in this replica, while another is a step ahead.
        let kept = self.entries.as_ref().map_or(0, |entries| entries.depth);
        if frozen == 0 || self.off.is_some() || keys.is_empty() || kept > frozen {
            return None;
        }
        // The last batch of an epoch can be a small one, from which the caller reckons a small epoch.
        self.epoch = self.epoch.max(epoch);
        match self.fetch_or_compute(model, frozen, keys, inputs) {
            Ok(prefix) => {
                self.look_at_the_hit_rate();
                Some(prefix)
            }
            Err(problem) => {
                self.switch_off(problem);
                None
            }
        }
    }

    fn fetch_or_compute<M: Module + Layered, const D: usize>(
        &mut self,
        model: &M,
        frozen: usize,
        keys: &[InputKey],
        inputs: &impl Fn(&[usize]) -> Tensor<D>,
    ) -> Result<Features, String> {
        let started = Instant::now();
        let device = model.devices()[0].clone();
        self.counted.computed.resize(model.depth(), 0);
        self.move_up(model, frozen, &device)?;
        let (found, missing) = self.look_up(keys);
        let fetched = match found.is_empty() {
            true => None,
            false => {
                let slots: Vec<usize> = found.iter().map(|(_, slot)| *slot).collect();
                let entries = self.entries.as_ref().expect("something was found in it");
                Some(entries.store.read(&slots, &device)?)
            }
        };
        if let Some(fetched) = &fetched {
            self.recheck(model, frozen, &found, keys, fetched, inputs)?;
        }
        self.counted.time += started.elapsed();

        let mut parts: Vec<Tensor<2>> = fetched.into_iter().collect();
        let mut order: Vec<usize> = found.iter().map(|(row, _)| *row).collect();
        if !missing.is_empty() {
            let rows = Features::new(inputs(&missing));
            let computed = self.run_twice_at_first(model, 0..frozen, rows)?;
            assert_eq!(
                computed.shape()[0],
                missing.len(),
                "the cache asked for these rows of the batch: {missing:?}"
            );
            self.count_computed(0..frozen, missing.len());
            let started = Instant::now();
            let keys: Vec<InputKey> = missing.iter().map(|row| keys[*row]).collect();
            parts.push(self.keep(&keys, frozen, computed, &device)?);
            self.counted.time += started.elapsed();
            order.extend(&missing);
        }
        self.counted.hits += found.len() as u64;
        self.counted.misses += missing.len() as u64;
        self.recent.hits += found.len();
        self.recent.asked += keys.len();

        let entries = self.entries.as_ref().expect("kept above, or found in it");
        let rows = match parts.len() {
            1 => parts.remove(0),
            _ => Tensor::cat(parts, 0),
        };
        let rows = match order.is_sorted() {
            true => rows,
            false => rows.select(0, places(&order, &device)),
        };
        Ok(entries.features(on(&device, rows)))
    }

    /// Runs layers that are frozen; the first time at each depth twice, since what is kept has to be what they would give
    /// again.
    fn run_twice_at_first<M: Layered>(
        &mut self,
        model: &M,
        layers: Range<usize>,
        x: Features,
    ) -> Result<Features, String> {
        if self.repeats_at == layers.end {
            return Ok(model.run(layers, x));
        }
        let once = model.run(layers.clone(), x.clone());
        let again = model.run(layers.clone(), x);
        if differ(once.clone(), again)? {
            return Err(format!(
                "the lowest {} layers are frozen, and give the same inputs two outputs: something in them is random, as \
                 a dropout that several layers use and that is still on",
                layers.end
            ));
        }
        self.repeats_at = layers.end;
        Ok(once)
    }

    /// Compares what was fetched with what the layers make of the same rows now, now and then.
    fn recheck<M: Layered, const D: usize>(
        &mut self,
        model: &M,
        frozen: usize,
        found: &[(usize, usize)],
        keys: &[InputKey],
        fetched: &Tensor<2>,
        inputs: &impl Fn(&[usize]) -> Tensor<D>,
    ) -> Result<(), String> {
        self.fetched += 1;
        if self.fetched % RECHECKED != 1 {
            return Ok(());
        }
        let rows: Vec<usize> = found.iter().map(|(row, _)| *row).collect();
        let now = model.run(0..frozen, Features::new(inputs(&rows)));
        self.counted.rechecked += rows.len() as u64;
        let entries = self.entries.as_ref().expect("something was found in it");
        let kept = entries.features(fetched.clone());
        if !differ(now, kept)? {
            return Ok(());
        }
        let InputKey { sample, view } = keys[rows[0]];
        Err(format!(
            "the outputs that were kept are not what the frozen layers make of the same inputs now (a batch of {} with \
             sample {sample}, view {view}). Either a key names another input than before (it has to be the item of the \
             dataset, with a view of its own for each augmentation, and not the row of the batch), or something below \
             the frost line still moves",
            rows.len()
        ))
    }

    /// Rows of the batch that are kept, with their slots, and rows that are not.
    fn look_up(&mut self, keys: &[InputKey]) -> (Vec<(usize, usize)>, Vec<usize>) {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (row, key) in keys.iter().enumerate() {
            let entries = self.entries.as_mut();
            match entries.and_then(|entries| entries.find(*key)) {
                Some(slot) => found.push((row, slot)),
                None => missing.push(row),
            }
        }
        (found, missing)
    }

    /// Keeps computed rows, as far as there is room, and gives them as they would be fetched.
    fn keep(
        &mut self,
        keys: &[InputKey],
        depth: usize,
        computed: Features,
        device: &Device,
    ) -> Result<Tensor<2>, String> {
        let shape = computed.shape()[1..].to_vec();
        let rows = computed.rows();
        let entries = match &mut self.entries {
            Some(entries) => entries,
            None => {
                let store = Store::new(&self.place, self.half, shape.iter().product(), self.bytes)?;
                self.entries.insert(Entries::new(depth, shape, store))
            }
        };
        entries.insert(keys, rows, 2 * self.epoch, device)
    }

    /// Sends what is kept through the layers that have frozen since.
    fn move_up<M: Layered>(
        &mut self,
        model: &M,
        frozen: usize,
        device: &Device,
    ) -> Result<(), String> {
        let Some(old) = self.entries.take_if(|entries| entries.depth < frozen) else {
            return Ok(());
        };
        let newly = old.depth..frozen;
        (self.fetched, self.repeats_at) = (0, 0);
        for keys in old.latest_first().chunks(BLOCK) {
            let room = self
                .entries
                .as_ref()
                .is_none_or(|entries| entries.has_room());
            if !room {
                break;
            }
            let slots: Vec<usize> = keys.iter().map(|(_, slot)| *slot).collect();
            let rows = old.features(on(device, old.store.read(&slots, device)?));
            let moved = self.run_twice_at_first(model, newly.clone(), rows)?;
            self.count_computed(newly.clone(), keys.len());
            let keys: Vec<InputKey> = keys.iter().map(|(key, _)| *key).collect();
            self.keep(&keys, frozen, moved, device)?;
        }
        if let Some(entries) = &mut self.entries {
            entries.inherit(&old);
        }
        Ok(())
    }

    fn count_computed(&mut self, layers: Range<usize>, inputs: usize) {
        for computed in &mut self.counted.computed[layers] {
            *computed += inputs as u64;
        }
    }

    fn look_at_the_hit_rate(&mut self) {
        if self.recent.asked < 2 * self.epoch.max(1) {
            return;
        }
        let recent = std::mem::take(&mut self.recent);
        let rate = recent.hits as f64 / recent.asked as f64;
        if rate < WORTH_IT {
            self.switch_off(format!(
                "of the last {} inputs only {} had been seen before",
                recent.asked, recent.hits
            ));
        }
    }

    pub(crate) fn switch_off(&mut self, why: String) {
        log::warn!("the outputs of frozen layers are no longer kept: {why}");
        self.entries = None;
        self.off = Some(why);
    }
}

/// Whether some row differs by more than rounding, f16's included.
fn differ(now: Features, kept: Features) -> Result<bool, String> {
    if now.shape() != kept.shape() {
        return Ok(true);
    }
    let distance = distance_of(now.values(), kept.values());
    let distance = distance.map_err(|error| error.to_string())?;
    Ok(distance.is_more_than_rounding())
}

/// The rows with autodiff where the model has it.
fn on(device: &Device, rows: Tensor<2>) -> Tensor<2> {
    match device.is_autodiff() {
        true => Tensor::from_inner(rows),
        false => rows,
    }
}

/// For each row of the batch, where it stands in `order`.
fn places(order: &[usize], device: &Device) -> Tensor<1, Int> {
    let mut places = vec![0i32; order.len()];
    for (place, row) in order.iter().enumerate() {
        places[*row] = place as i32;
    }
    Tensor::from_data(
        TensorData::new(places, [order.len()]),
        &device.clone().without_autodiff(),
    )
}
