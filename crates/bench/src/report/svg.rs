//! Plots as SVG, to stand in an HTML page.

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
/// Room for the figures beside the axes.
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 10.0;
/// One colour for each line of a plot.
const COLOURS: [&str; 3] = ["#1b6ca8", "#c8553d", "#3d8c40"];

/// A line of a plot.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// How values stand on the upright axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// In proportion, from 0.
    Linear,
    /// By their logarithm.
    Logarithmic,
}

/// A plot of several lines; empty if there is nothing to see.
pub(super) fn plot(title: &str, across: &str, ticks: &[(f64, String)], lines: &[Line], axis: Axis) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let highest = points().map(|(_, y)| y).fold(0.0, f64::max);
    if points().count() < 2 || highest <= 0.0 {
        return String::new();
    }
    let right = points().map(|(x, _)| x).fold(f64::MIN, f64::max);
    let left = points().map(|(x, _)| x).fold(f64::MAX, f64::min);
    let scale = Scale { left, right, highest, axis };
    let mut out = format!(
        "<figure><figcaption>{title}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n"
    );
    for (value, label) in scale.marks() {
        let y = scale.y(value);
        write_in(
            &mut out,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n",
                LEFT - 6.0,
                y + 4.0
            ),
        );
    }
    let own = [left, f64::midpoint(left, right), right].map(|x| (x, format!("{x:.0}")));
    let ticks = if ticks.is_empty() { &own[..] } else { ticks };
    for (x, label) in ticks {
        let (x, y) = (scale.x(*x), HEIGHT - 10.0);
        write_in(
            &mut out,
            format_args!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>\n"),
        );
    }
    for (line, colour) in lines.iter().zip(COLOURS) {
        let path: Vec<String> =
            line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", scale.x(*x), scale.y(*y))).collect();
        write_in(
            &mut out,
            format_args!(
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>\n",
                path.join(" ")
            ),
        );
    }
    out.push_str("</svg>\n<p class=\"key\">");
    for (line, colour) in lines.iter().zip(COLOURS) {
        write_in(&mut out, format_args!("<span style=\"color:{colour}\">&#9632;</span> {} ", line.name));
    }
    write_in(&mut out, format_args!("&middot; {across}</p></figure>\n"));
    out
}

fn write_in(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
}

struct Scale {
    left: f64,
    right: f64,
    highest: f64,
    axis: Axis,
}

impl Scale {
    fn x(&self, x: f64) -> f64 {
        let span = (self.right - self.left).max(f64::MIN_POSITIVE);
        // Half a figure's width stays free at the right.
        LEFT + (x - self.left) / span * (WIDTH - LEFT - 24.0)
    }

    fn y(&self, y: f64) -> f64 {
        let part = match self.axis {
            Axis::Linear => y / self.highest,
            // From 1 on; what is less stands there too.
            Axis::Logarithmic => y.max(1.0).log10() / self.highest.max(10.0).log10(),
        };
        HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)
    }

    /// The values that are marked, and what is written beside them.
    fn marks(&self) -> Vec<(f64, String)> {
        match self.axis {
            Axis::Linear => [0.0, 0.25, 0.5, 0.75, 1.0]
                .map(|part| (part * self.highest, short(part * self.highest)))
                .to_vec(),
            Axis::Logarithmic => {
                let powers = (0..10).map(|power| 10f64.powi(power));
                powers
                    .take_while(|power| *power <= self.highest.max(10.0))
                    .map(|power| (power, short(power)))
                    .collect()
            }
        }
    }
}

fn short(value: f64) -> String {
    match value {
        1e9.. => format!("{:.1}G", value / 1e9),
        1e6.. => format!("{:.1}M", value / 1e6),
        1e4.. => format!("{:.0}k", value / 1e3),
        1e3.. => format!("{:.1}k", value / 1e3),
        10.0.. => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}
