//! A study from its trainings to its page.

use frostline_activations::{LayerFlops, Ledger, Outcome, Status};
use frostline_report::{Arm, Cost, Error, Front, Study, Trial, fronts};

/// Trained for so many seconds, a twentieth of them measuring.
fn arm(policy: Option<&str>, epochs: usize, seed: u64, seconds: f64, accuracy: f64) -> Arm {
    Arm {
        policy: policy.map(String::from),
        epochs,
        seed,
        outcome: Outcome {
            status: Status::Finished,
            step: epochs * 10,
            training_seconds: 0.95 * seconds,
            measuring_seconds: 0.05 * seconds,
            cpu_seconds: Some(2.0 * seconds),
            ledger: None,
            accuracy: Some(accuracy),
            test_samples: Some(10_000),
            notes: Vec::new(),
        },
    }
}

/// Two seeds, two ordinary lengths, one policy.
fn study() -> Study {
    let arms = [1, 2].into_iter().flat_map(|seed| {
        let level = 0.01 * seed as f64;
        [
            arm(None, 10, seed, 100.0, 0.6 + level),
            arm(None, 20, seed, 200.0, 0.7 + level),
            arm(
                Some("linear"),
                30,
                seed,
                150.0,
                0.65 + level + 0.01 * seed as f64,
            ),
        ]
    });
    Study {
        title: "A study".into(),
        notices: vec!["Generated images".into()],
        arms: arms.collect(),
    }
}

#[test]
fn a_policy_s_worth_pairs_seeds() {
    let worth = study().worth(Cost::Seconds);
    let [linear] = worth.as_slice() else {
        panic!("one policy gives one worth")
    };
    // One point over the ordinary front with seed 1, two with seed 2.
    let overall = linear.points.overall.clone().unwrap();
    assert!((overall.mean - 1.5).abs() < 1e-9);
    assert_eq!(overall.seeds, 2);
    // 66 and 68 % are less than the 71 and 72 % of 20 epochs.
    assert_eq!(linear.share.missing().count(), 2);
    // Twice the seconds on both sides change nothing.
    let by_cpu = study().worth(Cost::CpuSeconds)[0].points.overall.clone();
    assert!((by_cpu.unwrap().mean - 1.5).abs() < 1e-9);
}

#[test]
fn the_text_has_every_training_and_says_what_is_not_known() {
    let text = study().text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("policy    epochs  seed  test accuracy  training"));
    assert!(lines[3].contains("linear        30     1        67.00 %   142.5 s"));
    assert!(text.contains("linear  seconds            +1.50 points (-4.85 to +7.85, 2 seeds)"));
    assert!(text.contains(
        "linear, seed 1, at equal accuracy: not known, the best freezing training reached 67.00 %, the \
         longest ordinary one 71.00 % (seconds, processor seconds)"
    ));
    assert!(!text.contains("floating-point"), "nobody counted them");
}

#[test]
fn the_page_has_a_picture_a_cost_that_is_known() {
    let html = study().html().unwrap();
    assert_eq!(html.matches("<svg ").count(), 2);
    assert!(html.contains("No training recorded its floating-point operations and its accuracy."));
    assert!(html.contains("linear, 30 epochs: 68.00 % at 150.0 s, mean of 2 seeds"));
    assert!(html.contains("ordinary, 20 epochs, seed 2: 72.00 % at 200.0 s"));
    assert!(html.contains("Generated images"));
    let mut counted = study();
    for arm in &mut counted.arms {
        arm.outcome.ledger = Some(Ledger {
            layers: vec![LayerFlops {
                forward: 1e12 * arm.epochs as f64,
                ..LayerFlops::default()
            }],
            ..Ledger::default()
        });
    }
    let html = counted.html().unwrap();
    assert_eq!(html.matches("<svg ").count(), 3);
    assert!(html.contains("operations of training and measuring (TFLOP)"));
}

#[test]
fn names_and_numbers_as_they_come_make_a_page() {
    let evil = "</title><script>alert('1')</script>&\"";
    let mut bad = study();
    bad.title = evil.into();
    bad.notices.push(evil.into());
    bad.arms[2].policy = Some(evil.into());
    bad.arms[0].outcome.training_seconds = f64::NAN;
    bad.arms[1].outcome.accuracy = Some(f64::INFINITY);
    bad.arms[4].outcome.cpu_seconds = Some(f64::MAX);
    let html = bad.html().unwrap();
    assert!(!html.contains("<script"));
    for text in [html, bad.text()] {
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            assert!(!["NaN", "inf", "Infinity"].contains(&word), "{word}");
        }
    }
    let none = Study {
        arms: Vec::new(),
        ..study()
    };
    assert!(!none.html().unwrap().contains("<svg"));
    assert!(none.text().starts_with("policy"));
}

#[test]
fn a_front_of_one_training_is_drawn_and_none_is_nothing() {
    let trial = Trial {
        seed: 1,
        epochs: 5,
        cost: 10.0,
        accuracy: 0.5,
    };
    let front = |trials| Front {
        name: "ordinary".into(),
        trials,
    };
    let svg = fronts(&[front(vec![trial])], Cost::Seconds).unwrap();
    assert!(svg.contains("ordinary, 5 epochs, seed 1: 50.00 % at 10.0 s"));
    let nothing = fronts(&[front(vec![])], Cost::Seconds);
    assert!(matches!(nothing, Err(Error::Nothing(_))));
}
