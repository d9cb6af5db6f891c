use frostline_activations::{Check, Run};
use prost::{Message, Oneof};

use crate::csv_files::at_step;
use crate::report_file::{ReportFile, file_names};
use crate::summary::run_names;
use crate::{LayerCurve, RunPictures};

/// The runs as event files for TensorBoard: a folder a run, with one file of scalars in it.
///
/// Scalars: `loss`, `accuracy`, `learning_rate`, `frozen_layers`, `seconds/training`,
/// `seconds/measuring`, `seconds/cpu`, and of each layer `similarity_to_previous/<layer>` (1 for a frozen
/// layer) and `similarity_to_end/<layer>`, at the checks that know them; what is not finite in f32 is left
/// out. A run folder knows no date: wall time is the run's seconds of training and measuring, counted from
/// the start of 1970, and the file's name stays the same, so that writing it again replaces it.
pub fn tensorboard_files(runs: &[RunPictures<'_>]) -> Vec<ReportFile> {
    let all: Vec<&Run> = runs.iter().map(|pictures| pictures.run).collect();
    let folders = file_names(&run_names(&all));
    let file = |(pictures, folder): (&RunPictures<'_>, String)| ReportFile {
        name: format!("{folder}/events.out.tfevents.{BEGIN}.frostline"),
        content: events(pictures).iter().flat_map(record).collect(),
    };
    runs.iter().zip(folders).map(file).collect()
}

/// When every run is said to have begun, in Unix seconds.
const BEGIN: u64 = 0;

fn events(pictures: &RunPictures<'_>) -> Vec<Event> {
    let mut wall_time = BEGIN as f64;
    let mut events = vec![Event {
        wall_time,
        step: 0,
        what: Some(What::FileVersion("brain.Event:2".into())),
    }];
    let layers = &pictures.run.info.layers;
    for check in &pictures.run.history {
        let seconds = check.training_seconds + check.measuring_seconds;
        if seconds.is_finite() {
            wall_time = BEGIN as f64 + seconds;
        }
        events.push(Event {
            wall_time,
            step: check.step as i64,
            what: Some(What::Summary(Summary {
                value: scalars(check, layers, &pictures.to_end),
            })),
        });
    }
    events
}

fn scalars(check: &Check, layers: &[String], to_end: &[LayerCurve]) -> Vec<Value> {
    let mut values = vec![
        ("loss".to_string(), check.loss),
        ("accuracy".to_string(), check.accuracy),
        ("learning_rate".to_string(), check.learning_rate),
        ("frozen_layers".to_string(), Some(check.frozen as f64)),
        ("seconds/training".to_string(), Some(check.training_seconds)),
        (
            "seconds/measuring".to_string(),
            Some(check.measuring_seconds),
        ),
        ("seconds/cpu".to_string(), check.cpu_seconds),
    ];
    for (layer, similarity) in layers.iter().zip(&check.similarity) {
        values.push((format!("similarity_to_previous/{layer}"), *similarity));
    }
    for LayerCurve { layer, .. } in to_end {
        let similarity = at_step(to_end, layer, check.step);
        values.push((format!("similarity_to_end/{layer}"), similarity));
    }
    let known = values.into_iter().filter_map(|(tag, value)| {
        let value = Some(value? as f32).filter(|value| value.is_finite())?;
        Some(Value {
            tag,
            simple_value: Some(value),
        })
    });
    known.collect()
}

/// An event framed as a TFRecord: its length as a `u64`, that length's checksum, the event, the event's
/// checksum, all little-endian. A checksum is `rotate_right(crc32c, 15) + 0xa282ead8` as a `u32`.
/// Source: TensorFlow's `record_writer.h`.
fn record(event: &Event) -> Vec<u8> {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| {
        let rotated = crc32c::crc32c(bytes).rotate_right(15);
        rotated.wrapping_add(0xa282_ead8).to_le_bytes()
    };
    [&length[..], &checksum(&length), &data, &checksum(&data)].concat()
}

// The parts of TensorFlow's `event.proto` and `summary.proto` that scalars need.

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    // One of several kinds of values there: a plain field would leave out a 0.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}
