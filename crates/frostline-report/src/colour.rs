use plotters::style::RGBColor;
use plotters::style::colors::colormaps::ViridisRGB;

pub(crate) const WHITE: RGBColor = RGBColor(255, 255, 255);
pub(crate) const INK: RGBColor = RGBColor(28, 33, 40);
pub(crate) const SOFT_INK: RGBColor = RGBColor(87, 96, 106);
pub(crate) const GRID: RGBColor = RGBColor(226, 230, 235);
pub(crate) const UNDEFINED: RGBColor = RGBColor(236, 236, 236);
/// The cross over a cell without a value.
pub(crate) const CROSS: RGBColor = RGBColor(118, 118, 118);
/// The hatching over cells that chance could give, on dark cells and on bright ones. Neither is a colour of the page,
/// which would change with it.
const HATCH_ON_DARK: RGBColor = RGBColor(222, 212, 236);
const HATCH_ON_BRIGHT: RGBColor = RGBColor(40, 32, 48);

/// A layer that trains, one that the policy would freeze, one that is frozen: light to dark, so that
/// they differ in grey too.
pub(crate) const TRAINED: RGBColor = RGBColor(244, 214, 170);
pub(crate) const WOULD_FREEZE: RGBColor = RGBColor(150, 194, 224);
pub(crate) const FROZEN: RGBColor = RGBColor(31, 95, 153);

/// Operations that were computed, strong, and those that were saved, in a pale shade of the same colour.
pub(crate) const FORWARD: RGBColor = RGBColor(0, 114, 178);
pub(crate) const BACKWARD: RGBColor = RGBColor(213, 94, 0);
pub(crate) const SAVED_FORWARD: RGBColor = RGBColor(172, 211, 233);
pub(crate) const SAVED_BACKWARD: RGBColor = RGBColor(247, 208, 173);

/// The colour of a similarity in `[0, 1]`, perceptually uniform (viridis).
pub(crate) fn similarity(value: f64) -> RGBColor {
    ViridisRGB::get_color(value.clamp(0.0, 1.0))
}

/// Black or white, whichever is read more easily on `background`.
pub(crate) fn text_on(background: RGBColor) -> RGBColor {
    // Where the WCAG 2 contrast with white equals the contrast with black.
    const EVEN: f64 = 0.179;
    if luminance(background) > EVEN {
        RGBColor(0, 0, 0)
    } else {
        WHITE
    }
}

/// What is hatched over `background`: seen, and less loud than a number.
pub(crate) fn hatch_on(background: RGBColor) -> RGBColor {
    match text_on(background) {
        WHITE => HATCH_ON_DARK,
        _ => HATCH_ON_BRIGHT,
    }
}

/// How many colours the layers' ramp has.
const LAYER_SHADES: usize = 64;

/// The colour of a layer: dark at the input, light at the output. The ramp stops before the colours
/// that are hard to see on white.
pub(crate) fn layer(index: usize, layers: usize) -> RGBColor {
    let share = index as f64 / (layers.max(2) - 1) as f64;
    let shade = (share * (LAYER_SHADES - 1) as f64).round() as usize;
    ramp(shade, ON_WHITE)
}

/// The parts of the scale that lines can have on white and on a dark page.
const ON_WHITE: [f64; 2] = [0.0, 0.58];
const ON_DARK: [f64; 2] = [0.4, 1.0];

fn ramp(shade: usize, [first, last]: [f64; 2]) -> RGBColor {
    let share = shade as f64 / (LAYER_SHADES - 1) as f64;
    similarity(first + (last - first) * share)
}

/// A run's colour (after Okabe & Ito 2008) and dash, in pixels on and off.
pub(crate) fn run(index: usize) -> (RGBColor, &'static [f64]) {
    const DASHES: [&[f64]; 5] = [
        &[],
        &[8.0, 4.0],
        &[2.0, 3.0],
        &[10.0, 3.0, 2.0, 3.0],
        &[16.0, 5.0],
    ];
    // 6 and 5 share no factor: 30 runs before two look alike.
    (RUNS[index % RUNS.len()].0, DASHES[index % DASHES.len()])
}

/// On white and on a dark page.
const RUNS: [(RGBColor, RGBColor); 6] = [
    (RGBColor(0, 114, 178), RGBColor(86, 180, 233)),
    (RGBColor(213, 94, 0), RGBColor(245, 139, 61)),
    (RGBColor(0, 145, 105), RGBColor(40, 200, 152)),
    (RGBColor(152, 60, 124), RGBColor(221, 132, 193)),
    (RGBColor(60, 60, 60), RGBColor(205, 205, 205)),
    (RGBColor(176, 120, 0), RGBColor(240, 200, 70)),
];

/// A colour of the pictures that is another one on a dark page.
pub(crate) struct Shade {
    /// What its variable is called.
    pub(crate) name: String,
    pub(crate) light: RGBColor,
    pub(crate) dark: RGBColor,
}

/// Of what is around the data: background, texts, axes.
pub(crate) fn page_shades() -> Vec<Shade> {
    named(&[
        ("paper", WHITE, DARK_PAPER),
        ("ink", INK, RGBColor(230, 233, 237)),
        ("soft-ink", SOFT_INK, RGBColor(163, 173, 184)),
        ("grid", GRID, RGBColor(48, 56, 66)),
    ])
}

/// Of bars.
pub(crate) fn bar_shades() -> Vec<Shade> {
    named(&[
        ("frozen", FROZEN, RGBColor(52, 124, 190)),
        ("forward", FORWARD, RUNS[0].1),
        ("backward", BACKWARD, RUNS[1].1),
        ("saved-forward", SAVED_FORWARD, RGBColor(32, 84, 118)),
        ("saved-backward", SAVED_BACKWARD, RGBColor(124, 66, 24)),
    ])
}

/// Of runs and of layers.
pub(crate) fn line_shades() -> Vec<Shade> {
    let runs = RUNS
        .iter()
        .enumerate()
        .map(|(index, &(light, dark))| Shade {
            name: format!("run-{index}"),
            light,
            dark,
        });
    let layers = (0..LAYER_SHADES).map(|shade| Shade {
        name: format!("layer-{shade}"),
        light: ramp(shade, ON_WHITE),
        dark: ramp(shade, ON_DARK),
    });
    runs.chain(layers).collect()
}

/// The background of a dark page.
const DARK_PAPER: RGBColor = RGBColor(17, 22, 29);

fn named(shades: &[(&str, RGBColor, RGBColor)]) -> Vec<Shade> {
    let shade = |&(name, light, dark): &(&str, RGBColor, RGBColor)| Shade {
        name: name.to_string(),
        light,
        dark,
    };
    shades.iter().map(shade).collect()
}

/// Half way to white.
pub(crate) fn lighter(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    let half = |channel: u8| channel.midpoint(255);
    RGBColor(half(red), half(green), half(blue))
}

/// Relative luminance of sRGB (WCAG 2).
fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
    let linear = |channel: u8| {
        let channel = f64::from(channel) / 255.0;
        if channel <= 0.04045 {
            channel / 12.92
        } else {
            ((channel + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(a: RGBColor, b: RGBColor) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn the_scale_gets_lighter_from_0_to_1() {
        let shades: Vec<f64> = (0..=20)
            .map(|i| luminance(similarity(i as f64 / 20.0)))
            .collect();
        assert!(shades.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_printed_value_contrasts_with_its_cell() {
        for i in 0..=100 {
            let cell = similarity(i as f64 / 100.0);
            // The WCAG 2 level AA for text.
            assert!(contrast(cell, text_on(cell)) >= 4.5, "at {i} %");
        }
    }

    #[test]
    fn hatching_is_seen_on_every_cell() {
        for i in 0..=100 {
            let cell = similarity(i as f64 / 100.0);
            assert!(contrast(cell, hatch_on(cell)) >= SEEN, "at {i} %");
        }
        assert!(contrast(UNDEFINED, CROSS) >= SEEN);
        let page: Vec<RGBColor> = page_shades().iter().map(|shade| shade.light).collect();
        assert!(
            [HATCH_ON_DARK, HATCH_ON_BRIGHT]
                .iter()
                .all(|hatch| !page.contains(hatch))
        );
    }

    /// What WCAG 2 asks of graphics.
    const SEEN: f64 = 3.0;
    /// What it asks of text, level AA.
    const READ: f64 = 4.5;

    #[test]
    fn no_layer_and_no_run_vanishes_on_white_or_on_dark() {
        for i in 0..40 {
            assert!(contrast(layer(i, 40), WHITE) >= SEEN, "layer {i}");
            assert!(contrast(run(i).0, WHITE) >= SEEN, "run {i}");
        }
        for Shade { name, light, dark } in line_shades() {
            assert!(contrast(light, WHITE) >= SEEN, "{name}");
            assert!(contrast(dark, DARK_PAPER) >= SEEN, "{name}");
        }
        assert_eq!(layer(0, 1), similarity(0.0));
    }

    #[test]
    fn every_layer_s_and_run_s_colour_has_one_for_dark_pages() {
        let known: Vec<RGBColor> = line_shades().iter().map(|shade| shade.light).collect();
        for layers in 1..=150 {
            assert!((0..layers).all(|index| known.contains(&layer(index, layers))));
        }
        assert!((0..6).all(|index| known.contains(&run(index).0)));
        for (index, colour) in known.iter().enumerate() {
            assert!(!known[..index].contains(colour), "{colour:?} has two names");
        }
    }

    #[test]
    fn ink_is_read_on_its_paper_and_bars_are_seen() {
        for Shade { name, light, dark } in &page_shades()[1..3] {
            assert!(contrast(*light, WHITE) >= READ, "{name}");
            assert!(contrast(*dark, DARK_PAPER) >= READ, "{name}");
        }
        for Shade { name, dark, .. } in &bar_shades()[..3] {
            assert!(contrast(*dark, DARK_PAPER) >= SEEN, "{name}");
        }
    }

    #[test]
    fn thirty_runs_look_different() {
        for a in 0..30 {
            for b in 0..a {
                assert_ne!(run(a), run(b));
            }
        }
    }
}
