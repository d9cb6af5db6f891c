use plotters::prelude::RGBColor;

use crate::svg::{Area, Canvas};

/// Pixels from one line to the next, along the horizontal.
const APART: f64 = 7.0;

/// Draws slanting lines over the cells. They lie on one lattice for the whole picture: over neighbours they go on as
/// one line, so that a hatched region looks like one and takes few bytes.
pub(crate) fn hatch(canvas: &mut Canvas, cells: &[Area], colour: RGBColor) {
    // Each line is x + y = APART * number; over a cell it goes from one x to another.
    let mut spans: Vec<(i64, f64, f64)> = Vec::new();
    for cell in cells {
        let first = ((cell.left + cell.top) / APART).floor() as i64 + 1;
        let last = ((cell.right + cell.bottom) / APART).ceil() as i64 - 1;
        for number in first..=last {
            let sum = number as f64 * APART;
            let from = cell.left.max(sum - cell.bottom);
            let to = cell.right.min(sum - cell.top);
            if from < to {
                spans.push((number, from, to));
            }
        }
    }
    spans.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut joined: Vec<(i64, f64, f64)> = Vec::new();
    for (number, from, to) in spans {
        match joined.last_mut() {
            // Cells that touch differ by rounding.
            Some(last) if last.0 == number && from <= last.2 + 0.01 => last.2 = last.2.max(to),
            _ => joined.push((number, from, to)),
        }
    }
    for (number, from, to) in joined {
        let sum = number as f64 * APART;
        canvas.line(&[(from, sum - from), (to, sum - to)], colour, 1.0);
    }
}
