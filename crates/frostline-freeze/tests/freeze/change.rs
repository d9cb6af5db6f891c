//! What a layer's change is: how far it moved, whatever the rate, the checks and the probe are.

use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
use frostline_activations::{ByChance, OwnAndInherited, Tap};
use frostline_freeze::{
    Check, CheckpointSchedule, FreezeTraining, History, Layers, Length, Measure, Never, Probe,
    Step, Watched,
};

use crate::histories::{LAYERS, at, dissimilar, history};

#[derive(Module, Debug)]
struct Net {
    a: Linear,
    b: Linear,
    head: Linear,
}

impl Net {
    fn new(inputs: usize, width: usize, seed: u64) -> Self {
        let device = Device::flex();
        device.seed(seed);
        let net = Net {
            a: LinearConfig::new(inputs, width).init(&device),
            b: LinearConfig::new(width, width).init(&device),
            head: LinearConfig::new(width, 3).init(&device),
        };
        // Weights are drawn when they are first asked for.
        net.forward(Tensor::zeros([1, inputs], &device));
        net
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = relu(self.a.forward(x)).tap("a");
        let x = relu(self.b.forward(x)).tap("b");
        self.head.forward(x).tap("head")
    }
}

fn normal<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let device = Device::flex();
    device.seed(seed);
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device)
}

const STEPS: usize = 80;

fn watched(net: &Net, samples: usize, every: usize) -> FreezeTraining<Net> {
    let inputs = net.a.weight.dims()[0];
    let probe = Probe::new(vec![normal([samples, inputs], 5)], Net::forward);
    FreezeTraining::new(Layers::of(net).unwrap(), probe, Never, Length::steps(STEPS))
        .checking(CheckpointSchedule::EverySteps(every))
        .watching(Watched {
            parts: true,
            ..Watched::default()
        })
}

/// Moves the weights of `a` by `rate` times the same direction at each step, checked every so many.
fn drift(rate: impl Fn(usize) -> f64, every: usize) -> History {
    let mut net = Net::new(10, 16, 1);
    let direction = normal([10, 16], 2) * 0.02;
    let mut freezing = watched(&net, 600, every);
    freezing.start(&net).unwrap();
    for step in 1..=STEPS {
        let rate = rate(step);
        net.a.weight = net.a.weight.map(|w| w + direction.clone() * rate);
        let told = Step {
            learning_rate: Some(rate),
            ..Step::from(step)
        };
        freezing.after_step(&mut net, told).unwrap();
    }
    freezing.history().clone()
}

#[test]
fn a_steady_drift_changes_a_layer_as_much_at_any_rate_and_between_any_checks() {
    let often = drift(|_| 0.1, 4);
    let seldom = drift(|_| 0.1, 8);
    let slower = drift(|step| if step <= 40 { 0.1 } else { 0.01 }, 8);
    let change = |history: &History, step: usize| {
        let check = history.checks().iter().position(|check| check.step == step);
        history.change(0, check.unwrap()).unwrap()
    };
    for step in (8..=80).step_by(8) {
        let (one, two) = (change(&often, step), change(&seldom, step));
        assert!((one / two - 1.0).abs() < 0.1, "step {step}: {one} {two}");
    }
    let (before, after) = (change(&slower, 40), change(&slower, 48));
    assert!((after / before - 1.0).abs() < 0.1, "{before} {after}");
}

#[test]
fn weights_that_are_drawn_anew_change_by_most_of_what_there_is_at_any_size_of_the_probe() {
    for (samples, width) in [
        (24, 32),
        (70, 32),
        (90, 32),
        (330, 32),
        (2000, 32),
        (140, 64),
    ] {
        let mut net = Net::new(50, width, 1);
        let mut freezing = watched(&net, samples, 1);
        // A probe that is too small to tell anything is an error of the first check.
        freezing.start(&net).unwrap();
        for step in 1..=4 {
            net = Net::new(50, width, 100 + step as u64);
            freezing.after_step(&mut net, step).unwrap();
        }
        let history = freezing.history();
        for check in 1..=4 {
            for layer in 0..3 {
                let change = history.change(layer, check);
                // 4 of 80 steps are a twentieth of the training: one is a quarter of it.
                let most = 4.0;
                assert!(
                    change.is_none_or(|change| change > 0.5 * most),
                    "{samples} samples of {width} neurons, layer {layer}: {change:?}"
                );
                assert!(samples < 300 || change.is_some());
            }
        }
    }
}

#[test]
fn at_a_rate_of_zero_no_change_is_known() {
    let mut net = Net::new(8, 8, 1);
    let mut freezing = watched(&net, 90, 2);
    freezing.start(&net).unwrap();
    for step in 1..=8 {
        let told = Step {
            learning_rate: Some(if step <= 4 { 0.0 } else { 0.1 }),
            ..Step::from(step)
        };
        freezing.after_step(&mut net, told).unwrap();
    }
    let change = [1, 2, 3, 4].map(|check| freezing.history().change(0, check));
    // Half of a twentieth of the training: what can't be told from rounding is not said to be smaller than that.
    assert_eq!(change, [None, None, Some(2e-3), Some(2e-3)]);
}

#[test]
fn what_a_layer_changed_itself_is_told_from_what_it_inherits() {
    let mut net = Net::new(8, 8, 1);
    let mut freezing = watched(&net, 300, 4);
    freezing.start(&net).unwrap();
    // First the lowest layer moves, then the middle one, then both.
    let moves = [[true, false], [false, true], [true, true]];
    for step in 1..=12 {
        let [of_a, of_b] = moves[(step - 1) / 4];
        let by = normal([8, 8], step as u64) * 0.05;
        if of_a {
            net.a.weight = net.a.weight.map(|w| w + by.clone());
        }
        if of_b {
            net.b.weight = net.b.weight.map(|w| w + by.clone());
        }
        freezing.after_step(&mut net, step).unwrap();
    }
    let history = freezing.history();
    let still = 1e-3; // one twentieth of the training lies between two checks
    for (check, [of_a, of_b]) in (1..).zip(moves) {
        let of = |layer| {
            let own = history.own_change(layer, check).unwrap();
            (own, history.inherited_change(layer, check).unwrap())
        };
        let [
            (own_a, inherited_a),
            (own_b, inherited_b),
            (own_head, inherited_head),
        ] = [0, 1, 2].map(of);
        assert_eq!(inherited_a, still, "the inputs are the same");
        assert_eq!(own_a > 0.01, of_a, "{own_a}");
        assert_eq!((own_b > 0.01, inherited_b > 0.01), (of_b, of_a));
        assert_eq!(own_head, still);
        assert!(inherited_head > 0.01);
        // The lowest layer has nothing but its own.
        assert!((own_a - history.change(0, check).unwrap()).abs() < 1e-6);
    }
}

#[test]
fn the_formula_of_a_change_holds() {
    let chance = ByChance {
        samples: 100,
        directions: 10,
        level: 0.2,
        upper: 0.3,
        corrected: Some(0.9),
    };
    let checks = history([
        at(0),
        // 10 of 100 steps are two twentieths; of the largest rate that was told it is a tenth.
        dissimilar(10, 0.01, &[0.08]),
        dissimilar(20, 0.1, &[0.08]),
        Check {
            learning_rate: None,
            ..dissimilar(40, 0.0, &[0.25])
        },
        Check {
            chance: vec![Some(chance); LAYERS],
            parts: vec![
                Some(OwnAndInherited {
                    own: 0.96,
                    inherited: 1.5,
                });
                LAYERS
            ],
            ..dissimilar(50, 0.1, &[0.08])
        },
        Check {
            chance: vec![
                Some(ByChance {
                    corrected: None,
                    ..chance
                });
                LAYERS
            ],
            ..dissimilar(60, 0.1, &[0.08])
        },
    ]);
    let close = |found: Option<f64>, expected: f64| {
        let found = found.expect("it is known");
        assert!((found - expected).abs() < 1e-12, "{found} {expected}"); // f64 rounding
    };
    assert_eq!(checks.change(0, 0), None);
    close(checks.change(0, 1), 0.08f64.sqrt() / 0.2);
    close(checks.change(0, 2), 0.08f64.sqrt() / 2.0);
    close(checks.change(0, 3), 0.5 / 4.0);
    close(checks.change(0, 4), 0.1f64.sqrt() / 2.0); // (0.92 - 0.2) / 0.8 = 0.9
    close(checks.own_change(0, 4), 0.2 / 2.0);
    close(checks.inherited_change(0, 4), 1e-3 / 2.0);
    assert_eq!(
        checks.change(0, 5),
        None,
        "a measure without a largest value"
    );
    assert_eq!(checks.own_change(0, 3), None);
    assert_eq!(checks.change(LAYERS, 1), None);
    assert_eq!(checks.change(0, 6), None);
}

#[test]
fn a_layer_is_judged_by_its_own_rate_and_not_slow_for_having_a_small_one() {
    let own = |check: Check, rate: f64| Check {
        learning_rates: vec![Some(rate), None, Some(0.1), None, None, None],
        ..check
    };
    let checks = history([
        at(0),
        own(dissimilar(10, 0.1, &[0.04, 0.04, 0.04]), 0.02),
        own(dissimilar(20, 0.1, &[0.04, 0.04, 0.04]), 0.01),
    ]);
    let change = |layer| checks.change(layer, 2).unwrap();
    assert!(
        (change(0) - 1.0).abs() < 1e-12,
        "as far at a tenth of the rate"
    );
    assert!((change(1) - 0.1).abs() < 1e-12);
    assert!((change(2) - 0.1).abs() < 1e-12);
}

#[test]
fn the_rates_of_groups_of_parameters_are_those_of_their_layers() {
    let mut net = Net::new(8, 8, 1);
    let layers = Layers::of(&net).unwrap();
    let group = layers.group(0..1);
    let mut rates =
        ModuleLrScheduler::new(ConstantLr::from(0.1)).with_group(group, ConstantLr::from(0.001));
    let mut freezing = watched(&net, 90, 2);
    freezing.start(&net).unwrap();
    for step in 1..=2 {
        freezing.learning_rates(&net, &rates.step());
        freezing.after_step(&mut net, step).unwrap();
    }
    let mut same = ModuleLrScheduler::new(ConstantLr::from(0.1));
    for step in 3..=4 {
        freezing.learning_rates(&net, &same.step());
        freezing.after_step(&mut net, step).unwrap();
    }
    let checks = freezing.history().checks();
    assert_eq!(
        checks[1].learning_rates,
        [Some(0.001), Some(0.1), Some(0.1)]
    );
    assert!(checks[2].learning_rates.is_empty(), "all have the same");
    let rates = [1, 2].map(|check| checks[check].learning_rate);
    assert_eq!(rates, [Some(0.1); 2], "nobody told another");
}

#[test]
fn a_measure_without_a_largest_value_knows_no_change() {
    let mut net = Net::new(8, 8, 1);
    let mut freezing = watched(&net, 90, 2).measured_by(Measure::Pls);
    freezing.start(&net).unwrap();
    for step in 1..=2 {
        freezing.after_step(&mut net, step).unwrap();
    }
    assert_eq!(freezing.history().change(0, 1), None);
}
