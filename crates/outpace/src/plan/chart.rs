//! Utilisation and abandoned calls, hour by hour, as SVG.

use std::path::Path;

use plotters::prelude::*;

use super::{Hour, Row};

const SIZE: (u32, u32) = (900, 600);
/// One line per number of agents, told apart by colour.
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
];

pub fn write(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let hours = rows.iter().flat_map(|r| &r.outlooks).map(|o| o.hours.len()).max().unwrap_or(0);
    anyhow::ensure!(hours > 0, "a chart needs a shift of an hour or more");
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(SIZE.1 / 2);
    let busy = |hour: &Hour| hour.utilisation * 100.0;
    let abandoned =
        |hour: &Hour| 100.0 * hour.abandoned as f64 / ((hour.connected + hour.abandoned).max(1)) as f64;
    draw(&upper, "agents busy, % (talk and wrap-up)", rows, hours, 100.0, busy)?;
    let top = (0..hours).flat_map(|h| rows.iter().map(move |r| mean(r, h, abandoned))).fold(3.0, f64::max);
    draw(&lower, "abandoned, % of the answered", rows, hours, top * 1.2, abandoned)?;
    root.present()?;
    Ok(())
}

fn mean(row: &Row, hour: usize, of: impl Fn(&Hour) -> f64) -> f64 {
    row.mean(|o| o.hours.get(hour).map_or(0.0, &of))
}

fn draw(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    caption: &str,
    rows: &[Row],
    hours: usize,
    top: f64,
    of: impl Fn(&Hour) -> f64 + Copy,
) -> anyhow::Result<()> {
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(44)
        .build_cartesian_2d(0..hours, 0.0..top)?;
    chart.configure_mesh().x_desc("hour of the shift").x_labels(hours.min(24) + 1).draw()?;
    for (row, colour) in rows.iter().zip(COLOURS.iter().cycle()) {
        let points = (0..hours).map(|h| (h + 1, mean(row, h, of)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(format!("{} agents", row.agents))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], *colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    Ok(())
}
