use std::collections::HashMap;
use std::fmt::Write;

use plotters::prelude::RGBColor;

use crate::colour::{Shade, bar_shades, line_shades, page_shades};

/// The variables of colours: their light values, and on dark screens their dark ones. Print is always light.
pub(crate) fn variables() -> String {
    let shades = || {
        let all = page_shades().into_iter().chain(bar_shades());
        all.chain(line_shades())
    };
    let values = |colour: fn(&Shade) -> RGBColor| -> String {
        let each = shades().map(|shade| format!("--{}:#{};", shade.name, hex(colour(&shade))));
        each.collect()
    };
    format!(
        ":root {{ {} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {} }} }}\n",
        values(|shade| shade.light),
        values(|shade| shade.dark)
    )
}

/// The pictures of a page with variables in place of the colours that depend on the page: `#1C2128` becomes
/// `var(--ink)`. Colours that stand for a similarity, and the values printed on them, stay.
pub(crate) fn in_scheme(html: &str) -> String {
    let by_hex = |shades: Vec<Shade>| -> HashMap<String, String> {
        let named = shades
            .into_iter()
            .map(|shade| (hex(shade.light), shade.name));
        named.collect()
    };
    let with = |more: Vec<Shade>| by_hex(page_shades().into_iter().chain(more).collect());
    let (filled, drawn) = (with(bar_shades()), with(line_shades()));
    let mut written = with(vec![]);
    // White text stands on a dark cell.
    written.retain(|_, name| name != "paper");

    let mut parts = html.split('<');
    let mut page = parts.next().unwrap_or_default().to_string();
    for part in parts {
        page.push('<');
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        let names = match tag.split(' ').next() {
            // A group is of texts.
            Some("text" | "g") => &written,
            Some("rect") => &filled,
            // A cell has a title.
            Some("polygon" | "circle" | "path") if tag.ends_with('/') => &drawn,
            _ => {
                page += part;
                continue;
            }
        };
        push_named(&mut page, tag, names);
        page.push('>');
        page += text;
    }
    page
}

/// A tag, its colours as variables where they have a name.
fn push_named(page: &mut String, tag: &str, names: &HashMap<String, String>) {
    const COLOUR: &str = "=\"#";
    let mut parts = tag.split(COLOUR);
    *page += parts.next().unwrap_or_default();
    for part in parts {
        let (colour, rest) = part.split_once('"').unwrap_or((part, ""));
        match names.get(colour) {
            Some(name) => write!(page, "=\"var(--{name})\"{rest}"),
            None => write!(page, "{COLOUR}{part}"),
        }
        .expect("a string takes everything");
    }
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_the_page_become_variables_and_those_of_data_cells_stay() {
        let cells = "<svg><rect x=\"1\" fill=\"#FFFFFF\"/><rect fill=\"#440154\"/>\
                     <text fill=\"#FFFFFF\">\n&lt;fill=&quot;#1C2128&quot;\n</text><text fill=\"#1C2128\">a</text></svg>";
        let paper = "<svg><rect x=\"1\" fill=\"var(--paper)\"/><rect fill=\"#440154\"/>\
                     <text fill=\"#FFFFFF\">\n&lt;fill=&quot;#1C2128&quot;\n</text>\
                     <text fill=\"var(--ink)\">a</text></svg>";
        assert_eq!(in_scheme(cells), paper);
        // The first layer's colour is also that of a similarity of 0: a line has it as a layer.
        let line = "<path fill=\"none\" stroke=\"#440154\" d=\"M0 0h9\"/>";
        let named = line.replace("#440154", "var(--layer-0)");
        assert_eq!(in_scheme(line), named);
        let cell = "<path d=\"M0 0h9\" stroke=\"#440154\"><title>0.00</title></path>";
        assert_eq!(in_scheme(cell), cell);
        let texts = "<g fill=\"#1C2128\">\n<text x=\"1\">\na\n</text>\n</g>";
        let named = texts.replace("#1C2128", "var(--ink)");
        assert_eq!(in_scheme(texts), named);
    }

    #[test]
    fn every_variable_has_a_value_in_light_and_in_dark() {
        let variables = variables();
        let (light, dark) = variables.split_once("@media").unwrap();
        let names = |css: &str| -> Vec<String> {
            let defined = css.split("--").skip(1);
            defined
                .map(|part| part.split(':').next().unwrap().to_string())
                .collect()
        };
        assert_eq!(names(light), names(dark));
        assert!(light.contains("--ink:#1C2128;") && !dark.contains("--ink:#1C2128;"));
    }
}
