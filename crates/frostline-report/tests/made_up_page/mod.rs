//! Pages of made-up runs.

use frostline_activations::{ByChance, Run};
use frostline_report::{LayerCurve, Page, Pane, RunPictures};

use crate::svg_text::assert_legible;

pub(crate) fn pane(layers: &[String], value: Option<f64>) -> Pane {
    Pane {
        step: 35,
        fraction: 0.35,
        rows: layers.to_vec(),
        columns: layers.to_vec(),
        values: vec![vec![value; layers.len()]; layers.len()],
        chance: vec![],
    }
}

pub(crate) fn pictures(run: &Run) -> RunPictures<'_> {
    let layers = &run.info.layers;
    let to_end = layers.iter().map(|layer| LayerCurve {
        layer: layer.clone(),
        points: vec![(0, 0.3), (50, 0.8), (100, 1.0)],
        chance: vec![],
    });
    RunPictures {
        run,
        panes: vec![pane(layers, Some(0.87)); 4],
        to_end: to_end.collect(),
    }
}

pub(crate) fn page_of(runs: &[Run]) -> String {
    let page = Page {
        title: "Runs".into(),
        notices: vec!["Generated images, not CIFAR-10".into()],
        runs: runs.iter().map(pictures).collect(),
    };
    let html = page.html().unwrap();
    assert_only_finite_numbers(&html);
    for svg in html.split("<svg ").skip(1) {
        assert_legible(svg.split("</svg>").next().unwrap());
    }
    html
}

/// Every attribute of every shape that is a number, and every word of the page.
fn assert_only_finite_numbers(html: &str) {
    for word in html.split(|c: char| !c.is_alphanumeric()) {
        assert!(!["NaN", "inf", "Infinity"].contains(&word), "{word}");
    }
    for name in ["x", "y", "width", "height", "cx", "cy", "r"] {
        for rest in html.split(&format!(" {name}=\"")).skip(1) {
            let number = rest.split('"').next().unwrap();
            number.parse::<i64>().unwrap();
        }
    }
}

/// What chance gives to 250 samples of 50 directions, about.
#[allow(dead_code, reason = "not every file of tests needs it")]
pub(crate) const CHANCE: ByChance = ByChance {
    samples: 250,
    directions: 50,
    level: 0.4,
    upper: 0.45,
    corrected: Some(0.1),
};
