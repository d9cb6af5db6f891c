use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use frostline::activations::{Run, RunFolder, Tap};
use frostline::freeze::{
    CheckpointSchedule, FreezeTraining, History, Layers, Length, PolicyConfig, Probe, Resumed,
    simulate,
};

/// What stands between the files of a folder in the fuzzer's bytes.
pub const BETWEEN: &[u8] = b"\n==\n";

/// The files of a run folder in the order in which the fuzzer's bytes hold them.
pub const FILES: [&str; 7] = [
    "run.json",
    "history.jsonl",
    "metrics.jsonl",
    "saved.jsonl",
    "checkpoints/step-00000000.safetensors",
    "checkpoints/step-00000004.safetensors",
    "panes/step-00000000.safetensors",
];

const STEPS: usize = 8;

/// Makes a run folder of these bytes, reads it, draws its page, replays policies on it, and goes on with it: each of
/// these is an error or works, and what was recorded is still there.
pub fn read(bytes: &[u8]) {
    let temp = tempfile::tempdir().expect("there is room for a folder");
    let mut contents = split(bytes).into_iter();
    for name in FILES {
        let Some(content) = contents.next() else {
            break;
        };
        let path = temp.path().join(name);
        let folder = path.parent().expect("it lies in the run folder");
        std::fs::create_dir_all(folder).expect("there is room for a folder");
        std::fs::write(path, content).expect("there is room for a file");
    }
    if let Ok(run) = Run::open(temp.path()) {
        for step in run.checkpoints() {
            let _ = run.activations(*step, &Device::flex());
        }
        let page = frostline::page(std::slice::from_ref(&run), &Device::flex(), |_| ());
        let _ = page.map(|page| assert!(page.contains("<html")));
        let recorded = History::of(&run);
        for policy in [
            "linear",
            "converged",
            "thaw_on_lr_drop(2, weight_delta)",
            "warmup(0.3, grad_norm)",
        ] {
            let policy = policy.parse::<PolicyConfig>().expect("a policy");
            let policy = policy.init().expect("its arguments are in range");
            let _ = simulate(
                policy.as_ref(),
                &recorded,
                run.info.forward_flops.as_deref(),
            );
        }
    }
    go_on(temp.path());
}

/// Goes on with the run in a folder, if the model of [`recorded`] is known there, to its end.
fn go_on(path: &Path) {
    let before = std::fs::read(path.join("history.jsonl")).ok();
    let mut net = Net::new();
    let mut freezing = training(&net, path);
    match freezing.resume(&mut net) {
        Ok(Resumed::At { step }) => {
            for step in step + 1..=STEPS {
                let _ = freezing.after_step(&mut net, step);
            }
        }
        Ok(_) => {
            let _ = freezing.start(&net);
        }
        // Nothing was changed.
        Err(_) => assert!(std::fs::read(path.join("history.jsonl")).ok() == before),
    }
    assert!(freezing.frozen() < 3, "the last layer never freezes");
}

fn training(net: &Net, path: &Path) -> FreezeTraining<Net> {
    let inputs = values(20, 3).reshape([20, 3]);
    let probe = Probe::new(vec![inputs], Net::forward);
    let policy = "linear".parse::<PolicyConfig>().expect("a policy");
    let policy = policy.init().expect("its arguments are in range");
    let layers = Layers::of(net).expect("each field is a layer");
    FreezeTraining::new(layers, probe, policy, Length::epochs(2, STEPS / 2))
        .checking(CheckpointSchedule::EverySteps(4))
        .going_on_in(path)
}

/// The bytes of a run that was recorded and saved at every step, of a model that stands still.
#[allow(dead_code, reason = "the fuzz target has a corpus")]
pub fn recorded() -> Vec<u8> {
    let temp = tempfile::tempdir().expect("there is room for a folder");
    let mut net = Net::new();
    let mut freezing = training(&net, temp.path());
    freezing.start(&net).expect("the run begins");
    for step in 1..STEPS {
        freezing
            .after_step(&mut net, step)
            .expect("the step is kept");
        freezing.note_saved(&net, step).expect("the model is noted");
    }
    assert!(RunFolder::is_run(temp.path()));
    let files = FILES.map(|name| std::fs::read(temp.path().join(name)).unwrap_or_default());
    files.join(BETWEEN)
}

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while at + BETWEEN.len() <= bytes.len() {
        if bytes[at..].starts_with(BETWEEN) {
            parts.push(&bytes[from..at]);
            at += BETWEEN.len();
            from = at;
        } else {
            at += 1;
        }
    }
    parts.push(&bytes[from..]);
    parts
}

#[derive(Module, Debug)]
struct Net {
    layer1: Param<Tensor<2>>,
    layer2: Param<Tensor<2>>,
    head: Param<Tensor<2>>,
}

impl Net {
    /// Always the same weights.
    fn new() -> Self {
        let weight = |rows: usize, columns: usize| {
            let device = Device::flex().autodiff();
            let values = values(rows, columns).into_data();
            Param::from_data(values.clone(), &device)
        };
        Net {
            layer1: weight(3, 4),
            layer2: weight(4, 3),
            head: weight(3, 2),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = x.matmul(self.layer1.val()).tanh().tap("layer1");
        let x = x.matmul(self.layer2.val()).tanh().tap("layer2");
        x.matmul(self.head.val()).tap("head")
    }
}

/// Numbers that are about as good as random.
fn values(rows: usize, columns: usize) -> Tensor<2> {
    let number = |at: usize| ((at * 7919 + rows * 31 + columns) % 1009) as f32 / 504.5 - 1.0;
    let values: Vec<f32> = (0..rows * columns).map(number).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
}
