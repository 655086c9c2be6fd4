#include "support/json.h"

#include <algorithm>

namespace ramoe {
namespace {

/// "path, line 3, column 7" of byte `at`, counted from 0.
std::string place_of(std::string_view text, const std::string& path, long line, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto breaks = std::count(before.begin(), before.end(), '\n');
  const std::size_t column = at - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
  return cat(path, ", line ", std::max(line, 1L) + breaks, ", column ", column);
}

/// Explains the error at `at` if it is a common mistake in handwritten JSON.
const char* json_slip(std::string_view text, std::size_t at) {
  if (text.empty()) return "it is empty";
  const char found = text[std::min(at, text.size() - 1)];
  const std::size_t before =
      at == 0 ? std::string_view::npos : text.find_last_not_of(" \t\r\n", at - 1);
  const bool after_comma = before != std::string_view::npos && text[before] == ',';
  if (after_comma && (found == '}' || found == ']')) return "a comma before the closing bracket";
  if (found == '/' || found == '#') return "JSON has no comments";
  if (found == '\'') return "texts stand in double quotation marks";
  return "unexpected character";
}

/// The Error of a parser that stopped at byte `byte`, counted from 1.
[[noreturn]] void fail_json(std::string_view text, const std::string& path, long line,
                            std::size_t byte) {
  const std::size_t at = std::min(byte == 0 ? 0 : byte - 1, text.size());
  fail(place_of(text, path, line, at), ": this is not valid JSON (",
       byte <= text.size() ? json_slip(text, at)
       : line > 0          ? "the line ends too early; one object a line is expected"
                           : "the file ends too early",
       "); restore the file or make it again.");
}

/// What nlohmann's own dump() does.
template <class Value, class Handler>
std::string dumped(const Value& value, int indent, char blank, bool ascii, Handler handler) {
  std::string text;
  nlohmann::detail::serializer<Value>(nlohmann::detail::output_adapter<char>(text), blank, handler)
      .dump(value, indent >= 0, ascii, unsigned(std::max(indent, 0)));
  return text;
}

}  // namespace

void check_json_encoding(std::string_view text, const std::string& path) {
  using namespace std::string_view_literals;
  for (const std::string_view mark : {"\xFF\xFE"sv, "\xFE\xFF"sv, "\0\0\xFE\xFF"sv})
    check(!text.starts_with(mark), path, ": this is UTF-16 or UTF-32; save the file as UTF-8.");
}

void check_json_bytes(std::string_view text, const std::string& path, long line) {
  if (line == 0) check_json_encoding(text, path);
  const std::size_t nul = text.find('\0');
  check(nul == std::string_view::npos, place_of(text, path, line, nul),
        ": a NUL byte, which no JSON holds; the file is damaged or not UTF-8. Restore it or make "
        "it again.");
}

template <class Value>
Value parse_json(std::string_view text, const std::string& path, long line,
                 const typename Value::parser_callback_t& watch) {
  check_json_bytes(text, path, line);
  try {
    return Value::parse(text, watch);
  } catch (const typename Value::parse_error& error) {
    fail_json(text, path, line, error.byte);
  } catch (const typename Value::exception&) {
    fail(path, ": a number in it is too large for JSON; restore the file or make it again.");
  }
}
template Json parse_json(std::string_view, const std::string&, long,
                         const Json::parser_callback_t&);
template nlohmann::json parse_json(std::string_view, const std::string&, long,
                                   const nlohmann::json::parser_callback_t&);

Json json_or_discarded(std::string_view text) { return Json::parse(text, nullptr, false); }

}  // namespace ramoe

template <>
std::string nlohmann::ordered_json::dump(int indent, char blank, bool ascii,
                                         error_handler_t handler) const {
  return ramoe::dumped(*this, indent, blank, ascii, handler);
}
template <>
std::string nlohmann::json::dump(int indent, char blank, bool ascii,
                                 error_handler_t handler) const {
  return ramoe::dumped(*this, indent, blank, ascii, handler);
}
