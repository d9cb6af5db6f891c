//! The paper's experiments, each on a few generated images: they run to their end and leave what they promise.

use std::error::Error;
use std::path::Path;

use clap::Parser;
use serde_json::Value;

const FEW: &str = "--data synthetic --images 60 --epochs 1 --asked 600";

/// Does an experiment with these arguments besides, and gives its numbers.
fn numbers<A: Parser>(
    run: fn(&A) -> Result<(), Box<dyn Error>>,
    more: &str,
    out: &Path,
    pictures: &[&str],
) -> Value {
    let words = FEW.split(' ').chain(more.split_whitespace());
    let out = out.join("experiment");
    let folder = ["experiment", "--out", out.to_str().unwrap()];
    run(&A::parse_from(folder.into_iter().chain(words))).unwrap();
    for picture in pictures {
        let svg = std::fs::read_to_string(out.join(format!("{picture}.svg"))).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{picture}"
        );
    }
    let text = std::fs::read_to_string(out.join("numbers.json")).unwrap();
    let numbers: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(numbers["images"], "synthetic images");
    numbers
}

#[test]
fn two_networks_are_compared_and_trained_once_for_all_experiments() {
    let temp = tempfile::tempdir().unwrap();
    let first = numbers(two_nets::run, "", temp.path(), &["two_nets"]);
    assert_eq!(first["pairs"].as_array().unwrap().len(), 4);
    let kept = temp.path().join("networks");
    let before = std::fs::read_dir(&kept).unwrap().count();
    assert_eq!(before, 2);
    assert_eq!(numbers(two_nets::run, "", temp.path(), &[]), first);

    numbers(directions::run, "--draws 2", temp.path(), &["fc1", "fc2"]);
    let small = numbers(compress::run, "", temp.path(), &["compress"]);
    let rows = small["products"].as_array().unwrap();
    assert!(
        rows.iter()
            .all(|row| row["parameters"].as_f64().unwrap() < 1.01)
    );
    // Five layers, each at no more than its share of 4,096, 512, 512, 256 and 256 directions.
    for row in small["layers"].as_array().unwrap() {
        let share = row["share"].as_f64().unwrap();
        let kept = row["directions"].as_array().unwrap().iter();
        let at_most = [4096.0, 512.0, 512.0, 256.0, 256.0].map(|all| share * all);
        let kept: Vec<f64> = kept.map(|kept| kept.as_f64().unwrap()).collect();
        assert_eq!(kept.len(), 5);
        assert!(
            kept.iter()
                .zip(at_most)
                .all(|(kept, most)| *kept > 0.0 && *kept <= most),
            "{row}"
        );
    }
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), before);
}

#[test]
fn layers_converge_in_an_order() {
    let temp = tempfile::tempdir().unwrap();
    let pictures = [
        "convnet-panes",
        "convnet-to-end",
        "resnet-panes",
        "resnet-to-end",
    ];
    let found = numbers(dynamics::run, "", temp.path(), &pictures);
    assert_eq!(found["convnet"]["layers"].as_array().unwrap().len(), 16);
    assert_eq!(found["convnet"]["batch_norms"].as_array().unwrap().len(), 4);
}

#[test]
fn networks_are_compared_with_classes_with_each_other_and_in_groups() {
    let temp = tempfile::tempdir().unwrap();
    let found = numbers(
        class_sensitivity::run,
        "",
        temp.path(),
        &["paper", "resnet"],
    );
    assert_eq!(found["resnet"]["values"].as_array().unwrap().len(), 20);
    let found = numbers(cross_model::run, "--maps 60", temp.path(), &["cross_model"]);
    assert_eq!(found["maps"], 60);
    let found = numbers(
        memorise::run,
        "--networks 2 --measure cka",
        temp.path(),
        &["memorise"],
    );
    assert_eq!(found["between"].as_array().unwrap().len(), 7);
}
