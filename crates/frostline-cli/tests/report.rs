//! From a training loop through the run folder to the page, by the library and by the command.

use std::path::Path;
use std::process::{Command, Output};

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
use frostline::prelude::*;
use frostline::{Dynamics, freeze};

const STEPS: usize = 60;

#[derive(Module, Debug)]
struct Net {
    layer1: Linear,
    layer2: Linear,
    head: Linear,
}

impl Net {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = relu(self.layer1.forward(x)).tap("layer1");
        let x = relu(self.layer2.forward(x)).tap("layer2");
        self.head.forward(x).tap("head")
    }
}

/// A small run in a folder.
fn run(folder: &Path, name: &str, policy: impl FreezePolicy + 'static) -> Run {
    run_with_panes(folder, name, policy, None)
}

/// The same, its panes of a probe of their own with so many samples.
fn run_with_panes(
    folder: &Path,
    name: &str,
    policy: impl FreezePolicy + 'static,
    panes: Option<usize>,
) -> Run {
    let device = Device::flex().autodiff();
    let mut net = Net {
        layer1: LinearConfig::new(6, 8).init(&device),
        layer2: LinearConfig::new(8, 7).init(&device),
        head: LinearConfig::new(7, 2).init(&device),
    };
    let normal = |count, device: &Device| {
        Tensor::<2>::random([count, 6], Distribution::Normal(0.0, 1.0), device)
    };
    let probe = Probe::new(vec![normal(200, &Device::flex())], Net::forward);
    let mut freezing = FreezeTraining::new(
        Layers::of(&net).unwrap(),
        probe,
        policy,
        Length::steps(STEPS),
    )
    .checking(CheckpointSchedule::EverySteps(6))
    .describe(|info| {
        info.name = name.to_string();
        info.notice = Some("Made-up <points> & labels".to_string());
    })
    .in_folder(folder.join(name))
    .unwrap();
    if let Some(samples) = panes {
        let probe = Probe::new(vec![normal(samples, &Device::flex())], Net::forward);
        freezing = freezing.panes_probe(probe);
    }
    freezing.start(&net).unwrap();
    let mut optimizer = SgdConfig::new().init();
    let loss = CrossEntropyLossConfig::new().init(&device);
    for step in 1..=STEPS {
        let x = normal(32, &device);
        let labels = x
            .clone()
            .sum_dim(1)
            .greater_elem(0.0)
            .int()
            .squeeze_dim::<1>(1);
        let error = loss.forward(net.forward(x), labels);
        let gradients = GradientsParams::from_grads(error.backward(), &net);
        net = optimizer.step(0.1, net, gradients);
        let told = Step {
            loss: Some(error.into_scalar::<f32>().into()),
            accuracy: (step % 30 == 0).then_some(0.5 + step as f64 / 200.0),
            ..Step::from(step)
        };
        freezing.after_step(&mut net, told).unwrap();
    }
    freezing.finish(Status::Finished, STEPS, None).unwrap();
    Run::open(folder.join(name)).unwrap()
}

fn frostline(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frostline"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn dynamics_end_where_training_ended() {
    let temp = tempfile::tempdir().unwrap();
    let run = run(temp.path(), "linear", freeze::Linear::default());
    let device = Device::flex();
    let mut told = Vec::new();
    let fractions = [0.0, 0.35, 0.75, 1.0];
    let dynamics = Dynamics::of(&run, &fractions, Measure::default(), &device, |at| {
        told.push((at.done, at.total));
    });

    assert_eq!(told.last(), Some(&(11, 11)));
    // 35 and 75 % of 60 steps are steps 21 and 45: of two checks equally near the first is taken.
    let steps: Vec<usize> = dynamics.panes.iter().map(|pane| pane.step).collect();
    assert_eq!(steps, [0, 18, 42, 60]);
    let end = dynamics.panes.last().unwrap();
    for layer in 0..3 {
        let same = end.values[layer][layer].unwrap();
        assert!((same - 1.0).abs() < 1e-6, "a layer is itself: {same}"); // projections in f32
    }
    assert_eq!(dynamics.to_end.len(), 3);
    for curve in &dynamics.to_end {
        let (step, last) = *curve.points.last().unwrap();
        assert_eq!(step, STEPS);
        assert!((last - 1.0).abs() < 1e-6);
        assert!(
            curve.points[0].1 < last,
            "{} was not yet itself at step 0",
            curve.layer
        );
    }
    assert!(dynamics.problems.is_empty());
}

#[test]
fn a_page_and_a_grid_take_the_panes_own_probe_where_all_runs_have_it() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        run_with_panes(temp.path(), name, Never, Some(500));
    }
    run(temp.path(), "plain", Never);

    let output = frostline(
        &["report", "a", "-o", "page.html", "--csv", "tables"],
        temp.path(),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(temp.path().join("page.html")).unwrap();
    // Those that a layer shows as the same count once.
    let compared = page.split("Compared on ").nth(1).unwrap();
    let (compared, _) = compared.split_once(' ').unwrap();
    assert!(
        (400..=500).contains(&compared.parse().unwrap()),
        "{compared}"
    );
    assert!(page.contains("The panes have a probe of their own: 500 samples, 4 evaluations, "));
    let panes = std::fs::read_to_string(temp.path().join("tables/panes.csv")).unwrap();
    let head = "run,step,row_layer,column_layer,similarity,chance,chance_upper,corrected,samples_a_direction\n";
    assert!(panes.starts_with(head), "{panes}");

    // A grid's picture says under the pointer on how many samples it stands, for each kept direction.
    let samples = |a: &str, b: &str| {
        let output = frostline(&["grid", a, b, "--svg", "grid.svg"], temp.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let svg = std::fs::read_to_string(temp.path().join("grid.svg")).unwrap();
        let head = svg.split("head × head: ").nth(1).unwrap();
        let (before, _) = head.split_once(" samples a direction").unwrap();
        before.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    // The head has two neurons at most.
    let many = samples("a", "b");
    assert!(
        many > 200.0,
        "{many} of 500, less those that the layer shows as the same"
    );
    assert!(samples("a", "plain") <= 200.0, "one has no probe for panes");
}

#[test]
fn the_command_draws_the_page_of_two_runs_from_their_folders_alone() {
    let temp = tempfile::tempdir().unwrap();
    run(temp.path(), "ordinary", Never);
    run(temp.path(), "freeze", freeze::Linear::default());

    let output = frostline(
        &["report", "ordinary", "freeze", "-o", "page.html"],
        temp.path(),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(temp.path().join("page.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("ordinary") && page.contains("layer2"));
    assert!(
        page.contains("Made-up &lt;points&gt; &amp; labels"),
        "the notice is escaped"
    );
    assert!(!page.contains("NaN") && !page.contains("<script"));
    assert!(text(&output.stdout).contains("page.html"));

    let json = frostline(&["report", "ordinary", "freeze", "--json"], temp.path());
    let runs: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(runs[1]["run"]["name"], "freeze");
    assert_eq!(runs[1]["history"].as_array().unwrap().len(), 11);
}

#[test]
fn a_run_with_a_truncated_checkpoint_still_gets_its_page_which_says_so() {
    let temp = tempfile::tempdir().unwrap();
    run(temp.path(), "run", Never);
    let damaged = temp
        .path()
        .join("run/checkpoints/step-00000030.safetensors");
    std::fs::write(&damaged, "half").unwrap();

    let output = frostline(&["report", "run"], temp.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(temp.path().join("run/report.html")).unwrap();
    assert!(page.contains("step-00000030.safetensors"));
}

#[test]
fn the_command_says_what_is_missing_and_exits_with_one_or_two() {
    let temp = tempfile::tempdir().unwrap();
    let failed = |arguments: &[&str], code: i32, says: &str| {
        let output = frostline(arguments, temp.path());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    };
    std::fs::create_dir(temp.path().join("empty")).unwrap();
    failed(&["report", "nowhere"], 1, "there is no such folder");
    failed(&["report", "empty"], 1, "run.json is missing");
    failed(&["report"], 2, "RUN");
    failed(&["draw"], 2, "draw");

    run(&temp.path().join("runs"), "b", Never);
    let holds = "runs is not a run folder but holds 1 run: frostline report runs/b";
    failed(&["report", "runs"], 1, holds);
    run(&temp.path().join("runs"), "a", Never);
    let holds = "runs is not a run folder but holds 2 runs: frostline report runs/*";
    failed(&["report", "runs"], 1, holds);
    failed(
        &["replay", "runs/"],
        1,
        "holds 2 runs: frostline replay runs/*",
    );
    failed(&["grid", "runs", "runs"], 1, "frostline grid runs/a runs/b");

    run(temp.path(), "silent", Never);
    std::fs::write(temp.path().join("silent/history.jsonl"), "").unwrap();
    // What its steps reported is enough to show.
    let drawn = frostline(&["report", "silent"], temp.path());
    assert!(drawn.status.success(), "{}", text(&drawn.stderr));
    std::fs::write(temp.path().join("silent/metrics.jsonl"), "").unwrap();
    failed(&["report", "silent"], 1, "no check was recorded");
}
