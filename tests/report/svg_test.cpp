#include "report/svg.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ch12_experiments/markup.h"
#include "report/charts.h"
#include "support/texts.h"

namespace ramoe {
namespace {

const double nan = std::numeric_limits<double>::quiet_NaN();
const double inf = std::numeric_limits<double>::infinity();
const ChartText text = {"chart", "A <b> & \"c\"", "It's", "x <1>", "y & z"};

TEST(Markup, TheJudgeItself) {
  EXPECT_EQ(markup_offence("<a x=\"1 > 0\"><b/>&amp;</a>"), "");
  EXPECT_NE(markup_offence("<a><b></a></b>"), "");
  EXPECT_NE(markup_offence("<a>"), "");
  EXPECT_NE(markup_offence("<a>x & y</a>"), "");
  EXPECT_NE(markup_offence("<a id=\"i\"/><b id=\"i\"/>"), "");
  EXPECT_TRUE(has_broken_number("x=\"nan\""));
  EXPECT_TRUE(has_broken_number("-inf,"));
  EXPECT_FALSE(has_broken_number("finance, information"));
}

TEST(Svg, EscapesText) {
  EXPECT_EQ(escape_markup("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(escape_markup("العربية 中文"), "العربية 中文");
  EXPECT_EQ(escape_markup(std::string("a\x01\x1f\nb\0c", 7)), "a\nbc");
  EXPECT_EQ(escape_markup("\xff\xc3("), "\xef\xbf\xbd\xef\xbf\xbd(");
  EXPECT_EQ(escape_markup("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // surrogate
  EXPECT_EQ(escape_markup("\xe4\xb8"), "\xef\xbf\xbd\xef\xbf\xbd");                  // cut off
}

TEST(Svg, Numbers) {
  EXPECT_EQ(short_number(1.5), "1.5");
  EXPECT_EQ(short_number(100, 0), "100");
  EXPECT_EQ(short_number(-0.001), "0");
  EXPECT_EQ(short_number(-12.3456, 2), "-12.35");
  EXPECT_EQ(fixed_number(2, 2), "2.00");
  for (const double bad : {nan, inf, -inf}) EXPECT_EQ(short_number(bad), "n/a");
}

TEST(Svg, WidthsOfScripts) {
  EXPECT_EQ(terminal_columns("abc"), 3u);
  EXPECT_EQ(terminal_columns("中文"), 4u);
  EXPECT_EQ(terminal_columns("ไทย"), 3u);
  EXPECT_EQ(terminal_columns("ที่"), 1u);  // two marks above one letter
  EXPECT_EQ(fitted("Swahili", 10, 1000), "Swahili");
  const std::string cut = fitted("中文中文中文中文", 10, 45);
  EXPECT_LE(text_width(cut, 10), 45);
  EXPECT_TRUE(cut.ends_with("…")) << cut;
}

TEST(Svg, SkipsWhatIsNotFinite) {
  Svg svg(100, 50, "s", "t", "d");
  svg.line({nan, 0}, {1, 1}, {.stroke = "#000"});
  svg.rectangle(0, 0, inf, 3, {.fill = "#000"});
  svg.circle({0, -inf}, 2, {});
  svg.text({nan, nan}, "gone");
  EXPECT_EQ(svg.str(), Svg(100, 50, "s", "t", "d").str());
  // A gap splits the line in two; a point on its own becomes a dot.
  svg.path({{0, 0}, {1, 1}, {2, nan}, {3, 3}}, {.stroke = "#000"});
  expect_contains(svg.str(), "d=\"M0 0L1 1\"");
  expect_contains(svg.str(), "<circle cx=\"3\"");
  expect_contains(svg.str(), "aria-labelledby=\"s-title s-desc\"");
  expect_drawing(svg.str());
  expect_contains(error_of([] { Svg(0, 5, "s", "t", "d"); }), "positive size");
}

TEST(Charts, RoundTicks) {
  EXPECT_EQ(round_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  const auto ticks = round_ticks(-0.031, 0.047, 4);
  ASSERT_EQ(ticks.size(), 4u);
  EXPECT_NEAR(ticks[0], -0.02, 1e-12);
  EXPECT_EQ(ticks[1], 0.0);
  EXPECT_EQ(round_ticks(99.4, 100.6, 1).size(), 1u);
  expect_contains(error_of([] { round_ticks(1, 1, 3); }), "ends in order");
}

TEST(Charts, LabelsSpreadApart) {
  // Two that collide move by half the gap each; a third stays.
  EXPECT_EQ(spread_apart({50, 50, 90}, 10, 0, 100), (std::vector<double>{45, 55, 90}));
  EXPECT_EQ(spread_apart({90, 20}, 10, 0, 100), (std::vector<double>{90, 20}));
  EXPECT_EQ(spread_apart({99, 100, 98}, 10, 0, 100), (std::vector<double>{90, 100, 80}));
  EXPECT_EQ(spread_apart({1, 0}, 10, 0, 100), (std::vector<double>{10, 0}));
  EXPECT_TRUE(spread_apart({}, 10, 0, 100).empty());
}

TEST(Charts, EmptyOddAndBrokenData) {
  LineChart lines{text, {{"a & b", {0, 1, 2}, {0.1, nan, inf}, "#000"}}};
  expect_drawing(line_chart(lines));
  expect_drawing(line_chart({text, {}}));
  lines.series[0].y.pop_back();
  expect_contains(error_of([&] { line_chart(lines); }), "a & b has 3 values of x and 2 of y");
  expect_drawing(panel_chart({text, {}, {}}));
  expect_drawing(panel_chart({text, {{"<p>", {{"", {1}, {5}, "#000"}}}}, {}}));
  expect_drawing(stacked_bars({text, {"a", "b"}, {"#111", "#222"}, {{"g", {{"<", {0, 0}}}}}}));
  expect_contains(error_of([] {
                    stacked_bars({text, {"a"}, {"#111"}, {{"g", {{"row", {1, 2}}}}}});
                  }),
                  "row has 2 parts");
  expect_drawing(heat_map({text, {{nan, 0}}, {{1}}}));
  expect_contains(error_of([] { heat_map({text, {{1, 2}, {1}}, {{}, {}}}); }), "rows of 1");
  expect_drawing(dot_plot({text, {{"g", {{"&", nan, {nan, nan}, {nan, 1}}}}}}));
  expect_drawing(dot_plot({text, {}}));
  expect_drawing(scatter_plot({text, {{nan, 1, "a", "g"}, {1, 2, "b<", "g&"}}}));
}

TEST(Svg, AloneItHasAFontAndABackground) {
  Svg svg(100, 50, "s", "t </desc>", "d </desc>");
  svg.text({1, 2}, "x");
  const std::string alone = standalone_svg(svg.str());
  expect_drawing(alone);
  EXPECT_TRUE(alone.starts_with("<svg font-family=\"sans-serif\" xmlns=")) << alone;
  EXPECT_EQ(alone.find("var("), std::string::npos) << alone;
  expect_contains(alone, "fill=\"#222\"");
  expect_contains(alone, "</desc>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text");
  expect_contains(error_of([] { standalone_svg("<p>no</p>"); }), "<p>no</p>");
}

TEST(Charts, FittedLineIsThatOfLeastSquares) {
  // y = 2x - 1 and a point that is left out; in the drawing the line joins the outer points.
  Scatter scatter{text, {{1, 1, "p", "g"}, {2, 3, "q", "g"}, {nan, 9, "r", "g"}, {4, 7, "s", "g"}}};
  scatter.named = false;
  const std::string plain = scatter_plot(scatter);
  EXPECT_EQ(count_of(plain, "stroke-dasharray"), 0);
  EXPECT_EQ(count_of(plain, "<circle"), 3);
  EXPECT_EQ(count_of(plain, ">p</text>"), 0);
  scatter.fitted = scatter.named = true;
  const std::string svg = scatter_plot(scatter);
  expect_drawing(svg);
  EXPECT_EQ(count_of(svg, ">p</text>"), 1);
  const std::size_t line = svg.rfind("<line", svg.find("stroke-dasharray"));
  const auto number = [&](const std::string& key, std::size_t from) {
    const std::size_t at = svg.find(" " + key + "=\"", from);
    return std::atof(svg.c_str() + at + key.size() + 3);
  };
  const std::size_t first = svg.find("<circle"), last = svg.rfind("<circle");
  EXPECT_NEAR(number("x1", line), number("cx", first), 0.11);
  EXPECT_NEAR(number("y1", line), number("cy", first), 0.11);
  EXPECT_NEAR(number("x2", line), number("cx", last), 0.11);
  EXPECT_NEAR(number("y2", line), number("cy", last), 0.11);
  scatter.points = {{1, 1, "p", "g"}, {1, 3, "q", "g"}};  // no slope
  EXPECT_EQ(count_of(scatter_plot(scatter), "stroke-dasharray"), 0);
}

TEST(Charts, PanelsShadeTheirOwnBands) {
  PanelChart chart{text, {{"a", {{"", {0, 1, 2}, {1, -1, 2}, "#000"}}, true, 0.5, 1.5}}, {}};
  chart.panels.push_back({"b", chart.panels[0].series, false, 0, 0});
  expect_drawing(panel_chart(chart));
  EXPECT_EQ(count_of(panel_chart(chart), "var(--band"), 1);
  EXPECT_EQ(count_of(panel_chart(chart), "stroke=\"var(--soft"), 2);  // zero, in both
  LineChart named{text, {{"l", {0, 1}, {2, 3}, "#000"}}};
  named.x_names = {"few", "<all>"};
  expect_drawing(line_chart(named));
  expect_contains(line_chart(named), ">&lt;all&gt;</text>");
}

TEST(Charts, MapsSideBySide) {
  const std::vector<std::vector<double>> map = {{0.1, 0.9}, {nan, 0.5}, {0.2, 0}};
  MapTable table{text, {"left", "right"}, {{"row <1>", {map, map}, {{1}, {}, {}}}}, 1, 1};
  const std::string svg = map_table(table);
  expect_drawing(svg);
  EXPECT_EQ(count_of(svg, "var(--outline"), 2);  // one in each map
  EXPECT_EQ(count_of(svg, "alignment zone"), 1);
  EXPECT_EQ(count_of(svg, "var(--unknown"), 2);  // what is not known
  expect_contains(svg, "row &lt;1&gt;, left, layer 0, expert 1: 0.9");
  table.rows[0].maps[1].pop_back();
  expect_contains(error_of([&] { map_table(table); }), "maps of 3 and of 2 layers");
  table.rows[0].maps.pop_back();
  expect_contains(error_of([&] { map_table(table); }), "row <1> has 1 maps");
  expect_contains(error_of([] { map_table({text, {"h"}, {}}); }), "no map");
}

TEST(Charts, BarsAreShares) {
  const std::string svg = stacked_bars(
      {text, {"a", "b"}, {"#111", "#222"}, {{"g", {{"one", {1, 3}}, {"two", {10, 30}}}}}});
  EXPECT_EQ(count_of(svg, ">75</text>"), 3);  // both bars and the axis
  expect_contains(svg, "one, b: 3 of 4");
  expect_contains(svg, "n 40");
}

}  // namespace
}  // namespace ramoe
