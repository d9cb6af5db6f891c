//! Numbers for the pictures that are not of a run.

use std::error::Error;
use std::path::Path;

use frostline_activations::ByChance;
use frostline_report::{
    ByDepth, DepthCurve, Heatmap, Strip, Strips, TradeOff, TradeOffLine, TradeOffPoint, by_depth,
    heatmap, strips, trade_off,
};

const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Draws one of each into the folder.
pub(crate) fn draw(folder: &Path) -> Result<(), Box<dyn Error>> {
    let pictures = [
        ("by_depth.svg", by_depth(&sensitivity())?),
        ("trade_off.svg", trade_off(&directions(true))?),
        ("trade_off_linear.svg", trade_off(&directions(false))?),
        ("strips.svg", strips(&aligned(10, 1500))?),
        ("strips_small.svg", strips(&aligned(3, 90))?),
        ("strips_classes.svg", strips(&aligned(100, 4000))?),
        ("cross_model.svg", heatmap(&cross_model(30, 14))?),
        ("cross_model_wide.svg", heatmap(&cross_model(4, 30))?),
    ];
    for (name, svg) in pictures {
        std::fs::write(folder.join(name), svg)?;
    }
    Ok(())
}

/// How much the layers of a network know of five classes.
fn sensitivity() -> ByDepth {
    let layers: Vec<String> = (1..=15)
        .map(|i| format!("stage{}.block{i}", (i + 4) / 5))
        .collect();
    let curve = |name: &str, level: f64, certain: bool| {
        let value = |layer: usize| {
            let depth = layer as f64 / 14.0;
            level + (0.9 - level) * depth * depth * (1.0 + 0.08 * noise(layer, name.len()))
        };
        let values = (0..15).map(|layer| (layer != 6 || certain).then(|| value(layer)));
        let around = |layer: usize| {
            let half = 0.015 + 0.03 * (1.0 - layer as f64 / 14.0);
            Some([value(layer) - half, value(layer) + half])
        };
        DepthCurve {
            name: name.into(),
            values: values.collect(),
            intervals: if certain {
                (0..15).map(around).collect()
            } else {
                vec![]
            },
        }
    };
    ByDepth {
        title: "How early the layers know a class".into(),
        quantity: "similarity to the class' logit".into(),
        layers,
        curves: vec![
            curve("airplane", 0.32, true),
            curve("cat", 0.18, true),
            curve("ship", 0.27, false),
        ],
        floor: Some(DepthCurve {
            name: "independent noise".into(),
            values: (0..15)
                .map(|layer| Some(0.06 + 0.002 * layer as f64))
                .collect(),
            intervals: vec![],
        }),
        range: Some([0.0, 1.0]),
    }
}

/// Accuracy by how many directions or neurons are kept.
fn directions(logarithmic: bool) -> TradeOff {
    let line = |name: &str, pace: f64, seeds: bool| TradeOffLine {
        name: name.into(),
        points: [1, 2, 5, 10, 15, 25, 50, 100, 200, 512]
            .map(|kept| {
                let y = 0.1 + 0.71 * (1.0 - (-f64::from(kept) / pace).exp());
                let half = 0.06 * (-f64::from(kept) / 60.0).exp();
                TradeOffPoint {
                    x: f64::from(kept),
                    y,
                    interval: seeds.then_some([y - half, y + half]),
                    says: seeds.then(|| "mean of 5 draws".into()),
                }
            })
            .to_vec(),
    };
    TradeOff {
        title: "Accuracy with a layer projected on a few of its directions".into(),
        x: "directions or neurons kept".into(),
        y: "accuracy".into(),
        logarithmic,
        lines: vec![
            line("SVCCA directions", 6.0, false),
            line("most active neurons", 45.0, false),
            line("random neurons", 90.0, true),
        ],
        level: Some(("the untouched network".into(), 0.8123)),
    }
}

/// Two networks' directions and neurons over samples of so many classes.
fn aligned(classes: usize, samples: usize) -> Strips {
    let labels: Vec<usize> = (0..samples).map(|sample| (sample * 7) % classes).collect();
    let row = |name: &str, index: usize, correlation: f64, scale: f64| {
        let of_class = |label: usize| 2.0 * noise(label, 31 * index + 5);
        let values = |network: usize| {
            let values = labels.iter().enumerate().map(|(sample, label)| {
                let shared = of_class(*label) + 0.7 * noise(sample, index);
                let own = 2.0 * noise(sample, 100 + 10 * index + network);
                scale * (correlation * shared + (1.0 - correlation * correlation).sqrt() * own)
            });
            values.collect()
        };
        Strip {
            name: name.into(),
            correlation: Some(correlation),
            values: [values(0), values(1)],
        }
    };
    let names = (0..classes).map(|class| match CLASSES.get(class) {
        Some(name) if classes <= 10 => name.to_string(),
        _ => format!("class {class}"),
    });
    Strips {
        title: "fc1: the two most similar directions, and the neurons of largest norm".into(),
        classes: names.collect(),
        networks: ["convnet, seed 1".into(), "convnet, seed 2".into()],
        rows: vec![
            row("direction 1", 1, 0.99, 1.0),
            row("direction 2", 2, 0.94, 1.0),
            row("neurons 17 and 203", 3, 0.31, 20.0),
        ],
        labels,
    }
}

/// Every layer of one network against every layer of another.
fn cross_model(rows: usize, columns: usize) -> Heatmap {
    let value = |row: usize, column: usize| {
        let apart = row as f64 / rows as f64 - column as f64 / columns as f64;
        0.2 + 0.75 * (-6.0 * apart * apart).exp() * (0.9 + 0.1 * noise(row, column))
    };
    let values = (0..rows).map(|row| {
        let of_row = (0..columns).map(|column| {
            (row + 40 * column != 3).then(|| value(row, column)) //
        });
        of_row.collect()
    });
    let chance = |row: usize| {
        let of_row = (0..columns).map(|column| {
            let (level, value) = (0.15 + 0.012 * row as f64, value(row, column));
            Some(ByChance {
                samples: 1000,
                directions: 20 + 4 * row,
                level,
                upper: level + 0.02,
                corrected: Some((value - level) / (1.0 - level)),
            })
        });
        of_row.collect()
    };
    Heatmap {
        title: "Two kinds of network".into(),
        measure: "DFT-CCA, mean over frequencies".into(),
        rows: (
            "resnet".into(),
            (0..rows)
                .map(|i| format!("stage{}.block{}.conv", i / 10, i % 10))
                .collect(),
        ),
        columns: (
            "convnet".into(),
            (0..columns).map(|i| format!("conv{i}")).collect(),
        ),
        values: values.collect(),
        chance: (0..rows).map(chance).collect(),
    }
}

/// Between -1 and 1, and the same every time: splitmix64.
fn noise(index: usize, kind: usize) -> f64 {
    let mut bits = ((kind as u64) << 32 | index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}
