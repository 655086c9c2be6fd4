#include "report/chart_frame.h"

#include <algorithm>
#include <cmath>

#include "support/error.h"

namespace ramoe {
namespace {

/// The decimals needed to tell ticks of this distance apart.
int decimals_of(const std::vector<double>& ticks) {
  if (ticks.size() < 2) return 2;
  const double step = ticks[1] - ticks[0];
  return std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 8);
}

double entry_width(const Series& entry) {
  return 20 + text_width(entry.label, 10.5) + 12;
}

}  // namespace

void Range::see(double value) {
  if (!std::isfinite(value)) return;
  if (empty()) low = high = value;
  low = std::min(low, value);
  high = std::max(high, value);
}

void Range::see(const std::vector<double>& values) {
  for (const double value : values) see(value);
}

Range Range::padded(double share) const {
  if (empty()) return {0, 1};
  if (high - low <= 1e-12 * std::max(std::abs(low), std::abs(high)) || high == low) {
    const double half = low == 0 ? 1 : 0.1 * std::abs(low);
    return {low - half, high + half};
  }
  return {low - share * (high - low), high + share * (high - low)};
}

double Frame::x(double value) const {
  return left + (value - x_range.low) / (x_range.high - x_range.low) * (right - left);
}

double Frame::y(double value) const {
  return bottom - (value - y_range.low) / (y_range.high - y_range.low) * (bottom - top);
}

std::string palette(std::size_t i) {
  static constexpr const char* colours[] = {"var(--hue0, #0072B2)", "var(--hue1, #D55E00)",
                                            "var(--hue2, #009E73)", "var(--hue3, #CC79A7)",
                                            "var(--hue4, #E69F00)", "var(--hue5, #56B4E9)"};
  return colours[i % std::size(colours)];
}

std::string dash_pattern(std::size_t i) {
  static constexpr const char* patterns[] = {"", "4 2", "1 2", "7 2 1 2"};
  return patterns[i % std::size(patterns)];
}

void draw_mark(Svg& svg, const Series& look, Point at, double radius, const std::string& tip) {
  const bool hollow = look.mark / 2 % 2 == 1;
  const Style style = {
      .fill = hollow ? paper : look.colour, .stroke = look.colour, .stroke_width = 1.5};
  if (look.mark % 2 == 0)
    svg.circle(at, radius, style, tip);
  else
    svg.rectangle(at.x - radius, at.y - radius, 2 * radius, 2 * radius, style, tip);
}

std::vector<double> counting(std::size_t n) {
  std::vector<double> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<double>(i);
  return x;
}

std::vector<double> round_ticks(double low, double high, int wanted) {
  check(std::isfinite(low) && std::isfinite(high) && low < high && wanted >= 1, "ticks from ", low,
        " to ", high, ", ", wanted, " of them; wanted finite ends in order and at least one tick.");
  const double least = (high - low) / wanted, power = std::pow(10, std::floor(std::log10(least)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0})
    if (factor * power >= least * (1 - 1e-9)) step = factor * power;
  std::vector<double> ticks;
  const double slack = 1e-9 * step;
  for (double i = std::ceil((low - slack) / step); i * step <= high + slack; ++i)
    ticks.push_back(i == 0 ? 0.0 : i * step);
  return ticks;
}

Ticks ticks_of(const Frame& frame, int x_wanted, int y_wanted, bool whole_x) {
  Ticks ticks;
  ticks.x = round_ticks(frame.x_range.low, frame.x_range.high, x_wanted);
  ticks.y = round_ticks(frame.y_range.low, frame.y_range.high, y_wanted);
  if (whole_x) std::erase_if(ticks.x, [](double v) { return std::abs(v - std::round(v)) > 1e-9; });
  return ticks;
}

void draw_axes(Svg& svg, const Frame& frame, const Ticks& ticks) {
  const int x_decimals = decimals_of(ticks.x), y_decimals = decimals_of(ticks.y);
  for (const double tick : ticks.y) {
    const double y = frame.y(tick);
    svg.line({frame.left, y}, {frame.right, y}, {.stroke = grid_colour});
    if (ticks.y_numbers)
      svg.text({frame.left - 4, y + 3.5}, short_number(tick, y_decimals),
               {.size = 10, .anchor = Anchor::end, .colour = soft_ink});
  }
  svg.line({frame.left, frame.bottom}, {frame.right, frame.bottom}, {.stroke = axis_colour});
  for (const double tick : ticks.x) {
    const double x = frame.x(tick);
    svg.line({x, frame.bottom}, {x, frame.bottom + 3}, {.stroke = axis_colour});
    if (ticks.x_numbers)
      svg.text({x, frame.bottom + 13}, short_number(tick, x_decimals),
               {.size = 10, .anchor = Anchor::middle, .colour = soft_ink});
  }
}

double draw_legend(Svg& svg, const std::vector<Series>& entries, double left, double right,
                   double top) {
  double x = left, y = top;
  for (const Series& entry : entries) {
    if (x > left && x + entry_width(entry) > right) {
      x = left;
      y += 15;
    }
    if (entry.sign == Series::Sign::box)
      svg.rectangle(x + 2, y - 8.5, 12, 9, {.fill = entry.colour, .stroke = axis_colour});
    else if (entry.sign == Series::Sign::mark)
      draw_mark(svg, entry, {x + 8, y - 3.5}, 4);
    else
      svg.line({x, y - 3.5}, {x + 15, y - 3.5},
               {.stroke = entry.colour, .stroke_width = 2.5, .dashes = entry.dashes});
    svg.text({x + 20, y}, entry.label, {.size = 10.5});
    x += entry_width(entry);
  }
  return y + 15;
}

int legend_rows(const std::vector<Series>& entries, double left, double right) {
  double x = left;
  int rows = entries.empty() ? 0 : 1;
  for (const Series& entry : entries) {
    if (x > left && x + entry_width(entry) > right) {
      x = left;
      ++rows;
    }
    x += entry_width(entry);
  }
  return rows;
}

}  // namespace ramoe
