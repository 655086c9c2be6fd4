// Chapter 12.5 - the charts of the report, each from plain numbers to an SVG
//
// Drawings are 400 units wide, so that they read on a phone and grow on a desk. Colours are those
// of Okabe and Ito (2008), told apart with every common colour vision; a line also differs in its
// dashes once the colours are used up. Lines carry their names at their ends, ticks stand at round
// numbers. NaN is not drawn. Tests: tests/ch12_experiments/svg_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/statistics.h"
#include "ch12_experiments/svg.h"

namespace ramoe {

/// Colour i of the palette, again from the start after seven.
std::string palette(std::size_t i);

/// About `wanted` round numbers (1, 2 or 5 times a power of ten apart) inside [low, high].
std::vector<double> round_ticks(double low, double high, int wanted);

/// Positions nearest to the wanted ones, in their order, at least `gap` apart and within
/// [low, high] if all fit.
std::vector<double> spread_apart(const std::vector<double>& wanted, double gap, double low,
                                 double high);

struct ChartText {
  std::string id, title, description;
  std::string x_label, y_label;
};

struct Series {
  std::string label;
  std::vector<double> x, y;  // of one length
  std::string colour, dashes = "";
  double width = 1.5;
};

/// Lines named at their right ends. `band` shades [band_low, band_high] of x. `whole_x`: ticks at
/// whole numbers only.
struct LineChart {
  ChartText text;
  std::vector<Series> series;
  bool has_band = false;
  double band_low = 0, band_high = 0;
  std::string band_label = "";
  bool whole_x = false, from_zero = false;
};
std::string line_chart(const LineChart& chart);

/// Small multiples over common axes: two panels per row, a legend of the colours on top.
struct Panel {
  std::string title;
  std::vector<Series> series;
};
struct PanelChart {
  ChartText text;
  std::vector<Panel> panels;
  std::vector<Series> legend;  // label, colour and dashes only
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

/// values[row][column] from blue (negative) over white to vermillion (positive); outlined[row]
/// lists columns. Rows of the band are marked at the side.
struct HeatMap {
  ChartText text;
  std::vector<std::vector<double>> values;
  std::vector<std::vector<int>> outlined;
  int band_first = 0, band_last = -1;
};
std::string heat_map(const HeatMap& chart);

/// A row per cell: small dots, a large dot at the mean and its interval, against a line at zero.
struct DotRow {
  std::string label;
  double centre;
  Interval interval;
  std::vector<double> dots;
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

struct ScatterPoint {
  double x, y;
  std::string label, group;
};
struct Scatter {
  ChartText text;
  std::vector<ScatterPoint> points;
};
std::string scatter_plot(const Scatter& chart);

}  // namespace ramoe
