//! Many pairs at once give what each pair gives alone.

use burn::tensor::Tensor;
use frostline_svcca::{Bias, Cut, Error, Grid, Measure, Progress, View, Wanted, Weights};

use crate::samples::{normal, related, tensor};

fn layers() -> Vec<Tensor<2>> {
    let mut layers: Vec<Tensor<2>> = (0..3)
        .flat_map(|seed| {
            let (x, y) = related(seed);
            [tensor(&x), tensor(&y)]
        })
        .collect();
    // A wide one and one in which nothing varies.
    layers.push(tensor(&normal(120, 150, 9)));
    layers.push(tensor(&normal(120, 2, 9).map(|_| 0.5)));
    layers
}

#[test]
fn a_grid_has_the_values_of_its_pairs() {
    let layers = layers();
    for measure in [
        Measure::default(),
        Measure::Svcca(Cut::Directions(5)),
        Measure::CCA,
        Measure::Pwcca(Weights::Default),
        Measure::Cka(Bias::Debiased),
        Measure::Procrustes,
        Measure::R2,
        Measure::Pls,
    ] {
        let (rows, columns) = (
            measure.prepare_all(&layers),
            measure.prepare_all(&layers[..5]),
        );
        let grid = Grid::of(&rows, &columns, Wanted::Values, |_| ()).unwrap();
        for (i, x) in layers.iter().enumerate() {
            for (j, y) in layers[..5].iter().enumerate() {
                let cell = &grid.cells[i][j];
                match measure.between(x, y) {
                    Ok(alone) => {
                        let found = cell.similarity.as_ref().expect("a value");
                        let size = alone.value.abs().max(1.0);
                        // The grid projects in f32.
                        let gap = (found.value - alone.value).abs();
                        assert!(gap < 1e-6 * size, "{measure} {i} {j}: {gap:e}");
                        assert_eq!(found.kept, alone.kept, "{measure} {i} {j}");
                    }
                    Err(error) => {
                        assert_eq!(cell.error.as_deref(), Some(&*error.to_string()));
                        assert_eq!(grid.value(i, j), None);
                    }
                }
            }
        }
    }
}

#[test]
fn progress_ends_with_every_pair() {
    let sides = Measure::default().prepare_all(&layers());
    let mut heard = Vec::new();
    Grid::of(&sides, &sides, Wanted::Values, |progress| {
        heard.push(progress)
    })
    .unwrap();
    assert_eq!(
        heard.last(),
        Some(&Progress {
            done: 64,
            total: 64
        })
    );
}

#[test]
fn a_grid_too_wide_for_one_product_is_the_same() {
    // 30 views of 100 directions: three stacks of rows, two of columns.
    let layers: Vec<Tensor<2>> = (0..30)
        .map(|seed| tensor(&normal(300, 100, seed)))
        .collect();
    let measure = Measure::CCA;
    let sides = measure.prepare_all(&layers);
    let grid = Grid::of(&sides, &sides, Wanted::Values, |_| ()).unwrap();
    for (i, j) in [(0, 0), (0, 29), (11, 20), (29, 3)] {
        let alone = {
            let (x, y) = (sides[i].as_ref().unwrap(), sides[j].as_ref().unwrap());
            x.similarity(y).unwrap().value
        };
        assert!((grid.value(i, j).unwrap() - alone).abs() < 1e-6, "{i} {j}");
    }
    assert_eq!(grid.cells.iter().map(Vec::len).sum::<usize>(), 900);
}

#[test]
fn directions_come_where_they_are_asked_for() {
    let layers = layers();
    let sides = Measure::default().prepare_all(&layers[..3]);
    let grid = Grid::of(&sides, &sides, Wanted::Directions, |_| ()).unwrap();
    for (i, row) in grid.cells.iter().enumerate() {
        for (j, cell) in row.iter().enumerate() {
            let [x, y] = cell.rotations.as_ref().expect("asked for");
            let [kept_x, kept_y] = cell.similarity.as_ref().unwrap().kept;
            assert_eq!(x.shape(), (kept_x, kept_x.min(kept_y)), "{i} {j}");
            assert_eq!(y.shape(), (kept_y, kept_x.min(kept_y)), "{i} {j}");
            let gap =
                (x.transpose() * x - nalgebra::DMatrix::identity(x.ncols(), x.ncols())).amax();
            assert!(gap < 1e-12, "{gap:e}");
        }
    }
}

#[test]
fn views_of_other_samples_are_errors_in_their_cells() {
    let layers = [tensor(&normal(120, 4, 1)), tensor(&normal(130, 4, 2))];
    let sides = Measure::default().prepare_all(&layers);
    let grid = Grid::of(&sides, &sides, Wanted::Values, |_| ()).unwrap();
    assert!(grid.value(0, 0).is_some() && grid.value(1, 1).is_some());
    let error = grid.cells[0][1].error.as_deref().unwrap();
    assert!(error.contains("120") && error.contains("130"), "{error}");
}

#[test]
fn a_layer_that_can_not_be_prepared_says_so_in_its_cells() {
    let mut broken = normal(120, 4, 1);
    broken[(7, 2)] = f64::NAN;
    let layers = [tensor(&normal(120, 4, 2)), tensor(&broken)];
    let sides = Measure::default().prepare_all(&layers);
    let grid = Grid::of(&sides, &sides, Wanted::Values, |_| ()).unwrap();
    assert_eq!(grid.values()[1], [None, None]);
    assert!(grid.values()[0][0].is_some());
    let error = grid.cells[0][1].error.as_deref().unwrap();
    assert!(error.contains("sample 7, neuron 2"), "{error}");
}

#[test]
fn sides_prepared_for_different_measures_are_refused() {
    let view = View::new(&tensor(&normal(50, 3, 1))).unwrap();
    let (x, y) = (
        Measure::default().prepare(&view).unwrap(),
        Measure::Procrustes.prepare(&view).unwrap(),
    );
    let refused = x.similarity(&y);
    assert!(
        matches!(refused, Err(Error::MeasureMismatch { .. })),
        "{refused:?}"
    );
    let refused = Grid::of(&[Ok(x)], &[Ok(y)], Wanted::Values, |_| ());
    assert!(matches!(refused, Err(Error::MeasureMismatch { .. })));
}

#[test]
fn an_empty_grid_has_no_cells() {
    let grid = Grid::of(&[], &[], Wanted::Values, |_| ()).unwrap();
    assert!(grid.cells.is_empty());
}

#[test]
fn a_grid_survives_json() {
    let sides = Measure::Cka(Bias::Debiased).prepare_all(&layers());
    let grid = Grid::of(&sides, &sides, Wanted::Values, |_| ()).unwrap();
    let text = serde_json::to_string(&grid).unwrap();
    assert_eq!(serde_json::from_str::<Grid>(&text).unwrap(), grid);
}
