//! Utilisation over abandoned calls, one panel for each row.

use std::fmt::Write;

use super::run::Summary;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 50.0;
const BOTTOM: f64 = 40.0;
/// Abandoned shares from here on are drawn at the edge.
const ABANDONED_MAX: f64 = 0.06;

pub fn svg(results: &[Summary]) -> String {
    let mut rows: Vec<&str> = results.iter().map(|s| s.row.as_str()).collect();
    rows.dedup();
    let lines = rows.len().div_ceil(2).max(1);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" \
         font-size=\"11\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        2.0 * WIDTH,
        lines as f64 * HEIGHT
    );
    for (n, row) in rows.iter().enumerate() {
        let (x, y) = ((n % 2) as f64 * WIDTH, (n / 2) as f64 * HEIGHT);
        let of_row: Vec<&Summary> = results.iter().filter(|s| s.row == *row).collect();
        let _ = writeln!(text, "<g transform=\"translate({x} {y})\">{}</g>", panel(row, &of_row));
    }
    text + "</svg>\n"
}

fn panel(row: &str, of_row: &[&Summary]) -> String {
    let lowest = of_row.iter().map(|s| s.utilisation.mean).fold(1.0, f64::min);
    let low = (lowest * 20.0).floor() / 20.0;
    let x = |abandoned: f64| LEFT + abandoned.min(ABANDONED_MAX) / ABANDONED_MAX * (WIDTH - LEFT - 90.0);
    let y = |u: f64| 30.0 + (1.0 - u) / (1.0 - low).max(0.01) * (HEIGHT - BOTTOM - 30.0);
    let mut text = format!(
        "<text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">{}</text>",
        row.replace(['<', '&', '>'], " ")
    );
    let _ = write!(
        text,
        "<path d=\"M{0} 30V{1}H{2}\" fill=\"none\" stroke=\"#888\"/><path d=\"M{3} 30V{1}\" stroke=\"#c33\" \
         stroke-dasharray=\"4 3\"/><text x=\"{3}\" y=\"{4}\" text-anchor=\"middle\">cap</text>",
        LEFT,
        HEIGHT - BOTTOM,
        WIDTH - 80.0,
        x(0.03),
        HEIGHT - BOTTOM + 14.0
    );
    for u in [low, f64::midpoint(low, 1.0), 1.0] {
        let _ = write!(text, "<text x=\"8\" y=\"{:.0}\">{u:.3}</text>", y(u) + 4.0);
    }
    let _ = write!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">abandoned, 0 to 6 %</text>",
        x(0.03),
        HEIGHT - 8.0
    );
    for s in of_row {
        let color = if s.pacer == "ours" { "#06c" } else { "#555" };
        let (at_x, at_y) = (x(s.abandoned.mean), y(s.utilisation.mean));
        let _ = write!(
            text,
            "<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"4\" fill=\"{color}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{color}\">{}</text>",
            at_x + 6.0,
            at_y + 4.0,
            s.pacer
        );
    }
    text
}
