#include "report/charts.h"

#include <algorithm>
#include <cmath>

#include "report/chart_frame.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr double label_size = 10.5;

void check_series(const std::vector<Series>& series, const std::string& chart) {
  for (const Series& one : series)
    check(one.x.size() == one.y.size(), chart, ": series ", one.label, " has ", one.x.size(),
          " values of x and ", one.y.size(), " of y; wanted the same number.");
}

void see_all(const std::vector<Series>& series, Range& x, Range& y) {
  for (const Series& one : series)
    for (std::size_t i = 0; i < one.x.size(); ++i)
      if (std::isfinite(one.x[i]) && std::isfinite(one.y[i])) {
        x.see(one.x[i]);
        y.see(one.y[i]);
      }
}

void draw_series(Svg& svg, const Frame& frame, const Series& series, double opacity = 1) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < series.x.size(); ++i)
    points.push_back(frame.at(series.x[i], series.y[i]));
  svg.path(points, {.stroke = series.colour,
                    .stroke_width = series.width,
                    .opacity = opacity,
                    .dashes = series.dashes});
}

/// Shades [low, high] of x as far as the frame goes; returns the middle of what is shaded.
double draw_band(Svg& svg, const Frame& frame, double low, double high) {
  const double left = std::max(frame.left, frame.x(low));
  const double right = std::min(frame.right, frame.x(high));
  svg.rectangle(left, frame.top, right - left, frame.bottom - frame.top, {.fill = band_colour});
  return (left + right) / 2;
}

/// The last point that can be drawn; false if there is none.
bool last_point(const Series& series, Point& point) {
  for (std::size_t i = series.x.size(); i-- > 0;)
    if (std::isfinite(series.x[i]) && std::isfinite(series.y[i])) {
      point = {series.x[i], series.y[i]};
      return true;
    }
  return false;
}

/// Names at the right ends, joined to their lines by short leaders and pushed apart.
void draw_end_labels(Svg& svg, const Frame& frame, const std::vector<Series>& series) {
  std::vector<const Series*> named;
  std::vector<Point> ends;
  std::vector<double> wanted;
  for (const Series& one : series) {
    Point end;
    if (one.label.empty() || !last_point(one, end)) continue;
    named.push_back(&one);
    ends.push_back(frame.at(end.x, end.y));
    wanted.push_back(ends.back().y);
  }
  const auto placed = spread_apart(wanted, 12.5, frame.top, frame.bottom);
  const double room = svg.width() - frame.right - 17;
  for (std::size_t i = 0; i < named.size(); ++i) {
    svg.line({ends[i].x + 1, ends[i].y}, {frame.right + 13, placed[i]},
             {.stroke = named[i]->colour, .opacity = 0.7});
    svg.text({frame.right + 16, placed[i] + 3.5}, fitted(named[i]->label, label_size, room),
             {.size = label_size, .bold = named[i]->width > 2});
  }
}

/// Names beside their points: to the right, left, above or below, where the fewest other points and
/// names are in the way.
void draw_point_labels(Svg& svg, const std::vector<ScatterPoint>& points,
                       const std::vector<Point>& centres) {
  struct Box {
    double left, top, right, bottom;
    bool meets(const Box& o) const {
      return left < o.right && o.left < right && top < o.bottom && o.top < bottom;
    }
  };
  std::vector<Box> taken;
  for (const Point& c : centres)
    if (std::isfinite(c.x) && std::isfinite(c.y))
      taken.push_back({c.x - 4, c.y - 4, c.x + 4, c.y + 4});
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double w = text_width(points[i].label, 9.5), x = centres[i].x, y = centres[i].y;
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    const Box places[] = {{x + 6, y - 5, x + 6 + w, y + 4},
                          {x - 6 - w, y - 5, x - 6, y + 4},
                          {x - w / 2, y - 15, x + w / 2, y - 6},
                          {x - w / 2, y + 6, x + w / 2, y + 15}};
    const Box* best = places;
    std::ptrdiff_t fewest = 1 << 20;
    for (const Box& place : places) {
      std::ptrdiff_t met = std::count_if(taken.begin(), taken.end(),
                                         [&](const Box& box) { return place.meets(box); });
      if (place.left < 0 || place.right > svg.width()) met += 100;
      if (met < fewest) {
        fewest = met;
        best = &place;
      }
    }
    taken.push_back(*best);
    svg.text({best->left, best->bottom - 1}, points[i].label, {.size = 9.5, .colour = soft_ink});
  }
}

/// The line of least squares from the first x to the last; nothing if there is none.
void draw_fitted_line(Svg& svg, const Frame& frame, const std::vector<ScatterPoint>& points) {
  Range x;
  double n = 0, mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  for (const ScatterPoint& p : points)
    if (std::isfinite(p.x) && std::isfinite(p.y)) {
      x.see(p.x);
      n += 1;
      mean_x += (p.x - mean_x) / n;
      mean_y += (p.y - mean_y) / n;
    }
  for (const ScatterPoint& p : points)
    if (std::isfinite(p.x) && std::isfinite(p.y)) {
      xx += (p.x - mean_x) * (p.x - mean_x);
      xy += (p.x - mean_x) * (p.y - mean_y);
    }
  if (!(xx > 0)) return;
  const auto at = [&](double px) { return frame.at(px, mean_y + xy / xx * (px - mean_x)); };
  svg.line(at(x.low), at(x.high), {.stroke = ink, .stroke_width = 1.5, .dashes = "6 3"});
}

}  // namespace

std::string line_chart(const LineChart& chart) {
  check_series(chart.series, chart.text.id);
  Range x, y;
  see_all(chart.series, x, y);
  if (chart.from_zero) y.see(0);
  double widest = 0;
  for (const Series& one : chart.series)
    widest = std::max(widest, text_width(one.label, label_size));
  const double room = std::clamp(widest + 19, 20.0, 130.0);
  Svg svg(chart_width, 250, chart.text.id, chart.text.title, chart.text.description);
  Frame frame{38, 26, chart_width - room, 214, x.padded(0.02), y.padded(0.06)};
  if (chart.from_zero) frame.y_range.low = std::min(0.0, y.low);
  const double band = chart.has_band ? draw_band(svg, frame, chart.band_low, chart.band_high) : 0;
  Ticks ticks = ticks_of(frame, 8, 5, chart.whole_x);
  ticks.x_numbers = chart.x_names.empty();
  if (!ticks.x_numbers) ticks.x.clear();
  draw_axes(svg, frame, ticks);
  for (std::size_t i = 0; i < chart.x_names.size(); ++i)
    svg.text({frame.x(static_cast<double>(i)), frame.bottom + 13}, chart.x_names[i],
             {.size = 10, .anchor = Anchor::middle, .colour = soft_ink});
  draw_axis_names(svg, frame, chart.text);
  for (const Series& one : chart.series) draw_series(svg, frame, one);
  if (chart.has_band)
    svg.text({band, frame.top + 11}, chart.band_label,
             {.size = 10.5, .anchor = Anchor::middle, .colour = soft_ink, .halo = true});
  draw_end_labels(svg, frame, chart.series);
  return svg.str();
}

std::string panel_chart(const PanelChart& chart) {
  constexpr double gap = 14;
  const double panel_height = chart.panel_height;
  Range x, y;
  for (const Panel& panel : chart.panels) {
    check_series(panel.series, chart.text.id);
    see_all(panel.series, x, y);
  }
  if (chart.from_zero) y.see(0);
  const std::size_t columns = std::clamp<std::size_t>(chart.panels.size(), 1, chart.columns);
  const std::size_t rows = (chart.panels.size() + columns - 1) / columns;
  const double legend = 15.0 * legend_rows(chart.legend, 4, chart_width);
  const double top = legend + 24, bottom = 20;
  Svg svg(chart_width, top + panel_height * static_cast<double>(rows) + bottom, chart.text.id,
          chart.text.title, chart.text.description);
  draw_legend(svg, chart.legend, 4, chart_width, 11);
  svg.text({2, legend + 15}, chart.text.y_label, {.size = label_size, .colour = soft_ink});
  const double inner = (chart_width - 36 - 6 - gap * static_cast<double>(columns - 1)) /
                       static_cast<double>(columns);
  for (std::size_t i = 0; i < chart.panels.size(); ++i) {
    const std::size_t row = i / columns, column = i % columns;
    const double left = 36 + static_cast<double>(column) * (inner + gap);
    const double panel_top = top + panel_height * static_cast<double>(row) + 16;
    Frame frame{left,           panel_top,     left + inner, panel_top + panel_height - 32,
                x.padded(0.02), y.padded(0.05)};
    if (chart.from_zero) frame.y_range.low = std::min(0.0, y.low);
    Ticks ticks = ticks_of(frame, columns == 1 ? 8 : 4, 4, chart.whole_x);
    ticks.y_numbers = column == 0;
    ticks.x_numbers = i + columns >= chart.panels.size();
    const Panel& panel = chart.panels[i];
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
  std::vector<Series> legend;
  const auto mark_of = [&](const std::string& group) {
    for (const Series& entry : legend)
      if (entry.label == group) return entry.mark;
    legend.push_back({.label = group,
                      .x = {},
                      .y = {},
                      .colour = ink,
                      .sign = Series::Sign::mark,
                      .mark = legend.size()});
    return legend.back().mark;
  };
  for (const ScatterPoint& point : chart.points) {
    mark_of(point.group);
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
    x.see(point.x);
    y.see(point.y);
  }
  y.see(0);
  const std::vector<Series> shown = legend.size() > 1 ? legend : std::vector<Series>{};
  const double top = 15.0 * legend_rows(shown, 4, chart_width) + 24;
  Svg svg(chart_width, top + 210, chart.text.id, chart.text.title, chart.text.description);
  const Frame frame{38, top, chart_width - 14, top + 174, x.padded(0.08), y.padded(0.08)};
  draw_legend(svg, shown, 4, chart_width, 11);
  draw_axes(svg, frame, ticks_of(frame, 7, 6));
  draw_axis_names(svg, frame, chart.text);
  svg.line(frame.at(frame.x_range.low, 0), frame.at(frame.x_range.high, 0), {.stroke = soft_ink});
  std::vector<Point> centres;
  for (const ScatterPoint& point : chart.points) centres.push_back(frame.at(point.x, point.y));
  if (chart.fitted) draw_fitted_line(svg, frame, chart.points);
  if (chart.named) draw_point_labels(svg, chart.points, centres);
  for (std::size_t i = 0; i < centres.size(); ++i) {
    const ScatterPoint& point = chart.points[i];
    draw_mark(svg, mark_of(point.group), centres[i], 3.5,
              cat(point.label, ", ", point.group, ": ", short_number(point.x, 1), ", ",
                  short_number(point.y, 2)));
  }
  return svg.str();
}

}  // namespace ramoe
