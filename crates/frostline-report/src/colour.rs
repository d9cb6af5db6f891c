use plotters::style::RGBColor;
use plotters::style::colors::colormaps::ViridisRGB;

pub(crate) const WHITE: RGBColor = RGBColor(255, 255, 255);
pub(crate) const INK: RGBColor = RGBColor(28, 33, 40);
pub(crate) const SOFT_INK: RGBColor = RGBColor(87, 96, 106);
pub(crate) const GRID: RGBColor = RGBColor(226, 230, 235);
pub(crate) const UNDEFINED: RGBColor = RGBColor(236, 236, 236);
pub(crate) const HATCH: RGBColor = RGBColor(178, 178, 178);

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

/// The colour of a layer: dark at the input, light at the output. The ramp stops before the yellow
/// that cannot be seen on white.
pub(crate) fn layer(index: usize, layers: usize) -> RGBColor {
    const LIGHTEST: f64 = 0.72;
    similarity(LIGHTEST * index as f64 / (layers.max(2) - 1) as f64)
}

/// A run's colour (Okabe & Ito 2008, darkest first) and dash, in pixels on and off.
pub(crate) fn run(index: usize) -> (RGBColor, &'static [f64]) {
    const COLOURS: [RGBColor; 6] = [
        RGBColor(0, 114, 178),
        RGBColor(213, 94, 0),
        RGBColor(0, 158, 115),
        RGBColor(152, 60, 124),
        RGBColor(60, 60, 60),
        RGBColor(200, 140, 0),
    ];
    const DASHES: [&[f64]; 5] = [
        &[],
        &[8.0, 4.0],
        &[2.0, 3.0],
        &[10.0, 3.0, 2.0, 3.0],
        &[16.0, 5.0],
    ];
    // 6 and 5 share no factor: 30 runs before two look alike.
    (COLOURS[index % 6], DASHES[index % 5])
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
    fn no_layer_and_no_run_vanishes_on_white() {
        for i in 0..40 {
            // Less than WCAG 2's 3 for graphics: the price of a ramp wide enough to tell layers apart.
            assert!(contrast(layer(i, 40), WHITE) > 2.1, "layer {i}");
            assert!(contrast(run(i).0, WHITE) > 2.8, "run {i}");
        }
        assert_eq!(layer(0, 1), similarity(0.0));
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
