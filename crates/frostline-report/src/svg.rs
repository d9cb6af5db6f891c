use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::prelude::{Color, FontStyle, FontTransform, IntoFont, RGBColor, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::colour::{INK, WHITE};
use crate::compact::compact;

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
    let drawn = Drawn::of((width, height), |canvas| {
        canvas.fill(
            Area {
                left: 0.0,
                top: 0.0,
                right: width,
                bottom: height,
            },
            WHITE,
        );
        draw(canvas);
    });
    let cells = match drawn.cells {
        none if none.is_empty() => none,
        // No seams between neighbours.
        cells => format!(
            "<g shape-rendering=\"crispEdges\" stroke-width=\"{}\">\n{cells}</g>\n",
            drawn.cell_height
        ),
    };

    // Plotters has no labels and no hover texts: the opening tag is written anew, and transparent
    // shapes with titles go on top of the picture. The first shape is the paper.
    let body = drawn.body.as_str();
    let (paper, body) = body.split_at(body.find('\n').map_or(0, |end| end + 1));
    let (paper, body) = (compact(paper), with_dashes(compact(body), &drawn.dashes));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" role=\"img\" aria-label=\"{}\">\n{paper}{cells}{body}{}\
         <g fill-opacity=\"0\">\n{}</g>\n</svg>\n",
        whole(width),
        whole(height),
        escape(label),
        drawn.groups,
        drawn.hovers,
    )
}

/// What was drawn on a canvas, layer by layer.
struct Drawn {
    cells: String,
    cell_height: i32,
    /// As plotters wrote it.
    body: String,
    groups: String,
    hovers: String,
    dashes: Vec<&'static [f64]>,
}

impl Drawn {
    fn of(size: (f64, f64), draw: impl FnOnce(&mut Canvas)) -> Self {
        let mut svg = String::new();
        let backend =
            SVGBackend::with_string(&mut svg, (whole(size.0) as u32, whole(size.1) as u32));
        let mut canvas = Canvas {
            backend,
            size,
            cells: String::new(),
            cell_height: 0,
            groups: String::new(),
            hovers: String::new(),
            dashes: Vec::new(),
        };
        draw(&mut canvas);
        drawn(canvas.backend.present());
        let layers = [&mut canvas.cells, &mut canvas.groups, &mut canvas.hovers];
        let [cells, groups, hovers] = layers.map(std::mem::take);
        let (cell_height, dashes) = (canvas.cell_height, std::mem::take(&mut canvas.dashes));
        drop(canvas);
        let body = svg.split_once('>').map_or("", |(_, body)| body);
        let body = body.trim_end().trim_end_matches("</svg>").trim_start();
        Drawn {
            cells,
            cell_height,
            body: body.to_string(),
            groups,
            hovers,
            dashes,
        }
    }
}

/// What a picture is drawn on.
pub(crate) struct Canvas<'a> {
    backend: SVGBackend<'a>,
    size: (f64, f64),
    /// Below all else but the paper.
    cells: String,
    /// The highest of the cells, which differ by rounding alone.
    cell_height: i32,
    /// Above what is in no group.
    groups: String,
    /// Above all else.
    hovers: String,
    /// The dashes in use, see [`mark_of`].
    dashes: Vec<&'static [f64]>,
}

impl Canvas<'_> {
    /// Draws lines, dots and surfaces into a group with these attributes, above all that is in none and in the groups
    /// before it.
    pub(crate) fn group(&mut self, attributes: &str, draw: impl FnOnce(&mut Canvas)) {
        let within = Drawn::of(self.size, draw);
        let body = with_dashes(compact(&within.body), &within.dashes);
        self.groups += &format!("<g {attributes}>\n{body}</g>\n");
    }

    pub(crate) fn fill(&mut self, area: Area, colour: RGBColor) {
        let (upper_left, lower_right) = corners(area);
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
        dash: &'static [f64],
    ) {
        if dash.is_empty() {
            return self.line(points, colour, width);
        }
        let known = self.dashes.iter().position(|known| *known == dash);
        let index = known.unwrap_or_else(|| {
            self.dashes.push(dash);
            self.dashes.len() - 1
        });
        let style = colour.mix(mark_of(index)).stroke_width(whole(width) as u32);
        drawn(
            self.backend
                .draw_path(points.iter().map(|&point| at(point)), &style),
        );
    }

    /// A surface through which one sees what is below it: a half-transparent polygon.
    pub(crate) fn veil(&mut self, corners: &[(f64, f64)], colour: RGBColor) {
        const OPACITY: f64 = 0.18;
        let style = colour.mix(OPACITY);
        drawn(
            self.backend
                .fill_polygon(corners.iter().map(|&corner| at(corner)), &style),
        );
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
        let ((left, top), (right, bottom)) = corners(area);
        let (across, down) = (right - left, bottom - top);
        self.hovers += &titled(
            &format!("M{left} {top}h{across}v{down}h-{across}"),
            "",
            text,
        );
    }

    /// A coloured area below everything else that shows `text` while the pointer is over it. All cells of a picture
    /// have the same height, which is said once: each is a line through its middle.
    pub(crate) fn cell(&mut self, area: Area, RGBColor(red, green, blue): RGBColor, text: &str) {
        let ((left, top), (right, bottom)) = corners(area);
        self.cell_height = self.cell_height.max(bottom - top);
        let (middle, across) = (top + (bottom - top) / 2, right - left);
        let look = format!(" stroke=\"#{red:02X}{green:02X}{blue:02X}\"");
        self.cells += &titled(&format!("M{left} {middle}h{across}"), &look, text);
    }
}

fn corners(area: Area) -> ((i32, i32), (i32, i32)) {
    (at((area.left, area.top)), at((area.right, area.bottom)))
}

/// A path, which takes fewer bytes than a rectangle or a line: a page has thousands.
fn titled(path: &str, look: &str, text: &str) -> String {
    let text = escape(text);
    format!("<path d=\"{path}\"{look}><title>{text}</title></path>\n")
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

/// Plotters draws no dashes: a dashed line gets an opacity that no eye tells from 1 and nothing else
/// has, and [`with_dashes`] writes the dash in its place.
fn mark_of(dash: usize) -> f64 {
    1.0 - (dash + 1) as f64 / 4096.0
}

fn with_dashes(mut body: String, dashes: &[&[f64]]) -> String {
    for (index, dash) in dashes.iter().enumerate() {
        let mark = format!(" opacity=\"{}\"", mark_of(index));
        let lengths: Vec<String> = dash.iter().map(|&on| whole(on).to_string()).collect();
        let written = format!(" stroke-dasharray=\"{}\"", lengths.join(","));
        body = body.replace(&mark, &written);
    }
    body
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
    fn dashes_and_veils_are_svg_s_own() {
        let ends = [(0.0, 0.0), (30.0, 0.0), (30.0, 40.0)];
        let svg = picture((100.0, 50.0), "lines", |canvas| {
            canvas.dashed(&ends, INK, 2.0, &[8.0, 2.0]);
            canvas.dashed(&ends, INK, 2.0, &[1.0, 3.0]);
            canvas.dashed(&ends, WHITE, 2.0, &[8.0, 2.0]);
            canvas.line(&ends, INK, 2.0);
            canvas.veil(&ends, INK);
        });
        assert_eq!(svg.matches(" stroke-dasharray=\"80,20\"").count(), 2);
        assert_eq!(svg.matches(" stroke-dasharray=\"10,30\"").count(), 1);
        assert_eq!(svg.matches("<path ").count(), 4);
        // What is left of opacities: the veil's, and that of the hover texts' shapes.
        assert_eq!(svg.matches(" opacity=\"").count(), 1);
        assert!(svg.contains("<polygon opacity=\"0.18\""));
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(shorten("layer3.block2.conv1", 11), "layer…conv1");
        assert_eq!(shorten("conv1", 11), "conv1");
        assert_eq!(shorten("ééééééé", 5), "éé…éé");
    }
}
