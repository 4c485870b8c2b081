//! Charts as SVG text: lines over time, with spans told apart: the measured phase of a load, the faults of an experiment. Colours come from the page's style, so that
//! they follow light and dark.

use super::ReportError;
use plotters::prelude::{
    ChartBuilder, IntoDrawingArea, IntoFont, LineSeries, RGBColor, Rectangle, SVGBackend, ShapeStyle, Text,
};
use plotters::style::Color;

const WIDTH: u32 = 860;
const HEIGHT: u32 = 230;
/// Most names of spans in one chart.
const MOST_NAMES: usize = 4;
/// Colours of the lines, which the page's style replaces by its own.
const COLOURS: [RGBColor; 5] =
    [RGBColor(1, 1, 1), RGBColor(2, 2, 2), RGBColor(3, 3, 3), RGBColor(4, 4, 4), RGBColor(5, 5, 5)];
const INK: RGBColor = RGBColor(9, 9, 9);
const GRID: RGBColor = RGBColor(8, 8, 8);
const SHADE: RGBColor = RGBColor(7, 7, 7);

/// A line: its name and its points.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A span that is told apart, with its name where it has one.
pub(super) struct Span {
    pub(super) from: f64,
    pub(super) until: f64,
    pub(super) name: String,
}

/// A chart in words and in SVG.
#[derive(serde::Serialize)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) unit: String,
    /// What a reader who cannot see it is told.
    pub(super) text: String,
    pub(super) legend: Vec<String>,
    pub(super) svg: String,
}

/// Draws lines over seconds; the spans are shaded.
pub(super) fn draw(title: &str, unit: &str, lines: &[Line], spans: &[Span]) -> Result<Option<Chart>, ReportError> {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let (first, last) = points().fold((f64::MAX, 0.0f64), |(first, last), (x, _)| (first.min(*x), last.max(*x)));
    if first >= last {
        return Ok(None);
    }
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max).max(1e-9) * 1.08;
    let mut svg = String::new();
    paint(&mut svg, lines, spans, (first, last), top).map_err(|error| ReportError::Render(error.to_string()))?;
    let told = lines.iter().map(|line| {
        let peak = line.points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
        format!("{} up to {}", line.name, short(peak))
    });
    Ok(Some(Chart {
        title: title.to_owned(),
        unit: unit.to_owned(),
        text: format!("{title} in {unit} from second {first:.0} to {last:.0}: {}", told.collect::<Vec<_>>().join(", ")),
        legend: lines.iter().map(|line| line.name.clone()).collect(),
        svg: styled(&svg),
    }))
}

fn paint(
    svg: &mut String,
    lines: &[Line],
    spans: &[Span],
    (first, last): (f64, f64),
    top: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(58)
        .build_cartesian_2d(first..last, 0.0..top)?;
    let shade = ShapeStyle::from(&SHADE).filled();
    let shown = |span: &&Span| span.from < last && span.until > first;
    chart.draw_series(
        spans
            .iter()
            .filter(shown)
            .map(|span| Rectangle::new([(span.from.max(first), 0.0), (span.until.min(last), top)], shade)),
    )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(("sans-serif", 12, &INK))
        .y_labels(5)
        .x_labels(10)
        .y_label_formatter(&|y| short(*y))
        .x_label_formatter(&|x| format!("{x:.0} s"))
        .draw()?;
    let mut named: Vec<&Span> = spans.iter().filter(shown).filter(|span| !span.name.is_empty()).collect();
    // A fault that comes again is named once; the names of several lie below each other.
    named.dedup_by(|next, last| next.name == last.name);
    chart.draw_series(named.iter().take(MOST_NAMES).enumerate().map(|(row, span)| {
        let at = (span.from.max(first), top * (0.99 - 0.09 * row as f64));
        Text::new(span.name.clone(), at, ("sans-serif", 12).into_font().color(&INK))
    }))?;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        chart.draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)))?;
    }
    area.present()?;
    drop(chart);
    Ok(())
}

fn short(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{:.0}k", value / 1_000.0)
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// Puts the style's colours in the place of the markers, and lets the picture grow with the page.
fn styled(svg: &str) -> String {
    let mut styled = svg.to_owned();
    for (number, marker) in (1..=5).zip(["#010101", "#020202", "#030303", "#040404", "#050505"]) {
        styled = styled.replace(marker, &format!("var(--line-{number})"));
    }
    styled =
        styled.replace("#090909", "var(--ink)").replace("#080808", "var(--grid)").replace("#070707", "var(--shade)");
    let size = format!("width=\"{WIDTH}\" height=\"{HEIGHT}\"");
    styled.replacen(&size, "role=\"presentation\"", 1)
}
