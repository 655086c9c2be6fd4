// The charts over two axes: panels of curves, points.
#include "report/charts.h"

#include <algorithm>
#include <cmath>

#include "report/chart_frame.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr double label_size = 10.5;

void see_all(const std::vector<Series>& series, Range& x, Range& y) {
  for (const Series& one : series) {
    for (std::size_t i = 0; i < one.x.size(); ++i)
      if (std::isfinite(one.x[i]) && std::isfinite(one.y[i])) {
        x.see(one.x[i]);
        y.see(one.y[i]);
      }
  }
}

void draw_series(Svg& svg, const Frame& frame, const Series& series, double opacity) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < series.x.size(); ++i)
    points.push_back(frame.at(series.x[i], series.y[i]));
  svg.path(points, {.stroke = series.colour,
                    .stroke_width = series.width,
                    .opacity = opacity,
                    .dashes = series.dashes});
}

/// Shades [low, high] of x, clipped to the frame.
void draw_band(Svg& svg, const Frame& frame, double low, double high) {
  const double left = std::max(frame.left, frame.x(low));
  const double right = std::min(frame.right, frame.x(high));
  svg.rectangle(left, frame.top, right - left, frame.bottom - frame.top, {.fill = band_colour});
}

}  // namespace

std::string panel_chart(const PanelChart& chart) {
  constexpr double gap = 14;
  Range x, y;
  for (const Panel& panel : chart.panels) see_all(panel.series, x, y);
  if (chart.from_zero) y.see(0);
  const std::size_t columns = std::clamp<std::size_t>(chart.panels.size(), 1, chart.columns);
  const std::size_t rows = (chart.panels.size() + columns - 1) / columns;
  const double legend = 15.0 * legend_rows(chart.legend, 4, chart_width);
  const double top = legend + 24, bottom = 20;
  Svg svg(chart_width, top + chart.panel_height * static_cast<double>(rows) + bottom, chart.text);
  draw_legend(svg, chart.legend, 4, chart_width, 11);
  svg.text({2, legend + 15}, chart.text.y_label, {.size = label_size, .colour = soft_ink});
  const double inner = (chart_width - 36 - 6 - gap * static_cast<double>(columns - 1)) /
                       static_cast<double>(columns);
  for (std::size_t i = 0; i < chart.panels.size(); ++i) {
    const Panel& panel = chart.panels[i];
    const std::size_t row = i / columns, column = i % columns;
    const double left = 36 + static_cast<double>(column) * (inner + gap);
    const double panel_top = top + chart.panel_height * static_cast<double>(row) + 16;
    Frame frame{left,           panel_top,     left + inner, panel_top + chart.panel_height - 32,
                x.padded(0.02), y.padded(0.05)};
    if (chart.from_zero) frame.y_range.low = std::min(0.0, y.low);
    Ticks ticks = ticks_of(frame, columns == 1 ? 8 : 4, 4, chart.whole_x);
    ticks.y_numbers = column == 0;
    ticks.x_numbers = i + columns >= chart.panels.size();
    if (panel.has_band) draw_band(svg, frame, panel.band_low, panel.band_high);
    draw_axes(svg, frame, ticks);
    if (frame.y_range.low < 0 && frame.y_range.high > 0)
      svg.line({frame.left, frame.y(0)}, {frame.right, frame.y(0)}, {.stroke = soft_ink});
    svg.text({left, panel_top - 4}, fitted(panel.title, 11, inner), {.size = 11, .bold = true});
    for (const Series& one : panel.series) draw_series(svg, frame, one, 0.75);
  }
  svg.text({chart_width / 2, svg.height() - 6}, chart.text.x_label,
           {.size = label_size, .anchor = Anchor::middle, .colour = soft_ink});
  return svg.str();
}

std::string scatter_plot(const Scatter& chart) {
  Range x, y;
  see_all(chart.points, x, y);
  y.see(0);
  const double top = 15.0 * legend_rows(chart.legend, 4, chart_width) + 24;
  Svg svg(chart_width, top + 210, chart.text);
  const Frame frame{38, top, chart_width - 14, top + 174, x.padded(0.08), y.padded(0.08)};
  draw_legend(svg, chart.legend, 4, chart_width, 11);
  draw_axes(svg, frame, ticks_of(frame, 7, 6));
  svg.text({2, frame.top - 9}, chart.text.y_label, {.size = label_size, .colour = soft_ink});
  svg.text({(frame.left + frame.right) / 2, frame.bottom + 28}, chart.text.x_label,
           {.size = label_size, .anchor = Anchor::middle, .colour = soft_ink});
  svg.line(frame.at(frame.x_range.low, 0), frame.at(frame.x_range.high, 0), {.stroke = soft_ink});
  for (const Series& one : chart.points)
    for (std::size_t i = 0; i < one.x.size(); ++i)
      draw_mark(svg, one, frame.at(one.x[i], one.y[i]), 4,
                cat(one.label, ": ", short_number(one.x[i], 1), ", ", short_number(one.y[i], 2)));
  return svg.str();
}

}  // namespace ramoe
