use std::collections::BTreeSet;

use frostline_activations::{PanesProbe, Run};

use crate::axis::short;
use crate::home::without_home;
use crate::summary::{Summary, grouped, seconds_text};
use crate::svg::escape;

/// One row a run: how well, how long, how much frozen.
pub(crate) fn runs_table(runs: &[&Run], names: &[String]) -> String {
    let mut html = "<table>\n<thead><tr><th scope=\"col\">run</th>\
         <th scope=\"col\">outcome</th><th scope=\"col\" class=\"number\">test accuracy</th>\
         <th scope=\"col\" class=\"number\">training</th>\
         <th scope=\"col\" class=\"number\">measuring</th><th scope=\"col\">frozen at the end</th>\
         <th scope=\"col\">steps at each frost line</th></tr></thead>\n<tbody>\n"
        .to_string();
    for (run, name) in runs.iter().zip(names) {
        let summary = Summary::of(run);
        html += &format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td><td>{}</td></tr>\n",
            escape(name),
            escape(&summary.outcome()),
            escape(&summary.accuracy_text()),
            seconds_text(summary.training_seconds),
            seconds_text(summary.measuring_seconds),
            escape(&summary.frozen_text()),
            // A line breaks between frost lines only: no-break space, word joiners.
            escape(&summary.frost_line_text())
                .replace(": ", ":&#160;")
                .replace('–', "&#8288;–&#8288;"),
        );
    }
    region("Runs", &(html + "</tbody>\n</table>\n"))
}

/// One row a setting, one column a run; the rows in which runs differ stand out.
pub(crate) fn settings_table(runs: &[&Run], names: &[String]) -> String {
    let mut html = "<table>\n<thead><tr><th scope=\"col\">setting</th>".to_string();
    for name in names {
        html += &format!("<th scope=\"col\">{}</th>", escape(name));
    }
    html += "</tr></thead>\n<tbody>\n";
    let mut row = |setting: &str, values: Vec<String>| {
        let differs = values.iter().any(|value| *value != values[0]);
        let class = if differs { " class=\"differs\"" } else { "" };
        html += &format!("<tr><th scope=\"row\">{}</th>", escape(setting));
        for value in values {
            html += &format!("<td{class}>{}</td>", escape(&value));
        }
        html += "</tr>\n";
    };
    let each =
        |value: &dyn Fn(&Run) -> String| runs.iter().map(|run| value(run)).collect::<Vec<_>>();
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "–".into());
    row("policy", each(&|run: &Run| run.info.policy.clone()));
    row(
        "similarity measure",
        each(&|run: &Run| run.info.measure.clone()),
    );
    row("layers", each(&|run: &Run| layers_text(&run.info.layers)));
    row(
        "planned length",
        each(&|run: &Run| {
            let length = run.info.length;
            let epochs = short(length.epoch(length.steps));
            format!("{} steps, {epochs} epochs", grouped(length.steps))
        }),
    );
    row(
        "probe",
        each(&|run: &Run| {
            let probe = run.info.probe;
            let rows = grouped(probe.samples);
            match probe.inputs {
                Some(inputs) if inputs != probe.samples => {
                    format!(
                        "{rows} rows of {} samples, {}",
                        grouped(inputs),
                        probe.layout
                    )
                }
                _ => format!("{rows} samples, {}", probe.layout),
            }
        }),
    );
    if runs.iter().any(|run| run.info.panes_probe.is_some()) {
        row(
            "probe of the panes",
            each(&|run: &Run| {
                let probe = run.info.panes_probe.as_ref();
                let at = |probe: &PanesProbe| {
                    let steps: Vec<String> = probe.steps.iter().map(|s| grouped(*s)).collect();
                    format!("{}, at steps {}", probe.layout, steps.join(", "))
                };
                probe.map_or_else(|| "that of the checks".into(), at)
            }),
        );
    }
    row(
        "seed",
        each(&|run: &Run| or_none(run.info.seed.map(|seed| seed.to_string()))),
    );
    row("device", each(&|run: &Run| run.info.device.clone()));
    row(
        "versions",
        each(&|run: &Run| {
            let versions = &run.info.versions;
            format!("frostline {}, Burn {}", versions.frostline, versions.burn)
        }),
    );
    let keys: BTreeSet<&String> = runs
        .iter()
        .flat_map(|run| run.info.settings.keys())
        .collect();
    for key in keys {
        row(
            key,
            each(&|run: &Run| or_none(run.info.settings.get(key).map(|value| without_home(value)))),
        );
    }
    region("Settings", &(html + "</tbody>\n</table>\n"))
}

fn layers_text(layers: &[String]) -> String {
    match layers {
        [] => "none".into(),
        // The pictures of the run name them all.
        [first, .., last] if layers.len() > 12 => {
            format!("{}, from {first} to {last}", layers.len())
        }
        _ => layers.join(", "),
    }
}

/// A table whose first row is the head and whose first column names the rows; the columns `numbers` to the right.
/// `about` says what it holds to who cannot see it.
pub(crate) fn table(about: &str, rows: &[Vec<String>], numbers: &[usize]) -> String {
    // A page has thousands of cells: their look is said once a table or once a cell, whichever is shorter, and a cell
    // ends where HTML lets the next begin.
    let mostly = 2 * numbers.len() > rows[0].len();
    let class = |column| match (numbers.contains(&column), mostly) {
        (true, false) => " class=\"number\"",
        (false, true) => " class=\"text\"",
        _ => "",
    };
    let whole = if mostly { " class=\"numbers\"" } else { "" };
    let mut html = format!("<table{whole}>\n<thead><tr>");
    for (column, cell) in rows[0].iter().enumerate() {
        html += &format!("<th scope=\"col\"{}>{}</th>", class(column), escape(cell));
    }
    html += "</tr></thead>\n<tbody>\n";
    for row in &rows[1..] {
        let name = escape(&row[0]);
        html += &format!("<tr><th scope=\"row\"{}>{name}</th>", class(0));
        for (column, cell) in row.iter().enumerate().skip(1) {
            html += &format!("<td{}>{}", class(column), escape(cell));
        }
        html += "</tr>\n";
    }
    region(about, &(html + "</tbody>\n</table>\n"))
}

/// A table that may be wider than the page: it scrolls by itself, with the keyboard too once it has the focus.
pub(crate) fn region(about: &str, table: &str) -> String {
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n{table}</div>\n",
        escape(about)
    )
}
