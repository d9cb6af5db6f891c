use prost::{Message, Oneof};

/// How every event file begins: with the version of its format.
pub fn header(wall_time: f64) -> Vec<u8> {
    framed(&Event {
        wall_time,
        step: 0,
        what: Some(What::FileVersion("brain.Event:2".into())),
    })
}

/// Tells TensorBoard that the training begins here or goes on: what older files of the same folder have at this step
/// or later is void.
pub(crate) fn restart(wall_time: f64, step: usize) -> Vec<u8> {
    const START: i32 = 1;
    framed(&Event {
        wall_time,
        step: step as i64,
        what: Some(What::SessionLog(SessionLog { status: START })),
    })
}

/// Values by their tags; those that are not finite in f32 are left out.
pub(crate) fn scalars(wall_time: f64, step: usize, values: &[(String, f64)]) -> Vec<u8> {
    let known = values.iter().filter_map(|(tag, value)| {
        let value = Some(*value as f32).filter(|value| value.is_finite())?;
        Some(Value {
            tag: tag.clone(),
            simple_value: Some(value),
        })
    });
    framed(&Event {
        wall_time,
        step: step as i64,
        what: Some(What::Summary(Summary {
            value: known.collect(),
        })),
    })
}

/// An event framed as a TFRecord: its length as a `u64`, that length's checksum, the event, the event's
/// checksum, all little-endian. A checksum is `rotate_right(crc32c, 15) + 0xa282ead8` as a `u32`.
/// Source: TensorFlow's `record_writer.h`.
fn framed(event: &Event) -> Vec<u8> {
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
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
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
