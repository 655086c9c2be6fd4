#include "report/svg.h"

#include <algorithm>
#include <cmath>

#include "support/error.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

/// Rough widths of a sans-serif font in em, good enough to leave room for a label.
double em(char32_t point) {
  const auto in = [point](char32_t low, char32_t high) { return low <= point && point <= high; };
  const bool combining = in(0x300, 0x36f) || in(0x610, 0x61a) || in(0x64b, 0x65f) ||
                         point == 0x93c || in(0x941, 0x948) || point == 0x94d || in(0xe31, 0xe31) ||
                         in(0xe34, 0xe3a) || in(0xe47, 0xe4e) || in(0x200b, 0x200f) ||
                         in(0xfe00, 0xfe0f);
  if (combining) return 0;
  if (in(0x1100, 0x115f) || in(0x2e80, 0xd7a3) || in(0xf900, 0xfaff) || point >= 0x1f000) return 1;
  if (point == 'i' || point == 'l' || point == 'j' || point == ' ' || point == '.') return 0.3;
  if (point == 'm' || point == 'w' || in('A', 'Z')) return 0.75;
  return 0.57;
}

std::string coordinate(double value) {
  return short_number(std::isfinite(value) ? value : 0, 1);
}

bool finite(Point point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

std::string attributes(const Style& style) {
  std::string text = " fill=\"" + (style.fill.empty() ? "none" : style.fill) + "\"";
  if (!style.stroke.empty()) {
    text += " stroke=\"" + style.stroke + "\"";
    if (style.stroke_width != 1)
      text += " stroke-width=\"" + short_number(style.stroke_width) + "\"";
    if (!style.dashes.empty()) text += " stroke-dasharray=\"" + style.dashes + "\"";
  }
  if (style.fill_opacity != 1) text += " fill-opacity=\"" + short_number(style.fill_opacity) + "\"";
  if (style.opacity != 1) text += " opacity=\"" + short_number(style.opacity) + "\"";
  return text;
}

std::string closing(const char* tag, const std::string& tip) {
  return tip.empty() ? "/>\n" : cat("><title>", escape_markup(tip), "</title></", tag, ">\n");
}

}  // namespace

std::string escape_markup(const std::string& text) {
  std::string out;
  for (const char32_t point : decode_utf8(text)) {
    const bool control = (point < 0x20 && point != '\t' && point != '\n') || point == 0x7f ||
                         (point >= 0x80 && point < 0xa0) || point == 0xfffe || point == 0xffff;
    if (point == '&')
      out += "&amp;";
    else if (point == '<')
      out += "&lt;";
    else if (point == '>')
      out += "&gt;";
    else if (point == '"')
      out += "&quot;";
    else if (point == '\'')
      out += "&#39;";
    else if (!control)
      append_utf8(out, point);  // U+FFFD for bytes that are no UTF-8
  }
  return out;
}

double text_width(const std::string& text, double size) {
  double width = 0;
  for (const char32_t c : decode_utf8(text)) width += em(c);
  return width * size;
}

std::size_t terminal_columns(const std::string& text) {
  std::size_t columns = 0;
  for (const char32_t c : decode_utf8(text)) columns += em(c) >= 1 ? 2 : em(c) > 0 ? 1 : 0;
  return columns;
}

std::string fitted(const std::string& text, double size, double width) {
  if (text_width(text, size) <= width) return text;
  std::string out;
  for (const char32_t c : decode_utf8(text)) {
    std::string more = out;
    append_utf8(more, c);
    if (text_width(more, size) + size > width) break;
    out = more;
  }
  return out + "\xe2\x80\xa6";
}

Svg::Svg(double width, double height, const ChartText& text) : width_(width), height_(height) {
  check(width > 0 && height > 0, "a drawing of ", width, " x ", height,
        "; wanted a positive size.");
  const std::string name = escape_markup(text.id), w = coordinate(width), h = coordinate(height);
  head_ = cat("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", w, " ", h, "\" width=\"",
              w, "\" height=\"", h, "\" role=\"img\" aria-labelledby=\"", name, "-title ", name,
              "-desc\">\n<title id=\"", name, "-title\">", escape_markup(text.title), "</title>\n",
              "<desc id=\"", name, "-desc\">", escape_markup(text.description), "</desc>\n");
}

void Svg::line(Point from, Point to, const Style& style) {
  if (!finite(from) || !finite(to)) return;
  body_ += cat("<line x1=\"", coordinate(from.x), "\" y1=\"", coordinate(from.y), "\" x2=\"",
               coordinate(to.x), "\" y2=\"", coordinate(to.y), "\"", attributes(style), "/>\n");
}

void Svg::path(const std::vector<Point>& points, const Style& style) {
  std::string d;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!finite(points[i])) continue;
    const bool begins = i == 0 || !finite(points[i - 1]);
    const bool ends = i + 1 == points.size() || !finite(points[i + 1]);
    if (begins && ends)
      circle(points[i], style.stroke_width + 0.5, {.fill = style.stroke});
    else
      d += cat(begins ? "M" : "L", coordinate(points[i].x), " ", coordinate(points[i].y));
  }
  if (!d.empty())
    body_ += cat("<path d=\"", d, "\"", attributes(style), " stroke-linejoin=\"round\"/>\n");
}

void Svg::rectangle(double x, double y, double width, double height, const Style& style,
                    const std::string& tip) {
  if (!finite({x, y}) || !(width > 0) || !(height > 0) || !finite({width, height})) return;
  body_ +=
      cat("<rect x=\"", coordinate(x), "\" y=\"", coordinate(y), "\" width=\"", coordinate(width),
          "\" height=\"", coordinate(height), "\"", attributes(style), closing("rect", tip));
}

void Svg::circle(Point centre, double radius, const Style& style, const std::string& tip) {
  if (!finite(centre) || !(radius > 0)) return;
  body_ += cat("<circle cx=\"", coordinate(centre.x), "\" cy=\"", coordinate(centre.y), "\" r=\"",
               coordinate(radius), "\"", attributes(style), closing("circle", tip));
}

void Svg::text(Point at, const std::string& text, const TextStyle& style) {
  if (!finite(at) || text.empty()) return;
  const char* anchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
  const std::string x = coordinate(at.x), y = coordinate(at.y);
  body_ += cat("<text x=\"", x, "\" y=\"", y, "\" font-size=\"", short_number(style.size),
               "\" fill=\"", style.colour, "\"", anchors[static_cast<int>(style.anchor)]);
  if (style.bold) body_ += " font-weight=\"600\"";
  if (style.halo) body_ += cat(" stroke=\"", paper, "\" stroke-width=\"3\" paint-order=\"stroke\"");
  body_ += cat(">", escape_markup(text), "</text>\n");
}

}  // namespace ramoe
