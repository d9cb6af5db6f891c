use std::error::Error;
use std::path::Path;

use burn::store::ModuleRecord;
use burn::tensor::Device;
use frostline::freeze::PolicyConfig;
use frostline::prelude::*;

use super::Experiment;
use crate::data::{Augmentation, Images};
use crate::nets::Net;
use crate::progress::TrainingBar;
use crate::train::{Moment, Settings, Trainer, train};

/// Images a step.
const BATCH: usize = 64;

/// The rate of the first step; it falls to zero along a cosine.
const LEARNING_RATE: f64 = 0.02;

impl Experiment {
    /// A network after its training on the images that its seed chooses, moved and mirrored at random as in
    /// the paper.
    pub fn trained<N: Net>(
        &self,
        name: &str,
        init: fn(usize, &Device) -> N,
        seed: u64,
    ) -> Result<N, Box<dyn Error>> {
        let images = self.dataset.train.balanced(self.images, seed);
        self.trained_on(&images, Augmentation::Shift, name, init, seed)
    }

    /// Two networks that differ by their seeds.
    pub fn two_trained<N: Net>(
        &self,
        name: &str,
        init: fn(usize, &Device) -> N,
    ) -> Result<[N; 2], Box<dyn Error>> {
        let first = self.trained(name, init, self.seed)?;
        Ok([first, self.trained(name, init, self.seed + 1)?])
    }

    /// A network after its training on these images, in evaluation mode. It is read from disk where an
    /// experiment of the same settings has left it: `name` tells networks and images apart.
    pub fn trained_on<N: Net>(
        &self,
        images: &Images,
        augment: Augmentation,
        name: &str,
        init: fn(usize, &Device) -> N,
        seed: u64,
    ) -> Result<N, Box<dyn Error>> {
        self.spinner.stop();
        let source = match self.dataset.name.starts_with("CIFAR-10") {
            true => "cifar10",
            false => "synthetic",
        };
        let file = format!(
            "{name}-{source}-{}-images-{}-epochs-seed-{seed}.bpk",
            images.len(),
            self.epochs
        );
        let path = self
            .out
            .parent()
            .unwrap_or(Path::new("."))
            .join("networks")
            .join(file);
        let device = self.device.clone().autodiff();
        device.seed(seed);
        let net = init(self.dataset.classes.len(), &device);
        if path.is_file() {
            let record = ModuleRecord::load(&path);
            let net = record.and_then(|record| net.try_load_record(record));
            let unread = |error| format!("{}: {error}; remove it to train anew", path.display());
            return Ok(net.map_err(unread)?.valid());
        }
        let net = self.fit(net, images, augment, name, seed).valid();
        let folder = path.parent().expect("it was joined above");
        std::fs::create_dir_all(folder)?;
        let aside = path.with_extension("part");
        net.clone().into_record().save(&aside)?;
        std::fs::rename(&aside, &path)?;
        Ok(net)
    }

    fn fit<N: Net>(
        &self,
        mut net: N,
        images: &Images,
        augment: Augmentation,
        name: &str,
        seed: u64,
    ) -> N {
        let device = net.devices()[0].clone();
        let steps = self.epochs * images.len().div_ceil(BATCH);
        let mut trainer = Trainer::new(LEARNING_RATE, steps, &device);
        let mut bar = TrainingBar::new(&format!("{name}, seed {seed}"));
        let mut step = 0;
        for epoch in 1..=self.epochs {
            let order = images.order(seed, epoch);
            let mut batches = order.chunks(BATCH).peekable();
            while let Some(indices) = batches.next() {
                let moved = indices
                    .iter()
                    .map(|index| (*index, augment.of(seed + epoch as u64, *index)));
                let (pixels, labels) = images.moved_batch(&moved.collect::<Vec<_>>(), &device);
                let trained = trainer.step(net, pixels, labels);
                net = trained.net;
                step += 1;
                bar.at(Moment {
                    step,
                    steps,
                    epoch,
                    images: indices.len(),
                    loss: trained.loss,
                    accuracy: None,
                    frozen: 0,
                    epoch_ended: batches.peek().is_none(),
                });
            }
        }
        bar.finish();
        net
    }

    /// The run of a network that is checked so often while it trains on the images that its seed chooses, never
    /// frozen. A run that has ended is not done again; one that was cut short begins anew, since its weights
    /// weren't kept.
    pub fn recorded<N: Net + 'static>(
        &self,
        name: &str,
        init: fn(usize, &Device) -> N,
        seed: u64,
        checks: usize,
    ) -> Result<Run, Box<dyn Error>> {
        self.spinner.stop();
        let (images, epochs) = (self.images, self.epochs);
        let name = format!("{name}-{images}-images-{epochs}-epochs-seed-{seed}");
        let path = self.out.join(&name);
        if let Some(run) = Run::open(&path).ok().filter(finished) {
            return Ok(run);
        }
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        let settings = Settings {
            epochs,
            batch: BATCH,
            learning_rate: LEARNING_RATE,
            seed,
            augment: Augmentation::Shift,
            cache: None,
            probe: self.asked.len(),
            panes: None,
            tested: self.asked.len().min(1000),
            checks: Some(checks),
        };
        let device = self.device.clone().autodiff();
        device.seed(seed);
        let net = init(self.dataset.classes.len(), &device);
        let images = self.dataset.train.balanced(images, seed);
        let mut bar = TrainingBar::new(&name);
        let describe = |info: &mut RunInfo| {
            info.name = name.clone();
            info.title = Some(self.title(&name));
            info.notice = self.dataset.notice.clone();
            info.seed = Some(seed);
            info.device = self.adapter.to_string();
        };
        let watch = |moment| {
            bar.at(moment);
            true
        };
        let data = [&images, &self.asked];
        train(
            net,
            data,
            &settings,
            &PolicyConfig::Never,
            path.clone(),
            describe,
            watch,
        )?;
        bar.finish();
        Ok(Run::open(&path)?)
    }
}

fn finished(run: &Run) -> bool {
    let outcome = run.info.outcome.as_ref();
    outcome.is_some_and(|outcome| outcome.status == Status::Finished)
}
