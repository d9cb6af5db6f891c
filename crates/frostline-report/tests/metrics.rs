//! What runs reported of every step: drawn, smoothed by choice, and as files; and what a page says first.

mod made_up_page;
mod made_up_run;
mod svg_text;

use frostline_activations::{Metrics, MetricsPoint, Run, Spread, Status};
use frostline_report::{
    Against, Page, RunPictures, accuracy, csv_files, frozen_layers, learning_rate, loss,
    tensorboard_files, test_loss, train_accuracy,
};
use made_up_page::{page_of, pictures};
use made_up_run::{check, ledger, outcome, run, usual};
use svg_text::assert_legible;

const BEGAN: f64 = 1.7e9;

/// A run of 100 planned steps that reported so many, with a test after every twentieth.
fn reported(name: &str, steps: usize) -> Run {
    let mut run = usual(name);
    run.info.began = Some(BEGAN);
    (run.history[0].loss, run.history[0].accuracy) = (None, None);
    run.metrics = metrics(steps, 20);
    run
}

fn metrics(steps: usize, tested: usize) -> Metrics {
    let point = |step: usize| MetricsPoint {
        step,
        steps: 1,
        epoch: step as f64 / 20.0,
        loss: Spread::of(2.0 / (step as f64).sqrt() + 0.5 * ((step * 37) as f64).sin().abs()),
        train_accuracy: Spread::of(0.5 + 0.4 * step as f64 / steps as f64),
        learning_rate: Spread::of(0.1 * (1.0 - step as f64 / steps as f64)),
        training_seconds: 0.5 * step as f64,
        flops: Some(1e9 * step as f64),
        wall_seconds: BEGAN + 0.75 * step as f64,
        ..MetricsPoint::default()
    };
    let test = |step: usize| MetricsPoint {
        steps: 0,
        loss: None,
        train_accuracy: None,
        learning_rate: None,
        test_accuracy: Spread::of(0.3 + 0.4 * step as f64 / steps as f64),
        test_loss: Spread::of(3.0 - 2.0 * step as f64 / steps as f64),
        ..point(step)
    };
    let both = |step: usize| {
        let tests = step.is_multiple_of(tested).then(|| test(step));
        std::iter::once(point(step)).chain(tests)
    };
    (1..=steps).flat_map(both).collect()
}

#[test]
fn curves_are_drawn_from_every_step_and_not_from_checks() {
    let run = reported("run", 100);
    for against in Against::ALL {
        for picture in [loss, accuracy, train_accuracy, test_loss, learning_rate] {
            assert_legible(&picture(&[&run], against).unwrap());
        }
    }
    let svg = loss(&[&run], Against::Steps).unwrap();
    // Every third point says its value; checks are at 0, 25, ... and say nothing.
    assert!(svg.contains("<title>run at step 5: loss "), "{svg}");
    assert!(
        !svg.contains("step 0:"),
        "before the first step there is no loss"
    );
    let tests = accuracy(&[&run], Against::Steps).unwrap();
    assert!(tests.contains("<title>run at step 20: accuracy 38.00 %</title>"));
    assert!(tests.contains("<title>run, final: 81.23 %"));
    let rate = learning_rate(&[&run], Against::Epochs).unwrap();
    assert!(rate.contains("learning rate 0.09"));
}

#[test]
fn many_steps_are_drawn_as_means_with_a_band_from_the_least_to_the_greatest() {
    let run = reported("run", 5000);
    let svg = loss(&[&run], Against::Steps).unwrap();
    assert!(svg.len() < 25_000, "{} bytes", svg.len());
    assert_eq!(
        svg.matches("<polygon ").count(),
        2,
        "one band, and one in the legend"
    );
    let said = svg.split("<title>").nth(3).unwrap();
    assert!(said.contains(", the mean of 32 from "), "{said}");
    assert_legible(&svg);
}

#[test]
fn a_curve_of_many_points_is_smoothed_by_choice_and_shown_with_what_it_is_the_mean_of() {
    let html = page_of(&[reported("a", 100), reported("b", 90)]);
    for choice in ["raw", "smoothed"] {
        let button = format!("<input type=\"radio\" name=\"curves\" id=\"curves-{choice}\"");
        assert_eq!(html.matches(&button).count(), 1, "{choice}");
    }
    assert!(
        html.contains("id=\"curves-raw\" checked>"),
        "as recorded until it is chosen"
    );
    assert!(html.contains(":has(#curves-raw:checked) .smoothed { display: none; }"));
    // Loss and training accuracy on four axes; tests are too few to be smoothed.
    assert_eq!(
        html.matches("<g class=\"raw\" opacity=\"0.35\">").count(),
        2 * 4
    );
    assert_eq!(html.matches("<g class=\"smoothed\">").count(), 2 * 4);
    // 5 % of 100 steps.
    assert!(html.contains("A smoothed value is the mean over the 5 steps around it"));
    let few = page_of(&[reported("a", 30), usual("b")]);
    assert!(!few.contains("name=\"curves\"") && !few.contains("<g class=\"smoothed\">"));
}

#[test]
fn a_run_without_metrics_is_drawn_beside_one_with_them() {
    let (old, new) = (usual("old"), reported("new", 100));
    let svg = loss(&[&old, &new], Against::Steps).unwrap();
    assert!(svg.contains("old at step 25: loss 0.07692"));
    assert!(svg.contains("new at step 5: loss "));
    page_of(&[old, new]);
}

#[test]
fn a_run_that_began_before_there_were_metrics_has_its_checks_up_to_them() {
    let mut run = reported("run", 100);
    run.metrics = run.metrics.points()[60..].iter().cloned().collect();
    let svg = loss(&[&run], Against::Steps).unwrap();
    assert!(
        svg.contains("run at step 50: loss ") && !svg.contains("run at step 25: loss 0.07692 ")
    );
    assert!(svg.contains("run at step 50: loss 0.03922"), "of the check");
}

#[test]
fn the_frost_line_moves_where_a_check_moved_it() {
    let run = reported("run", 100);
    let svg = frozen_layers(&[&run], Against::Seconds).unwrap();
    assert!(svg.contains("run from step 50 on: 1 frozen"));
    assert!(svg.contains("run from step 75 on: 2 frozen"));
    let mut never = usual("never");
    never.history.iter_mut().for_each(|check| check.frozen = 0);
    let error = frozen_layers(&[&never], Against::Steps).unwrap_err();
    assert_eq!(error.to_string(), "No layer was frozen.");
    assert!(!page_of(&[never]).contains("<h3>Frozen layers</h3>"));
}

#[test]
fn a_page_of_six_runs_of_many_steps_and_15_layers_stays_below_2_mb() {
    let names: Vec<String> = (1..=15)
        .map(|layer| format!("stage.block{layer}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let of = |name: &str| {
        let checks = (0..20).map(|index| frostline_activations::Check {
            ledger: Some(ledger()),
            ..check(250 * index, &[Some(0.9); 15], index / 2)
        });
        let mut run = run(
            name,
            &names,
            checks.collect(),
            outcome(Status::Finished, 5000),
        );
        // What a loop by hand reports.
        let reported = metrics(5000, 100).points().to_vec();
        let reported = reported.into_iter().map(|point| MetricsPoint {
            train_accuracy: None,
            test_loss: None,
            ..point
        });
        run.metrics = reported.collect();
        run
    };
    let runs = [
        "usual",
        "linear",
        "cubic",
        "geometric",
        "converged",
        "by hand",
    ]
    .map(of);
    let page = Page {
        title: "Runs".into(),
        notices: vec![],
        runs: runs.iter().map(pictures).collect(),
    };
    let bytes = page.html().unwrap().len();
    println!("{bytes} bytes");
    assert!(bytes < 2_000_000, "{bytes} bytes");
    assert!(!page.html().unwrap().contains("To keep this page small"));
}

#[test]
fn the_table_of_metrics_has_every_point_with_its_mean_its_least_and_its_greatest() {
    let run = reported("run", 5000);
    let files = csv_files(&[pictures(&run)]).unwrap();
    let file = files
        .iter()
        .find(|file| file.name == "metrics.csv")
        .unwrap();
    let mut reader = csv::Reader::from_reader(file.content.as_slice());
    let rows: Vec<std::collections::BTreeMap<String, String>> =
        reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), run.metrics.points().len());
    let first = run.metrics.points()[0].clone();
    let Spread {
        mean, low, high, ..
    } = first.loss.unwrap();
    let expected = [
        ("run", "run".to_string()),
        ("step", "8".to_string()),
        ("steps", "8".to_string()),
        ("tests", "0".to_string()),
        ("loss", format!("{mean:?}")),
        ("loss_least", format!("{low:?}")),
        ("loss_greatest", format!("{high:?}")),
        ("test_accuracy", String::new()),
        ("operations", "8000000000.0".to_string()),
        ("wall_seconds", "1700000006.0".to_string()),
    ];
    for (column, cell) in expected {
        assert_eq!(rows[0][column], cell, "{column}");
    }
    let tests: Vec<_> = rows.iter().filter(|row| row["steps"] == "0").collect();
    assert_eq!(tests.len(), 250);
    assert_eq!(
        (tests[0]["step"].as_str(), tests[0]["tests"].as_str()),
        ("20", "1")
    );
    assert!(tests[0]["loss"].is_empty() && !tests[0]["test_loss"].is_empty());
}

#[test]
fn exported_events_have_every_step_by_the_time_at_which_it_was_done() {
    let run = reported("run", 100);
    let [file] = tensorboard_files(&[pictures(&run)]).try_into().unwrap();
    assert_eq!(file.name, "run/events.out.tfevents.1700000000.frostline");
    let mut rest = file.content.as_slice();
    let mut times = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(rest[12], 0x09, "the wall time is the first field");
        times.push(f64::from_le_bytes(rest[13..21].try_into().unwrap()));
        rest = &rest[12 + length + 4..];
    }
    // The version, 100 steps, 5 tests and 5 checks.
    assert_eq!(times.len(), 111);
    assert_eq!((times[0], times[110]), (BEGAN, BEGAN + 75.0));
    assert!(times.is_sorted(), "{times:?}");
}

/// The first sentence of a page, with what froze replaced in the second run.
fn first_sentence(runs: &[Run]) -> String {
    let html = page_of(runs);
    let (_, after) = html
        .split_once("</h1>\n<p class=\"short\">")
        .expect("it comes first");
    after.split_once("</p>").unwrap().0.to_string()
}

fn ordinary() -> Run {
    let mut run = usual("ordinary");
    run.history.iter_mut().for_each(|check| check.frozen = 0);
    run.info.policy = "never".into();
    run
}

fn freezing(accuracy: f64, seconds: f64) -> Run {
    let mut run = usual("freeze");
    let end = run.info.outcome.as_mut().unwrap();
    (end.accuracy, end.training_seconds) = (Some(accuracy), seconds);
    run
}

#[test]
fn the_page_says_first_what_froze_what_that_saved_and_what_it_cost() {
    assert_eq!(
        first_sentence(&[ordinary(), freezing(0.7423, 30.0)]),
        "freeze froze 2 of 3 layers, the first after 50 % of the training. Against ordinary it took 20.0 s less for \
         training and measuring (39 % of 51.0 s), and its test accuracy is 7.00 points lower, 74.23 % against 81.23 %."
    );
    let slower = first_sentence(&[freezing(0.8123, 60.0), ordinary()]);
    assert!(slower.contains("it took 10.0 s more") && slower.contains("is the same, 81.23 %"));
    // Of 10,000 samples each: 1.96 · 100 · sqrt(2 · 0.81 · 0.19 / 10,000) is 1.1.
    let close = first_sentence(&[ordinary(), freezing(0.8063, 30.0)]);
    assert!(
        close.contains(
            "0.60 points lower, 80.63 % against 81.23 %; 10,000 test samples leave 1.1 points open"
        ),
        "{close}"
    );
}

#[test]
fn of_two_savings_the_one_by_the_run_s_own_pace_leads_and_the_page_says_what_each_is() {
    let with_ledger = |seconds: f64| {
        let mut run = freezing(0.7423, 30.0);
        let mut ledger = ledger();
        ledger.at_frozen[2].seconds = seconds;
        run.info.outcome.as_mut().unwrap().ledger = Some(ledger);
        run
    };
    // It took 31 s where the ordinary run took 51, and its own steps say that freezing did not pay.
    let sentence = first_sentence(&[ordinary(), with_ledger(26.0)]);
    assert_eq!(
        sentence,
        "freeze froze 2 of 3 layers, the first after 50 % of the training. By the pace of its own steps before anything \
         froze, that saved nothing: with measuring it took 2.0 s longer than without. Against ordinary, its test accuracy \
         is 7.00 points lower, 74.23 % against 81.23 %. By the clock it took 31.0 s and ordinary took 51.0 s for training \
         and measuring: in the 20.0 s between them is also how fast the machine was during each."
    );
    let paid = first_sentence(&[ordinary(), with_ledger(12.5)]);
    assert!(
        paid.contains("froze, that saved 11.5 s, measuring taken off. Against ordinary, its"),
        "{paid}"
    );
}

#[test]
fn the_page_says_so_where_there_is_nothing_to_compare_with() {
    let alone = first_sentence(&[freezing(0.8, 30.0)]);
    assert!(alone.starts_with("freeze froze 2 of 3 layers"), "{alone}");
    assert!(alone.contains("no ordinary run of the same length on this page has ended"));
    let alone = first_sentence(&[ordinary()]);
    assert!(alone.contains("No layer of ordinary was frozen") && alone.contains("no other run"));
    let none = first_sentence(&[ordinary(), ordinary()]);
    assert_eq!(none, "No layer was frozen in any run on this page.");
    let mut held_back = ordinary();
    held_back.info.policy = "converged".into();
    held_back.history.last_mut().unwrap().reason = "the learning rate is still rising".into();
    let checks = held_back.history.len();
    assert_eq!(
        first_sentence(&[held_back]),
        format!(
            "ordinary froze no layer: at the last of its {checks} checks the learning rate is still rising."
        )
    );
    // A run of another length is none to compare with, and neither is one that was cut short.
    let mut longer = ordinary();
    longer.info.length.steps = 200;
    assert!(first_sentence(&[longer, freezing(0.8, 30.0)]).contains("of the same length"));
    let mut stopped = freezing(0.8, 30.0);
    stopped.info.outcome = outcome(Status::Interrupted, 60);
    let sentence = first_sentence(&[ordinary(), stopped]);
    assert!(
        sentence.contains("it was interrupted at step 100 of 100"),
        "{sentence}"
    );
    let mut going = freezing(0.8, 30.0);
    going.info.outcome = None;
    let sentence = first_sentence(&[ordinary(), going]);
    assert!(sentence.contains("; it has no end yet, so"), "{sentence}");
}

#[test]
fn without_an_accuracy_the_page_compares_losses() {
    let without = |mut run: Run| {
        run.history
            .iter_mut()
            .for_each(|check| check.accuracy = None);
        run.info.outcome.as_mut().unwrap().accuracy = None;
        let points = metrics(100, 20).points().to_vec();
        let points = points.into_iter().map(|mut point| {
            point.test_accuracy = None;
            point
        });
        run.metrics = points.collect();
        run
    };
    let runs = [without(ordinary()), without(freezing(0.0, 30.0))];
    let sentence = first_sentence(&runs);
    assert!(
        sentence.contains("no accuracy is known; its test loss is 1 against 1"),
        "{sentence}"
    );
}

#[test]
fn a_page_of_runs_that_go_on_loads_itself_anew_without_a_script() {
    let run = reported("run", 50);
    let page = Page {
        title: "Runs".into(),
        notices: vec![],
        runs: vec![RunPictures {
            run: &run,
            panes: vec![],
            to_end: vec![],
        }],
    };
    let html = page.reloading_html(5).unwrap();
    assert_eq!(
        html.matches("<meta http-equiv=\"refresh\" content=\"5\">")
            .count(),
        1
    );
    assert!(html.contains("loads itself anew every 5 seconds") && !html.contains("<script"));
    assert!(!page.html().unwrap().contains("http-equiv"));
}
