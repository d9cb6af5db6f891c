//! Frozen layers stand still whatever becomes of the model between two steps, and a thaw undoes what the freeze did.

use burn::module::{Lora, Module};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsAccumulator, GradientsParams, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use frostline_freeze::{
    FreezeAt, FreezePolicy, FreezeTraining, Layers, PolicyConfig, Probe, Step, freeze, thaw,
};

use crate::nets::{Net, STEPS, freezing, gradients, optimizer, samples, train_step, values};

fn two_from_the_start() -> FreezeAt {
    FreezeAt { at: vec![0.1, 0.1] }
}

/// Trains until two layers are frozen.
fn with_two_frozen() -> (Net, FreezeTraining<Net>) {
    let mut net = Net::new(3);
    let mut freezing = freezing(&net, two_from_the_start());
    freezing.start(&net).unwrap();
    let mut optimizer = optimizer();
    for step in 1..=10 {
        net = train_step(net, &mut optimizer, step as u64);
        freezing.after_step(&mut net, step).unwrap();
    }
    assert_eq!(freezing.frozen(), 2);
    (net, freezing)
}

fn frozen_values(net: &Net) -> Vec<(String, burn::tensor::TensorData)> {
    let mut values = values(net);
    values.retain(|(path, _)| path.starts_with("block1.") || path.starts_with("block2."));
    values
}

/// Goes on for ten steps with this model; the first may move it, the others not.
fn stands_still_from_the_second_step(net: Net, freezing: &mut FreezeTraining<Net>) {
    let mut optimizer = optimizer();
    let mut net = train_step(net, &mut optimizer, 50);
    freezing.after_step(&mut net, 11).unwrap();
    let before = frozen_values(&net);
    for step in 12..=20 {
        net = train_step(net, &mut optimizer, step as u64);
        freezing.after_step(&mut net, step).unwrap();
    }
    assert_eq!(freezing.frozen(), 2);
    assert_eq!(frozen_values(&net), before);
}

fn warnings(freezing: &FreezeTraining<Net>) -> Vec<String> {
    let checks = freezing.history().checks().iter();
    let warnings = checks.flat_map(|check| check.warnings.clone());
    warnings
        .filter(|warning| warning.contains("although frozen"))
        .collect()
}

fn record(net: &Net) -> ModuleRecord {
    let bytes = net.clone().into_record().into_bytes().unwrap();
    ModuleRecord::from_bytes(bytes).unwrap()
}

#[test]
fn layers_stay_frozen_in_a_new_model_that_a_record_was_loaded_into() {
    let (net, mut freezing) = with_two_frozen();
    // The best weights so far, of this training and of another.
    for best in [net.clone(), Net::new(8)] {
        let loaded = Net::new(9).load_record(record(&best));
        stands_still_from_the_second_step(loaded, &mut freezing);
        let warnings = warnings(&freezing);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].contains("`block1`, `block2`") && warnings[0].contains("hold"),
            "{warnings:?}"
        );
        (_, freezing) = with_two_frozen();
    }
}

#[test]
fn layers_stay_frozen_in_a_frozen_model_that_got_other_ids() {
    let (net, mut freezing) = with_two_frozen();
    let loaded = net.load_record(record(&Net::new(8)));
    stands_still_from_the_second_step(loaded, &mut freezing);
    assert_eq!(warnings(&freezing), [""; 0], "nothing of it trained");
}

#[test]
fn layers_that_were_declared_before_a_record_was_loaded_freeze() {
    let fresh = Net::new(3);
    let mut freezing = freezing(&fresh, two_from_the_start());
    let mut net = fresh.load_record(record(&Net::new(4)));
    freezing.start(&net).unwrap();
    let mut optimizer = optimizer();
    for step in 1..=10 {
        net = train_step(net, &mut optimizer, step as u64);
        freezing.after_step(&mut net, step).unwrap();
    }
    stands_still_from_the_second_step(net, &mut freezing);
    assert_eq!(warnings(&freezing), [""; 0]);
    // So do they by hand.
    let layers = Layers::of(&Net::new(5)).unwrap();
    let net = freeze(Net::new(6), &layers, 1);
    assert!(!net.block1.weight().is_require_grad() && net.block2.weight().is_require_grad());
}

#[test]
fn what_the_user_unfreezes_or_keeps_from_before_is_frozen_again() {
    let before = Net::new(3);
    for other in [
        |net: Net, _: &Net| net.unfreeze(),
        |net: Net, _: &Net| net.set_require_grad(true),
        |_: Net, before: &Net| before.clone(),
    ] {
        let (net, mut freezing) = with_two_frozen();
        stands_still_from_the_second_step(other(net, &before), &mut freezing);
        assert_eq!(warnings(&freezing).len(), 1);
    }
    // Whereas this changes nothing.
    for same in [
        |net: Net| net.train(),
        |net: Net| net.valid().train(),
        |net: Net| net.clone(),
    ] {
        let (net, mut freezing) = with_two_frozen();
        stands_still_from_the_second_step(same(net), &mut freezing);
        assert_eq!(warnings(&freezing), [""; 0]);
    }
}

#[test]
fn a_model_that_is_held_after_loading_never_moves() {
    let (net, mut freezing) = with_two_frozen();
    let mut loaded = Net::new(9).load_record(record(&net));
    freezing.hold(&mut loaded);
    let before = frozen_values(&loaded);
    let mut net = train_step(loaded, &mut optimizer(), 50);
    assert_eq!(frozen_values(&net), before);
    freezing.after_step(&mut net, 11).unwrap();
    assert_eq!(warnings(&freezing), [""; 0]);
}

fn trains(linear: &Linear) -> [bool; 2] {
    let bias = linear.bias.as_ref().expect("it has one");
    [linear.weight.is_require_grad(), bias.is_require_grad()]
}

/// Three linear layers, the first with fixed weights.
#[derive(Module, Debug)]
struct Plain {
    a: Linear,
    b: Linear,
    head: Linear,
}

impl Plain {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
        let net = Plain {
            a: linear(6, 6),
            b: linear(6, 6),
            head: linear(6, 3),
        };
        let _drawn = net.valid();
        net
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        use frostline_activations::Tap;
        let x = self.a.forward(x).tanh().tap("a");
        let x = self.b.forward(x).tanh().tap("b");
        self.head.forward(x).tap("head")
    }

    fn gradients(&self, seed: u64) -> GradientsParams {
        let x = samples(16, seed, &Device::flex().autodiff());
        let loss = self.forward(x).powf_scalar(2.0).mean();
        GradientsParams::from_grads(loss.backward(), self)
    }
}

#[test]
fn a_thaw_lets_train_what_trained_before_the_freeze() {
    let mut net = Plain::new();
    // Layers that know nothing of what the user fixes later.
    let layers = Layers::of(&net).unwrap();
    net.a.weight = net.a.weight.set_require_grad(false);
    let net = freeze(net, &layers, 2);
    assert_eq!([trains(&net.a), trains(&net.b)], [[false; 2]; 2]);
    let net = thaw(net, &layers, 1..2);
    assert_eq!([trains(&net.a), trains(&net.b)], [[false; 2], [true; 2]]);
    let net = thaw(net, &layers, 0..1);
    assert_eq!([trains(&net.a), trains(&net.b)], [[false, true], [true; 2]]);
    // What is fixed between two freezes counts at the second.
    let mut net = net;
    net.b.bias = net.b.bias.map(|bias| bias.set_require_grad(false));
    net.a.weight = net.a.weight.set_require_grad(true);
    let net = freeze(freeze(net, &layers, 1), &layers, 2);
    let net = thaw(net, &layers, 0..2);
    assert_eq!([trains(&net.a), trains(&net.b)], [[true; 2], [true, false]]);
}

#[test]
fn a_thaw_switches_on_the_flags_that_were_on() {
    let net = Net::new(1);
    let layers = Layers::of(&net).unwrap();
    let on = |net: &Net| {
        use burn::module::{Flag, ModuleVisitor, Param};
        struct Flags(Vec<bool>);
        impl ModuleVisitor for Flags {
            fn visit_flag(&mut self, flag: &Param<Flag>) {
                self.0.push(flag.val().is_enabled());
            }
        }
        let mut flags = Flags(Vec::new());
        net.visit(&mut flags);
        flags.0
    };
    // The user keeps the statistics of the first block fixed.
    let fixed = burn::module::ParamGroup::from_path("block1.norm.training");
    let net = net.freeze_group(fixed);
    let before = on(&net);
    assert_eq!(before, [false, true, true, true, true, true]);
    let net = freeze(net, &layers, 3);
    assert_eq!(on(&net), [false; 6]);
    let net = thaw(net, &layers, 0..3);
    assert_eq!(on(&net), before);
}

#[test]
fn the_bases_of_lora_adapters_stay_fixed_through_a_freeze_and_a_thaw() {
    let net = Plain::new().apply_lora(Lora::new(2, 4.0));
    let layers = Layers::of(&net).unwrap();
    let adapter = |linear: &Linear| {
        let adapter = linear.weight.adapter().expect("attached above");
        [adapter.a.is_require_grad(), adapter.b.is_require_grad()]
    };
    assert_eq!((trains(&net.a), adapter(&net.a)), ([false; 2], [true; 2]));
    let net = freeze(net, &layers, 2);
    assert_eq!((trains(&net.b), adapter(&net.b)), ([false; 2], [false; 2]));
    let net = thaw(net, &layers, 0..2);
    for linear in [&net.a, &net.b] {
        assert_eq!((trains(linear), adapter(linear)), ([false; 2], [true; 2]));
    }
}

#[test]
fn a_policy_that_thaws_leaves_alone_what_the_user_keeps_fixed() {
    let mut net = Plain::new();
    net.a.weight = net.a.weight.set_require_grad(false);
    let probe = Probe::new(vec![samples(90, 5, &Device::flex())], Plain::forward);
    let policy: PolicyConfig = "thaw_on_lr_drop(2, freeze_at(0.2, 0.4))".parse().unwrap();
    let policy: Box<dyn FreezePolicy> = policy.init().unwrap();
    let length = frostline_freeze::Length::steps(20);
    let mut freezing = FreezeTraining::new(Layers::of(&net).unwrap(), probe, policy, length)
        .checking(frostline_freeze::CheckpointSchedule::EverySteps(1));
    freezing.start(&net).unwrap();
    let mut optimizer = SgdConfig::new().init();
    let fixed = net.a.weight.val().into_data();
    let (mut most, mut thawed) = (0, false);
    for step in 1..=20 {
        let gradients = net.gradients(step as u64);
        net = optimizer.step(0.1, net, gradients);
        let rate = if step <= 10 { 0.1 } else { 0.01 };
        let told = Step {
            learning_rate: Some(rate),
            ..Step::from(step)
        };
        freezing.after_step(&mut net, told).unwrap();
        most = most.max(freezing.frozen());
        if freezing.frozen() < most {
            thawed = true;
            assert_eq!(trains(&net.a), [false, true]);
        }
    }
    assert!(thawed && most == 2, "{most}");
    assert_eq!(net.a.weight.val().into_data(), fixed);
}

#[test]
fn gradients_that_were_added_up_before_a_freeze_do_not_move_what_froze() {
    let mut net = Net::new(3);
    let mut freezing = freezing(&net, FreezeAt { at: vec![0.25] });
    freezing.start(&net).unwrap();
    let (mut optimizer, mut accumulated) = (optimizer(), GradientsAccumulator::new());
    let mut moved = Vec::new();
    for step in 1..=STEPS {
        let gradients = gradients(&net, step as u64);
        accumulated.accumulate(&net, gradients);
        freezing.after_step(&mut net, step).unwrap();
        if step % 4 == 0 {
            let before = net.block1.weight().into_data();
            let gradients = freezing.without_frozen(&net, accumulated.grads());
            // Three blocks of four and a head of two; one block less when it is frozen.
            assert_eq!(
                gradients.len(),
                if freezing.frozen() == 0 { 14 } else { 10 }
            );
            net = optimizer.step(0.05, net, gradients);
            moved.push(before != net.block1.weight().into_data());
        }
    }
    // It froze at step 10, with the gradients of steps 9 and 10 added up.
    assert_eq!(moved[..3], [true, true, false]);
    assert!(moved[2..].iter().all(|moved| !moved), "{moved:?}");
}
