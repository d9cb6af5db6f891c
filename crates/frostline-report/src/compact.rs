//! The same picture in fewer bytes: a page holds dozens, and plotters writes each mark on its own.

use std::borrow::Cow;

/// The body of an SVG as plotters writes it, a tag a line, without what SVG assumes anyway, and with marks that
/// follow each other and look the same in one tag. No text is touched, since quotes in it are escaped.
pub(crate) fn compact(body: &str) -> String {
    let mut compact = String::with_capacity(body.len() / 2);
    let mut alike: Option<Marks> = None;
    for line in without_defaults(body).lines() {
        match (Marks::read(line), &mut alike) {
            (Some(mark), Some(marks)) if mark.look == marks.look => {
                marks.path += &mark.path;
                marks.count += 1;
            }
            (mark, marks) => {
                if let Some(marks) = std::mem::replace(marks, mark) {
                    compact += &marks.written();
                }
                if marks.is_none() {
                    compact += &with_short_size(line);
                    compact.push('\n');
                }
            }
        }
    }
    if let Some(marks) = alike {
        compact += &marks.written();
    }
    compact
}

fn without_defaults(body: &str) -> String {
    [
        " opacity=\"1\"",
        " stroke=\"none\"",
        " text-anchor=\"start\"",
        " font-family=\"sans-serif\"",
    ]
    .iter()
    .fold(body.to_string(), |body, default| body.replace(default, ""))
}

/// Plotters multiplies and divides a font's size: `119.99999999999999` is 120.
fn with_short_size(line: &str) -> Cow<'_, str> {
    const SIZE: &str = " font-size=\"";
    let place = line.find(SIZE).map(|at| line.split_at(at + SIZE.len()));
    let parts = place.and_then(|(before, rest)| Some((before, rest.split_once('"')?)));
    match parts.map(|(before, (size, after))| (before, size.parse::<f64>(), after)) {
        Some((before, Ok(size), after)) => format!("{before}{}\"{after}", size.round()).into(),
        _ => line.into(),
    }
}

/// Dots or straight lines that look the same.
struct Marks {
    /// The attributes of their path, all but its places.
    look: String,
    path: String,
    count: usize,
    /// The one mark as it was written.
    alone: String,
}

impl Marks {
    fn read(line: &str) -> Option<Marks> {
        let (look, path) = dot(line).or_else(|| straight_line(line))?;
        Some(Marks {
            look,
            path,
            count: 1,
            alone: format!("{line}\n"),
        })
    }

    fn written(self) -> String {
        match self.count {
            1 => self.alone,
            _ => format!("<path {} d=\"{}\"/>\n", self.look, self.path),
        }
    }
}

/// A filled circle as a stroke without length whose ends are round.
fn dot(line: &str) -> Option<(String, String)> {
    let circle = line.strip_prefix("<circle cx=\"")?;
    let (x, rest) = circle.split_once("\" cy=\"")?;
    let (y, rest) = rest.split_once("\" r=\"")?;
    let (radius, rest) = rest.split_once("\" fill=\"")?;
    let (colour, end) = rest.split_once('"')?;
    if colour == "none" || end != " stroke-width=\"1\"/>" {
        return None;
    }
    let width = 2 * radius.parse::<u32>().ok()?;
    let look = format!("stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linecap=\"round\"");
    Some((look, format!("M{x} {y}h0")))
}

/// A line between two points.
fn straight_line(line: &str) -> Option<(String, String)> {
    let (look, points) = line.strip_prefix("<polyline ")?.split_once(" points=\"")?;
    let points = points.strip_suffix(" \"/>")?;
    let (from, to) = points.split_once(' ')?;
    if to.contains(' ') {
        return None;
    }
    let (from, to) = (from.replace(',', " "), to.replace(',', " "));
    Some((look.to_string(), format!("M{from}L{to}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOT: &str = "<circle cx=\"10\" cy=\"20\" r=\"3\" opacity=\"1\" fill=\"#1C2128\" stroke=\"none\" stroke-width=\"1\"/>\n";

    #[test]
    fn marks_that_look_the_same_become_one_path() {
        let other = DOT.replace("10", "30");
        let path = "<path stroke=\"#1C2128\" stroke-width=\"6\" stroke-linecap=\"round\" d=\"M10 20h0M30 20h0\"/>\n";
        assert_eq!(compact(&[DOT, &other].concat()), path);

        let line = |x: u32, colour: &str| {
            format!(
                "<polyline fill=\"none\" opacity=\"1\" stroke=\"{colour}\" stroke-width=\"10\" points=\"{x},0 {x},5 \"/>\n"
            )
        };
        let lines = [line(1, "#000000"), line(2, "#000000"), line(3, "#FFFFFF")].concat();
        let path =
            "<path fill=\"none\" stroke=\"#000000\" stroke-width=\"10\" d=\"M1 0L1 5M2 0L2 5\"/>\n";
        let last = line(3, "#FFFFFF").replace(" opacity=\"1\"", "");
        assert_eq!(compact(&lines), format!("{path}{last}"));
    }

    #[test]
    fn sizes_of_fonts_are_whole() {
        let text = "<text x=\"1\" font-size=\"119.99999999999999\" fill=\"#000000\">\nfont-size\n</text>\n";
        let short = text.replace("119.99999999999999", "120");
        assert_eq!(compact(text), short);
    }

    #[test]
    fn what_lies_between_marks_keeps_its_place() {
        let text = "<text x=\"1\">\n<circle cx=&quot;\n</text>\n";
        let alone = DOT
            .replace(" opacity=\"1\"", "")
            .replace(" stroke=\"none\"", "");
        let body = [DOT, text, DOT].concat();
        assert_eq!(compact(&body), [&alone, text, &alone].concat());
        let ring = DOT.replace("#1C2128", "none");
        assert_eq!(compact(&ring), alone.replace("#1C2128", "none"));
        let curve = "<polyline fill=\"none\" points=\"1,2 3,4 5,6 \"/>\n";
        assert_eq!(compact(&[curve, curve].concat()), [curve, curve].concat());
    }
}
