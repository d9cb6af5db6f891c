//! Where the texts of a picture are: whether they touch each other or leave the picture.

/// A text and the box that it is in, in the picture's own units.
#[derive(Debug)]
struct Text {
    text: String,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

/// No two texts of the picture touch, and none is cut off.
pub(crate) fn assert_legible(svg: &str) {
    let (width, height) = size(svg);
    let texts = texts(svg);
    assert!(!texts.is_empty());
    for (index, a) in texts.iter().enumerate() {
        let inside = a.left >= 0.0 && a.top >= 0.0 && a.right <= width && a.bottom <= height;
        let text = &a.text;
        assert!(inside, "{text}: {a:?} leaves {width} × {height}");
        for b in &texts[..index] {
            let apart =
                a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
            assert!(apart, "{text}: {a:?} and {b:?} overlap");
        }
    }
}

fn texts(svg: &str) -> Vec<Text> {
    // Wide letters take more of the font's size than this, most take less.
    const WIDTH: f64 = 0.56;
    const HEIGHT: f64 = 0.9;
    let texts = svg.match_indices("<text ").map(|(at, _)| {
        let (attributes, rest) = svg[at..].split_once('>').unwrap();
        let attributes = format!("{attributes} {}", group(&svg[..at]));
        let attribute = |name: &str| attribute(&attributes, name);
        let text = rest.split("</text>").next().unwrap().trim().to_string();
        let number = |name: &str| attribute(name).unwrap().parse::<f64>().unwrap();
        let (x, y, size) = (number("x"), number("y"), number("font-size"));
        let long = WIDTH * size * text.replace("&amp;", "&").chars().count() as f64;
        let half = HEIGHT * size / 2.0;
        // How much of the text is before its anchor.
        let before = match attribute("text-anchor") {
            None => 0.0,
            Some("middle") => 0.5,
            Some("end") => 1.0,
            Some(other) => panic!("text-anchor {other}"),
        };
        if attributes.contains("transform=\"rotate(270,") {
            Text {
                left: x - half,
                right: x + half,
                top: y - (1.0 - before) * long,
                bottom: y + before * long,
                text,
            }
        } else {
            Text {
                left: x - before * long,
                right: x + (1.0 - before) * long,
                top: y - half,
                bottom: y + half,
                text,
            }
        }
    });
    texts.collect()
}

/// The attributes of the group that is open at the end of this.
fn group(before: &str) -> &str {
    let open = before.rsplit("</g>").next().unwrap();
    let group = open.rsplit_once("<g ").map(|(_, group)| group);
    group
        .and_then(|group| group.split('>').next())
        .unwrap_or_default()
}

/// Of the picture, in its own units.
fn size(svg: &str) -> (f64, f64) {
    let view = attribute(svg, "viewBox").unwrap();
    let numbers: Vec<f64> = view.split(' ').map(|n| n.parse().unwrap()).collect();
    (numbers[2], numbers[3])
}

fn attribute<'a>(of: &'a str, name: &str) -> Option<&'a str> {
    let rest = of.split_once(&format!("{name}=\""))?.1;
    rest.split('"').next()
}
