use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::prelude::{Color, FontStyle, FontTransform, IntoFont, RGBColor, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::colour::{INK, WHITE};

/// Plotters' coordinates are whole numbers; with tenths of a pixel curves are smooth.
const SCALE: f64 = 10.0;

/// Plotters divides a font's size by this when it writes SVG.
const FONT_SCALE: f64 = 1.24;

/// Where something is drawn, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Area {
    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(crate) fn centre(&self) -> (f64, f64) {
        (
            (self.left + self.right) / 2.0,
            (self.top + self.bottom) / 2.0,
        )
    }
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(crate) struct Font {
    pub(crate) size: f64,
    pub(crate) colour: RGBColor,
    pub(crate) align: HPos,
    pub(crate) bold: bool,
    /// Read from bottom to top.
    pub(crate) upright: bool,
}

impl Font {
    pub(crate) const fn left(size: f64) -> Self {
        Font {
            size,
            colour: INK,
            align: HPos::Left,
            bold: false,
            upright: false,
        }
    }

    pub(crate) const fn centre(size: f64) -> Self {
        let mut font = Self::left(size);
        font.align = HPos::Center;
        font
    }

    pub(crate) const fn right(size: f64) -> Self {
        let mut font = Self::left(size);
        font.align = HPos::Right;
        font
    }

    pub(crate) const fn colour(mut self, colour: RGBColor) -> Self {
        self.colour = colour;
        self
    }

    pub(crate) const fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    pub(crate) const fn upright(mut self) -> Self {
        self.upright = true;
        self
    }
}

/// Draws one SVG of `size` pixels; `label` says what it shows to who cannot see it.
pub(crate) fn picture(size: (f64, f64), label: &str, draw: impl FnOnce(&mut Canvas)) -> String {
    let (width, height) = (size.0.ceil(), size.1.ceil());
    let mut svg = String::new();
    let backend = SVGBackend::with_string(&mut svg, (whole(width) as u32, whole(height) as u32));
    let mut canvas = Canvas {
        backend,
        hovers: String::new(),
    };
    canvas.fill(
        Area {
            left: 0.0,
            top: 0.0,
            right: width,
            bottom: height,
        },
        WHITE,
    );
    draw(&mut canvas);
    drawn(canvas.backend.present());
    let hovers = std::mem::take(&mut canvas.hovers);
    drop(canvas);

    // Plotters has no labels and no hover texts: the opening tag is written anew, and transparent
    // shapes with titles go on top of the picture.
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let body = body.trim_end().trim_end_matches("</svg>");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{body}\
         <g fill-opacity=\"0\">\n{hovers}</g>\n</svg>\n",
        whole(width),
        whole(height),
        escape(label),
    )
}

/// What a picture is drawn on.
pub(crate) struct Canvas<'a> {
    backend: SVGBackend<'a>,
    hovers: String,
}

impl Canvas<'_> {
    pub(crate) fn fill(&mut self, area: Area, colour: RGBColor) {
        let (upper_left, lower_right) = (
            at((area.left, area.top)),
            at((area.right, area.bottom)), //
        );
        drawn(
            self.backend
                .draw_rect(upper_left, lower_right, &colour.filled(), true),
        );
    }

    pub(crate) fn frame(&mut self, area: Area, colour: RGBColor, width: f64) {
        let corners = [
            (area.left, area.top),
            (area.right, area.top),
            (area.right, area.bottom),
            (area.left, area.bottom),
            (area.left, area.top),
        ];
        self.line(&corners, colour, width);
    }

    pub(crate) fn line(&mut self, points: &[(f64, f64)], colour: RGBColor, width: f64) {
        let style = colour.stroke_width(whole(width) as u32);
        drawn(
            self.backend
                .draw_path(points.iter().map(|&point| at(point)), &style),
        );
    }

    /// A line with `dash`: pixels on, off, on, ... in turn; none for a whole line.
    pub(crate) fn dashed(
        &mut self,
        points: &[(f64, f64)],
        colour: RGBColor,
        width: f64,
        dash: &[f64],
    ) {
        if dash.is_empty() {
            return self.line(points, colour, width);
        }
        for piece in dashes(points, dash) {
            self.line(&piece, colour, width);
        }
    }

    pub(crate) fn dot(&mut self, centre: (f64, f64), radius: f64, colour: RGBColor) {
        let radius = whole(radius) as u32;
        drawn(
            self.backend
                .draw_circle(at(centre), radius, &colour.filled(), true),
        );
    }

    pub(crate) fn ring(&mut self, centre: (f64, f64), radius: f64, colour: RGBColor) {
        self.dot(centre, radius, WHITE);
        let style = colour.stroke_width(whole(2.0) as u32);
        drawn(
            self.backend
                .draw_circle(at(centre), whole(radius) as u32, &style, false),
        );
    }

    /// A text whose middle line is at `anchor`.
    pub(crate) fn text(&mut self, text: &str, anchor: (f64, f64), font: Font) {
        let weight = if font.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let turn = if font.upright {
            FontTransform::Rotate270
        } else {
            FontTransform::None
        };
        let face = ("sans-serif", font.size * FONT_SCALE * SCALE, weight)
            .into_font()
            .transform(turn);
        let style = TextStyle::from(face)
            .color(&font.colour)
            .pos(Pos::new(font.align, VPos::Center));
        let text = printable(text);
        drawn(self.backend.draw_text(&text, &style, at(anchor)));
    }

    /// Shows `text` while the pointer is over the area.
    pub(crate) fn hover(&mut self, area: Area, text: &str) {
        let (left, top) = at((area.left, area.top));
        let (right, bottom) = at((area.right, area.bottom));
        self.hovers.push_str(&format!(
            "<rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>\n",
            right - left,
            bottom - top,
            escape(text)
        ));
    }
}

/// Escapes a text for HTML and SVG, in content and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// At most `room` characters, the middle left out: the ends of `layer3.block2.conv1` tell it apart.
pub(crate) fn shorten(text: &str, room: usize) -> String {
    let room = room.max(3);
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= room {
        return text.to_string();
    }
    let tail = (room - 1) / 2;
    let head = room - 1 - tail;
    let start = characters[..head].iter();
    let end = characters[characters.len() - tail..].iter();
    start.chain(&['…']).chain(end).collect()
}

/// About how wide a text is, in pixels; an SVG does not know which font it will meet.
pub(crate) fn text_width(characters: usize, size: f64) -> f64 {
    0.6 * size * characters as f64
}

/// Control characters are not allowed in XML, not even escaped.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

/// The pieces of a line that a dash leaves.
fn dashes(points: &[(f64, f64)], dash: &[f64]) -> Vec<Vec<(f64, f64)>> {
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    let (mut turn, mut left) = (0, dash[0]);
    for pair in points.windows(2) {
        let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
        let length = (to_x - x).hypot(to_y - y);
        let along = |d: f64| (x + (to_x - x) * d / length, y + (to_y - y) * d / length);
        let mut done = 0.0;
        if piece.is_empty() && turn % 2 == 0 {
            piece.push(pair[0]);
        }
        while length - done > left {
            done += left;
            if turn % 2 == 0 {
                piece.push(along(done));
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece.push(along(done));
            }
            turn += 1;
            left = dash[turn % dash.len()];
        }
        left -= length - done;
        if turn % 2 == 0 {
            piece.push(pair[1]);
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

fn at((x, y): (f64, f64)) -> (i32, i32) {
    (whole(x), whole(y))
}

/// Pixels in plotters' units.
fn whole(pixels: f64) -> i32 {
    debug_assert!(pixels.is_finite(), "only finite numbers are drawn");
    (pixels * SCALE).round() as i32
}

fn drawn<E: std::fmt::Debug>(result: Result<(), E>) {
    result.expect("the SVG goes into a string, which takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        let svg = picture((100.0, 50.0), "\"<script>\"", |canvas| {
            canvas.text("<b> & 'c'\u{8}", (10.0, 10.0), Font::left(12.0));
            let area = Area {
                left: 0.0,
                top: 0.0,
                right: 10.0,
                bottom: 10.0,
            };
            canvas.hover(area, "</title><script>");
        });
        assert!(svg.contains("aria-label=\"&quot;&lt;script&gt;&quot;\""));
        assert!(svg.contains("&lt;b&gt; &amp; &apos;c&apos; "));
        assert!(svg.contains("<title>&lt;/title&gt;&lt;script&gt;</title>"));
        assert_eq!(svg.matches("</svg>").count(), 1);
    }

    #[test]
    fn a_dash_covers_its_share_of_the_line() {
        let corner = [(0.0, 0.0), (30.0, 0.0), (30.0, 40.0)];
        let drawn: f64 = dashes(&corner, &[8.0, 2.0])
            .iter()
            .flat_map(|piece| piece.windows(2))
            .map(|pair| (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1))
            .sum();
        assert!((drawn - 56.0).abs() < 1e-9, "8 of 10 pixels of 70: {drawn}");
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(shorten("layer3.block2.conv1", 11), "layer…conv1");
        assert_eq!(shorten("conv1", 11), "conv1");
        assert_eq!(shorten("ééééééé", 5), "éé…éé");
    }
}
