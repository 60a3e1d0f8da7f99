//! Bars, small and plain; the colours go with a light page and a dark one.

use std::fmt::Write as _;

pub struct Bars {
    pub title: String,
    /// Name, value, and the value in words.
    pub bars: Vec<(String, f64, String)>,
}

const WIDTH: f64 = 420.0;
const NAME: f64 = 60.0;
const BAR_MAX: f64 = 250.0;
const ROW: f64 = 20.0;
const HEAD: f64 = 30.0;
/// A title and four bars.
const PANEL: f64 = HEAD + 4.0 * ROW + 14.0;

/// Panels in two columns.
pub fn picture(panels: &[Bars]) -> String {
    let height = PANEL * panels.len().div_ceil(2) as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#808890\">\n",
        2.0 * WIDTH
    );
    for (i, panel) in panels.iter().enumerate() {
        let (x, y) = ((i % 2) as f64 * WIDTH, (i / 2) as f64 * PANEL);
        let _ =
            writeln!(out, "<text x=\"{x}\" y=\"{}\" font-weight=\"bold\">{}</text>", y + 18.0, panel.title);
        let most = panel.bars.iter().map(|(_, value, _)| *value).fold(0.0, f64::max);
        for (j, (name, value, words)) in panel.bars.iter().enumerate() {
            let top = y + HEAD + j as f64 * ROW;
            let length = (value / most * BAR_MAX).max(1.0);
            let colour = if j == 0 { "#2f7fd6" } else { "#9aa4ae" };
            let _ = writeln!(
                out,
                "<text x=\"{x}\" y=\"{:.0}\">{name}</text>\
                 <rect x=\"{}\" y=\"{:.0}\" width=\"{length:.1}\" height=\"13\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{:.0}\">{words}</text>",
                top + 11.0,
                x + NAME,
                top,
                x + NAME + length + 6.0,
                top + 11.0
            );
        }
    }
    out + "</svg>\n"
}
