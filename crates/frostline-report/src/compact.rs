//! The same picture in fewer bytes: a page holds dozens, and plotters writes each mark on its own.

use std::borrow::Cow;

/// The body of an SVG as plotters writes it, a tag a line, without what SVG assumes anyway, and with marks and texts
/// that follow each other and look the same in one tag. No text is touched, since quotes in it are escaped.
pub(crate) fn compact(body: &str) -> String {
    let mut compact = String::with_capacity(body.len() / 2);
    let mut alike: Option<Marks> = None;
    let body = without_defaults(body);
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        let text = || Marks::text(line, lines.by_ref());
        match (Marks::read(line).or_else(text), &mut alike) {
            (Some(mark), Some(marks)) if mark.look == marks.look => {
                marks.content += &mark.content;
                marks.count += 1;
            }
            (mark, marks) => {
                if let Some(marks) = std::mem::replace(marks, mark) {
                    compact += &marks.written();
                }
                if marks.is_none() {
                    compact += line;
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
fn with_short_size(look: &str) -> Cow<'_, str> {
    const SIZE: &str = "font-size=\"";
    let place = look.find(SIZE).map(|at| look.split_at(at + SIZE.len()));
    let parts = place.and_then(|(before, rest)| Some((before, rest.split_once('"')?)));
    match parts.map(|(before, (size, after))| (before, size.parse::<f64>(), after)) {
        Some((before, Ok(size), after)) => format!("{before}{}\"{after}", size.round()).into(),
        _ => look.into(),
    }
}

/// Dots, straight lines or texts that look the same.
struct Marks {
    /// The tag that has them all, but for its content.
    look: String,
    /// Places of a path, or a group's texts.
    content: String,
    count: usize,
    /// The one mark as it was written.
    alone: String,
}

impl Marks {
    fn read(line: &str) -> Option<Marks> {
        let (look, content) = dot(line).or_else(|| straight_line(line))?;
        Some(Marks {
            look: format!("<path {look}"),
            content,
            count: 1,
            alone: format!("{line}\n"),
        })
    }

    /// A text, its content and its end on lines of their own. How it is turned depends on its place and stays with it.
    fn text<'a>(line: &str, lines: &mut impl Iterator<Item = &'a str>) -> Option<Marks> {
        let (place, look) = line.split_once(" dy=\"0.5ex\" ")?;
        let (look, turn) = look
            .strip_suffix('>')?
            .split_at(look.find(" transform=").unwrap_or(look.len() - 1));
        let look = with_short_size(look);
        let rest: String = lines.take(2).map(|line| format!("{line}\n")).collect();
        Some(Marks {
            content: format!("{place} dy=\"0.5ex\"{turn}>\n{rest}"),
            count: 1,
            alone: format!("{place} dy=\"0.5ex\" {look}{turn}>\n{rest}"),
            look: format!("<g {look}"),
        })
    }

    fn written(self) -> String {
        match (self.count, self.look.starts_with("<g ")) {
            (1, _) => self.alone,
            (_, true) => format!("{}>\n{}</g>\n", self.look, self.content),
            (_, false) => format!("{} d=\"{}\"/>\n", self.look, self.content),
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
    fn texts_that_look_the_same_become_one_group() {
        const TEXT: &str = "<text x=\"1\" y=\"2\" dy=\"0.5ex\" font-size=\"119.99999999999999\" opacity=\"1\" \
                            fill=\"#000000\">\nfont-size=\"2.5\n</text>\n";
        const SHORT: &str = "<text x=\"1\" y=\"2\" dy=\"0.5ex\" font-size=\"120\" fill=\"#000000\">\n\
                             font-size=\"2.5\n</text>\n";
        const INNER: &str = "<text x=\"1\" y=\"2\" dy=\"0.5ex\">\nfont-size=\"2.5\n</text>\n";
        assert_eq!(compact(TEXT), SHORT);
        assert_eq!(compact(&[DOT, TEXT].concat()), compact(DOT) + SHORT);

        // The turn is about a place of its own.
        let turned = TEXT.replace(
            "\"#000000\">",
            "\"#000000\" transform=\"rotate(270, 1, 2)\">",
        );
        let inner = INNER.replace("ex\">", "ex\" transform=\"rotate(270, 1, 2)\">");
        let group = format!("<g font-size=\"120\" fill=\"#000000\">\n{INNER}{inner}</g>\n");
        assert_eq!(compact(&[TEXT, &turned].concat()), group);
        let red = TEXT.replace("#000000", "#FF0000");
        let whole = SHORT.replace("#000000", "#FF0000");
        assert_eq!(compact(&[TEXT, &red].concat()), format!("{SHORT}{whole}"));
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
