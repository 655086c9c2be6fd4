// Report - the charts, each from plain numbers to an SVG
//
// Drawings are 400 units wide, so that they read on a phone and grow on a desk. Colours are those
// of Okabe and Ito (2008), told apart with every common colour vision. On a page a colour has one
// meaning: these are languages, and violet is ci; all else is told apart by place, by dashes or by
// the shape of a point. Ticks stand at round numbers. NaN is not drawn.
// Tests: tests/report/svg_test.cpp
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "ch12_experiments/statistics.h"
#include "report/svg.h"

namespace ramoe {

/// Colour i of the palette, again from the start after six.
std::string palette(std::size_t i);
/// Dashes i: none, long, dotted, mixed, and again from the start.
std::string dash_pattern(std::size_t i);

/// About `wanted` round numbers (1, 2 or 5 times a power of ten apart) inside [low, high].
std::vector<double> round_ticks(double low, double high, int wanted);

/// 0, 1, ... n-1, for curves over layers.
std::vector<double> counting(std::size_t n);

/// A line, or points where the sign is a mark. In a legend: label and looks alone.
struct Series {
  std::string label;
  std::vector<double> x = {}, y = {};  // of one length
  std::string colour = ink, dashes = "";
  double width = 1.5;
  enum class Sign { line, box, mark };
  Sign sign = Sign::line;
  std::size_t mark = 0;  // kind of the mark (chart_frame.h)
};

/// Small multiples over common axes: `columns` panels per row, a legend on top. Each may shade a
/// band of x of its own.
struct Panel {
  std::string title;
  std::vector<Series> series;
  bool has_band = false;
  double band_low = 0, band_high = 0;
};
struct PanelChart {
  ChartText text;
  std::vector<Panel> panels;
  std::vector<Series> legend = {};
  std::size_t columns = 2;
  double panel_height = 112;
  bool whole_x = false, from_zero = false;  // ticks at whole numbers only; 0 is in view
};
std::string panel_chart(const PanelChart& chart);

/// Horizontal bars of 100 %, in groups with a heading.
struct Bar {
  std::string label;
  std::vector<double> parts;  // not negative
};
struct BarGroup {
  std::string label;
  std::vector<Bar> bars;
};
struct StackedBars {
  ChartText text;
  std::vector<std::string> part_names, part_colours;
  std::vector<BarGroup> groups;
};
std::string stacked_bars(const StackedBars& chart);

/// values[row][column]: the stronger the tint, the further above 0; what is not above 0 has none,
/// and its number tells. outlined[row] lists columns. Rows of the band are marked at the side.
/// `threshold` is marked on the scale, unless it is NaN.
struct HeatMap {
  ChartText text;
  std::vector<std::vector<double>> values;
  std::vector<std::vector<int>> outlined;
  int band_first = 0, band_last = -1;
  double threshold = std::numeric_limits<double>::quiet_NaN();
};
std::string heat_map(const HeatMap& chart);

/// A row per cell: small dots, a large dot at the mean and its interval, against a line at zero.
struct DotRow {
  std::string label;
  double centre;
  Interval interval;
  std::vector<double> dots = {};
};
struct DotGroup {
  std::string label;
  std::vector<DotRow> rows;
};
struct DotPlot {
  ChartText text;
  std::vector<DotGroup> groups;
};
std::string dot_plot(const DotPlot& chart);

/// Points, each series of one look; its label is said on hover.
struct Scatter {
  ChartText text;
  std::vector<Series> points, legend = {};
};
std::string scatter_plot(const Scatter& chart);

}  // namespace ramoe
