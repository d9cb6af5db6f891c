//! A hand-written loop that is cut short and goes on, and what is measured between.

use burn::module::Module;
use burn::store::ModuleRecord;
use frostline_activations::{Axes, LayerShape, Run, RunFolder, Status};
use frostline_freeze::{
    CheckpointSchedule, FreezeAt, FreezeTraining, History, Layers, Length, Linear, Never,
    PolicyConfig, Probe, Resumed, Step, Watched, WeightDelta,
};

use crate::nets::{Block, Net, STEPS, freezing, gradients, optimizer, run, samples, train_step};
use burn::tensor::{Device, Tensor};

/// Trains up to a step; gives the net and its optimizer.
fn train_to(
    step: usize,
    mut net: Net,
    freezing: &mut FreezeTraining<Net>,
    from: usize,
    optimizer: &mut burn::optim::ModuleOptimizer,
) -> Net {
    for step in from + 1..=step {
        net = train_step(net, optimizer, step as u64);
        freezing.after_step(&mut net, step).unwrap();
    }
    net
}

#[test]
fn a_loop_goes_on_from_a_saved_model_with_what_was_frozen_then() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let net = Net::new(6);
    let mut first = freezing(&net, Linear::default()).going_on_in(&path);
    let mut optimizer = optimizer();
    first.start(&net).unwrap();
    let net = train_to(17, net, &mut first, 0, &mut optimizer);
    first.note_saved(&net, 17).unwrap();
    let saved = net.clone().into_record().into_bytes().unwrap();
    let state = optimizer.into_bytes().unwrap();
    // It goes on, and is cut short without a word.
    let net = train_to(33, net, &mut first, 17, &mut optimizer);
    assert_eq!(first.frozen(), 2);
    drop((first, net));

    let mut net = Net::new(1).load_record(ModuleRecord::from_bytes(saved).unwrap());
    let mut optimizer = crate::nets::optimizer().from_bytes(state).unwrap();
    let mut second = freezing(&net, Linear::default()).going_on_in(&path);
    assert_eq!(second.resume(&mut net).unwrap(), Resumed::At { step: 17 });
    assert_eq!(second.frozen(), 1);
    let trains = |block: &Block| block.weight().is_require_grad();
    assert!(!trains(&net.block1) && trains(&net.block2));
    let steps: Vec<usize> = second.history().checks().iter().map(|c| c.step).collect();
    assert_eq!(
        steps,
        [0, 5, 10, 14, 15],
        "what came after the save is made again"
    );
    train_to(STEPS, net, &mut second, 17, &mut optimizer);
    second.finish(Status::Finished, STEPS, None).unwrap();

    let run = Run::open(&path).unwrap();
    let frozen: Vec<usize> = run.history.iter().map(|check| check.frozen).collect();
    assert_eq!(frozen, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3]);
    let compared = run.history.iter().skip(1);
    assert!(
        compared
            .flat_map(|check| &check.similarity)
            .all(Option::is_some)
    );
    let seconds: Vec<f64> = run.history.iter().map(|c| c.training_seconds).collect();
    assert!(seconds.is_sorted(), "seconds go on from the last check");
}

#[test]
fn a_run_goes_on_with_the_probe_of_its_panes_and_not_with_another() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let panes_probe = || Probe::new(vec![samples(200, 5, &Device::flex())], Net::forward);
    let net = Net::new(6);
    let mut first = freezing(&net, Never)
        .panes_probe(panes_probe())
        .going_on_in(&path);
    let mut optimizer = optimizer();
    first.start(&net).unwrap();
    let net = train_to(17, net, &mut first, 0, &mut optimizer);
    first.note_saved(&net, 17).unwrap();
    let saved = net.clone().into_record().into_bytes().unwrap();
    train_to(33, net, &mut first, 17, &mut optimizer);
    drop(first);

    let loaded = || Net::new(1).load_record(ModuleRecord::from_bytes(saved.clone()).unwrap());
    let mut net = loaded();
    let mut other = freezing(&net, Never).going_on_in(&path);
    let error = other.resume(&mut net).unwrap_err().to_string();
    assert!(error.contains("probe of the panes"), "{error}");

    let mut net = loaded();
    let mut second = freezing(&net, Never)
        .panes_probe(panes_probe())
        .going_on_in(&path);
    assert_eq!(second.resume(&mut net).unwrap(), Resumed::At { step: 17 });
    // What the abandoned steps left is of another training: step 30 is not shown until it is done again.
    assert_eq!(Run::open(&path).unwrap().pane_steps(), [0, 14]);
    train_to(STEPS, net, &mut second, 17, &mut optimizer);
    let outcome = second.finish(Status::Finished, STEPS, None).unwrap();
    assert_eq!(Run::open(&path).unwrap().pane_steps(), [0, 14, 30, 40]);
    assert_eq!(outcome.ledger.unwrap().panes.evaluations, 4);
}

#[test]
fn a_model_that_was_not_saved_in_the_run_is_not_gone_on_with() {
    let temp = tempfile::tempdir().unwrap();
    let net = Net::new(6);
    let mut first = freezing(&net, Never).going_on_in(temp.path());
    first.start(&net).unwrap();
    first.note_saved(&net, 0).unwrap();
    drop(first);
    let mut stranger = Net::new(7);
    let mut second = freezing(&stranger, Never).going_on_in(temp.path());
    let found = second.resume(&mut stranger).unwrap();
    assert_eq!(found, Resumed::OtherWeights { latest: 0 });
    // The same run may begin anew; one that has ended may not be written over.
    second.start(&stranger).unwrap();
    second.finish(Status::Finished, 0, None).unwrap();
    let mut third = freezing(&stranger, Never).going_on_in(temp.path());
    let error = third.start(&stranger).unwrap_err().to_string();
    assert!(error.contains("holds a run already"), "{error}");
    assert!(RunFolder::is_run(temp.path()));
}

#[test]
fn measuring_keeps_to_its_budget_but_for_the_first_the_last_and_the_wanted_checks() {
    let steps = |policy: &PolicyConfig, share: Option<f64>| {
        let net = Net::new(2);
        let mut freezing = freezing(&net, policy.init().unwrap());
        if let Some(share) = share {
            freezing = freezing.measure_at_most(share);
        }
        run(net, &mut freezing);
        let checks = freezing.history().checks().iter();
        checks.map(|check| check.step).collect::<Vec<_>>()
    };
    let never = PolicyConfig::Never;
    assert_eq!(steps(&never, Some(0.0)), [0, STEPS]);
    assert_eq!(steps(&never, Some(1e9)), steps(&never, None));
    let schedule = PolicyConfig::FreezeAt(FreezeAt { at: vec![0.3, 0.6] });
    assert_eq!(steps(&schedule, Some(0.0)), [0, 12, 24, STEPS]);
}

#[test]
fn by_default_measuring_computes_at_most_two_percent_of_the_training() {
    let mut net = Net::new(2);
    let probe = Probe::new(vec![samples(60, 99, &Device::flex())], Net::forward);
    let length = Length::steps(200);
    let mut freezing = FreezeTraining::new(Layers::of(&net).unwrap(), probe, Never, length);
    freezing.start(&net).unwrap();
    for step in 1..=length.steps {
        // The model stands still: what it costs is what counts.
        let told = Step {
            samples: Some(71_500),
            ..Step::from(step)
        };
        freezing.after_step(&mut net, told).unwrap();
    }
    let checks = freezing.history().checks();
    let ledger = checks.last().unwrap().ledger.as_ref().unwrap();
    let trained: f64 = ledger.layers.iter().map(|l| l.forward + l.backward).sum();
    // A forward is 308 operations, a step 71,500 · (3 · 308 - 96), a check 60 · 308 and 20,534,200 for comparing, and the first look at
    // the layers 5 · 60 · 308: the k-th is allowed from step 0.08 + 17.36 k on, and asked for every ten. The last check is done in any case.
    let before_last = ledger.measuring_flops * (1.0 - 1.0 / checks.len() as f64);
    assert!(before_last <= 0.02 * trained, "{before_last} of {trained}");
    let steps: Vec<usize> = checks.iter().map(|check| check.step).collect();
    assert_eq!(steps, [0, 40, 60, 70, 90, 110, 130, 140, 160, 180, 200]);
    let said = checks.last().unwrap().warnings.join("\n");
    assert!(said.contains("10 of 21 checks were passed over"), "{said}");
}

#[test]
fn gradients_and_weights_are_watched_when_a_policy_wants_them() {
    let net = Net::new(3);
    let watched = Watched {
        gradients: true,
        weights: false,
        ..Watched::default()
    };
    let mut freezing = freezing(&net, WeightDelta::default()).watching(watched);
    let mut optimizer = optimizer();
    freezing.start(&net).unwrap();
    let mut net = net;
    for step in 1..=10 {
        let gradients = gradients(&net, step);
        freezing.gradients(&net, &gradients);
        net = optimizer.step(0.05, net, gradients);
        freezing.after_step(&mut net, step as usize).unwrap();
    }
    let history: &History = freezing.history();
    let [first, second, third] = history.checks() else {
        panic!("checks at steps 0, 5 and 10");
    };
    assert_eq!(first.gradients, [None; 4]);
    assert_eq!(first.weight_change, [None; 4]);
    for check in [second, third] {
        assert!(
            check
                .gradients
                .iter()
                .all(|norm| norm.is_some_and(|n| n > 0.0))
        );
        let moved = |change: &Option<f64>| change.is_some_and(|c| c > 0.0 && c < 1.0);
        assert!(check.weight_change.iter().all(moved), "{check:?}");
    }
}

#[test]
fn operations_are_estimated_from_shapes_or_told() {
    let net = Net::new(3);
    let layers = Layers::of(&net).unwrap();
    assert_eq!(layers.estimated_flops(&[]), [96.0, 112.0, 70.0, 30.0]);
    // A matrix meets every token of a sequence, and no place of channels that come first.
    let operations = |shape: &[usize], axes| {
        let shape = LayerShape::of("block1", shape, Some(axes)).unwrap();
        layers.estimated_flops(&[shape])[0]
    };
    assert_eq!(operations(&[9, 5, 8], Axes::Tokens), 5.0 * 96.0);
    assert_eq!(operations(&[9, 3, 5, 8], Axes::ChannelsLast), 15.0 * 96.0);
    assert_eq!(operations(&[9, 8, 5], Axes::ChannelsFirst), 96.0);
    let probe = Probe::new(vec![samples(60, 99, &Device::flex())], Net::forward);
    let mut told = FreezeTraining::new(layers, probe, Never, Length::steps(10))
        .checking(CheckpointSchedule::EverySteps(5))
        .forward_flops([1.0, 2.0]);
    let error = told.start(&net).unwrap_err().to_string();
    assert!(error.contains("the operations of 2 layers"), "{error}");
}

#[test]
fn resuming_says_what_it_met_and_changes_nothing_unless_it_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let mut net = Net::new(6);
    let weights = crate::nets::values(&net);
    let mut resumed = |folder: bool| {
        let freezing = freezing(&net, Never);
        let mut freezing = if folder {
            freezing.going_on_in(&path)
        } else {
            freezing
        };
        freezing.resume(&mut net).unwrap()
    };
    assert_eq!(resumed(false), Resumed::NoFolder);
    assert_eq!(resumed(true), Resumed::NoRun);
    assert!(!path.exists());
    let stranger = Net::new(7);
    let mut first = freezing(&stranger, Never).going_on_in(&path);
    first.start(&stranger).unwrap();
    drop(first);
    let file = |name: &str| std::fs::read(path.join(name)).unwrap();
    let before = (file("run.json"), file("history.jsonl"));
    let mut resumed = || {
        freezing(&net, Never)
            .going_on_in(&path)
            .resume(&mut net)
            .unwrap()
    };
    assert_eq!(resumed(), Resumed::NothingSaved);
    assert!(resumed().to_string().contains("call `note_saved`"));
    assert_eq!((file("run.json"), file("history.jsonl")), before);
    assert!(!path.join("replaced-1").exists());
    assert_eq!(crate::nets::values(&net), weights);

    // What begins anew keeps the old run aside, activations included.
    let mut second = freezing(&net, Never).going_on_in(&path);
    second.start(&net).unwrap();
    let aside = Run::open(path.join("replaced-1")).unwrap();
    assert_eq!((aside.history.len(), aside.checkpoints()), (1, &[0][..]));
}

#[test]
fn a_second_training_in_a_folder_is_refused_and_the_first_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(6);
    let mut first = freezing(&net, Never).going_on_in(temp.path());
    first.start(&net).unwrap();
    first.note_saved(&net, 0).unwrap();
    let mut same = net.clone();
    let mut second = freezing(&same, Never).going_on_in(temp.path());
    for error in [
        second.start(&same).unwrap_err().to_string(),
        second.resume(&mut same).unwrap_err().to_string(),
    ] {
        assert!(error.contains("is being written by"), "{error}");
    }
    first.after_step(&mut net, 5).unwrap();
    drop(first);
    assert_eq!(Run::open(temp.path()).unwrap().history.len(), 2);
    // Refused is not spoilt: it can go on when the first has gone.
    assert_eq!(second.resume(&mut same).unwrap(), Resumed::At { step: 0 });
    assert_eq!(second.history().checks().len(), 1);
}

#[test]
fn a_note_that_cannot_be_is_told_with_its_line_and_field() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(6);
    let mut first = freezing(&net, Never).going_on_in(temp.path());
    first.start(&net).unwrap();
    for step in 1..=7 {
        first.after_step(&mut net, step).unwrap();
        first.note_saved(&net, step).unwrap();
    }
    let error = first.note_saved(&net, 6).unwrap_err().to_string();
    assert!(
        error.contains("the last step of `after_step` is 7"),
        "{error}"
    );
    drop(first);
    let path = temp.path().join("saved.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let seconds = text
        .lines()
        .last()
        .unwrap()
        .split("\"seconds\":[")
        .nth(1)
        .unwrap();
    let seconds = format!("[{},", seconds.split(',').next().unwrap());
    for (from, to, field) in [
        ("\"compared\":[true,", "\"compared\":[", "decides.compared"),
        ("\"checks\":2", "\"checks\":3", "but had 3"),
        ("\"last_step\":7", "\"last_step\":8", "decides.last_step"),
        ("\"thawed\":null", "\"thawed\":[2,9]", "decides.thawed"),
        (seconds.as_str(), "[-1.0,", "spent.seconds"),
        ("\"steps\":2", "\"steps\":-2", "told.steps"),
    ] {
        let (lines, last) = text.trim_end().rsplit_once('\n').unwrap();
        let changed = last.replacen(from, to, 1);
        assert_ne!(changed, last, "{from}");
        std::fs::write(&path, format!("{lines}\n{changed}\n")).unwrap();
        let error = freezing(&net, Never)
            .going_on_in(temp.path())
            .resume(&mut net);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(field), "{to}: {error}");
        assert!(
            error.contains("saved.jsonl, line 7") || field == "but had 3",
            "{error}"
        );
    }
    std::fs::write(&path, text).unwrap();
    let resumed = freezing(&net, Never)
        .going_on_in(temp.path())
        .resume(&mut net);
    assert_eq!(resumed.unwrap(), Resumed::At { step: 7 });
}

#[test]
fn a_run_that_was_finished_and_goes_on_keeps_its_end_aside() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(6);
    let mut first = freezing(&net, Linear::default()).going_on_in(temp.path());
    let mut optimizer = optimizer();
    first.start(&net).unwrap();
    net = train_to(17, net, &mut first, 0, &mut optimizer);
    first.note_saved(&net, 17).unwrap();
    let saved = net.clone().into_record().into_bytes().unwrap();
    net = train_to(STEPS, net, &mut first, 17, &mut optimizer);
    first.note_saved(&net, STEPS).unwrap();
    first.finish(Status::Finished, STEPS, None).unwrap();
    let whole = Run::open(temp.path()).unwrap();

    // With the model of its end there is nothing to replace.
    let mut again = freezing(&net, Linear::default()).going_on_in(temp.path());
    assert_eq!(again.resume(&mut net).unwrap(), Resumed::At { step: STEPS });
    drop(again);
    assert_eq!(Run::open(temp.path()).unwrap().info, whole.info);
    assert!(!temp.path().join("replaced-1").exists());

    let mut net = Net::new(1).load_record(ModuleRecord::from_bytes(saved).unwrap());
    let mut second = freezing(&net, Linear::default()).going_on_in(temp.path());
    assert_eq!(second.resume(&mut net).unwrap(), Resumed::At { step: 17 });
    let run = Run::open(temp.path()).unwrap();
    assert_eq!((run.info.outcome, run.problems), (None, vec![]));
    let aside = Run::open(temp.path().join("replaced-1")).unwrap();
    assert_eq!(
        (aside.info.outcome, aside.history),
        (whole.info.outcome, whole.history)
    );
}

#[test]
fn an_error_that_leaves_main_says_what_display_says() {
    let error = Layers::named(&Net::new(1), &[("body", &["nowhere"])]).unwrap_err();
    assert!(
        error.to_string().contains("the model's parameters are"),
        "{error}"
    );
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[test]
fn a_loop_that_does_not_tell_its_samples_is_measured_as_often_as_one_that_does() {
    let checks = |told: bool| {
        let mut net = Net::new(2);
        let probe = Probe::new(vec![samples(60, 99, &Device::flex())], Net::forward);
        let length = Length::steps(120);
        let mut freezing = FreezeTraining::new(Layers::of(&net).unwrap(), probe, Never, length)
            .measure_at_most(1.0);
        freezing.start(&net).unwrap();
        let batch = samples(1600, 7, &Device::flex());
        for step in 1..=length.steps {
            // Two forwards a step, of which nothing is learnt.
            for half in [0..600, 600..1600] {
                net.forward(Tensor::from_inner(batch.clone().slice([half])));
            }
            let told = Step {
                samples: told.then_some(1600),
                ..Step::from(step)
            };
            freezing.after_step(&mut net, told).unwrap();
        }
        let checks = freezing.history().checks().iter();
        checks.map(|check| check.step).collect::<Vec<_>>()
    };
    let told = checks(true);
    assert!(told.len() > 5 && told.len() < 20, "{told:?}");
    assert_eq!(checks(false), told);
}
