// Report - shared by all charts: the frame with its axes, and ranges of data
#pragma once

#include <string>
#include <vector>

#include "report/charts.h"

namespace ramoe {

inline constexpr double chart_width = 400;

/// The min and max of the finite values seen.
struct Range {
  double low = 1, high = 0;
  bool empty() const { return low > high; }
  void see(double value);
  void see(const std::vector<double>& values);
  /// Widened by a share of its length on both sides; [0,1] if empty, never of length 0.
  Range padded(double share) const;
};

/// A rectangle of the drawing, and the ranges of the data in it; y grows upwards.
struct Frame {
  double left, top, right, bottom;
  Range x_range, y_range;
  double x(double value) const;
  double y(double value) const;
  Point at(double px, double py) const { return {x(px), y(py)}; }
};

struct Ticks {
  std::vector<double> x, y;
  bool x_numbers = true, y_numbers = true;
};
Ticks ticks_of(const Frame& frame, int x_wanted, int y_wanted, bool whole_x = false);

/// Grid lines, numbers at the ticks, the lower edge.
void draw_axes(Svg& svg, const Frame& frame, const Ticks& ticks);
/// A point: a dot, a square, a ring or a hollow square; then these repeat.
void draw_mark(Svg& svg, const Series& look, Point at, double radius, const std::string& tip = "");
/// Colours with their names, in rows between left and right. Returns the y of the next row.
double draw_legend(Svg& svg, const std::vector<Series>& entries, double left, double right,
                   double top);
/// How many rows draw_legend() takes.
int legend_rows(const std::vector<Series>& entries, double left, double right);

}  // namespace ramoe
