#include "report/svg.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "report/charts.h"
#include "report/markup.h"
#include "support/scratch.h"
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
  EXPECT_EQ(escape_markup("\xe4\xb8"), "\xef\xbf\xbd");                              // cut off
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
  Svg svg(100, 50, {"s", "t", "d"});
  svg.line({nan, 0}, {1, 1}, {.stroke = "#000"});
  svg.rectangle(0, 0, inf, 3, {.fill = "#000"});
  svg.circle({0, -inf}, 2, {});
  svg.text({nan, nan}, "gone");
  EXPECT_EQ(svg.str(), Svg(100, 50, {"s", "t", "d"}).str());
  // A gap splits the line in two; a point on its own becomes a dot.
  svg.path({{0, 0}, {1, 1}, {2, nan}, {3, 3}}, {.stroke = "#000"});
  expect_contains(svg.str(), "d=\"M0 0L1 1\"");
  expect_contains(svg.str(), "<circle cx=\"3\"");
  expect_contains(svg.str(), "aria-labelledby=\"s-title s-desc\"");
  expect_drawing(svg.str());
  expect_contains(error_of([] { Svg(0, 5, {"s", "t", "d"}); }), "positive size");
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

TEST(Charts, EmptyOddAndBrokenData) {
  PanelChart lines{text, {{"a", {{"a & b", {0, 1, 2}, {0.1, nan, inf}, "#000"}}}}};
  lines.legend = lines.panels[0].series;
  expect_drawing(panel_chart(lines));
  expect_drawing(panel_chart({text, {}, {}}));
  expect_drawing(panel_chart({text, {{"<p>", {{"", {1}, {5}, "#000"}}}}, {}}));
  expect_drawing(stacked_bars({text, {"a", "b"}, {"#111", "#222"}, {{"g", {{"<", {0, 0}}}}}}));
  expect_drawing(heat_map({text, {{nan, 0}}, {{1}}}));
  expect_drawing(dot_plot({text, {{"g", {{"&", nan, {nan, nan}, {nan, 1}}}}}}));
  expect_drawing(dot_plot({text, {}}));
  expect_drawing(scatter_plot({text, {}}));
}

TEST(Charts, PointsHaveTheirLooks) {
  Scatter scatter{text, {{"p <1>", {1}, {1}, "#123"}, {"q", {2, nan}, {3, 4}, "#456"}}};
  scatter.points[1].mark = 1;
  const std::string svg = scatter_plot(scatter);
  expect_drawing(svg);
  EXPECT_EQ(count_of(svg, "<circle"), 1);
  EXPECT_EQ(count_of(svg, "fill=\"#456\""), 1) << "a square, and none where a side is missing";
  expect_contains(svg, "<title>p &lt;1&gt;: 1, 1</title>");
}

TEST(Charts, PanelsShadeTheirOwnBands) {
  PanelChart chart{text, {{"a", {{"", {0, 1, 2}, {1, -1, 2}, "#000"}}, true, 0.5, 1.5}}, {}};
  chart.panels.push_back({"b", chart.panels[0].series, false, 0, 0});
  expect_drawing(panel_chart(chart));
  EXPECT_EQ(count_of(panel_chart(chart), "var(--band"), 1);
  EXPECT_EQ(count_of(panel_chart(chart), "stroke=\"var(--soft"), 2);  // zero, in both
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
