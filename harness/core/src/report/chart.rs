//! Charts as SVG: lines over time, with shaded spans (the measured phase of a load, the faults of an experiment). Colours come from the style of
//! the page, so that they follow light and dark mode.

use super::ReportError;
use plotters::prelude::{
    ChartBuilder, IntoDrawingArea, IntoFont, LineSeries, RGBColor, Rectangle, SVGBackend, ShapeStyle, Text,
};
use plotters::style::Color;

/// Sizes of a chart in pixels. The narrow chart is for phones, on which the wide one is not readable.
const WIDE: (u32, u32) = (860, 230);
const NARROW: (u32, u32) = (400, 210);
/// Size of the labels in units of the chart library; a unit is larger than a pixel.
const LABEL: u32 = 15;
/// Upper estimate of the width of one letter of a label, in pixels.
const LETTER: f64 = 7.4;
/// Maximum number of labelled spans in one chart.
const MOST_NAMES: usize = 4;
/// Placeholder colours of the lines; the style of the page replaces them.
const COLOURS: [RGBColor; 5] =
    [RGBColor(1, 1, 1), RGBColor(2, 2, 2), RGBColor(3, 3, 3), RGBColor(4, 4, 4), RGBColor(5, 5, 5)];
const INK: RGBColor = RGBColor(9, 9, 9);
const GRID: RGBColor = RGBColor(8, 8, 8);
const SHADE: RGBColor = RGBColor(7, 7, 7);

pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A shaded span, with an optional label.
pub(super) struct Span {
    pub(super) from: f64,
    pub(super) until: f64,
    pub(super) name: String,
}

#[derive(serde::Serialize)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) unit: String,
    /// Text for screen readers.
    pub(super) text: String,
    pub(super) legend: Vec<String>,
    pub(super) svg: String,
    pub(super) narrow: String,
}

/// Unit of the horizontal axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Seconds of the run.
    Seconds,
    /// Number of nines of a percentile: 1 is 90 %, 2 is 99 %, 3 is 99.9 %.
    Nines,
}

impl Axis {
    fn label(self, at: f64) -> String {
        match self {
            Self::Seconds => format!("{at:.0} s"),
            Self::Nines => {
                let percent = 100.0 * (1.0 - 10f64.powf(-at));
                let digits = (at - 2.0).max(0.0).ceil() as usize;
                format!("{percent:.digits$} %")
            }
        }
    }
}

/// Draws the lines and shades the spans. Returns `None` if the points do not cover a range of the axis.
pub(super) fn draw(
    title: &str,
    unit: &str,
    axis: Axis,
    lines: &[Line],
    spans: &[Span],
) -> Result<Option<Chart>, ReportError> {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let (first, last) = points().fold((f64::MAX, 0.0f64), |(first, last), (x, _)| (first.min(*x), last.max(*x)));
    if first >= last {
        return Ok(None);
    }
    // The factor leaves space above the highest point, and the minimum keeps the axis valid if every value is 0.
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max).max(1e-9) * 1.08;
    let picture = Picture { axis, lines, spans, first, last, top };
    let paint = |size: (u32, u32)| {
        let mut svg = String::new();
        picture.paint(&mut svg, size).map_err(|error| ReportError::Render(error.to_string()))?;
        Ok::<_, ReportError>(styled(&svg, size))
    };
    let parts = lines.iter().map(|line| {
        let peak = line.points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
        format!("{} up to {}", line.name, short(peak))
    });
    let (from, until) = (axis.label(first), axis.label(last));
    Ok(Some(Chart {
        title: title.to_owned(),
        unit: unit.to_owned(),
        text: format!("{title} in {unit} from {from} to {until}: {}", parts.collect::<Vec<_>>().join(", ")),
        legend: lines.iter().map(|line| line.name.clone()).collect(),
        svg: paint(WIDE)?,
        narrow: paint(NARROW)?,
    }))
}

/// The content of a chart, independent of its size.
struct Picture<'a> {
    axis: Axis,
    lines: &'a [Line],
    spans: &'a [Span],
    first: f64,
    last: f64,
    top: f64,
}

impl Picture<'_> {
    fn paint(&self, svg: &mut String, size: (u32, u32)) -> Result<(), Box<dyn std::error::Error>> {
        let Self { axis, lines, spans, first, last, top } = *self;
        let left = if size == NARROW { 46 } else { 58 };
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(left)
            .build_cartesian_2d(first..last, 0.0..top)?;
        let shade = ShapeStyle::from(&SHADE).filled();
        let shown = |span: &&Span| span.from < last && span.until > first;
        chart.draw_series(
            spans
                .iter()
                .filter(shown)
                .map(|span| Rectangle::new([(span.from.max(first), 0.0), (span.until.min(last), top)], shade)),
        )?;
        let labels = match (axis, size == NARROW) {
            (Axis::Nines, _) => last.floor() as usize + 1,
            (Axis::Seconds, true) => 5,
            (Axis::Seconds, false) => 10,
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(GRID.mix(0.0))
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(("sans-serif", LABEL, &INK))
            .y_labels(5)
            .x_labels(labels)
            .y_label_formatter(&|y| short(*y))
            .x_label_formatter(&|x| axis.label(*x))
            .draw()?;
        for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            chart.draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)))?;
        }
        let mut named: Vec<&Span> = spans.iter().filter(shown).filter(|span| !span.name.is_empty()).collect();
        // A repeated fault is labelled once; the labels of several faults are placed below each other.
        named.dedup_by(|next, last| next.name == last.name);
        let plot = f64::from(size.0) - f64::from(left) - 16.0;
        let fits = (plot / LETTER).floor() as usize;
        chart.draw_series(named.iter().take(MOST_NAMES).enumerate().map(|(row, span)| {
            let name: String = span.name.chars().take(fits).collect();
            // A label near the right edge is moved left until it ends within the picture.
            let length = name.chars().count() as f64 * LETTER * (last - first) / plot;
            let at = span.from.min(last - length).max(first);
            Text::new(name, (at, top * (0.99 - 0.1 * row as f64)), ("sans-serif", LABEL).into_font().color(&INK))
        }))?;
        area.present()?;
        drop(chart);
        Ok(())
    }
}

fn short(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value >= 10_000.0 {
        format!("{:.0}k", value / 1_000.0)
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// Replaces the placeholder colours with variables of the style, and removes the fixed size, so that the picture scales with the page.
fn styled(svg: &str, (width, height): (u32, u32)) -> String {
    let mut styled = svg.to_owned();
    for (number, marker) in (1..=5).zip(["#010101", "#020202", "#030303", "#040404", "#050505"]) {
        styled = styled.replace(marker, &format!("var(--line-{number})"));
    }
    styled =
        styled.replace("#090909", "var(--ink)").replace("#080808", "var(--grid)").replace("#070707", "var(--shade)");
    let size = format!("width=\"{width}\" height=\"{height}\"");
    styled.replacen(&size, "role=\"presentation\"", 1)
}
