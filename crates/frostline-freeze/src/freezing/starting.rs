//! What a first look at the model shows of its layers and taps.

use std::cell::Cell;

use burn::module::Module;
use frostline_activations::Activations;

use super::{FreezeTraining, lock};
use crate::Error;
use crate::uses::{OUTPUT, Uses, Using};

impl<M: Module> FreezeTraining<M> {
    /// Doesn't look, at the start, which parameters act on which taps. For a network whose layers can't be told apart by
    /// that: one whose parameters change nothing before training, for example.
    pub fn trusting_taps(mut self) -> Self {
        self.trusts_taps = true;
        self
    }

    /// Whether every layer has its tap, in the order of the layers and behind the layer of its name. What is doubtful, but
    /// may be wanted, is among the warnings of the first check.
    ///
    /// # Errors
    /// [`Error::TapMissing`], [`Error::OrderDiffers`], [`Error::TapElsewhere`].
    pub(super) fn look_at_layers(
        &mut self,
        model: &M,
        activations: &Activations,
    ) -> Result<(), Error> {
        let fired: Vec<&str> = activations.names().collect();
        self.layers.each_fires(&fired)?;
        self.layers.fire_in_order(&fired)?;
        let mut notices: Vec<String> = self.flags_outside().into_iter().collect();
        let layers = self.layers.len();
        notices.extend(self.policy.doubts(layers, self.history.length()));
        if !self.trusts_taps {
            notices.extend(self.look_at_uses(model)?);
        }
        for notice in notices {
            self.notice(notice);
        }
        Ok(())
    }

    /// Says something to the user that is no error: at once in the log, and among the warnings of the next check.
    pub(super) fn notice(&mut self, notice: String) {
        if !self.notices.contains(&notice) {
            log::warn!("{notice}");
            self.notices.push(notice);
        }
    }

    fn flags_outside(&self) -> Option<String> {
        // With one layer nothing freezes.
        let outside: Vec<String> = match self.layers.len() {
            1 => Vec::new(),
            _ => {
                let fields = self.layers.outside();
                fields
                    .map(|path| format!("`{}`", path.strip_suffix(".training").unwrap_or(path)))
                    .collect()
            }
        };
        let (first, are) = match outside.as_slice() {
            [] => return None,
            [first] => (first, "is in no layer: it stays"),
            [first, ..] => (first, "are in no layer: they stay"),
        };
        Some(format!(
            "{} {are} on until only the last layer trains, since layers that still train may use it. Where one \
             layer uses it alone, say so: `Layers::builder().assign({}, ..)`",
            outside.join(", "),
            first.replace('`', "\""),
        ))
    }

    /// Judges which parameters act on which taps.
    fn look_at_uses(&mut self, model: &M) -> Result<Vec<String>, Error> {
        let taps = self.probe.taps(model)?;
        let samples = taps.taps.iter().map(|tap| tap.shape()[0]).min();
        let forwards = Cell::new(1);
        let uses = Uses::of(&self.layers, &self.probe, model, taps, &forwards)?;
        self.looked_at = forwards.get() * samples.unwrap_or(0);
        let Some(uses) = uses else {
            return Ok(Vec::new());
        };
        let names: Vec<&str> = self.layers.names().collect();
        let mut notices = Vec::new();
        let mut moving = None;
        for (tap, of) in uses.doubtful() {
            let quoted = match tap {
                OUTPUT => OUTPUT.to_string(),
                tap => format!("`{tap}`"),
            };
            let own = names.iter().position(|name| *name == tap);
            let using = |layer: usize| of.contains(&Using::Layer(layer));
            if let Some(layer) = own.filter(|layer| !using(*layer)) {
                let shown = uses.taps_of(layer);
                let how = match (of.iter().find_map(|using| using.layer()), shown.first()) {
                    (Some(other), _) => format!(
                        "changed parameters of `{}` change what it shows, and those of `{tap}` don't",
                        names[other]
                    ),
                    (None, Some(elsewhere)) => format!(
                        "changed parameters of `{tap}` change the tap `{elsewhere}`, but not this one"
                    ),
                    (None, None) => {
                        notices.push(format!(
                            "no parameter of `{tap}` changes what its tap shows of the probe's first batch: is the tap \
                             behind the layer?"
                        ));
                        continue;
                    }
                };
                let layer = tap.to_string();
                return Err(Error::TapElsewhere { layer, how });
            }
            for other in of.iter().filter_map(|using| using.layer()) {
                let fired_before = uses.fires_before(names[other], tap);
                if fired_before && uses.goes_through_taps(tap) {
                    notices.push(format!(
                        "the parameters of `{0}` act on {quoted} not only through the tap `{0}`: where they are used there \
                         again, as a decoder uses the weights of an embedding, they freeze for both when `{0}` does",
                        names[other]
                    ));
                }
                if let Some(layer) = own.filter(|layer| other > *layer) {
                    notices.push(format!(
                        "the parameters of `{0}` act on `{tap}` too: what `{tap}` makes of an input goes on changing \
                         after it has frozen, until `{0}` freezes",
                        names[other]
                    ));
                    moving = moving.or(Some((layer, format!("those of `{}`", names[other]))));
                }
            }
            if let (Some(layer), true) = (own, of.contains(&Using::Exempt)) {
                moving = moving.or(Some((layer, "exempt ones".to_string())));
            }
        }
        if let (Some((layer, what)), Some(cache)) = (moving, &self.cache)
            && layer + 1 < names.len()
        {
            lock(cache).switch_off(format!(
                "parameters that go on training, {what}, act on layer `{}`",
                names[layer]
            ));
        }
        Ok(notices)
    }
}
