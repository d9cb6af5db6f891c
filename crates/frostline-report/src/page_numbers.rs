use frostline_activations::{Run, thinned};

use crate::axis::{drawable, short};
use crate::cost::flops_text;
use crate::doubts::doubts;
use crate::heatmap::moment;
use crate::judged::{brackets, doubtful, judged_cell};
use crate::page_tables::table;
use crate::summary::{grouped, run_names};
use crate::svg::escape;
use crate::timeline::state_texts;
use crate::{Against, LayerCurve, Pane, RunPictures};

/// Loss and accuracy of all runs against everything that an axis may count, folded away.
pub(crate) fn curves_table(runs: &[&Run]) -> String {
    let head = [
        "run",
        "step",
        "epoch",
        "seconds",
        "operations",
        "loss",
        "accuracy (%)",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    let mut kept = 0;
    for (run, name) in runs.iter().zip(run_names(runs)) {
        let mut row =
            |place: &dyn Fn(Against) -> Option<f64>, loss, accuracy: Option<f64>, what: &str| {
                let operations = place(Against::Flops).filter(|&flops| drawable(flops));
                rows.push(vec![
                    format!("{name}{what}"),
                    place(Against::Steps).map_or("–".into(), |step| grouped(step as usize)),
                    cell(place(Against::Epochs)),
                    cell(place(Against::Seconds)),
                    operations.map_or("–".into(), flops_text),
                    cell(loss),
                    cell(accuracy.map(|share| 100.0 * share)),
                ]);
            };
        let points = run.metrics.points();
        kept += points.len();
        let first = points.first().map_or(usize::MAX, |point| point.step);
        for check in run.history.iter().filter(|check| check.step < first) {
            row(&|against| against.at(check), check.loss, check.accuracy, "");
        }
        for point in thinned(points, ROWS) {
            let [loss, accuracy] = [point.loss, point.test_accuracy].map(|v| v.map(|v| v.mean));
            if loss.or(accuracy).is_some() {
                row(&|against| against.at_point(&point), loss, accuracy, "");
            }
        }
        if let Some(end) = &run.info.outcome {
            row(
                &|against| against.at_end(run),
                None,
                end.accuracy,
                ", final",
            );
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    let about = "Loss and accuracy in numbers";
    let mut html = table(about, &rows, &[1, 2, 3, 4, 5, 6]);
    if kept > 0 {
        html += "<p>Losses are means over the steps since the row before; the table <code>metrics.csv</code> of \
                 <code>frostline report --csv</code> has more of them, with the least and the greatest.</p>\n";
    }
    folded(about, &html)
}

/// Rows of a run in the table of its curves at most, and as many of tests.
const ROWS: usize = 40;

/// Every pane as a table, the output's layer at the top as in the picture.
pub(crate) fn panes_tables(pictures: &RunPictures<'_>) -> String {
    let mut tables = String::new();
    for pane in &pictures.panes {
        let head = std::iter::once("during training".to_string());
        let mut rows = vec![head.chain(pane.columns.iter().cloned()).collect::<Vec<_>>()];
        for (row, (name, values)) in pane.rows.iter().zip(&pane.values).enumerate().rev() {
            let values = values
                .iter()
                .enumerate()
                .map(|(column, value)| match *value {
                    Some(value) => {
                        judged_cell(&format!("{value:.2}"), value, pane.chance_of(row, column))
                    }
                    None => "–".into(),
                });
            rows.push(std::iter::once(name.clone()).chain(values).collect());
        }
        let about = format!("{} of training, step {}", moment(pane), pane.step);
        let numbers: Vec<usize> = (1..rows[0].len()).collect();
        tables += &format!("<p>{about}</p>\n{}", table(&about, &rows, &numbers));
    }
    match tables.is_empty() {
        true => tables,
        false => {
            let doubtful = pictures.panes.iter().any(Pane::has_doubtful);
            let tables = brackets(doubtful).to_string() + &tables;
            folded("The panes in numbers, columns at the end", &tables)
        }
    }
}

/// The similarity of each layer to itself at the end, one row a step.
pub(crate) fn to_end_table(pictures: &RunPictures<'_>) -> String {
    let curves = &pictures.to_end;
    let mut steps: Vec<usize> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|(step, _)| *step))
        .collect();
    steps.sort_unstable();
    steps.dedup();
    if steps.is_empty() {
        return String::new();
    }
    let layers = curves.iter().map(|curve| curve.layer.clone());
    let mut rows = vec![
        std::iter::once("step".to_string())
            .chain(layers)
            .collect::<Vec<_>>(),
    ];
    for step in steps {
        let values = curves.iter().map(|curve| {
            let at = curve.points.iter().position(|(at, _)| *at == step);
            at.map_or("–".into(), |at| {
                let similarity = curve.points[at].1;
                judged_cell(&cell(Some(similarity)), similarity, curve.chance_of(at))
            })
        });
        rows.push(std::iter::once(grouped(step)).chain(values).collect());
    }
    let about = "Similarity to the end in numbers";
    let numbers: Vec<usize> = (0..rows[0].len()).collect();
    let table = table(about, &rows, &numbers);
    let doubtful = curves.iter().any(LayerCurve::has_doubtful);
    folded(about, &(brackets(doubtful).to_string() + &table))
}

/// What each layer did when, the output's layer at the top as in the picture.
pub(crate) fn frozen_table(run: &Run) -> String {
    if run.history.is_empty() || run.info.layers.is_empty() {
        return String::new();
    }
    let mut rows = vec![vec!["layer".to_string(), "what it did".to_string()]];
    for (layer, name) in run.info.layers.iter().enumerate().rev() {
        rows.push(vec![name.clone(), state_texts(run, layer).join("; ")]);
    }
    let about = "Frozen layers in words";
    folded(about, &table(about, &rows, &[]))
}

/// Every check of a run, folded away: the pictures' numbers, for who cannot see them.
pub(crate) fn checks_table(run: &Run) -> String {
    if run.history.is_empty() {
        return String::new();
    }
    let about = format!("All {} checks in numbers", run.history.len());
    let columns = [
        "step",
        "epoch",
        "learning rate",
        "loss",
        "accuracy (%)",
        "frozen",
        "decided",
    ];
    let columns = columns.into_iter().map(String::from);
    let layers = run.info.layers.iter().cloned();
    let head: Vec<String> = columns.chain(layers).chain(["why".to_string()]).collect();
    let numbers: Vec<usize> = (0..head.len() - 1).collect();
    let mut rows = vec![head];
    for check in &run.history {
        let cells = [
            Some(check.epoch),
            check.learning_rate,
            check.loss,
            check.accuracy.map(|share| 100.0 * share),
            Some(check.frozen as f64),
            Some(check.decided as f64),
        ];
        let mut row = vec![check.step.to_string()];
        row.extend(cells.map(cell));
        for (layer, similarity) in check.similarity.iter().enumerate() {
            let by = check.chance.get(layer).and_then(Option::as_ref);
            let judged = |value| judged_cell(&cell(Some(value)), value, by);
            row.push(similarity.map_or("–".into(), judged));
        }
        row.push(check.reason.clone());
        rows.push(row);
    }
    let about_layers =
        "<p>The layers' columns are their similarity to themselves at the check before.</p>\n";
    let table = table(&about, &rows, &numbers);
    let doubtful = run.history.iter().any(|check| {
        let mut judged = check.similarity.iter().zip(&check.chance);
        judged.any(|(similarity, by)| doubtful(*similarity, by.as_ref()))
    });
    let about_table = about_layers.to_string() + brackets(doubtful);
    folded(&about, &(table + &about_table)) + &warnings(run)
}

/// What makes the similarities less believable.
fn warnings(run: &Run) -> String {
    let doubts = doubts(run);
    if doubts.is_empty() {
        return String::new();
    }
    let lines = doubts
        .iter()
        .map(|doubt| format!("<li>{}</li>\n", escape(doubt)));
    format!(
        "<details>\n<summary>What makes the similarities less believable ({})</summary>\n\
         <ul>\n{}</ul>\n</details>\n",
        doubts.len(),
        lines.collect::<String>()
    )
}

fn folded(summary: &str, html: &str) -> String {
    format!("<details>\n<summary>{summary}</summary>\n{html}</details>\n")
}

fn cell(value: Option<f64>) -> String {
    match value {
        Some(value) if drawable(value) => short(value),
        Some(_) => "not finite".into(),
        None => "–".into(),
    }
}
