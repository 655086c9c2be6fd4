// The charts that are made of rows: stacked bars, heat maps, dots with intervals.
#include <algorithm>
#include <cmath>

#include "report/chart_frame.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr double row_height = 19, heading_height = 21, row_label_size = 11;

/// Room for labels at the left, up to a limit.
template <class Groups, class Rows>
double label_room(const Groups& groups, const Rows& rows_of) {
  double widest = 0;
  for (const auto& group : groups)
    for (const auto& row : rows_of(group))
      widest = std::max(widest, text_width(row.label, row_label_size));
  return std::clamp(widest + 8, 30.0, 120.0);
}

void draw_row_label(Svg& svg, double right, double middle, const std::string& label) {
  svg.text({right - 6, middle + 4}, fitted(label, row_label_size, right - 6),
           {.size = row_label_size, .anchor = Anchor::end});
}

/// A value as a tint of one colour: none at 0 and below, `darkest` at the max; grey if the value is
/// not known.
Style tint(double value, double largest, double darkest) {
  if (!std::isfinite(value)) return {.fill = "var(--unknown, #ddd)", .stroke = grid_colour};
  const double share = largest > 0 ? std::clamp(value / largest, 0.0, 1.0) : 0;
  return {.fill = heat_colour, .stroke = grid_colour, .fill_opacity = darkest * share};
}

double total_of(const Bar& bar) {
  double total = 0;
  for (const double part : bar.parts)
    if (std::isfinite(part)) total += std::max(0.0, part);
  return total;
}

void draw_bar(Svg& svg, const StackedBars& chart, const Bar& bar, const Frame& frame, double y) {
  const double total = total_of(bar);
  double x = frame.left;
  for (std::size_t i = 0; i < bar.parts.size(); ++i) {
    if (!(bar.parts[i] > 0)) continue;
    const double width = bar.parts[i] / total * (frame.right - frame.left);
    const std::string percent = short_number(100 * bar.parts[i] / total, 0);
    svg.rectangle(x, y + 2, width, row_height - 4, {.fill = chart.part_colours[i], .stroke = paper},
                  cat(bar.label, ", ", chart.part_names[i], ": ", short_number(bar.parts[i], 0),
                      " of ", short_number(total, 0)));
    if (width > 20)
      svg.text({x + width / 2, y + row_height / 2 + 3.5}, percent,
               {.size = 10, .anchor = Anchor::middle});
    x += width;
  }
  svg.text({frame.right + 6, y + row_height / 2 + 3.5},
           total > 0 ? cat("n ", short_number(total, 0)) : std::string("n 0"),
           {.size = 10, .colour = soft_ink});
}

}  // namespace

std::string stacked_bars(const StackedBars& chart) {
  std::vector<Series> legend;
  for (std::size_t i = 0; i < chart.part_names.size(); ++i)
    legend.push_back(
        {.label = chart.part_names[i], .colour = chart.part_colours[i], .sign = Series::Sign::box});
  double rows = 0;
  for (const BarGroup& group : chart.groups)
    rows += heading_height + row_height * static_cast<double>(group.bars.size());
  const double top = 15.0 * legend_rows(legend, 4, chart_width) + 6;
  Svg svg(chart_width, top + rows + 36, chart.text);
  draw_legend(svg, legend, 4, chart_width, 11);
  const double left = label_room(chart.groups, [](const BarGroup& g) { return g.bars; });
  Frame frame{left, top, chart_width - 44, top + rows + 2, {0, 100}, {0, 1}};
  draw_axes(svg, frame, {.x = {0, 25, 50, 75, 100}, .y = {}});
  svg.text({(frame.left + frame.right) / 2, frame.bottom + 28}, chart.text.x_label,
           {.size = 10.5, .anchor = Anchor::middle, .colour = soft_ink});
  double y = top;
  for (const BarGroup& group : chart.groups) {
    svg.text({left, y + 15}, group.label, {.size = row_label_size, .bold = true});
    y += heading_height;
    for (const Bar& bar : group.bars) {
      draw_row_label(svg, left, y + row_height / 2, bar.label);
      draw_bar(svg, chart, bar, frame, y);
      y += row_height;
    }
  }
  return svg.str();
}

std::string heat_map(const HeatMap& chart) {
  const std::size_t L = chart.values.size(), E = chart.values.at(0).size();
  Range seen;
  for (const auto& row : chart.values) seen.see(row);
  constexpr double darkest = 0.5;  // numbers remain readable on it
  const double largest = seen.empty() ? 0 : std::max(0.0, seen.high);
  const double left = 46, top = 22, width = (chart_width - left - 8) / static_cast<double>(E);
  const double height = std::clamp(width * 0.6, 14.0, 26.0);
  const double bottom = top + height * static_cast<double>(L);
  Svg svg(chart_width, bottom + 64, chart.text);
  svg.text({2, 12}, chart.text.y_label, {.size = 10.5, .colour = soft_ink});
  for (std::size_t l = 0; l < L; ++l) {
    const double y = top + height * static_cast<double>(l);
    const int layer = static_cast<int>(l);
    const bool in_band = chart.band_first <= layer && layer <= chart.band_last;
    if (in_band) svg.rectangle(left - 7, y, 4, height, {.fill = axis_colour}, "alignment zone");
    svg.text({left - 11, y + height / 2 + 3.5}, cat(l),
             {.size = 10, .anchor = Anchor::end, .bold = in_band});
    for (std::size_t e = 0; e < E; ++e) {
      const double x = left + width * static_cast<double>(e), value = chart.values[l][e];
      svg.rectangle(x, y, width, height, tint(value, largest, darkest),
                    cat("layer ", l, ", expert ", e, ": ", fixed_number(value, 3)));
      if (width >= 30)
        svg.text({x + width / 2, y + height / 2 + 3.5}, fixed_number(value, 2),
                 {.size = 9.5, .anchor = Anchor::middle});
    }
  }
  for (std::size_t l = 0; l < L; ++l)  // last, so that no neighbour covers an outline
    for (const int e : chart.outlined[l])
      svg.rectangle(left + width * e + 1, top + height * static_cast<double>(l) + 1, width - 2,
                    height - 2, {.stroke = ink, .stroke_width = 2});
  const std::size_t every = std::max<std::size_t>(1, (E + 15) / 16);
  for (std::size_t e = 0; e < E; e += every)
    svg.text({left + width * (static_cast<double>(e) + 0.5), bottom + 13}, cat(e),
             {.size = 10, .anchor = Anchor::middle, .colour = soft_ink});
  svg.text({left + (chart_width - left) / 2, bottom + 28}, chart.text.x_label,
           {.size = 10.5, .anchor = Anchor::middle, .colour = soft_ink});
  const double scale = left + 80, length = 150;
  for (int i = 0; i < 15; ++i)
    svg.rectangle(scale + length / 15 * i, bottom + 38, length / 15, 8,
                  tint((i + 0.5) / 15, 1, darkest));
  svg.text({scale - 5, bottom + 46}, "0 or less", {.size = 10, .anchor = Anchor::end});
  svg.text({scale + length + 5, bottom + 46}, fixed_number(largest, 2), {.size = 10});
  if (chart.threshold > 0 && chart.threshold < largest) {
    const double x = scale + length * chart.threshold / largest;
    svg.line({x, bottom + 35}, {x, bottom + 49}, {.stroke = ink, .stroke_width = 1.5});
    svg.text({x, bottom + 59}, "\u03c4 = " + fixed_number(chart.threshold, 2),
             {.size = 10, .anchor = Anchor::middle});
  }
  return svg.str();
}

std::string dot_plot(const DotPlot& chart) {
  Range x;
  x.see(0);
  double rows = 0;
  for (const DotGroup& group : chart.groups) {
    rows += heading_height + row_height * static_cast<double>(group.rows.size());
    for (const DotRow& row : group.rows) {
      x.see(row.centre);
      x.see(row.interval.low);
      x.see(row.interval.high);
      x.see(row.dots);
    }
  }
  const double left = label_room(chart.groups, [](const DotGroup& g) { return g.rows; });
  const double top = 2;
  Svg svg(chart_width, top + rows + 40, chart.text);
  const Frame frame{left, top, chart_width - 10, top + rows + 4, x.padded(0.05), {0, 1}};
  const Ticks ticks = ticks_of(frame, 7, 1);
  for (const double tick : ticks.x)
    svg.line({frame.x(tick), frame.top + 6}, {frame.x(tick), frame.bottom},
             {.stroke = tick == 0 ? ink : grid_colour, .stroke_width = tick == 0 ? 1.5 : 1});
  draw_axes(svg, frame, {.x = ticks.x, .y = {}});
  svg.text({(frame.left + frame.right) / 2, frame.bottom + 28}, chart.text.x_label,
           {.size = 10.5, .anchor = Anchor::middle, .colour = soft_ink});
  double y = top;
  for (const DotGroup& group : chart.groups) {
    svg.text({left, y + 15}, group.label, {.size = row_label_size, .bold = true, .halo = true});
    y += heading_height;
    for (const DotRow& row : group.rows) {
      const double middle = y + row_height / 2;
      draw_row_label(svg, left, middle, row.label);
      svg.line({frame.x(row.interval.low), middle}, {frame.x(row.interval.high), middle},
               {.stroke = soft_ink, .stroke_width = 2.5});
      for (const double dot : row.dots)
        svg.circle({frame.x(dot), middle}, 2.6,
                   {.fill = paper, .stroke = soft_ink, .stroke_width = 1.2});
      svg.circle({frame.x(row.centre), middle}, 4.5, {.fill = ink},
                 cat(row.label, ": ", short_number(row.centre), " from ",
                     short_number(row.interval.low), " to ", short_number(row.interval.high)));
      y += row_height;
    }
  }
  return svg.str();
}

}  // namespace ramoe
