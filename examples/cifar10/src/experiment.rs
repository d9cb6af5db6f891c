//! What the paper's experiments share: their arguments, the images, and networks that are trained once.

mod networks;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use clap::Args;
use frostline::activations::write_aside;
use frostline::prelude::*;
use frostline::report::{self, TradeOff, TradeOffLine};

use crate::data::{Dataset, Images, Source};
use crate::devices::{self, Adapter, OpenDevice};
use crate::nets::Net;
use crate::progress::{self, Spinner};

/// The arguments of an experiment that trains on so many images so often, unless it is told otherwise.
#[derive(Args, Clone, Debug)]
pub struct ExperimentArguments<const IMAGES: u32, const EPOCHS: u32> {
    /// Where the images come from
    #[arg(long, value_enum, default_value_t)]
    pub data: Source,
    /// Training images, the same number of each class
    #[arg(long, default_value_t = IMAGES, value_parser = clap::value_parser!(u32).range(10..=50_000))]
    pub images: u32,
    /// Passes over the training images
    #[arg(long, default_value_t = EPOCHS, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub epochs: u32,
    /// At size: all 50,000 training images for 20 epochs, all 10,000 test images
    #[arg(long, conflicts_with_all = ["images", "epochs", "asked"])]
    pub full: bool,
    /// Test images on which layers are compared
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pub asked: u32,
    /// Seed of the weights, the choice of the images, their order and augmentation; a second network has
    /// the next
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The device that trains and compares, of those compiled in
    #[arg(long, default_value_t = devices::compiled_in().first().copied().unwrap_or("none").to_string())]
    pub device: String,
    /// Folder of the pictures and the numbers; trained networks are kept in `networks` beside it, for all
    /// experiments that ask for them
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Print the numbers as JSON instead of the table
    #[arg(long)]
    pub json: bool,
}

impl<const IMAGES: u32, const EPOCHS: u32> ExperimentArguments<IMAGES, EPOCHS> {
    /// Finds the device and loads the images. The folder is `runs/<name>` unless it was given.
    pub fn begin(&self, name: &str) -> Result<Experiment, Box<dyn Error>> {
        let OpenDevice { device, adapter } = progress::open(&self.device)?;
        let dataset = progress::load(self.data, self.seed)?;
        let (images, epochs, asked) = match self.full {
            true => (50_000, 20, 10_000),
            false => (
                self.images as usize,
                self.epochs as usize,
                self.asked as usize,
            ),
        };
        let out = self.out.clone();
        let out = out.unwrap_or_else(|| PathBuf::from("runs").join(name));
        std::fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
        Ok(Experiment {
            // There may be fewer than were asked for.
            images: images.min(dataset.train.len()),
            asked: dataset.test.balanced(asked, 0),
            dataset,
            device,
            epochs,
            seed: self.seed,
            out,
            spinner: Spinner::default(),
            adapter,
            json: self.json,
        })
    }
}

/// The end of an experiment's program: an error on stderr, and the exit status that goes with it.
pub fn exit(done: Result<(), Box<dyn Error>>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The picture of accuracies (in percent) by what is kept of a network, beside the whole network's, from 0 to 1.
pub fn accuracies(title: &str, kept: &str, lines: Vec<TradeOffLine>, untouched: f64) -> TradeOff {
    TradeOff {
        title: title.into(),
        x: kept.into(),
        y: "test accuracy (%)".into(),
        logarithmic: true,
        lines,
        level: Some(("untouched".into(), 100.0 * untouched)),
    }
}

/// Seconds of the second over seconds of the first, of the same input: the median of nine pairs in turn.
pub fn relative_time(
    input: &Tensor<2>,
    first: impl Fn(Tensor<2>) -> Tensor<2>,
    second: impl Fn(Tensor<2>) -> Tensor<2>,
) -> f64 {
    let seconds = |forward: &dyn Fn(Tensor<2>) -> Tensor<2>| {
        let started = Instant::now();
        let _ = forward(input.clone()).into_data();
        started.elapsed().as_secs_f64()
    };
    let mut ratios = [0.0; 9].map(|_| seconds(&first).recip() * seconds(&second));
    ratios.sort_by(f64::total_cmp);
    ratios[4]
}

/// An experiment that has begun.
pub struct Experiment {
    /// The images.
    pub dataset: Dataset,
    /// The test images on which layers are compared, the classes in turn.
    pub asked: Images,
    /// The device, without autodiff.
    pub device: Device,
    /// Training images of a network.
    pub images: usize,
    /// Passes over them.
    pub epochs: usize,
    /// The seed of the first network.
    pub seed: u64,
    /// Where pictures and numbers go.
    pub out: PathBuf,
    spinner: Spinner,
    adapter: Adapter,
    json: bool,
}

impl Experiment {
    /// Says on a terminal what is done until the next network is trained or the next line is written.
    pub fn doing(&self, what: &str) {
        self.spinner.start(what);
    }

    /// A line on stderr.
    pub fn say(&self, line: &str) {
        self.spinner.stop();
        eprintln!("{line}");
    }

    /// Training images, of which directions are made: the test images are kept for what is found with them.
    pub fn seen(&self) -> Images {
        let count = self.images.clamp(1000, 5000);
        self.dataset.train.balanced(count, self.seed)
    }

    /// What a network's layers say about the images on which layers are compared: a probe of them, of which each image is
    /// a row, as labels are.
    pub fn probe<N: Net + 'static>(&self) -> Probe<N> {
        Probe::new(self.batches(&self.asked), N::logits).layout(Layout::ChannelMeans)
    }

    /// These images in batches, in their order.
    pub fn batches(&self, images: &Images) -> Vec<Tensor<4>> {
        let order: Vec<usize> = (0..images.len()).collect();
        let batches = order.chunks(250);
        batches
            .map(|indices| images.batch(indices, &self.device).0)
            .collect()
    }

    /// The classes of the images on which layers are compared.
    pub fn labels(&self) -> Vec<usize> {
        self.asked
            .labels
            .iter()
            .map(|label| usize::from(*label))
            .collect()
    }

    /// The share of right answers among these logits for the images on which layers are compared, `[image, class]`.
    pub fn accuracy(&self, logits: Tensor<2>) -> f64 {
        let order: Vec<usize> = (0..self.asked.len()).collect();
        let labels = self.asked.labels(&order, &logits.device());
        let right = logits.argmax(1).squeeze_dim::<1>(1).equal(labels);
        right.int().sum().into_scalar::<i64>() as f64 / order.len() as f64
    }

    /// One line that says on what this was seen.
    pub fn title(&self, what: &str) -> String {
        format!(
            "{what}; {} of {}, {} epochs, {} test images",
            self.images,
            self.dataset.name,
            self.epochs,
            self.asked.len()
        )
    }

    /// Writes a picture.
    pub fn picture(
        &self,
        name: &str,
        svg: Result<String, report::Error>,
    ) -> Result<(), Box<dyn Error>> {
        let path = self.out.join(format!("{name}.svg"));
        write_aside(&path, svg?.as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()))?;
        self.say(&format!("picture: {}", path.display()));
        Ok(())
    }

    /// Writes the numbers, with what a reader must know of the images, and prints them or the table.
    pub fn finish(
        &self,
        table: &str,
        mut numbers: serde_json::Value,
    ) -> Result<(), Box<dyn Error>> {
        numbers["images"] = self.dataset.name.clone().into();
        numbers["training_images"] = self.images.into();
        numbers["epochs"] = self.epochs.into();
        numbers["test_images"] = self.asked.len().into();
        numbers["seed"] = self.seed.into();
        numbers["device"] = self.adapter.to_string().into();
        self.spinner.stop();
        let text = serde_json::to_string_pretty(&numbers)?;
        let path = self.out.join("numbers.json");
        write_aside(&path, text.as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()))?;
        match self.json {
            true => println!("{text}"),
            false => {
                println!("{table}");
                println!("images: {}", self.dataset.provenance);
                println!("numbers: {}", path.display());
            }
        }
        Ok(())
    }
}
