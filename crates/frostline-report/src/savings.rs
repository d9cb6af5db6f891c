use frostline_activations::{LayerFlops, Ledger, Run};

use crate::Cost;
use crate::axis::{bounds, drawable, short};
use crate::cost::flops_text;
use crate::page::panes_cost;
use crate::page_tables::table;
use crate::savings_pictures::{flops_of_layers, seconds_a_step};
use crate::summary::{Summary, grouped, ledger, seconds_text, something_froze};
use crate::svg::escape;

/// What freezing saved a run: pictures with their tables beside them. Empty where nobody counted.
pub(crate) fn savings(run: &Run) -> String {
    let Some(ledger) = ledger(run) else {
        return String::new();
    };
    let summary = Summary::of(run);
    let mut html = "<h4>What freezing saved</h4>\n".to_string();
    html += &format!("<p>{}</p>\n", escape(&verdict(ledger, &summary)));
    html += &beside(
        seconds_a_step(run, ledger),
        &steps_table(ledger),
        "How long a step took with so many layers frozen, measuring and testing left out.",
    );
    let (numbers, unit) = layers_table(run, ledger);
    html += &beside(
        flops_of_layers(run, ledger),
        &numbers,
        &format!(
            "What was computed, and what was not because a layer was frozen (backward) or its outputs \
             were cached (forward): below zero for a layer that froze so late that bringing the cache up to date \
             cost more than it spared. The input's layer is at the bottom; the table is in {unit}."
        ),
    );
    html + &totals_table(ledger, &summary)
}

/// Whether freezing paid, in one sentence.
fn verdict(ledger: &Ledger, summary: &Summary) -> String {
    let measuring = summary.measuring_seconds.unwrap_or(0.0);
    if !something_froze(ledger) {
        return format!(
            "No step was done with frozen layers, so nothing was saved; measuring took {}.",
            seconds_text(Some(measuring))
        );
    }
    match summary.saved_seconds {
        None => "Every step was done with frozen layers, so there is nothing to compare their time with."
            .into(),
        Some(saved) if saved > 0.0 => format!(
            "By the pace of its own steps before anything froze, freezing saved this run {saved:.1} s; the {measuring:.1} s of \
             measuring are taken off already."
        ),
        Some(saved) => format!(
            "Freezing did not pay on this machine: with {measuring:.1} s of measuring the training took \
             {:.1} s longer than it would have without, by the pace of its own steps before anything froze.",
            -saved
        ),
    }
}

fn steps_table(ledger: &Ledger) -> String {
    let head = ["frozen layers", "steps", "seconds a step"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for (frozen, at) in ledger.at_frozen.iter().enumerate() {
        let Some(mean) = at.mean().filter(|&mean| drawable(mean)) else {
            continue;
        };
        rows.push(vec![
            frozen.to_string(),
            grouped(at.steps),
            format!("{mean:.4}"),
        ]);
    }
    table("Seconds a step by frozen layers", &rows, &[0, 1, 2])
}

/// The layers' operations, and their unit.
fn layers_table(run: &Run, ledger: &Ledger) -> (String, &'static str) {
    let cells = |flops: &LayerFlops| {
        [
            flops.forward,
            flops.saved_forward,
            flops.backward,
            flops.saved_backward,
        ]
    };
    let every = ledger.layers.iter().flat_map(cells);
    let (worth, unit) = Cost::Flops.unit(bounds(every).map_or(0.0, |(_, largest)| largest));
    if ledger.layers.is_empty() {
        return (String::new(), unit);
    }
    let head = [
        "layer",
        "forward",
        "forward saved",
        "backward",
        "backward saved",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    // As in the picture, the output is at the top.
    for (layer, flops) in ledger.layers.iter().enumerate().rev() {
        let name = run.info.layers.get(layer);
        let mut row = vec![name.map_or_else(|| layer.to_string(), String::clone)];
        row.extend(cells(flops).map(|flops| match drawable(flops) {
            true => short(flops / worth),
            false => "not finite".into(),
        }));
        rows.push(row);
    }
    (
        table("Operations of each layer", &rows, &[1, 2, 3, 4]),
        unit,
    )
}

fn totals_table(ledger: &Ledger, summary: &Summary) -> String {
    let percent = |share: Option<f64>| {
        let share = share.filter(|&share| drawable(share));
        share.map_or("–".into(), |share| format!("{:.1} %", 100.0 * share))
    };
    let measuring_share = || {
        let (measuring, training) = (summary.measuring_seconds?, summary.training_seconds?);
        Some(measuring / (measuring + training))
    };
    let not_counted = "not counted".to_string();
    let [spent, measured, saved] = match ledger.layers.is_empty() {
        true => [&not_counted; 3].map(String::clone),
        false => [
            ledger.spent_flops(),
            ledger.measuring_flops,
            ledger.saved_flops(),
        ]
        .map(flops_cell),
    };
    let cached = match ledger.hit_rate() {
        Some(rate) => format!(
            "{} of {} inputs",
            percent(Some(rate)),
            grouped((ledger.cache_hits + ledger.cache_misses) as usize)
        ),
        None => "no cache was used".into(),
    };
    let panes = match ledger.panes.evaluations {
        0 => "that of the checks".into(),
        _ => panes_cost(&ledger.panes),
    };
    let rows = [
        ("in all", "value".to_string()),
        (
            "net seconds saved, by the run's own pace",
            seconds_cell(summary.saved_seconds),
        ),
        (
            "measuring",
            format!(
                "{}, {} of the time",
                seconds_cell(summary.measuring_seconds),
                percent(measuring_share())
            ),
        ),
        ("probe of the panes, apart", panes),
        ("operations computed", spent),
        ("of these, measuring", measured),
        ("operations saved, net", saved),
        ("taken from the cache", cached),
        ("caching", seconds_cell(Some(ledger.caching_seconds))),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(what, value)| vec![what.to_string(), value])
        .collect();
    // As text, since sentences among the values have to break on a narrow page.
    table("What freezing saved in all", &rows, &[])
}

fn seconds_cell(seconds: Option<f64>) -> String {
    let seconds = seconds.filter(|&seconds| drawable(seconds));
    seconds.map_or("–".into(), |seconds| seconds_text(Some(seconds)))
}

fn flops_cell(flops: f64) -> String {
    match drawable(flops) {
        true => flops_text(flops),
        false => "not finite".into(),
    }
}

/// A picture and its numbers; the numbers alone where there is nothing to draw.
fn beside(picture: Option<String>, numbers: &str, caption: &str) -> String {
    match picture {
        Some(svg) => format!(
            "<figure>\n<div class=\"pair\">\n{svg}{numbers}</div>\n<figcaption>{caption}</figcaption>\n\
             </figure>\n"
        ),
        None => numbers.to_string(),
    }
}
