//! Runs on common axes, and what makes a page of several of them easy to read.

mod made_up_page;
mod made_up_run;
mod svg_text;

use frostline_activations::{Check, Run, Status};
use frostline_report::{Against, ComparedLayer, Page, accuracy, compared_layers, loss};
use made_up_page::{CHANCE, page_of, pictures};
use made_up_run::{check, ledger, outcome, run, usual};
use svg_text::assert_legible;

/// A run that counted its operations at every check but the first.
fn counted(name: &str) -> Run {
    let mut run = usual(name);
    for (index, check) in run.history.iter_mut().enumerate().skip(1) {
        let mut counted = ledger();
        counted.measuring_flops += 1e12 * index as f64;
        check.ledger = Some(counted);
    }
    run
}

#[test]
fn the_horizontal_axis_is_chosen_with_radio_buttons() {
    let html = page_of(&[usual("a"), usual("b")]);
    let choice =
        |slug: &str| format!("<input type=\"radio\" name=\"against\" id=\"against-{slug}\"");
    for slug in ["steps", "epochs", "seconds"] {
        assert_eq!(html.matches(&choice(slug)).count(), 1, "{slug}");
        // The style has a rule for it, and loss, accuracy, frozen layers and the layers are there.
        assert!(html.contains(&format!(":has(#against-{slug}:checked)")));
        let shown = format!("<div class=\"against {slug}\">");
        assert_eq!(html.matches(&shown).count(), 4, "{slug}");
    }
    assert_eq!(html.matches(" checked>").count(), 1);
    assert!(!html.contains(&choice("operations")), "nobody counted them");
    let html = page_of(&[usual("a"), counted("b")]);
    assert!(html.contains(&choice("operations")));
    assert!(html.contains("Operations were not counted in a."));
}

#[test]
fn a_curve_lies_where_its_checks_say() {
    let run = counted("run");
    let svg = |against| accuracy(&[&run], against).unwrap();
    // 5 epochs, 50 seconds; 62 GFLOP of the layers, and of measuring 1 and 4,000.
    for (against, label, last) in [
        (Against::Steps, "step", "100"),
        (Against::Epochs, "epoch", "5"),
        (Against::Seconds, "training time (s)", "50"),
        (Against::Flops, "operations so far (TFLOP)", "4"),
    ] {
        let svg = svg(against);
        assert!(svg.contains(&format!(">\n{label}\n<")), "{label}");
        assert!(svg.contains(&format!(">\n{last}\n<")), "{label}");
    }
    assert!(svg(Against::Steps).contains("run at step 0:"));
    let by_flops = svg(Against::Flops);
    assert!(!by_flops.contains("run at step 0:"), "not counted then");
    assert!(by_flops.contains("run at step 25:"));
    let nobody = usual("nobody");
    let error = loss(&[&nobody], Against::Flops).unwrap_err();
    assert!(error.to_string().contains("counted operations"), "{error}");
    assert_eq!(Against::known(&[&nobody]).len(), 3);
    assert_eq!(Against::known(&[&nobody, &run]), Against::ALL);
}

#[test]
fn layers_that_two_runs_share_are_compared_on_the_same_axes() {
    let other = run(
        "other",
        &["block2", "block1", "head"],
        vec![check(0, &[None; 3], 0), check(50, &[None; 3], 0)],
        outcome(Status::Finished, 200),
    );
    let first = usual("first");
    let mut runs = [pictures(&first), pictures(&other)];
    runs[1].to_end[0].points = vec![(0, 0.2), (50, 0.5), (200, 1.0)];
    let compared = compared_layers(&runs, Against::Steps).unwrap();
    let layers: Vec<&str> = compared.iter().map(|c| c.layer.as_str()).collect();
    assert_eq!(
        layers,
        ["block1", "block2"],
        "the others are in one run only"
    );
    for ComparedLayer { layer, svg } in &compared {
        assert_legible(svg);
        // Both axes are those that all plots need: 200 steps, and from 0.2 on.
        for tick in [">\n200\n<", ">\n0.2\n<"] {
            assert!(svg.contains(tick), "{layer} {tick}");
        }
        assert!(svg.contains("first at step 0: 0.3"));
    }
    assert!(compared[1].svg.contains("other at step 50: 0.5"));
    // Seconds are known at checks and at the end, not in between.
    let seconds = compared_layers(&runs, Against::Seconds).unwrap();
    assert!(seconds[1].svg.contains("other at step 50: 0.5"));
    assert!(seconds[1].svg.contains("other at step 200: 1"));
    assert!(!seconds[0].svg.contains("other at step 100"));
    assert_eq!(compared_layers(&runs, Against::Flops).unwrap(), []);
    assert_eq!(compared_layers(&runs[..1], Against::Steps).unwrap(), []);
    runs[0].to_end[1].points[0].1 = 1.5;
    let error = compared_layers(&runs, Against::Steps)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("block2 at step 0 to its end in first is 1.5"),
        "{error}"
    );
}

#[test]
fn many_layers_are_folded_away() {
    let names: Vec<String> = (0..9).map(|layer| format!("layer{layer}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let of = |name: &str, layers: usize| run(name, &names[..layers], vec![], None);
    let summary = "<summary>9 layers, a small plot each</summary>";
    assert!(page_of(&[of("a", 9), of("b", 9)]).contains(summary));
    let few = page_of(&[of("a", 8), of("b", 8)]);
    assert!(
        few.contains("layer7: similarity to its own end") && !few.contains("a small plot each")
    );
}

#[test]
fn links_lead_to_every_section_of_a_page_of_several_runs() {
    let html = page_of(&[usual("a"), usual("<b>")]);
    let links: Vec<&str> = html
        .split("<a href=\"#")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(links, ["runs", "curves", "run-1", "run-2", "freezing"]);
    for link in links {
        assert_eq!(html.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
    }
    assert!(html.contains(">&lt;b&gt;</a>"));
    assert!(!page_of(&[usual("a")]).contains("<nav"));
}

#[test]
fn every_table_says_what_it_is_and_takes_the_focus() {
    let html = page_of(&[usual("a"), counted("b")]);
    let region = "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"";
    for (index, before) in html.split("<table>").enumerate() {
        let opening = before.trim_end().rsplit('\n').next().unwrap();
        let last = index == html.matches("<table>").count();
        assert!(last || opening.starts_with(region), "{opening}");
        assert!(last || !opening.contains("aria-label=\"\""), "{opening}");
    }
    assert!(
        !html.contains("<th>") && !html.contains("<th class"),
        "every head has a scope"
    );
    // The pictures' numbers: loss and accuracy, panes, similarities to the end, checks, frozen layers.
    for numbers in [
        "<summary>Loss and accuracy in numbers</summary>",
        "<tr><th scope=\"row\" class=\"text\">a</th><td>25<td>1.25<td>12.5<td>–<td>0.07692<td>27.5</tr>",
        "<p>35 % of training, step 35</p>",
        "<tr><th scope=\"row\" class=\"text\">classifier</th><td>0.87<td>",
        "<summary>Similarity to the end in numbers</summary>",
        "<tr><th scope=\"row\">50</th><td>0.8<td>",
        "<summary>All 5 checks in numbers</summary>",
        "<td>trained, steps 0 to 50; frozen, steps 50 to 100</tr>",
    ] {
        assert!(html.contains(numbers), "{numbers}");
    }
}

#[test]
fn pictures_follow_the_colour_scheme_on_the_page_only() {
    let run = usual("run");
    let html = page_of(std::slice::from_ref(&run));
    for part in [
        "@media screen and (prefers-color-scheme: dark)",
        "fill=\"var(--paper)\"",
        "fill=\"var(--ink)\"",
        "stroke=\"var(--grid)\"",
        "stroke=\"var(--run-0)\"",
        "stroke=\"var(--layer-0)\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("filter:"));
    let svg = loss(&[&run], Against::Steps).unwrap();
    assert!(!svg.contains("var("));
}

#[test]
fn a_page_of_six_runs_with_20_checks_of_15_layers_stays_below_2_mb() {
    let names: Vec<String> = (1..=15)
        .map(|layer| format!("stage.block{layer}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let of = |name: &str| {
        let similarity = |step: usize| [Some(1.0 - 0.5 / (3.0 + step as f64)); 15];
        let checks = (0..20).map(|index| Check {
            ledger: Some(ledger()),
            chance: vec![Some(CHANCE); 15],
            ..check(5 * index, &similarity(5 * index), index / 2)
        });
        run(
            name,
            &names,
            checks.collect(),
            outcome(Status::Finished, 100),
        )
    };
    let names = [
        "as usual",
        "linear",
        "cubic",
        "geometric",
        "converged",
        "by hand",
    ];
    let runs = names.map(of);
    let of = |run| {
        let mut pictures = pictures(run);
        for curve in &mut pictures.to_end {
            let points = (0..20).map(|index| (5 * index, 0.3 + 0.7 * index as f64 / 19.0));
            curve.points = points.collect();
            curve.chance = vec![Some(CHANCE); 20];
        }
        for pane in &mut pictures.panes {
            pane.chance = vec![vec![Some(CHANCE); pane.columns.len()]; pane.rows.len()];
        }
        pictures
    };
    let page = Page {
        title: "Runs".into(),
        notices: vec![],
        runs: runs.iter().map(of).collect(),
    };
    let html = page.html().unwrap();
    let bytes = html.len();
    println!("{bytes} bytes");
    assert!(bytes < 2_000_000, "{bytes} bytes");
    // Cells say their values, also with what chance gives beside them.
    assert!(
        html.contains(
            " × stage.block1: 0.87, chance 0.40, corrected 0.10, 5.0 samples a direction<"
        )
    );
}
