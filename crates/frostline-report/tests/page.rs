//! The page and the pictures of runs as they come: whole, broken off, empty, and ill named.

mod made_up_page;
mod made_up_run;
mod svg_text;

use frostline_activations::{Check, Ledger, Run, Status};
use frostline_report::{
    Against, Certainty, Error, Page, RunPictures, accuracy, freeze_timeline, loss, page_title,
    panes, similarity_to_end, similarity_to_end_with, similarity_to_previous,
};
use made_up_page::{CHANCE, page_of, pane, pictures};
use made_up_run::{check, ledger, outcome, run, usual};
use svg_text::assert_legible;

#[test]
fn the_page_shows_notices_runs_curves_and_layers_in_this_order() {
    let html = page_of(&[usual("as usual"), usual("Freeze Training")]);
    let order = [
        "<h1>Runs</h1>",
        "Generated images, not CIFAR-10",
        "<h2>Runs</h2>",
        "81.23 % (10,000 samples)",
        "<h3>Settings</h3>",
        "<h2>Loss, accuracy and convergence compared</h2>",
        "<legend>Horizontal axis of the curves</legend>",
        "Training loss against steps",
        "Training loss against epochs",
        "Training loss against training time",
        "Test accuracy against steps",
        "Test accuracy against epochs",
        "Test accuracy against training time",
        "block1: similarity to its own end against steps",
        "classifier: similarity to its own end against training time",
        "<h2>as usual</h2>",
        "Layers during training against layers at the end",
        "35 % of training",
        "Similarity of each layer to itself at the end",
        "Change since the previous check",
        "<h2>Freeze Training</h2>",
        "<h2>Freezing</h2>",
        "<h3>Frozen layers: as usual</h3>",
        "<h3>Frozen layers: Freeze Training</h3>",
    ];
    let mut from = 0;
    for part in order {
        let found = html[from..].find(part);
        from += found.unwrap_or_else(|| panic!("`{part}` is missing or too early"));
    }
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let html = page_of(&[usual("as usual")]);
    assert!(!html.contains("<script"));
    assert!(!html.contains("<link"));
    assert!(!html.contains(" src="));
    // The one address is the name of SVG's namespace, which nothing fetches.
    let addresses = html.matches("http").count();
    assert_eq!(
        addresses,
        html.matches("http://www.w3.org/2000/svg").count()
    );
}

#[test]
fn every_picture_says_what_it_shows() {
    let html = page_of(&[usual("as usual")]);
    let pictures = html.matches("<svg ").count();
    assert_eq!(
        pictures, 17,
        "3 of all runs on 3 axes; 3 of this one, 4 panes and their scale"
    );
    assert_eq!(html.matches("role=\"img\" aria-label=\"").count(), pictures);
    assert!(!html.contains("aria-label=\"\""));
}

#[test]
fn a_page_of_several_runs_is_titled_for_all_of_them() {
    let title = |titles: &[(&str, Option<&str>)]| {
        let run = |&(name, title): &(&str, Option<&str>)| {
            let mut run = usual(name);
            run.info.title = title.map(String::from);
            run
        };
        let runs: Vec<Run> = titles.iter().map(run).collect();
        page_title(&runs.iter().collect::<Vec<_>>())
    };
    assert_eq!(title(&[("a", Some("net, seed 1"))]), "net, seed 1");
    assert_eq!(title(&[("a", None)]), "a");
    let same = [("a", Some("net, seed 1")), ("b", Some("net, seed 1"))];
    assert_eq!(title(&same), "net, seed 1");
    let seeds = ["seed 1", "seed 2"].map(|seed| format!("net, 5 epochs, {seed}"));
    let seeds = [("a", Some(&*seeds[0])), ("b", Some(&*seeds[1]))];
    assert_eq!(title(&seeds), "net, 5 epochs: a and b");
    let others = [
        ("a", Some("a net")),
        ("b", Some("a transformer")),
        ("c", None),
    ];
    assert_eq!(title(&others), "a, b and c");
    let many = ["1", "2", "3", "4", "5", "6"].map(|name| (name, None));
    assert_eq!(title(&many), "1, 2, 3 and 3 more runs");
    assert_eq!(title(&[]), "");
}

#[test]
fn panes_stand_beside_each_other_as_far_as_the_page_is_wide_with_one_scale() {
    let html = page_of(&[usual("as usual")]);
    let (_, panes) = html.split_once("<div class=\"panes\">").unwrap();
    let (panes, _) = panes.split_once("</div>").unwrap();
    // Each names its rows, since it may stand below the one before.
    assert_eq!(
        panes.matches("<svg ").count(),
        5,
        "four panes and their scale"
    );
    assert_eq!(panes.matches("\nlayer during training\n").count(), 4);
    assert_eq!(panes.matches("aria-label=\"as usual: the scale").count(), 1);
    let widths = panes.split("<svg ").skip(1).map(|svg| {
        let (_, width) = svg.split_once(" width=\"").unwrap();
        width.split('"').next().unwrap().parse::<u32>().unwrap()
    });
    let widths: Vec<u32> = widths.collect();
    // With 4 pixels between them, on a page of 1,200.
    assert!(widths.iter().sum::<u32>() + 16 <= 1200, "{widths:?}");
    // Of many layers two are beside each other, so that their numbers can be read.
    let layers: Vec<String> = (0..10).map(|i| format!("layer{i}")).collect();
    let mut run = usual("ten layers");
    run.history.clear();
    run.info.layers = layers;
    assert!(page_of(&[run]).contains("\n0.87\n"));
}

#[test]
fn names_and_notices_stay_text() {
    let evil = "</title><script>alert('1')</script>&\"";
    let mut bad = usual(evil);
    bad.info.layers[0] = evil.into();
    bad.info.title = Some(evil.into());
    bad.info.notice = Some(evil.into());
    bad.info.policy = evil.into();
    bad.info.settings.insert(evil.into(), evil.into());
    bad.problems.push(evil.into());
    bad.history[1].reason = evil.into();
    bad.history[1].warnings.push(evil.into());
    let page = Page {
        title: evil.into(),
        notices: vec![evil.into()],
        runs: vec![pictures(&bad)],
    };
    let html = page.html().unwrap();
    assert!(!html.contains("<script"));
    assert!(!html.contains("&\""), "a bare ampersand or quote");
    assert!(html.contains("&lt;script&gt;"));
}

#[test]
fn a_run_s_notice_and_problems_are_shown_once_and_loudly() {
    let mut runs = [usual("a"), usual("b")];
    for run in &mut runs {
        run.info.notice = Some("Generated images, not CIFAR-10".into());
    }
    runs[1]
        .problems
        .push("line 7 of history.jsonl is damaged".into());
    let html = page_of(&runs);
    assert_eq!(html.matches("Generated images").count(), 1);
    let loud = "<div class=\"notice\" role=\"note\">b: line 7 of history.jsonl is damaged";
    assert!(html.contains(loud));
}

#[test]
fn runs_of_every_kind_make_a_page() {
    let one = [Some(0.5)];
    let bare = Check {
        step: 10,
        similarity: vec![Some(0.9), None],
        ..Check::default()
    };
    let runs = [
        run("no checks", &["a", "b"], vec![], None),
        run("one check", &["a"], vec![check(0, &[None], 0)], None),
        run(
            "one layer",
            &["a"],
            vec![check(0, &one, 0), check(9, &one, 0)],
            None,
        ),
        run("no loss", &["a", "b"], vec![bare], None),
        run(
            "interrupted",
            &["a"],
            vec![check(5, &one, 0)],
            outcome(Status::Interrupted, 7),
        ),
        run(
            "diverged",
            &["a"],
            vec![check(5, &one, 1)],
            outcome(Status::Diverged, 6),
        ),
        run(
            "stopped at once",
            &["a"],
            vec![],
            outcome(Status::Interrupted, 0),
        ),
        usual("whole"),
    ];
    for run in &runs {
        let html = page_of(std::slice::from_ref(run));
        assert!(html.contains(&run.info.name));
    }
    page_of(&runs);
    page_of(&[]);
}

#[test]
fn what_was_not_recorded_is_said_in_words() {
    let empty = run("no checks", &["a"], vec![], None);
    let page = Page {
        title: "Runs".into(),
        notices: vec![],
        runs: vec![RunPictures {
            run: &empty,
            panes: vec![],
            to_end: vec![],
        }],
    };
    let html = page.html().unwrap();
    assert!(!html.contains("<svg"));
    for sentence in ["No loss was recorded.", "No test accuracy was recorded."] {
        assert!(html.contains(sentence));
    }
    assert!(matches!(
        loss(&[&empty], Against::Steps),
        Err(Error::Nothing(_))
    ));
    assert!(matches!(
        similarity_to_previous(&empty),
        Err(Error::Nothing(_))
    ));
    assert!(matches!(freeze_timeline(&[]), Err(Error::Nothing(_))));
}

#[test]
fn numbers_that_are_not_finite_leave_gaps() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
        let mut broken = usual("broken");
        broken.history[2].loss = Some(bad);
        broken.history[2].accuracy = Some(bad);
        broken.history[2].similarity[1] = Some(bad);
        broken.history[3].training_seconds = bad;
        broken.history[3].learning_rate = Some(bad);
        broken.history[3].epoch = bad;
        let end = broken.info.outcome.as_mut().unwrap();
        (end.accuracy, end.training_seconds) = (Some(bad), bad);
        end.measuring_seconds = bad;
        page_of(&[broken]);
    }
}

#[test]
fn a_loss_that_explodes_is_drawn_on_a_log_axis() {
    let mut run = usual("diverged");
    run.history[4].loss = Some(1e30);
    let svg = loss(&[&run], Against::Steps).unwrap();
    assert!(svg.contains("training loss (log)"));
}

#[test]
fn forty_layers_with_long_names_fit_the_width_of_the_page() {
    let names: Vec<String> = (0..40)
        .map(|i| format!("encoder.stage{}.residual_block{i}.convolution", i / 10))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let history = vec![check(0, &[None; 40], 0), check(50, &[Some(0.9); 40], 17)];
    let deep = run("deep", &names, history, outcome(Status::Finished, 100));
    let html = page_of(std::slice::from_ref(&deep));
    for svg in html.split("<svg ").skip(1) {
        let width = svg.split("width=\"").nth(1).unwrap();
        let width: f64 = width.split('"').next().unwrap().parse().unwrap();
        let least = match svg.contains("the scale of the panes") {
            true => 80.0,
            false => 380.0,
        };
        assert!((least..=1200.0).contains(&width), "{width} pixels");
    }
    let svg = panes(&pictures(&deep)).unwrap();
    assert!(svg.contains(&format!("<title>{} at 35 % × {}", names[39], names[0])));
}

#[test]
fn a_pane_prints_its_values_up_to_ten_by_ten() {
    let of = |layers: usize, value| {
        let names: Vec<String> = (0..layers).map(|i| format!("l{i}")).collect();
        let run = usual("run");
        let pictures = RunPictures {
            run: &run,
            panes: vec![pane(&names, value); 4],
            to_end: vec![],
        };
        panes(&pictures).unwrap()
    };
    let printed = |svg: &str| svg.matches(">\n0.87\n<").count();
    assert_eq!(printed(&of(10, Some(0.87))), 400);
    assert_eq!(printed(&of(11, Some(0.87))), 0);
    assert_eq!(
        of(11, Some(0.87)).matches(" at 35 % × l3: 0.87").count(),
        44
    );
    assert_eq!(
        of(1, None).matches("l0 at 35 % × l0: not defined").count(),
        4
    );
}

#[test]
fn the_input_layer_is_at_the_bottom_left_of_a_pane() {
    let run = usual("run");
    let names = run.info.layers.clone();
    let svg = panes(&pictures(&run)).unwrap();
    // The place of a cell is that of its hover text.
    let place = |row: &str, column: &str| -> (i64, i64) {
        let title = format!("<title>{row} at 35 % × {column}:");
        let before = svg.split(&title).next().unwrap();
        let corner = before.rsplit("<path d=\"M").next().unwrap();
        let (x, rest) = corner.split_once(' ').unwrap();
        let (y, _) = rest.split_once('h').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    let (input, output) = (place(&names[0], &names[0]), place(&names[2], &names[2]));
    assert!(input.0 < output.0 && input.1 > output.1);
    assert!(place(&names[0], &names[2]).0 == output.0);
}

#[test]
fn panes_that_cannot_be_drawn_are_errors_with_their_numbers() {
    let run = usual("run");
    let mut pictures = pictures(&run);
    pictures.panes[1].values[2][0] = Some(1.2);
    let error = panes(&pictures).unwrap_err().to_string();
    assert!(
        error.contains("classifier at step 35 to block1 at the end is 1.2"),
        "{error}"
    );
    pictures.panes[1].values[2][0] = Some(f64::NAN);
    assert!(matches!(panes(&pictures), Err(Error::OutOfRange { .. })));
    pictures.panes[1].values[2].pop();
    let error = panes(&pictures).unwrap_err();
    assert!(matches!(
        error,
        Error::PaneShape {
            row: 2,
            values: 2,
            columns: 3,
            ..
        }
    ));
    pictures.panes[1].values.clear();
    assert!(matches!(
        panes(&pictures),
        Err(Error::PaneShape { given: 0, .. })
    ));
    pictures.to_end[0].points[1].1 = -0.5;
    assert!(matches!(
        similarity_to_end(&pictures),
        Err(Error::OutOfRange { .. })
    ));
}

#[test]
fn what_is_known_of_noise_and_of_certainty_is_drawn_around_the_curves() {
    let run = usual("run");
    let pictures = pictures(&run);
    let plain = similarity_to_end(&pictures).unwrap();
    let mut certainty = Certainty {
        floor: Some(0.12),
        intervals: vec![vec![Some([0.2, 0.4]); 3], vec![], vec![None; 3]],
    };
    let svg = similarity_to_end_with(&pictures, &certainty).unwrap();
    // One layer has a band, which is in the legend too.
    assert_eq!(svg.matches("<polygon ").count(), 2);
    assert!(svg.contains(">\nnoise reaches 0.12\n<"));
    assert!(!plain.contains("<polygon") && !plain.contains("noise"));
    assert_legible(&svg);

    certainty.intervals[2].pop();
    let error = |certainty: &Certainty| {
        let error = similarity_to_end_with(&pictures, certainty).unwrap_err();
        error.to_string()
    };
    assert!(error(&certainty).contains("2 intervals of classifier for 3 points"));
    certainty.intervals.pop();
    assert!(error(&certainty).contains("2 lists of intervals for 3 layers"));
    certainty.intervals = vec![vec![Some([0.4, 0.2]); 3]; 3];
    assert!(error(&certainty).contains("the interval of block1 at step 0 goes from 0.4 to 0.2"));
    certainty.floor = Some(f64::NAN);
    assert!(error(&certainty).contains("the noise floor is NaN"));
}

#[test]
fn a_similarity_a_rounding_above_one_is_one() {
    let run = usual("run");
    let mut pictures = pictures(&run);
    // One unit in the last place of single precision.
    pictures.panes[0].values[0][0] = Some(1.0 + f64::from(f32::EPSILON));
    assert!(panes(&pictures).unwrap().contains(" × block1: 1.00"));
}

#[test]
fn the_timeline_shows_each_layer_trained_then_frozen() {
    let mut dry = usual("dry run");
    let svg = freeze_timeline(&[&dry]).unwrap();
    assert!(svg.contains("block1: trained, steps 0 to 50"));
    assert!(svg.contains("block1: frozen, steps 50 to 100"));
    assert!(svg.contains("block2: frozen, steps 75 to 100"));
    assert!(svg.contains("classifier: trained, steps 0 to 100"));
    assert!(!svg.contains("the policy would freeze it"));
    for check in &mut dry.history {
        check.frozen = 0;
    }
    let svg = freeze_timeline(&[&dry]).unwrap();
    assert!(svg.contains("block1: trained, but the policy would freeze it, steps 50 to 100"));
}

#[test]
fn a_frozen_layer_s_curve_ends_where_it_froze() {
    let svg = similarity_to_previous(&usual("run")).unwrap();
    assert!(svg.contains("block1 at step 50: similarity 0.999"));
    assert!(svg.contains("block1 frozen at step 50"));
    assert!(!svg.contains("block1 at step 75"));
}

#[test]
fn runs_of_different_lengths_share_their_axes() {
    let short = run(
        "short",
        &["a"],
        vec![check(0, &[None], 0), check(10, &[None], 0)],
        None,
    );
    let long = usual("long");
    for against in [Against::Steps, Against::Seconds] {
        let svg = accuracy(&[&short, &long], against).unwrap();
        assert!(svg.contains("short at step 10") && svg.contains("long at step 100"));
        assert!(svg.contains("short (no end recorded)"));
        // The long run's last step is the end of the axis: 100 steps or 50 s.
        let last = if against == Against::Steps {
            ">\n100\n<"
        } else {
            ">\n50\n<"
        };
        assert!(svg.contains(last));
    }
}

fn with_ledger(ledger: Ledger) -> Run {
    let mut run = usual("frozen");
    run.info.outcome.as_mut().unwrap().ledger = Some(ledger);
    run
}

#[test]
fn what_freezing_saved_is_drawn_and_told() {
    assert!(!page_of(&[usual("plain")]).contains("What freezing saved"));
    let html = page_of(&[with_ledger(ledger())]);
    let parts = [
        "<h4>What freezing saved</h4>",
        "freezing saved this run 11.5 s; the 1.0 s of measuring are taken off already.",
        "0 frozen: 0.5 s a step, 50 steps",
        "2 frozen: 0.25 s a step, 50 steps",
        "block1: backward saved 10 GFLOP",
        // 1 s of 51.
        "<td>1.0 s, 2.0 % of the time</tr>",
        // 62 GFLOP of the layers and 1 of measuring; 28 saved, less that 1.
        "<td>63 GFLOP</tr>",
        "<td>27 GFLOP</tr>",
        "<td>80.0 % of 100 inputs</tr>",
    ];
    let mut from = 0;
    for part in parts {
        let found = html[from..].find(part);
        from += found.unwrap_or_else(|| panic!("`{part}` is missing or too early"));
    }
    assert_eq!(html.matches("<svg ").count(), 19, "two more than without");
}

#[test]
fn freezing_that_did_not_pay_is_said() {
    let mut slow = ledger();
    slow.at_frozen[2].seconds = 26.0;
    let html = page_of(&[with_ledger(slow)]);
    assert!(html.contains(
        "Freezing did not pay on this machine: with 1.0 s of measuring the training took 2.0 s longer \
         than it would have without, by the pace of its own steps"
    ));
}

#[test]
fn a_layer_whose_cache_cost_more_than_it_spared_is_drawn_all_the_same() {
    let mut late = ledger();
    late.layers[1].saved_forward = -2e9;
    let html = page_of(&[with_ledger(late)]);
    assert!(
        html.contains("block1: backward saved 10 GFLOP"),
        "the picture is there"
    );
    assert!(html.contains("-2"), "and the table has the loss");
}

#[test]
fn ledgers_as_they_come_make_a_page() {
    let mut nothing_froze = ledger();
    nothing_froze.at_frozen.truncate(1);
    let html = page_of(&[with_ledger(nothing_froze)]);
    assert!(html.contains("No step was done with frozen layers, so nothing was saved"));

    let mut frozen_at_once = ledger();
    frozen_at_once.at_frozen[0].steps = 0;
    let html = page_of(&[with_ledger(frozen_at_once)]);
    assert!(html.contains("nothing to compare their time with"));

    let html = page_of(&[with_ledger(Ledger::default())]);
    assert!(html.contains("not counted") && html.contains("no cache was used"));

    for bad in [f64::NAN, f64::INFINITY, f64::MAX, -1.0] {
        let mut broken = ledger();
        broken.layers[0].forward = bad;
        broken.at_frozen[0].seconds = bad;
        broken.measuring_flops = bad;
        broken.caching_seconds = bad;
        page_of(&[with_ledger(broken)]);
    }
    // More layers than the run names.
    let mut more = ledger();
    more.layers.extend(more.layers.clone());
    page_of(&[with_ledger(more)]);
}

/// A run whose values are judged: the curve of its first layer begins below what chance could give.
fn judged(run: &Run) -> RunPictures<'_> {
    let mut pictures = pictures(run);
    for pane in &mut pictures.panes {
        pane.chance = vec![vec![Some(CHANCE); 3]; 3];
        pane.values[2][0] = Some(0.41);
    }
    for curve in &mut pictures.to_end {
        curve.chance = vec![Some(CHANCE); 3];
    }
    pictures
}

fn judged_run() -> Run {
    let mut run = usual("judged");
    for check in &mut run.history[1..] {
        check.chance = vec![Some(CHANCE), Some(CHANCE), None];
    }
    run.history[1].similarity[0] = Some(0.42);
    run
}

fn html_of(pictures: RunPictures<'_>) -> String {
    let page = Page {
        title: "Runs".into(),
        notices: vec![],
        runs: vec![pictures],
    };
    page.html().unwrap()
}

#[test]
fn a_page_explains_its_hatching_and_says_on_how_many_samples_it_stands() {
    let run = judged_run();
    let html = html_of(judged(&run));
    for part in [
        "Compared on 250 samples, 5.0 or more for each direction that was kept.",
        "Colours begin at what chance gives to unrelated layers",
        "Hatched: chance could give the value",
        "A cross: not defined.",
        "Shaded: what unrelated layers could show by chance",
        "In brackets: chance could give the value",
        "<td>(0.41)",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // In the panes, in the way to the end and in the checks.
    assert_eq!(html.matches("In brackets").count(), 3);
    let plain = page_of(&[usual("as usual")]);
    for part in ["Hatched", "Shaded", "In brackets", "Compared on"] {
        assert!(!plain.contains(part), "{part}");
    }
}

#[test]
fn curves_shade_what_chance_could_give_and_draw_such_points_hollow() {
    let shaded = |svg: &str| svg.contains(">\nby chance\n<");
    // A hollow point has a smaller dot of the paper's colour on it: alone a circle, else a part of a path.
    let hollow = |svg: &str| {
        let alone = svg.matches("r=\"15\" fill=\"#FFFFFF\"").count();
        let paths = svg.split("stroke=\"#FFFFFF\" stroke-width=\"30\"").skip(1);
        let dots = paths.map(|path| path.split("/>").next().unwrap().matches("h0").count());
        alone + dots.sum::<usize>()
    };
    let run = judged_run();
    let pictures = judged(&run);
    let to_end = similarity_to_end(&pictures).unwrap();
    assert!(shaded(&to_end));
    assert_eq!(hollow(&to_end), 3, "0.3 at step 0, of each layer");
    assert!(to_end.contains("block1 at step 0: 0.3, could be chance 0.40<"));
    assert_legible(&to_end);

    let change = similarity_to_previous(&run).unwrap();
    assert!(shaded(&change));
    assert_eq!(hollow(&change), 1);
    assert!(change.contains("block1 at step 25: similarity 0.42, could be chance 0.40<"));
    assert_legible(&change);

    let other = usual("other");
    let both = [pictures.clone(), made_up_page::pictures(&other)];
    let compared = frostline_report::compared_layers(&both, Against::Steps).unwrap();
    assert!(shaded(&compared[0].svg));
    assert_eq!(hollow(&compared[0].svg), 1);
    assert_legible(&compared[0].svg);

    let plain = similarity_to_end(&made_up_page::pictures(&other)).unwrap();
    assert!(!shaded(&plain) && hollow(&plain) == 0);

    let mut bad = pictures;
    bad.to_end[1].chance.pop();
    let error = similarity_to_end(&bad).unwrap_err().to_string();
    assert!(
        error.contains("2 chance levels of block2 for 3 points"),
        "{error}"
    );
}

#[test]
fn what_the_panes_own_probe_cost_is_named() {
    let mut of_panes = ledger();
    of_panes.panes = frostline_activations::PanesCost {
        evaluations: 4,
        samples: 8000,
        seconds: 3.125,
        flops: 2e9,
    };
    let html = page_of(&[with_ledger(of_panes)]);
    let cost = "2,000 samples, 4 evaluations, 3.1 s, 2 GFLOP";
    assert!(html.contains(&format!("The panes have a probe of their own: {cost}.")));
    assert!(html.contains(&format!("<td>{cost}")));
    for bad in [f64::NAN, f64::INFINITY, f64::MAX, -1.0] {
        let mut broken = ledger();
        broken.panes.evaluations = 1;
        (broken.panes.seconds, broken.panes.flops) = (bad, bad);
        assert!(page_of(&[with_ledger(broken)]).contains("0 samples, 1 evaluation, "));
    }
}

#[test]
fn a_warning_that_is_noted_at_many_checks_is_one_line() {
    let mut run = usual("run");
    for check in &mut run.history[1..] {
        check.warnings = vec!["block1: few samples".into()];
    }
    run.history[2].warnings.push("block2: a dead neuron".into());
    let html = page_of(&[run]);
    assert!(html.contains("<li>4 checks, steps 25 to 100: block1: few samples</li>"));
    assert!(html.contains("<li>step 50: block2: a dead neuron</li>"));
    assert!(html.contains("less believable (2)"));
}

#[test]
fn warnings_that_differ_by_their_layer_and_by_numbers_alone_are_one_line() {
    let mut run = usual("run");
    let few = |layer: &str, samples: u32, directions: u32| {
        format!("{layer}: {samples} samples for {directions} directions, fewer than ten each")
    };
    run.history[1].warnings = vec![few("block1", 980, 100), "1 neuron of block2 is dead".into()];
    run.history[2].warnings = vec![few("block1", 983, 101), few("block2", 847, 90)];
    run.history[3].warnings = vec!["1 neuron of block1 is dead".into(), "no word".into()];
    run.history[4].warnings = vec!["`block1` and block2 share 1 weight".into()];
    let html = page_of(&[run]);
    for line in [
        "2 checks, steps 25 to 50: block1, block2: 847–983 samples for 90–101 directions, fewer than ten each",
        "2 checks, steps 25 to 75: 1 neuron of block2, block1 is dead",
        "step 75: no word",
        "step 100: `block1` and block2 share 1 weight",
    ] {
        assert!(html.contains(&format!("<li>{line}</li>")), "{line}");
    }
    assert!(html.contains("less believable (4)"));
}

#[test]
fn a_problem_of_several_runs_is_said_once() {
    let mut runs = [usual("a"), usual("b"), usual("c")];
    for run in &mut runs[..2] {
        run.problems = vec!["the last line of history.jsonl is damaged".into()];
    }
    let html = page_of(&runs);
    assert!(html.contains("a, b: the last line of history.jsonl is damaged"));
    assert_eq!(html.matches("is damaged").count(), 1);
}
