// Report - drawings as text: a small SVG writer
//
// A drawing has W x H user units and is shown as wide as its place allows (viewBox, CSS width
// 100 %). One unit is about one pixel on a phone, so text of 11 units is readable there. Each
// drawing has role="img" with <title> and <desc> for readers who cannot see it. Text is escaped,
// and bytes that are not UTF-8 are replaced. A shape with a coordinate that is not finite is not
// drawn. Tests: tests/report/svg_test.cpp
#pragma once

#include <string>
#include <vector>

#include "support/text.h"

namespace ramoe {

/// For text and attribute values of HTML and SVG: & < > " ' become entities, control characters
/// other than tab and newline are left out, and invalid UTF-8 becomes U+FFFD.
std::string escape_markup(const std::string& text);

/// About the width of the text in a sans-serif font; CJK is wide, combining marks have no width.
double text_width(const std::string& text, double size);
/// Columns of a terminal that the text takes: 2 for CJK, none for combining marks.
std::size_t terminal_columns(const std::string& text);
/// The text, or as much of it as fits, with an ellipsis.
std::string fitted(const std::string& text, double size, double width);

struct Point {
  double x, y;
};

/// Colours that a page may redefine, such as for dark mode; the value after the comma is for a
/// bright page.
inline constexpr const char *ink = "var(--ink, #222)", *soft_ink = "var(--soft, #555)",
                            *paper = "var(--paper, #fff)", *axis_colour = "var(--axis, #888)",
                            *grid_colour = "var(--grid, #e3e3e3)",
                            *band_colour = "var(--band, #eeeeea)",
                            *heat_colour = "var(--heat, #33475b)";

enum class Anchor { start, middle, end };

/// What a shape looks like; an empty colour means none.
struct Style {
  std::string fill = "", stroke = "";
  double stroke_width = 1;
  double opacity = 1;
  std::string dashes = "";
  double fill_opacity = 1;  // below 1 the fill is a tint, mixed with what is behind it
};

struct TextStyle {
  double size = 11;
  Anchor anchor = Anchor::start;
  std::string colour = ink;
  bool bold = false;
  bool halo = false;  // an edge in the colour of the paper, for text over lines
};

/// Title, description and labels. `id` must be unique on the page: letters, digits and '-'.
struct ChartText {
  std::string id, title, description;
  std::string x_label = "", y_label = "";
};

class Svg {
 public:
  Svg(double width, double height, const ChartText& text);

  void line(Point from, Point to, const Style& style);
  /// Joined points; a point that is not finite interrupts the line, and a single point is a dot.
  void path(const std::vector<Point>& points, const Style& style);
  /// `tip`: text shown on hover and read aloud.
  void rectangle(double x, double y, double width, double height, const Style& style,
                 const std::string& tip = "");
  void circle(Point centre, double radius, const Style& style, const std::string& tip = "");
  void text(Point at, const std::string& text, const TextStyle& style = {});

  double width() const { return width_; }
  double height() const { return height_; }
  std::string str() const { return head_ + body_ + "</svg>\n"; }

 private:
  double width_, height_;
  std::string head_, body_;
};

}  // namespace ramoe
