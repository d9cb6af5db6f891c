//! A campaign of kills: child processes train in a hand-written loop, are killed by the system at random moments, go on, and
//! have to end bit by bit as the child that was never killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::activation::relu;
use burn::tensor::{Bytes, Device, Distribution, Tensor};
use frostline::activations::write_aside;
use frostline::freeze::forget_state;
use frostline::prelude::*;

type Failed = Box<dyn std::error::Error>;

/// The folder in which a child trains, and how, by the number of its variant.
const FOLDER: &str = "FROSTLINE_KILLED_FOLDER";
const VARIANT: &str = "FROSTLINE_KILLED_VARIANT";

const STEPS: usize = 60;
const BATCH: usize = 32;

/// How a child trains.
pub(crate) struct Variant {
    policy: &'static str,
    /// Measuring may cost so much; else a check is due every five steps.
    budget: Option<f64>,
    /// The model is noted before it is saved; else after.
    noted_first: bool,
    /// It is saved after every so many steps.
    save_every: usize,
    /// Every so many steps are reported.
    report_every: usize,
}

/// Every policy with state of its own, both orders of saving and noting, with a budget and on a schedule.
pub(crate) const VARIANTS: [Variant; 8] = [
    Variant {
        policy: "converged(0.9, 0.1, svcca, own)",
        budget: None,
        noted_first: true,
        save_every: 7,
        report_every: 1,
    },
    Variant {
        policy: "grad_norm(60)",
        budget: Some(0.8),
        noted_first: true,
        save_every: 4,
        report_every: 1,
    },
    Variant {
        policy: "weight_delta(0.3, 2)",
        budget: None,
        noted_first: false,
        save_every: 9,
        report_every: 1,
    },
    Variant {
        policy: "thaw_on_lr_drop(5, weight_delta(0.5, 1))",
        budget: None,
        noted_first: true,
        save_every: 6,
        report_every: 1,
    },
    Variant {
        policy: "thaw_on_lr_drop(5, converged(0.9, 0.05))",
        budget: None,
        noted_first: true,
        save_every: 1,
        report_every: 1,
    },
    Variant {
        policy: "linear(0.1, 1)",
        budget: Some(0.8),
        noted_first: false,
        save_every: 11,
        report_every: 1,
    },
    Variant {
        policy: "warmup(0.3, grad_norm(60))",
        budget: None,
        noted_first: true,
        save_every: 5,
        report_every: 2,
    },
    Variant {
        policy: "costs_at_most(0.5, converged(0.9, 0.1))",
        budget: Some(0.6),
        noted_first: true,
        save_every: 3,
        report_every: 3,
    },
];

/// Trains if this process is a child of the campaign, and tells whether it is.
pub(crate) fn train_as_child() -> Result<bool, Failed> {
    let (Ok(folder), Ok(variant)) = (std::env::var(FOLDER), std::env::var(VARIANT)) else {
        return Ok(false);
    };
    train(Path::new(&folder), &VARIANTS[variant.parse::<usize>()?])?;
    Ok(true)
}

/// Kills children at random moments, drawn from `seed`, in so many rounds, and gives how many kills there were. `child` is
/// the command that makes this program call [`train_as_child`].
///
/// # Panics
/// When a run that was killed ends otherwise than one that wasn't.
pub(crate) fn campaign(
    child: impl Fn() -> Command,
    rounds: usize,
    seed: u64,
    tell: impl Fn(&str),
) -> usize {
    let temp = std::env::temp_dir().join(format!("frostline-kills-{}", std::process::id()));
    let mut random = Random(seed);
    let mut kills = 0;
    let mut whole: Vec<Option<(String, Duration)>> = VARIANTS.iter().map(|_| None).collect();
    for round in 0..rounds {
        let variant = round % VARIANTS.len();
        let start = |folder: &Path| {
            let mut command = child();
            command
                .env(FOLDER, folder)
                .env(VARIANT, variant.to_string());
            command
                .stdout(Stdio::null())
                .spawn()
                .expect("this program can be started again")
        };
        let (expected, took) = whole[variant].get_or_insert_with(|| {
            let (folder, began) = (temp.join(format!("whole-{variant}")), Instant::now());
            assert!(
                start(&folder).wait().unwrap().success(),
                "{}",
                VARIANTS[variant].policy
            );
            (end(&folder), began.elapsed())
        });
        let folder = temp.join(format!("killed-{round}"));
        let times = 1 + random.below(4);
        for _ in 0..times {
            let mut killed = start(&folder);
            std::thread::sleep(took.mul_f64(random.share()));
            // A child that has ended already can't be killed, and starts once more all the same.
            let _ = killed.kill();
            kills += usize::from(!killed.wait().unwrap().success());
            if let Ok(run) = Run::open(folder.join("run")) {
                for step in run.checkpoints() {
                    run.activations(*step, &Device::flex()).unwrap();
                }
            }
        }
        let policy = VARIANTS[variant].policy;
        assert!(
            start(&folder).wait().unwrap().success(),
            "round {round}, {policy}: see {}",
            folder.display()
        );
        assert_eq!(
            end(&folder),
            *expected,
            "round {round}, {policy}: see {}",
            folder.display()
        );
        let run = Run::open(folder.join("run")).unwrap();
        assert!(run.problems.is_empty(), "round {round}: {:?}", run.problems);
        let steps: Vec<usize> = run.history.iter().map(|check| check.step).collect();
        assert_eq!(run.checkpoints(), steps, "round {round}, {policy}");
        tell(&format!(
            "round {round}: {policy}, started {} times",
            times + 1
        ));
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::remove_dir_all(&temp).unwrap();
    kills
}

fn end(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("end")).expect("a child that succeeds writes how it ended")
}

/// Begins the run in this folder, or goes on with it, and writes how it ended.
fn train(folder: &Path, how: &Variant) -> Result<(), Failed> {
    std::fs::create_dir_all(folder)?;
    let saved: PathBuf = folder.join("model");
    let mut net = Net::new(1);
    let mut optimizer = optimizer();
    let mut begun = 0;
    let loaded = std::fs::read(&saved)
        .ok()
        .map(|bytes| loaded(&bytes))
        .transpose()?;
    let mut freezing = freezing(&net, folder, how)?;
    match loaded {
        Some((mut model, state)) => match freezing.resume(&mut model)? {
            Resumed::At { step } => (net, optimizer, begun) = (model, state, step),
            // A kill between the model and its note.
            _ => freezing.start(&net)?,
        },
        None => freezing.start(&net)?,
    }
    let device = Device::flex().autodiff();
    for step in begun + 1..=STEPS {
        let x = samples(BATCH, step as u64, &device);
        let wanted = x.clone().slice([0..BATCH, 0..3]).sin() + x.clone().slice([0..BATCH, 3..6]);
        let loss = (net.forward(x) - wanted).powf_scalar(2.0).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        freezing.gradients(&net, &gradients);
        let rate = if step < 35 { 0.05 } else { 0.005 };
        net = optimizer.step(rate, net, gradients);
        if step % how.report_every == 0 {
            let told = Step {
                learning_rate: Some(rate),
                loss: Some(loss.into_scalar::<f32>().into()),
                // As if each were of many: else a budget would allow this small net no check.
                samples: Some(200 * BATCH),
                ..Step::from(step)
            };
            freezing.after_step(&mut net, told)?;
        }
        if let Some(thawed) = freezing.take_thawed() {
            optimizer = forget_state(optimizer, freezing.layers(), thawed)?;
        }
        if step % how.save_every == 0 {
            if how.noted_first {
                freezing.note_saved(&net, step)?;
            }
            let model = net.clone().into_record().into_bytes()?.to_vec();
            let state = optimizer.clone().into_bytes()?.to_vec();
            let length = (model.len() as u64).to_le_bytes();
            write_aside(&saved, &[&length[..], &model, &state].concat())?;
            if !how.noted_first {
                freezing.note_saved(&net, step)?;
            }
        }
    }
    freezing.finish(Status::Finished, STEPS, None)?;
    let mut ended = format!("weights {}\n", hash(&net));
    for check in freezing.history().checks() {
        ended += &format!(
            "{} {} {} {:?} {:?} {:?} {:?} {:?} {:?}\n",
            check.step,
            check.frozen,
            check.reason,
            check.similarity,
            check.loss,
            check.learning_rate,
            check.gradients,
            check.weight_change,
            check
                .ledger
                .as_ref()
                .map(|ledger| (&ledger.layers, ledger.measuring_flops)),
        );
    }
    let points = freezing.metrics().expect("it has begun").points().iter();
    let points: Vec<_> = points
        .map(|point| {
            (
                point.step,
                point.steps,
                point.loss,
                point.flops,
                point.frozen,
            )
        })
        .collect();
    ended += &format!("{points:?}\n");
    write_aside(&folder.join("end"), ended.as_bytes())?;
    Ok(())
}

fn freezing(net: &Net, folder: &Path, how: &Variant) -> Result<FreezeTraining<Net>, Failed> {
    let probe = Probe::new(vec![samples(60, 99, &Device::flex())], Net::forward);
    let policy: PolicyConfig = how.policy.parse()?;
    let length = Length::epochs(6, STEPS / 6);
    let freezing = FreezeTraining::new(Layers::of(net)?, probe, policy.init()?, length)
        .going_on_in(folder.join("run"));
    Ok(match how.budget {
        Some(share) => freezing.measure_at_most(share),
        None => freezing.checking(CheckpointSchedule::EverySteps(5)),
    })
}

fn optimizer() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

fn loaded(bytes: &[u8]) -> Result<(Net, ModuleOptimizer), Failed> {
    let (length, rest) = bytes.split_at(8);
    let (model, state) = rest.split_at(u64::from_le_bytes(length.try_into()?) as usize);
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(model.to_vec()))?;
    let optimizer = optimizer().from_bytes(Bytes::from_bytes_vec(state.to_vec()))?;
    Ok((Net::new(1).load_record(record), optimizer))
}

#[derive(Module, Debug)]
struct Block {
    linear: Linear,
    norm: BatchNorm,
    dropout: Dropout,
}

impl Block {
    fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Block {
            linear: LinearConfig::new(inputs, outputs).init(device),
            norm: BatchNormConfig::new(outputs).init(device),
            dropout: DropoutConfig::new(0.1).init(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.dropout
            .forward(relu(self.norm.forward(self.linear.forward(x))))
    }
}

#[derive(Module, Debug)]
struct Net {
    block1: Block,
    block2: Block,
    block3: Block,
    head: Linear,
}

impl Net {
    fn new(seed: u64) -> Self {
        let device = Device::flex().autodiff();
        device.seed(seed);
        let net = Net {
            block1: Block::new(6, 16, &device),
            block2: Block::new(16, 12, &device),
            block3: Block::new(12, 8, &device),
            head: LinearConfig::new(8, 3).init(&device),
        };
        // Weights are drawn when they are first asked for.
        hash(&net);
        net
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.block1.forward(x).tap("block1");
        let x = self.block2.forward(x).tap("block2");
        let x = self.block3.forward(x).tap("block3");
        self.head.forward(x).tap("head")
    }
}

/// A number for the bits of all weights and running statistics.
fn hash<M: Module>(model: &M) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};

    struct Hashing(DefaultHasher);
    impl ModuleVisitor for Hashing {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            param.val().into_data().as_bytes().hash(&mut self.0);
        }
    }
    let mut hashing = Hashing(DefaultHasher::new());
    model.valid().visit(&mut hashing);
    format!("{:016x}", hashing.0.finish())
}

fn samples(count: usize, seed: u64, device: &Device) -> Tensor<2> {
    device.seed(seed);
    Tensor::random([count, 6], Distribution::Normal(0.0, 1.0), device)
}

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In `[0, 1)`.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }
}
