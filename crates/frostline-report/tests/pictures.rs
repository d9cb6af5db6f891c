//! Pictures of what was measured outside a training: by layer, by cost, by sample, across networks.

mod svg_text;

use frostline_activations::ByChance;
use frostline_report::{
    ByDepth, DepthCurve, Error, Heatmap, Strip, Strips, TradeOff, TradeOffLine, TradeOffPoint,
    by_depth, heatmap, similarity_colours, strips, trade_off,
};
use svg_text::assert_legible;

fn names(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{kind}{i}")).collect()
}

fn depth_curve(name: &str, values: &[Option<f64>]) -> DepthCurve {
    DepthCurve {
        name: name.into(),
        values: values.to_vec(),
        intervals: vec![],
    }
}

/// Three layers, one curve.
fn depth() -> ByDepth {
    ByDepth {
        title: "Sensitivity".into(),
        quantity: "similarity".into(),
        layers: names("conv", 3),
        curves: vec![depth_curve("cat", &[Some(0.2), Some(0.4), Some(0.6)])],
        floor: None,
        range: None,
    }
}

/// Where each line of a picture goes, as SVG's paths say it.
fn lines(svg: &str) -> Vec<&str> {
    let paths = svg.split("<path fill=\"none\"").skip(1);
    let lines = paths.flat_map(|path| {
        let to = path.split(" d=\"M").nth(1).unwrap();
        to.split('"').next().unwrap().split('M')
    });
    lines.collect()
}

#[test]
fn values_by_depth_say_their_layer_and_their_interval() {
    let mut picture = depth();
    picture.curves[0].intervals = vec![Some([0.1, 0.3]), None, Some([0.5, 0.7])];
    let svg = by_depth(&picture).unwrap();
    assert!(svg.contains("<title>cat at conv0: 0.2 (0.1 to 0.3)</title>"));
    assert!(svg.contains("<title>cat at conv1: 0.4</title>"));
    assert!(svg.contains("aria-label=\"Sensitivity: similarity of 3 layers"));
    assert_legible(&svg);
}

#[test]
fn a_layer_without_a_value_is_a_gap_in_line_and_band() {
    let whole = |svg: &str| (lines(svg).len(), svg.matches("<polygon ").count());
    let mut picture = depth();
    picture.layers = names("conv", 5);
    picture.curves[0].values = vec![Some(0.2); 5];
    picture.curves[0].intervals = vec![Some([0.1, 0.3]); 5];
    let (unbroken, bands) = whole(&by_depth(&picture).unwrap());
    picture.curves[0].values[2] = None;
    picture.curves[0].intervals[2] = None;
    let (more_lines, more_bands) = whole(&by_depth(&picture).unwrap());
    assert_eq!((more_lines, more_bands), (unbroken + 1, bands + 1));
}

#[test]
fn the_noise_floor_reaches_down_to_the_axis_and_is_named() {
    let mut picture = depth();
    let without = by_depth(&picture).unwrap();
    picture.floor = Some(depth_curve("chance", &[Some(0.1), Some(0.1), Some(0.15)]));
    let svg = by_depth(&picture).unwrap();
    // One surface below the floor, one behind its line in the legend.
    assert_eq!(svg.matches("<polygon ").count(), 2);
    assert_eq!(without.matches("<polygon ").count(), 0);
    assert!(svg.contains(">\nchance\n<"));
    assert!(svg.contains("<title>chance at conv2: 0.15</title>"));
}

#[test]
fn the_range_is_shown_whole_and_widened_for_a_value_outside() {
    let mut picture = depth();
    picture.range = Some([0.0, 1.0]);
    let svg = by_depth(&picture).unwrap();
    assert!(svg.contains(">\n0.0\n<") || svg.contains(">\n0\n<"));
    assert!(svg.contains(">\n1.0\n<"));
    picture.curves[0].values[0] = Some(-0.6);
    assert!(by_depth(&picture).unwrap().contains(">\n-0.6\n<"));
}

#[test]
fn names_of_many_layers_stand_upright_and_apart() {
    for layers in [1, 3, 15, 40, 150] {
        let picture = ByDepth {
            layers: names("encoder.stage.block", layers),
            curves: vec![depth_curve("cat", &vec![Some(0.5); layers]); 12],
            floor: Some(depth_curve("chance", &vec![Some(0.1); layers])),
            ..depth()
        };
        assert_legible(&by_depth(&picture).unwrap());
    }
}

#[test]
fn values_by_depth_that_cannot_be_drawn_are_errors_with_their_numbers() {
    let error = |change: fn(&mut ByDepth)| {
        let mut picture = depth();
        change(&mut picture);
        by_depth(&picture).unwrap_err().to_string()
    };
    assert_eq!(
        error(|picture| _ = picture.curves[0].values.pop()),
        "there are 2 values of cat for 3 layers; each needs one"
    );
    assert_eq!(
        error(|picture| picture.curves[0].intervals = vec![None; 4]),
        "there are 4 intervals of cat for 3 layers; each needs one"
    );
    assert_eq!(
        error(|picture| picture.curves[0].values[1] = Some(f64::NAN)),
        "the value of cat at conv1 is NaN; it must be finite, and less than 1e100 in size"
    );
    assert_eq!(
        error(|picture| picture.curves[0].intervals = vec![Some([0.3, 0.1]), None, None]),
        "the interval of cat at conv0 goes from 0.3 to 0.1; the second must be the larger one"
    );
    assert_eq!(
        error(|picture| picture.range = Some([1.0, 0.0])),
        "the range of the axis goes from 1 to 0; the second must be the larger one"
    );
    let floor = |picture: &mut ByDepth| picture.floor = Some(depth_curve("chance", &[]));
    assert!(error(floor).contains("0 values of chance"));
    for empty in [
        ByDepth {
            curves: vec![],
            ..depth()
        },
        ByDepth {
            curves: vec![depth_curve("cat", &[None; 3])],
            ..depth()
        },
        ByDepth {
            curves: vec![],
            layers: vec![],
            ..depth()
        },
    ] {
        assert!(matches!(by_depth(&empty), Err(Error::Nothing(_))));
    }
}

fn kept() -> TradeOff {
    TradeOff {
        title: "Accuracy by directions".into(),
        x: "directions".into(),
        y: "accuracy".into(),
        logarithmic: true,
        lines: vec![TradeOffLine {
            name: "SVCCA".into(),
            points: vec![
                TradeOffPoint::at(64.0, 0.8),
                TradeOffPoint::at(1.0, 0.2),
                TradeOffPoint::at(8.0, 0.7),
            ],
        }],
        level: Some(("untouched".into(), 0.81)),
    }
}

#[test]
fn a_trade_off_says_both_numbers_its_interval_and_what_else_there_is() {
    let mut picture = kept();
    picture.lines[0].points[2].interval = Some([0.65, 0.72]);
    picture.lines[0].points[2].says = Some("5 draws".into());
    let svg = trade_off(&picture).unwrap();
    assert!(svg.contains("<title>SVCCA: accuracy 0.8 at directions 64</title>"));
    let all = "<title>SVCCA: accuracy 0.7 at directions 8 (0.65 to 0.72); 5 draws</title>";
    assert!(svg.contains(all));
    assert!(svg.contains(">\nuntouched: 0.81\n<"), "in the legend");
    assert_legible(&svg);
}

#[test]
fn the_points_of_a_line_are_joined_from_left_to_right() {
    let svg = trade_off(&kept()).unwrap();
    // Two steps from a point to the next, each down or up.
    let of_three_points = lines(&svg).into_iter().filter_map(|line| {
        let (_, steps) = line.split_once('l')?;
        let steps = steps.replace('-', " -");
        let steps: Vec<i64> = steps
            .split_whitespace()
            .map(|number| number.parse().ok())
            .collect::<Option<_>>()?;
        (steps.len() == 4).then_some([steps[0], steps[2]])
    });
    let found: Vec<_> = of_three_points.collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].iter().all(|&across| across > 0), "{found:?}");
}

#[test]
fn a_logarithmic_axis_keeps_powers_equally_apart() {
    let picture = TradeOff {
        lines: vec![TradeOffLine {
            name: "SVCCA".into(),
            points: [1.0, 8.0, 64.0, 512.0]
                .map(|x| TradeOffPoint::at(x, 0.5))
                .to_vec(),
        }],
        ..kept()
    };
    let across = |svg: &str| -> Vec<f64> {
        let hovers = svg.split("<title>SVCCA").collect::<Vec<_>>();
        let before = hovers[..hovers.len() - 1].iter();
        let x = |part: &&str| {
            part.rsplit("<path d=\"M")
                .next()?
                .split(' ')
                .next()?
                .parse()
                .ok()
        };
        before.filter_map(x).collect()
    };
    let places = across(&trade_off(&picture).unwrap());
    assert_eq!(places.len(), 4);
    let step = places[1] - places[0];
    // Places are tenths of a pixel.
    assert!(
        places
            .windows(2)
            .all(|pair| (pair[1] - pair[0] - step).abs() <= 2.0)
    );
    let linear = TradeOff {
        logarithmic: false,
        ..picture
    };
    let places = across(&trade_off(&linear).unwrap());
    assert!(places[3] - places[2] > 6.0 * (places[2] - places[1]));
}

#[test]
fn a_trade_off_that_cannot_be_drawn_is_an_error_with_its_numbers() {
    let error = |change: fn(&mut TradeOff)| {
        let mut picture = kept();
        change(&mut picture);
        trade_off(&picture).unwrap_err().to_string()
    };
    assert_eq!(
        error(|picture| picture.lines[0].points[1].x = 0.0),
        "directions of a point of SVCCA is 0; on a logarithmic axis it must be more than 0"
    );
    assert_eq!(
        error(|picture| picture.lines[0].points[1].y = f64::INFINITY),
        "accuracy of SVCCA at 1 is inf; it must be finite, and less than 1e100 in size"
    );
    assert!(error(|picture| picture.lines[0].points[0].x = f64::NAN).contains("is NaN"));
    assert!(error(|picture| picture.level = Some(("untouched".into(), f64::NAN))).contains("NaN"));
    let backwards = |picture: &mut TradeOff| {
        picture.lines[0].points[0].interval = Some([1.0, 0.5]);
    };
    assert!(error(backwards).contains("from 1 to 0.5"));
    let mut linear = kept();
    linear.logarithmic = false;
    linear.lines[0].points[1].x = 0.0;
    trade_off(&linear).unwrap();
    linear.lines[0].points.clear();
    assert!(matches!(trade_off(&linear), Err(Error::Nothing(_))));
    linear.lines.clear();
    assert!(matches!(trade_off(&linear), Err(Error::Nothing(_))));
}

#[test]
fn one_point_is_a_picture() {
    for logarithmic in [true, false] {
        let mut picture = TradeOff {
            logarithmic,
            ..kept()
        };
        picture.lines[0].points.truncate(1);
        picture.level = None;
        assert_legible(&trade_off(&picture).unwrap());
    }
}

/// So many samples of so many classes, two rows.
fn aligned(samples: usize, classes: usize) -> Strips {
    let value = |sample: usize, shift: usize| ((sample * 37 + shift * 11) as f64).sin();
    let row = |name: &str, shift| Strip {
        name: name.into(),
        correlation: Some(0.875),
        values: [0usize, 1]
            .map(|network| (0..samples).map(|s| value(s, shift + network)).collect()),
    };
    Strips {
        title: "Directions of fc1".into(),
        classes: names("class", classes),
        labels: (0..samples).map(|sample| sample * 5 % classes).collect(),
        networks: ["seed 1".into(), "seed 2".into()],
        rows: vec![row("direction 1", 0), row("direction 2", 9)],
    }
}

#[test]
fn strips_name_networks_rows_classes_and_correlations() {
    let svg = strips(&aligned(40, 4)).unwrap();
    for text in ["seed 1", "seed 2", "class0", "class3", "40 samples"] {
        assert!(svg.contains(&format!(">\n{text}\n<")), "{text}");
    }
    assert!(svg.contains(">\ndirection 1, correlation 0.88\n<"));
    // Three boundaries in each of two rows, and no more.
    let dotted = svg.lines().filter(|line| line.contains("stroke-dasharray"));
    let boundaries: Vec<usize> = dotted.map(|path| path.matches('M').count()).collect();
    assert_eq!(boundaries, [3, 3]);
    assert_legible(&svg);
}

#[test]
fn the_mean_of_a_class_is_that_of_the_standardised_values() {
    let picture = Strips {
        classes: vec!["low".into(), "high".into(), "none".into()],
        labels: vec![1, 0, 1, 0],
        rows: vec![Strip {
            name: "neuron".into(),
            correlation: None,
            // Mean 5, deviation 1; the other mean 0, deviation 10.
            values: [vec![6.0, 4.0, 6.0, 4.0], vec![-10.0, 10.0, 10.0, -10.0]],
        }],
        ..aligned(4, 2)
    };
    let svg = strips(&picture).unwrap();
    assert!(svg.contains("<title>low, 2 samples: mean -1 in seed 1, 0 in seed 2</title>"));
    assert!(svg.contains("<title>high, 2 samples: mean 1 in seed 1, 0 in seed 2</title>"));
    assert!(
        !svg.contains(">\nnone\n<"),
        "a class without samples has no place"
    );
    assert!(svg.contains(">\nneuron\n<"), "no correlation was given");
}

#[test]
fn a_row_of_thousands_of_samples_stays_small_and_says_how_many_are_drawn() {
    let one = Strips {
        rows: aligned(5000, 10).rows[..1].to_vec(),
        ..aligned(5000, 10)
    };
    let (one, two) = (strips(&one).unwrap(), strips(&aligned(5000, 10)).unwrap());
    assert!(
        two.len() - one.len() < 60_000,
        "{} bytes",
        two.len() - one.len()
    );
    assert!(two.contains("600 of 5,000 samples drawn, evenly spaced within each class"));
}

#[test]
fn names_of_many_or_uneven_classes_never_overlap() {
    for classes in [1, 2, 10, 25, 100, 400] {
        assert_legible(&strips(&aligned(1000, classes)).unwrap());
    }
    let mut uneven = aligned(1000, 8);
    for label in &mut uneven.labels[..960] {
        *label = 2;
    }
    assert_legible(&strips(&uneven).unwrap());
    uneven.title = "a title that goes on ".repeat(20);
    uneven.networks = [0, 1].map(|i| format!("a network that has a long name, seed {i}").repeat(3));
    uneven.rows[0].name = "a direction of many words ".repeat(20);
    assert_legible(&strips(&uneven).unwrap());
}

#[test]
fn strips_that_cannot_be_drawn_are_errors_with_their_numbers() {
    let error = |change: fn(&mut Strips)| {
        let mut picture = aligned(6, 2);
        change(&mut picture);
        strips(&picture).unwrap_err().to_string()
    };
    assert_eq!(
        error(|picture| _ = picture.rows[1].values[0].pop()),
        "there are 5 values of direction 2 in seed 1 for 6 samples; each needs one"
    );
    assert_eq!(
        error(|picture| picture.labels[3] = 2),
        "sample 3 is of class 2, but only 2 classes are named, from 0 on"
    );
    assert_eq!(
        error(|picture| picture.rows[0].values[1][4] = f64::NAN),
        "direction 1 in seed 2 at sample 4 is NaN; it must be finite, and less than 1e100 in size"
    );
    assert!(error(|picture| picture.rows[0].correlation = Some(f64::NAN)).contains("correlation"));
    let nothing = |change: fn(&mut Strips)| {
        let mut picture = aligned(6, 2);
        change(&mut picture);
        assert!(matches!(strips(&picture), Err(Error::Nothing(_))));
    };
    nothing(|picture| picture.rows.clear());
    nothing(|picture| picture.labels.clear());
}

#[test]
fn values_that_are_all_the_same_are_drawn_flat() {
    let mut picture = aligned(20, 2);
    picture.rows[0].values = [vec![3.0; 20], vec![0.0; 20]];
    let svg = strips(&picture).unwrap();
    assert!(svg.contains("mean 0 in seed 1, 0 in seed 2"));
    assert_legible(&svg);
}

fn grid(rows: usize, columns: usize) -> Heatmap {
    Heatmap {
        title: "Two networks".into(),
        measure: "DFT-CCA".into(),
        rows: ("resnet".into(), names("stage.block.conv", rows)),
        columns: ("convnet".into(), names("layer", columns)),
        values: vec![vec![Some(0.5); columns]; rows],
        chance: vec![],
    }
}

#[test]
fn a_heatmap_of_two_networks_names_both_and_shows_its_scale() {
    for (rows, columns) in [(30, 14), (14, 30), (1, 40), (40, 1), (60, 8), (3, 3)] {
        let svg = heatmap(&grid(rows, columns)).unwrap();
        assert_legible(&svg);
        for text in ["resnet", "convnet", "similarity", "0", "0.5", "1"] {
            assert!(svg.contains(&format!(">\n{text}\n<")), "{text}");
        }
        let cells = svg.matches("<title>").count();
        assert_eq!(cells, rows * columns);
        let last = format!("stage.block.conv{} × layer{}: 0.50", rows - 1, columns - 1);
        assert!(svg.contains(&last));
    }
}

#[test]
fn a_heatmap_of_many_rows_is_no_taller_than_a_screen() {
    let svg = heatmap(&grid(30, 14)).unwrap();
    let height = svg
        .split("height=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(height.parse::<f64>().unwrap() < 900.0, "{height} pixels");
}

#[test]
fn long_names_of_networks_fit_a_small_heatmap() {
    let mut small = grid(2, 2);
    small.title = "a title that goes on ".repeat(20);
    small.rows.0 = "a network that has a long name ".repeat(9);
    small.columns.0 = "another network that has a long name ".repeat(9);
    assert_legible(&heatmap(&small).unwrap());
    small.values[1][0] = Some(f64::NAN);
    let error = heatmap(&small).unwrap_err().to_string();
    assert!(
        error.contains("similarity of stage.block.conv1 and layer0 is NaN"),
        "{error}"
    );
}

/// Half of what there is, by chance: 250 samples of 100 directions.
const HALF: ByChance = ByChance {
    samples: 250,
    directions: 100,
    level: 0.5,
    upper: 0.55,
    corrected: Some(0.25),
};

/// The hatching on dark cells, as its lines have it.
const HATCHED: &str = "stroke=\"#DED4EC\"";

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// One row of cells, chance giving half to each.
fn judged(values: &[Option<f64>]) -> Heatmap {
    Heatmap {
        values: vec![values.to_vec()],
        chance: vec![vec![Some(HALF); values.len()]],
        ..grid(1, values.len())
    }
}

#[test]
fn the_colours_of_a_heatmap_begin_at_what_chance_gives() {
    let [colour, _] = similarity_colours(0.5);
    let filled = format!("fill=\"{}\"", hex(colour));
    // Half way from the 0.5 of chance to 1. The scale has colours between those of its 64 shades.
    let count = |heatmap: &Heatmap| heatmap_of(heatmap).matches(&filled).count();
    assert_eq!(count(&judged(&[Some(0.75); 3])), 3);
    assert_eq!(count(&judged(&[Some(0.5); 3])), 0);
    // Each cell begins at its own level.
    let mut two = judged(&[Some(0.75), Some(0.6)]);
    two.chance[0][1] = Some(ByChance {
        level: 0.2,
        upper: 0.3,
        ..HALF
    });
    assert_eq!(count(&two), 2);
    // Without a level a similarity is seen from 0.
    two.chance[0][1] = None;
    two.values[0][1] = Some(0.5);
    assert_eq!(count(&two), 2);
}

fn heatmap_of(picture: &Heatmap) -> String {
    let svg = heatmap(picture).unwrap();
    assert_legible(&svg);
    svg
}

#[test]
fn cells_that_chance_could_give_are_hatched_and_cells_without_a_value_are_not() {
    let hatchings = |heatmap: &Heatmap| heatmap_of(heatmap).matches(HATCHED).count();
    assert_eq!(hatchings(&judged(&[Some(0.56), None])), 0);
    // One path for the cells and one for the key, as far as they aren't drawn as one.
    for doubtful in [0.55, 0.5, 0.3] {
        assert!(
            hatchings(&judged(&[Some(doubtful), Some(0.9)])) > 0,
            "{doubtful}"
        );
    }
    let none = heatmap_of(&judged(&[None, Some(0.9)]));
    assert!(none.contains(">\nno value\n<") && !none.contains(">\nby chance\n<"));
    assert!(none.contains("layer0: not defined<"));
    // The hatching of ten columns is that of one, longer: the cells are more than 7 pixels wide.
    let at_chance = |columns| heatmap_of(&judged(&vec![Some(0.5); columns]));
    assert!(at_chance(10).contains(">\nby chance\n<"));
    let slanted = |svg: &str| {
        let of_hatching = lines(svg).into_iter().filter(|line| line.contains('l'));
        of_hatching.count()
    };
    let (one, ten) = (slanted(&at_chance(1)), slanted(&at_chance(10)));
    assert!(ten < 10 * one, "{ten} lines for ten cells, {one} for one");
}

#[test]
fn a_cell_says_its_value_what_chance_gives_and_what_is_left() {
    let svg = heatmap_of(&judged(&[Some(0.625), Some(0.52)]));
    let clear = "layer0: 0.62, chance 0.50, corrected 0.25, 2.5 samples a direction<";
    assert!(svg.contains(clear), "{svg}");
    let doubtful = "layer1: 0.52, could be chance 0.50, corrected";
    assert!(svg.contains(doubtful));
    // Printed is what was measured.
    assert!(svg.contains(">\n0.62\n<") && svg.contains(">\n0.52\n<"));
}

#[test]
fn a_scale_that_begins_at_chance_says_so() {
    let texts = ["above chance", "chance", "0.5", "1"];
    let svg = heatmap_of(&judged(&[Some(0.9)]));
    for text in texts {
        assert!(svg.contains(&format!(">\n{text}\n<")), "{text}");
    }
    let plain = heatmap_of(&grid(1, 1));
    assert!(plain.contains(">\nsimilarity\n<") && !plain.contains("chance"));
}

#[test]
fn heatmaps_at_chance_stay_legible_and_small() {
    for (rows, columns) in [
        (30, 14),
        (1, 40),
        (40, 1),
        (60, 8),
        (3, 3),
        (1, 1),
        (40, 40),
    ] {
        let mut picture = grid(rows, columns);
        picture.values[0][0] = None;
        let plain = heatmap_of(&picture);
        picture.chance = vec![vec![Some(HALF); columns]; rows];
        let hatched = heatmap_of(&picture);
        // What the cells say is longer; the lines over them are few.
        let said: usize = hatched
            .split("<title>")
            .skip(1)
            .map(|t| t.find("</title>").unwrap())
            .sum();
        let says: usize = plain
            .split("<title>")
            .skip(1)
            .map(|t| t.find("</title>").unwrap())
            .sum();
        let lines = (hatched.len() - said) as i64 - (plain.len() - says) as i64;
        assert!(lines < 14_000, "{rows} × {columns}: {lines} bytes of lines");
    }
}

#[test]
fn chance_levels_that_cannot_be_drawn_are_errors_with_their_numbers() {
    let error = |change: fn(&mut Heatmap)| {
        let mut picture = judged(&[Some(0.5); 3]);
        change(&mut picture);
        heatmap(&picture).unwrap_err().to_string()
    };
    assert!(
        error(|picture| _ = picture.chance[0].pop())
            .contains("2 chance levels of stage.block.conv0 in the pane of step 0 for 3 columns")
    );
    assert!(error(|picture| picture.chance.push(vec![])).contains("2 rows of chance levels"));
    let not_finite = |picture: &mut Heatmap| {
        picture.chance[0][1].as_mut().unwrap().upper = f64::NAN;
    };
    assert!(error(not_finite).contains("the end of the chance level of stage.block.conv0"));
    // Chance gives 1 where there are too few samples: then nothing is above it.
    let mut full = judged(&[Some(1.0)]);
    full.chance[0][0] = Some(ByChance {
        level: 1.0,
        upper: 1.0,
        ..HALF
    });
    assert!(heatmap_of(&full).contains(HATCHED));
}
