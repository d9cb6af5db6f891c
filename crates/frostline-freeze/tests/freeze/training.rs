//! `FreezeTraining` around a loop: checks on schedule, freezes, remembers, and says what is wrong.

use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor};
use frostline_activations::{Axes, Layout, Run, Status, Tap};
use frostline_freeze::{
    CheckpointSchedule, Error, FreezePolicy, FreezeTraining, History, Layers, Length, Linear,
    Never, Probe, Step, Tested,
};
use frostline_svcca::{Measure, View};

use crate::nets::{Net, STEPS, freezing, run, samples};

#[test]
fn layers_freeze_when_the_policy_says_and_then_stand_still() {
    let temp = tempfile::tempdir().unwrap();
    let net = Net::new(3);
    let mut freezing = freezing(&net, Linear::default())
        .describe(|info| {
            info.name = "linear".into();
            info.seed = Some(3);
        })
        .in_folder(temp.path().join("run"))
        .unwrap();
    run(net, &mut freezing);
    let tested = Tested {
        accuracy: 0.75,
        samples: 12,
    };
    let outcome = freezing
        .finish(Status::Finished, STEPS, Some(tested))
        .unwrap();
    assert!(outcome.training_seconds > 0.0 && outcome.measuring_seconds > 0.0);

    let run = Run::open(temp.path().join("run")).unwrap();
    assert_eq!(run.history, freezing.history().checks());
    assert_eq!((run.info.name.as_str(), run.info.seed), ("linear", Some(3)));
    assert_eq!(run.info.layers, ["block1", "block2", "block3", "head"]);
    assert_eq!(run.info.probe.samples, 120);
    assert_eq!(run.info.outcome, Some(outcome));
    let steps: Vec<usize> = run.history.iter().map(|check| check.step).collect();
    // Every five, and when a layer is to freeze.
    assert_eq!(steps, [0, 5, 10, 14, 15, 20, 25, 27, 30, 35, 40]);
    assert_eq!(run.checkpoints(), steps);
    // Three layers below the head: one more at each third of 40 steps.
    let frozen: Vec<usize> = run.history.iter().map(|check| check.frozen).collect();
    assert_eq!(frozen, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3]);

    let mut frozen_before = 0;
    for check in &run.history {
        for (layer, similarity) in check.similarity.iter().enumerate() {
            match (check.step, layer < frozen_before) {
                (0, _) => assert_eq!(*similarity, None, "nothing to compare the first check with"),
                (_, true) => assert_eq!(*similarity, Some(1.0)),
                (_, false) => assert!(similarity.is_some_and(|s| (0.0..1.0).contains(&s))),
            }
        }
        frozen_before = check.frozen;
    }
    // Losses 6 to 10 between the checks of steps 5 and 10; the accuracy of step 10.
    assert_eq!(run.history[2].loss, Some(8.0));
    assert_eq!(run.history[2].accuracy, Some(0.5));
    assert_eq!(run.history[1].accuracy, None);
    assert_eq!(run.history[2].epoch, 1.0);

    let block1 = |step: usize| {
        let activations = run.activations(step, &Device::flex()).unwrap();
        activations.view("block1").unwrap().into_data()
    };
    assert_eq!(block1(14), block1(40), "frozen at step 14");
    assert_ne!(block1(10), block1(14));
}

#[test]
fn a_check_has_what_chance_gives_in_place_of_each_similarity() {
    let net = Net::new(3);
    let mut freezing = freezing(&net, Linear::default());
    run(net, &mut freezing);
    let checks = freezing.history().checks();
    assert_eq!(checks[0].chance, [None; 4], "nothing was compared");
    let mut frozen_before = 0;
    for check in &checks[1..] {
        for (layer, by) in check.chance.iter().enumerate() {
            if layer < frozen_before {
                assert_eq!(*by, None, "a frozen layer is not measured");
                continue;
            }
            let by = by.expect("SVCCA has a chance level");
            // The probe has the same 60 samples twice, and a layer shows those as the same for which its neurons are off. How
            // many, the weights decide, and other tests draw from the same generator meanwhile.
            assert!((2..=60).contains(&by.samples), "{by:?}");
            assert!((1..=8).contains(&by.directions), "{by:?}");
            assert!(
                by.level > 0.0 && by.level <= by.upper && by.upper <= 1.0,
                "{by:?}"
            );
        }
        frozen_before = check.frozen;
    }
    // What is shown again without its past has nothing to judge by.
    assert_eq!(freezing.history().since(3).checks()[0].chance, [None; 4]);
}

/// The probe of the panes: 300 samples.
fn panes_probe() -> Probe<Net> {
    Probe::new(vec![samples(300, 5, &Device::flex())], Net::forward)
}

#[test]
fn the_panes_have_a_probe_of_their_own_that_is_evaluated_a_few_times() {
    let temp = tempfile::tempdir().unwrap();
    let net = Net::new(3);
    let mut freezing = freezing(&net, Never)
        .panes_probe(panes_probe())
        .in_folder(temp.path().join("run"))
        .unwrap();
    run(net, &mut freezing);
    let outcome = freezing.finish(Status::Finished, STEPS, None).unwrap();

    let run = Run::open(temp.path().join("run")).unwrap();
    // 0, 35, 75 and 100 % of 40 steps, whatever the checks' schedule is.
    assert_eq!(run.pane_steps(), [0, 14, 30, 40]);
    assert_eq!(
        run.info.panes_probe.as_ref().unwrap().steps,
        [0, 14, 30, 40]
    );
    assert_eq!(run.info.probe.samples, 120);
    let steps: Vec<usize> = run.history.iter().map(|check| check.step).collect();
    assert_eq!(steps, [0, 5, 10, 15, 20, 25, 30, 35, 40]);
    let rows = |activations: frostline_activations::Activations| {
        activations.view("head").unwrap().dims()[0]
    };
    assert_eq!(
        rows(run.pane_activations(14, &Device::flex()).unwrap()),
        300
    );
    assert_eq!(rows(run.activations(30, &Device::flex()).unwrap()), 120);

    // Its cost is apart from that of the checks.
    let ledger = outcome.ledger.unwrap();
    assert_eq!((ledger.panes.evaluations, ledger.panes.samples), (4, 1200));
    assert!(ledger.panes.seconds > 0.0);
    let a_sample = ledger.panes.flops / 1200.0;
    assert!(a_sample > 0.0);
    // Nine checks, which besides prepared layers of 8, 7, 5 and 3 neurons for being compared, and before them five looks at the
    // first batch of 60.
    let comparing = 6.0 * 120.0 * 147.0 + 40.0 * 1007.0 + 3e3 * 147.0 + 4.0 * 5e6;
    assert_eq!(
        ledger.measuring_flops,
        5.0 * 60.0 * a_sample + 9.0 * (120.0 * a_sample + comparing)
    );
}

#[test]
fn the_moments_of_the_panes_can_be_chosen_and_nothing_is_kept_without_a_folder() {
    let temp = tempfile::tempdir().unwrap();
    let every_tenth = || CheckpointSchedule::EverySteps(10);
    let net = Net::new(3);
    let mut kept = freezing(&net, Never)
        .panes_probe(panes_probe())
        .panes_at(every_tenth())
        .in_folder(temp.path().join("run"))
        .unwrap();
    run(net.clone(), &mut kept);
    let folder = Run::open(temp.path().join("run")).unwrap();
    assert_eq!(folder.pane_steps(), [0, 10, 20, 30, 40]);

    let mut not_kept = freezing(&net, Never)
        .panes_probe(panes_probe())
        .panes_at(every_tenth());
    run(net, &mut not_kept);
    let outcome = not_kept.finish(Status::Finished, STEPS, None).unwrap();
    assert_eq!(outcome.ledger.unwrap().panes.evaluations, 0);
}

#[test]
fn the_last_layer_never_freezes_and_what_is_frozen_stays_so() {
    /// Everything at step 10, nothing later.
    struct Fickle;
    impl FreezePolicy for Fickle {
        fn frozen_layers(&self, history: &History) -> usize {
            if history.latest().is_some_and(|check| check.step == 10) {
                100
            } else {
                0
            }
        }
    }
    let net = Net::new(2);
    let mut freezing = freezing(&net, Fickle);
    let net = run(net, &mut freezing);
    let frozen: Vec<usize> = freezing
        .history()
        .checks()
        .iter()
        .map(|check| check.frozen)
        .collect();
    assert_eq!(frozen, [0, 0, 3, 3, 3, 3, 3, 3, 3]);
    assert!(net.head.weight.val().is_require_grad());
}

#[test]
fn a_layer_without_a_tap_is_an_error_when_training_starts() {
    let net = Net::new(1);
    let probe = Probe::new(vec![samples(60, 99, &Device::flex())], |net: &Net, x| {
        net.block1.forward(x).tap("block1").tap("extra")
    });
    let mut freezing =
        FreezeTraining::new(Layers::of(&net).unwrap(), probe, Never, Length::steps(10));
    let error = freezing.start(&net).unwrap_err();
    assert!(matches!(&error, Error::TapMissing { layer, .. } if layer == "block2"));
    assert!(error.to_string().contains("block1, extra"), "{error}");
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_keeps_the_folder() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let mut net = Net::new(1);
    let mut freezing = freezing(&net, Never).in_folder(&path).unwrap();
    freezing.start(&net).unwrap();
    freezing.after_step(&mut net, 5).unwrap();
    let told = Step {
        loss: Some(f64::NAN),
        ..Step::from(7)
    };
    let error = freezing.after_step(&mut net, told).unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 7, .. }), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()));

    let run = Run::open(&path).unwrap();
    assert_eq!(run.history.len(), 2);
    let outcome = run.info.outcome.unwrap();
    assert_eq!((outcome.status, outcome.step), (Status::Diverged, 7));
}

#[test]
fn an_activation_that_is_not_finite_ends_the_run_with_its_layer() {
    let net = Net::new(1);
    let mut freezing = freezing(&net, Never);
    freezing.start(&net).unwrap();
    let mut broken = net;
    broken.block2 = broken.block2.map(&mut Infinite);
    let error = freezing.after_step(&mut broken, 5).unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 5, .. }));
    assert!(error.to_string().contains("layer `block2`"), "{error}");
}

/// Makes every parameter infinite.
struct Infinite;

impl burn::module::ModuleMapper for Infinite {
    fn map_float<const D: usize>(
        &mut self,
        param: burn::module::Param<Tensor<D>>,
    ) -> burn::module::Param<Tensor<D>> {
        param.map(|tensor| tensor * f32::INFINITY)
    }
}

#[test]
fn a_probe_of_one_sample_is_an_error_when_training_starts() {
    let net = Net::new(1);
    let probe = Probe::new(vec![samples(1, 99, &Device::flex())], Net::forward);
    let layers = Layers::of(&net).unwrap();
    let mut freezing = FreezeTraining::new(layers, probe, Never, Length::steps(10));
    let error = freezing.start(&net).unwrap_err();
    assert!(
        matches!(&error, Error::Measure { layer, step: 0, .. } if layer == "block1"),
        "{error}"
    );
}

#[test]
fn layers_too_wide_for_the_probe_are_trained_on_and_the_history_says_why() {
    let mut net = Net::new(1);
    // Five centred samples span four dimensions, and so does nearly every layer: any two agree.
    let probe = Probe::new(vec![samples(5, 99, &Device::flex())], Net::forward);
    let layers = Layers::of(&net).unwrap();
    let mut freezing = FreezeTraining::new(layers, probe, Never, Length::steps(10))
        .measured_by(Measure::CCA)
        .checking(CheckpointSchedule::EverySteps(5));
    freezing.start(&net).unwrap();
    freezing.after_step(&mut net, 5).unwrap();
    let check = freezing.history().latest().unwrap();
    assert_eq!(check.similarity[0], None);
    assert!(
        check.warnings[0].starts_with("block1: 5 samples are too few"),
        "{:?}",
        check.warnings
    );
}

/// Taps the blocks, the first with a neuron beside its own that is always 0.
fn with_a_dead_neuron(net: &Net, x: Tensor<2>) -> Tensor<2> {
    let x = net.block1.forward(x);
    let dead = x.zeros_like().slice_dim(1, 0..1);
    Tensor::cat(vec![x.clone(), dead], 1).tap("block1");
    let x = net.block2.forward(x).tap("block2");
    let x = net.block3.forward(x).tap("block3");
    net.head.forward(x).tap("head")
}

#[test]
fn a_warning_of_a_check_names_its_layer() {
    let mut net = Net::new(1);
    let asked = samples(200, 99, &Device::flex());
    let probe = Probe::new(vec![asked], with_a_dead_neuron);
    let layers = Layers::of(&net).unwrap();
    let mut freezing = FreezeTraining::new(layers, probe, Never, Length::steps(10))
        .checking(CheckpointSchedule::EverySteps(5));
    freezing.start(&net).unwrap();
    freezing.after_step(&mut net, 5).unwrap();
    let warnings = &freezing.history().latest().unwrap().warnings;
    let dead = "1 neuron of block1 never varies and was left out";
    assert!(
        warnings.iter().any(|warning| warning == dead),
        "{warnings:?}"
    );
    let of_the_check_before = "1 neuron of block1 at the check before never varies";
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with(of_the_check_before))
    );
}

/// Taps the blocks, the first as maps of bf16 whose six channels add up to nothing at each of 16 places.
fn with_maps_of_bf16(net: &Net, x: Tensor<2>) -> Tensor<2> {
    let samples = x.dims()[0];
    let places = Tensor::<1, Int>::arange(0..16, &x.device()).float();
    let places = places.div_scalar(15.0).add_scalar(0.5).reshape([1, 1, 16]);
    let maps = x.clone().reshape([samples, 6, 1]) * places;
    let maps = maps.clone() - maps.mean_dim(1);
    maps.cast(DType::BF16).tap_as("block1", Axes::ChannelsFirst);
    let x = net.block1.forward(x);
    let x = net.block2.forward(x).tap("block2");
    let x = net.block3.forward(x).tap("block3");
    net.head.forward(x).tap("head")
}

#[test]
fn a_check_knows_the_rounding_that_means_over_places_keep() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(1);
    let asked = samples(200, 99, &Device::flex());
    let probe = Probe::new(vec![asked], with_maps_of_bf16).layout(Layout::ChannelMeans);
    let layers = Layers::of(&net).unwrap();
    let mut freezing = FreezeTraining::new(layers, probe, Never, Length::steps(10))
        .measured_by(Measure::CCA)
        .trusting_taps()
        .checking(CheckpointSchedule::EverySteps(5))
        .in_folder(temp.path().join("run"))
        .unwrap();
    freezing.start(&net).unwrap();
    freezing.after_step(&mut net, 5).unwrap();
    // Rounded to bf16, the channels no longer add up to nothing, and their means in f32 don't show why.
    let warnings = &freezing.history().latest().unwrap().warnings;
    let law = "the 6 neurons of block1 span 5 directions only; what is fainter is rounding";
    assert!(
        warnings.iter().any(|warning| warning == law),
        "{warnings:?}"
    );
    let kept = Run::open(temp.path().join("run")).unwrap();
    let kept = kept.activations(5, &Device::flex()).unwrap();
    let means = kept.view("block1").unwrap();
    assert_eq!(View::new(&means).unwrap().rank().unwrap(), 6);
    let errors = kept
        .layer("block1")
        .unwrap()
        .errors()
        .expect("they are kept too");
    let view = View::new(&means).unwrap().with_errors(errors).unwrap();
    assert_eq!(view.rank().unwrap(), 5);
}

#[test]
fn the_time_up_to_an_interruption_is_time_of_training() {
    let net = Net::new(1);
    let mut freezing = freezing(&net, Never);
    freezing.start(&net).unwrap();
    let pause = std::time::Duration::from_millis(20);
    std::thread::sleep(pause);
    let outcome = freezing.finish(Status::Interrupted, 0, None).unwrap();
    assert!(outcome.training_seconds >= pause.as_secs_f64()); // sleep never sleeps less
}

#[test]
fn a_folder_that_holds_a_run_is_refused_before_training() {
    let temp = tempfile::tempdir().unwrap();
    let net = Net::new(1);
    let mut first = freezing(&net, Never).in_folder(temp.path()).unwrap();
    first.start(&net).unwrap();
    assert!(freezing(&net, Never).in_folder(temp.path()).is_err());
}
