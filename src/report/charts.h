// Report - the charts, each from plain numbers to an SVG
//
// Drawings are 400 units wide, so that they can be read on a phone and scale up on a large screen.
// Colours are those of Okabe and Ito (2008), which readers with any common colour vision can tell
// apart. On a page a colour has one meaning: these are languages, and violet is ci. All else
// differs by place, by dashes or by the shape of a point. Ticks are at round numbers. NaN is not
// drawn.
// Tests: tests/report/svg_test.cpp
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "ch12_experiments/statistics.h"
#include "report/svg.h"

namespace ramoe {

/// Colour i of the palette; six colours, then they repeat.
std::string palette(std::size_t i);
/// Dash pattern i: none, long, dotted or mixed; then these repeat.
std::string dash_pattern(std::size_t i);

/// About `wanted` round numbers (1, 2 or 5 times a power of ten apart) inside [low, high].
std::vector<double> round_ticks(double low, double high, int wanted);

/// 0, 1, ... n-1, for curves over layers.
std::vector<double> counting(std::size_t n);

/// A line, or points if the sign is a mark. A legend uses only the label and the look.
struct Series {
  std::string label;
  std::vector<double> x = {}, y = {};  // of the same length
  std::string colour = ink, dashes = "";
  double width = 1.5;
  enum class Sign { line, box, mark };
  Sign sign = Sign::line;
  std::size_t mark = 0;  // kind of the mark (chart_frame.h)
};

/// Small multiples with common axes: `columns` panels per row, and a legend on top. Each panel may
/// shade its own band of x.
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
  bool whole_x = false, from_zero = false;  // x ticks at whole numbers only; y includes 0
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

/// values[row][column]: the larger the value, the stronger the tint. A value that is not above 0
/// has a number but no tint. outlined[row] lists columns. Rows of the band are marked at the side.
/// `threshold` is marked on the scale, unless it is NaN.
struct HeatMap {
  ChartText text;
  std::vector<std::vector<double>> values;
  std::vector<std::vector<int>> outlined;
  int band_first = 0, band_last = -1;
  double threshold = std::numeric_limits<double>::quiet_NaN();
};
std::string heat_map(const HeatMap& chart);

/// One row per cell: small dots, and a large dot at the mean with its interval, beside a line at 0.
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

/// Points. Each series has one look; its label is shown on hover.
struct Scatter {
  ChartText text;
  std::vector<Series> points, legend = {};
};
std::string scatter_plot(const Scatter& chart);

}  // namespace ramoe
