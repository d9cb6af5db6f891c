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
        " stroke-width=\"1\"",
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

/// Dots, lines or texts that look the same.
struct Marks {
    /// The tag that has them all, but for its content.
    look: String,
    /// Places of a path, or a group's texts.
    content: String,
    count: usize,
    /// The one mark on its own.
    alone: String,
}

impl Marks {
    fn read(line: &str) -> Option<Marks> {
        let (look, content) = dot(line).or_else(|| polyline(line))?;
        let alone = match line.starts_with("<circle") {
            true => format!("{line}\n"),
            false => format!("<path {look} d=\"{content}\"/>\n"),
        };
        Some(Marks {
            look: format!("<path {look}"),
            content,
            count: 1,
            alone,
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
    if colour == "none" || end != "/>" {
        return None;
    }
    let width = 2 * radius.parse::<u32>().ok()?;
    let look = format!("stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linecap=\"round\"");
    Some((look, format!("M{x} {y}h0")))
}

/// Two numbers, parted by a minus or a space.
fn beside(x: i64, y: i64) -> String {
    match y < 0 {
        true => format!("{x}{y}"),
        false => format!("{x} {y}"),
    }
}

/// A line as a path from point to point, each as seen from the one before.
fn polyline(line: &str) -> Option<(String, String)> {
    let (look, points) = line.strip_prefix("<polyline ")?.split_once(" points=\"")?;
    let points = points.strip_suffix(" \"/>")?.split(' ').map(|point| {
        let (x, y) = point.split_once(',')?;
        Some((x.parse::<i64>().ok()?, y.parse::<i64>().ok()?))
    });
    let points: Vec<(i64, i64)> = points.collect::<Option<_>>()?;
    let &(x, y) = points.first()?;
    let mut path = format!("M{}", beside(x, y));
    let mut command = 'M';
    for pair in points.windows(2) {
        let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let (next, to) = match (dx, dy) {
            (_, 0) => ('h', format!("{dx}")),
            (0, _) => ('v', format!("{dy}")),
            _ => ('l', beside(dx, dy)),
        };
        // A command is said once.
        if next != command {
            path.push(next);
        } else if !to.starts_with('-') {
            path.push(' ');
        }
        path += &to;
        command = next;
    }
    Some((look.to_string(), path))
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
            "<path fill=\"none\" stroke=\"#000000\" stroke-width=\"10\" d=\"M1 0v5M2 0v5\"/>\n";
        let last = "<path fill=\"none\" stroke=\"#FFFFFF\" stroke-width=\"10\" d=\"M3 0v5\"/>\n";
        assert_eq!(compact(&lines), format!("{path}{last}"));
    }

    #[test]
    fn a_line_goes_from_point_to_point() {
        let line =
            "<polyline fill=\"none\" points=\"5,-1 15,9 16,7 12,6 12,6 20,6 20,9 -2,9 \"/>\n";
        let path = "<path fill=\"none\" d=\"M5-1l10 10 1-2-4-1h0 8v3h-22\"/>\n";
        assert_eq!(compact(line), path);
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
        let alone = without_defaults(DOT);
        let body = [DOT, text, DOT].concat();
        assert_eq!(compact(&body), [&alone, text, &alone].concat());
        let ring = DOT.replace("#1C2128", "none");
        assert_eq!(compact(&ring), alone.replace("#1C2128", "none"));
        let shape = "<polygon points=\"1,2 3,4 5,6 \"/>\n";
        assert_eq!(compact(&[shape, shape].concat()), [shape, shape].concat());
    }
}
