//! Policies as text.

use burn::config::Config;
use frostline_freeze::{
    AtMost, Converged, Cubic, DryRun, Error, Geometric, GradNorm, Linear, Measure, PolicyConfig,
    ThawOnLrDrop, Warmup, WeightDelta,
};
use proptest::prelude::*;

fn read(text: &str) -> PolicyConfig {
    text.parse().unwrap()
}

#[test]
fn every_policy_survives_its_text_and_json() {
    for text in [
        "never",
        "linear(0.5, 1)",
        "cubic(0.8)",
        "cubic(0.8, unscaled)",
        "freeze_at(0.4, 0.4, 0.6, 0.75)",
        "freeze_at(0)",
        "geometric(0.33)",
        "grad_norm(50)",
        "weight_delta(0.01, 2)",
        "converged(0.02, 0.2)",
        "converged(0.02, 0.2, cka)",
        "converged(0.02, 0.2, svcca(0.95))",
        "converged(0.02, 0.2, svcca, own)",
        "warmup(0.3, converged(0.02, 0.2))",
        "at_most(0.5, linear(0, 1))",
        "costs_at_most(0.01, linear(0, 1))",
        "thaw_on_lr_drop(10, converged(0.02, 0.2))",
        "dry_run(linear(0, 1))",
        "warmup(0.3, at_most(0.5, thaw_on_lr_drop(2.5, dry_run(converged(0, 1, pwcca_x, own)))))",
    ] {
        let config = read(text);
        assert_eq!(config.to_string(), text);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<PolicyConfig>(&json).unwrap(), config);
        let policy = config.init().unwrap();
        assert_eq!(policy.is_dry_run(), text.contains("dry_run"));
        assert_eq!(policy.thaws(), text.contains("thaw"));
    }
}

#[test]
fn missing_arguments_are_the_defaults() {
    assert_eq!(read("linear"), PolicyConfig::Linear(Linear::default()));
    assert_eq!(
        read("linear(0.5)"),
        PolicyConfig::Linear(Linear {
            start: 0.5,
            level: 1.0
        })
    );
    assert_eq!(read("cubic"), PolicyConfig::Cubic(Cubic::default()));
    assert_eq!(read("cubic(0.8, scaled)"), read("cubic"));
    assert_eq!(
        read("geometric"),
        PolicyConfig::Geometric(Geometric::default())
    );
    assert_eq!(
        read("grad_norm"),
        PolicyConfig::GradNorm(GradNorm::default())
    );
    assert_eq!(
        read("weight_delta"),
        PolicyConfig::WeightDelta(WeightDelta::default())
    );
    assert_eq!(
        read("converged"),
        PolicyConfig::Converged(Converged::default())
    );
    assert_eq!(
        PolicyConfig::default().to_string(),
        "warmup(0.7, at_most(0.5, converged(0.5, 0.1)))"
    );
    assert_eq!(
        read(" warmup ( 0.3 ,converged( 0.05 ) ) "),
        PolicyConfig::Warmup(Warmup {
            until: 0.3,
            policy: Box::new(PolicyConfig::Converged(Converged {
                threshold: 0.05,
                ..Converged::default()
            })),
        })
    );
    assert_eq!(
        read("converged(0.5, 0.1, cka)"),
        PolicyConfig::Converged(Converged {
            measure: Some("cka".parse::<Measure>().unwrap()),
            ..Converged::default()
        })
    );
}

#[test]
fn a_text_that_means_nothing_is_an_error_that_says_where_and_what_there_is() {
    for (text, place, says) in [
        ("", 1, "there is no policy ``"),
        (
            "linaer",
            1,
            "there is no policy `linaer`; there are never, linear(start, level)",
        ),
        ("Never", 1, "no policy `Never`"),
        ("never()", 7, "`never` takes 0 arguments, not 1"),
        ("linear()", 8, "start is ``"),
        (
            "linear(0, 1, 2)",
            14,
            "`linear(start, level)` takes 2 arguments, not 3",
        ),
        ("linear(x)", 8, "start is `x`; it takes a number in [0, 1)"),
        ("linear(1)", 8, "in [0, 1)"),
        (
            "linear(0, 1.5)",
            11,
            "level is `1.5`; it takes a number in [0, 1]",
        ),
        ("linear(0, NaN)", 11, "level is `NaN`"),
        ("cubic(-0.1)", 7, "t0 is `-0.1`"),
        ("cubic(0.8, twice)", 12, "it takes `scaled` or `unscaled`"),
        ("geometric(inf)", 11, "alpha is `inf`"),
        ("freeze_at(0.1, 2)", 16, "share of training is `2`"),
        ("freeze_at", 1, "needs its share of training"),
        ("grad_norm(101)", 11, "in [0, 100]"),
        ("weight_delta(-1)", 14, "threshold is `-1`"),
        (
            "converged(0.02, 2)",
            17,
            "patience is `2`; it takes a number in [0, 1], the share of the training",
        ),
        (
            "weight_delta(0.02, 1.5)",
            20,
            "patience is `1.5`; it takes a whole number of 1 or more",
        ),
        ("converged(0.02, 0.2, cka, its)", 27, "`own`, or `all`"),
        ("converged(inf)", 11, "and finite"),
        ("converged(0.02, 0.2, ccca)", 22, "ccca"),
        ("converged(0.02, 0.2, svcca(2))", 22, "2"),
        ("warmup", 1, "`warmup(until, policy)` needs its until"),
        ("warmup(0.3)", 1, "`warmup(until, policy)` needs its policy"),
        ("warmup(converged, 0.3)", 8, "until is `converged`"),
        ("warmup(0.3, convergd)", 13, "there is no policy `convergd`"),
        (
            "thaw_on_lr_drop(1, never)",
            17,
            "factor is `1`; it takes a number above 1",
        ),
        ("dry_run(at_most(0.5, linear(2)))", 29, "start is `2`"),
        ("linear(0.5", 7, "never closed"),
        ("warmup(0.3, linear(0.5)", 7, "never closed"),
        ("linear(0.5))", 12, "`)` follows the end"),
        ("linear(0.5) (1)", 13, "`(1)` follows the end"),
        ("(0.5)", 1, "there is no policy ``"),
        ("ünit(é)", 1, "`ünit`"),
        ("linear(é, x)", 8, "start is `é`"),
        ("linear(0, é)", 11, "level is `é`"),
    ] {
        match text.parse::<PolicyConfig>() {
            Err(Error::BadPolicy {
                policy,
                at,
                problem,
            }) => {
                assert_eq!((policy.as_str(), at), (text, place), "{problem}");
                assert!(problem.contains(says), "{text}: {problem}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    let error = "warmup(0.3, convergd)".parse::<PolicyConfig>().unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("policy `warmup(0.3, convergd)`, character 13: there is no policy")
    );
    let json = serde_json::from_str::<PolicyConfig>("\"linear(7)\"").unwrap_err();
    assert!(json.to_string().contains("start is `7`"), "{json}");
}

#[test]
fn parameters_out_of_range_are_errors_when_the_policy_is_made_too() {
    let refused = |config: PolicyConfig| match config.init().err() {
        Some(Error::BadPolicy { problem, .. }) => problem,
        other => panic!("{config}: {other:?}"),
    };
    let nan = Linear {
        start: f64::NAN,
        level: 1.0,
    };
    assert!(refused(PolicyConfig::Linear(nan)).contains("start is `NaN`"));
    let impatient = Converged {
        patience: -1.0,
        ..Converged::default()
    };
    let within = PolicyConfig::DryRun(DryRun(Box::new(PolicyConfig::Converged(impatient))));
    assert!(refused(within).contains("patience is `-1`"));
    let negative = GradNorm { percentile: -1.0 };
    assert!(refused(PolicyConfig::GradNorm(negative)).contains("percentile is `-1`"));
}

#[test]
fn policies_nest_deep_but_not_without_end() {
    let nested = |depth| format!("{}never{}", "dry_run(".repeat(depth), ")".repeat(depth));
    assert!(nested(32).parse::<PolicyConfig>().is_ok());
    let refused = nested(100_000).parse::<PolicyConfig>().unwrap_err();
    assert!(refused.to_string().contains("nested more than 32 deep"));
}

#[test]
fn a_policy_is_saved_and_loaded_like_any_of_burns_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    let config = read("warmup(0.3, converged(0.02, 0.2, cka))");
    config.save(&file).unwrap();
    assert_eq!(PolicyConfig::load(&file).unwrap(), config);
    std::fs::write(&file, "\"warmup(0.3\"").unwrap();
    assert!(PolicyConfig::load(&file).is_err());
}

/// Any policy with parameters in range.
fn any_config() -> impl Strategy<Value = PolicyConfig> {
    let share = || 0.0..1.0;
    let measure = proptest::option::of(proptest::sample::select(Measure::ALL.to_vec()));
    let plain = prop_oneof![
        Just(PolicyConfig::Never),
        (share(), share()).prop_map(|(start, level)| PolicyConfig::Linear(Linear { start, level })),
        (share(), any::<bool>())
            .prop_map(|(t0, scale_lr)| PolicyConfig::Cubic(Cubic { t0, scale_lr })),
        share().prop_map(|alpha| PolicyConfig::Geometric(Geometric { alpha })),
        (0.0..100.0).prop_map(|percentile| PolicyConfig::GradNorm(GradNorm { percentile })),
        (0.0..1e300, 1usize..).prop_map(|(threshold, patience)| {
            PolicyConfig::WeightDelta(WeightDelta {
                threshold,
                patience,
            })
        }),
        (0.0..1.0, share(), measure, any::<bool>()).prop_map(
            |(threshold, patience, measure, by_own)| {
                // By its own change it is compared by a measure that is named.
                let measure = measure.or(by_own.then(Measure::default));
                PolicyConfig::Converged(Converged {
                    threshold,
                    patience,
                    measure,
                    by_own,
                })
            },
        ),
    ];
    plain.prop_recursive(5, 6, 1, move |within| {
        let within = within.prop_map(Box::new);
        prop_oneof![
            (share(), within.clone())
                .prop_map(|(until, policy)| PolicyConfig::Warmup(Warmup { until, policy })),
            (share(), within.clone())
                .prop_map(|(fraction, policy)| PolicyConfig::AtMost(AtMost { fraction, policy })),
            (1.1..1e9, within.clone()).prop_map(|(factor, policy)| {
                PolicyConfig::ThawOnLrDrop(ThawOnLrDrop { factor, policy })
            }),
            within.prop_map(|policy| PolicyConfig::DryRun(DryRun(policy))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_policy_survives_its_text(config in any_config()) {
        prop_assert_eq!(&read(&config.to_string()), &config);
        prop_assert!(config.init().is_ok());
    }

    #[test]
    fn any_text_is_a_policy_or_an_error(text in ".*") {
        let _ = text.parse::<PolicyConfig>();
    }

    #[test]
    fn any_text_of_pieces_is_a_policy_or_an_error(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "warmup", "linear", "converged", "dry_run", "never", "cubic", "cka", "svcca(0.9)", "(", ")", ",", " ",
            "0.5", "2", "-1", "NaN", "1e999", "é",
        ]), 0..20),
    ) {
        if let Ok(config) = pieces.concat().parse::<PolicyConfig>() {
            prop_assert!(config.init().is_ok());
        }
    }
}
