use frostline_activations::Run;
use frostline_tensorboard::{Scalars, file_name, header};

use crate::csv_files::at_step;
use crate::report_file::{ReportFile, file_names};
use crate::summary::run_names;
use crate::{LayerCurve, RunPictures};

/// The runs as event files for TensorBoard: a folder a run, with one file of scalars in it.
///
/// The scalars are those that [`frostline_tensorboard`] names, of the metrics and the checks, and of each layer
/// `similarity_to_end/<layer>`; what is not finite in f32 is left out. Wall time is that at which a run did its steps.
/// A folder of an earlier version, which doesn't know when its run began, counts the run's seconds of training
/// and measuring from the start of 1970. A file's name is that of its run's beginning, so that writing it again
/// replaces it.
pub fn tensorboard_files(runs: &[RunPictures<'_>]) -> Vec<ReportFile> {
    let all: Vec<&Run> = runs.iter().map(|pictures| pictures.run).collect();
    let folders = file_names(&run_names(&all));
    let file = |(pictures, folder): (&RunPictures<'_>, String)| {
        let began = began(pictures.run);
        let mut content = header(began);
        content.extend(scalars(pictures).iter().flat_map(Scalars::record));
        ReportFile {
            name: format!("{folder}/{}", file_name(began)),
            content,
        }
    };
    runs.iter().zip(folders).map(file).collect()
}

/// When a run began, in seconds since the start of 1970.
fn began(run: &Run) -> f64 {
    let began = run.info.began.filter(|began| began.is_finite());
    began.unwrap_or(0.0)
}

fn scalars(pictures: &RunPictures<'_>) -> Vec<Scalars> {
    let run = pictures.run;
    let points = run.metrics.points();
    let mut all: Vec<Scalars> = points.iter().map(Scalars::of_point).collect();
    let first = points.first().map_or(usize::MAX, |point| point.step);
    let mut seconds = 0.0;
    for check in &run.history {
        let worked = check.training_seconds + check.measuring_seconds;
        if worked.is_finite() {
            seconds = worked;
        }
        // The step of a check was just before it.
        let steps = points.partition_point(|point| point.step <= check.step);
        let stepped = steps.checked_sub(1).map(|last| points[last].wall_seconds);
        let wall_time = stepped.unwrap_or(began(run) + seconds);
        let of_check = match check.step < first {
            true => Scalars::of_lone_check,
            false => Scalars::of_check,
        };
        let mut scalars = of_check(check, &run.info.layers, wall_time);
        for LayerCurve { layer, .. } in &pictures.to_end {
            let similarity = at_step(&pictures.to_end, layer, check.step);
            let tag = format!("similarity_to_end/{layer}");
            scalars
                .values
                .extend(similarity.map(|similarity| (tag, similarity)));
        }
        all.push(scalars);
    }
    all.sort_by_key(|scalars| scalars.step);
    all
}
