#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "support/config.h"
#include "support/error.h"
#include "support/json.h"

namespace ramoe {
namespace {

constexpr const char* kBlanks = " \t\r\n";

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// The value if the whole text is a number of that kind.
template <class Number>
bool read_all(const std::string& text, Number& value) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end;
}
// std::from_chars of decimals came to clang's library late.
bool read_all(const std::string& text, double& value) {
  if (text.find_first_of("xX") != std::string::npos) return false;  // hexadecimal is not meant
  char* end = nullptr;
  errno = 0;
  value = std::strtod(text.c_str(), &end);
  const bool fits = std::isfinite(value) && (value != 0 || errno != ERANGE);
  return end == text.c_str() + text.size() && fits;
}

/// 7, -0.5, .5, 1e-3; 1e3 is a whole number. Text that is not a number stays text.
Json number_from(const std::string& typed) {
  std::string text = plain_dashes(trimmed(typed));
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.erase(0, 1);
  const std::size_t first = text.starts_with("-") ? 1 : 0;
  if (first == text.size() || !(is_digit(text[first]) || text[first] == '.')) return typed;
  std::uint64_t natural = 0;
  std::int64_t whole = 0;
  double number = 0;
  if (read_all(text, natural)) return natural;
  if (read_all(text, whole)) return whole;
  if (!read_all(text, number)) return typed;
  const bool exponent = text.find_first_of("eE") != std::string::npos;
  if (!exponent || number != std::floor(number) || std::abs(number) >= 1e15) return number;
  return number < 0 ? Json(static_cast<std::int64_t>(number))
                    : Json(static_cast<std::uint64_t>(number));
}

Json truth_from(const std::string& typed) {
  const std::string text = trimmed(typed);
  for (const char* word : {"true", "yes", "on", "1"})
    if (same_name(text, word)) return true;
  for (const char* word : {"false", "no", "off", "0"})
    if (same_name(text, word)) return false;
  return typed;
}

/// The elements of a list: "a,b", "a, b", "[a, b]", and "a b" unless they are paths.
std::vector<std::string> pieces_of(const Field& field, const std::string& typed) {
  std::string text = trimmed(typed);
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']')
    text = trimmed(text.substr(1, text.size() - 2));
  if (!field.allowed.paths) {
    for (const std::string comma : {"\uFF0C", "\u3001", "\u060C"})  // commas of other keyboards
      for (std::size_t at; (at = text.find(comma)) != std::string::npos;)
        text.replace(at, comma.size(), ",");
    if (text.find(',') == std::string::npos)
      std::replace_if(
          text.begin(), text.end(), [](char c) { return c == ' ' || c == '\t'; }, ',');
  }
  const bool texts = std::holds_alternative<std::vector<std::string>*>(field.value);
  std::vector<std::string> pieces;
  std::istringstream rest(text);
  for (std::string piece; std::getline(rest, piece, ',');) {
    piece = trimmed(piece);
    if (piece.size() >= 2 && (piece[0] == '"' || piece[0] == '\'') && piece.back() == piece[0])
      piece = piece.substr(1, piece.size() - 2);
    if (!texts || !piece.empty()) pieces.push_back(piece);
  }
  return pieces;
}

bool is_truth(const Field& field) {
  return std::holds_alternative<bool*>(field.value);
}

bool is_list(const Field& field) {
  return std::holds_alternative<std::vector<std::string>*>(field.value) ||
         std::holds_alternative<std::vector<int>*>(field.value) ||
         std::holds_alternative<std::vector<double>*>(field.value);
}

/// An argument that begins like a flag: the name after the dashes, and the value after "=".
struct Typed {
  std::string name, value;
  bool has_value = false;
};

/// Whether an argument is a flag and not a word or a negative number.
bool is_flag(const std::string& argument) {
  const std::string text = plain_dashes(argument);
  const std::size_t name = text.find_first_not_of('-');
  return text.starts_with("--") || (text.starts_with("-") && name == 1 && is_letter(text[name]));
}

Typed parse_flag(const std::string& argument) {
  // Only the dashes of the name become plain ones; the value is kept as it is.
  std::size_t end = 0;
  const std::string plain = plain_dashes(argument);
  const std::size_t first = std::min(plain.find_first_not_of('-'), plain.size());
  for (end = first; end < plain.size(); ++end)
    if (!is_letter(plain[end]) && !is_digit(plain[end]) && plain[end] != '_' && plain[end] != '-')
      break;
  Typed typed{plain.substr(first, end - first), "", end < plain.size()};
  if (!typed.has_value) return typed;
  for (const std::string sign : {"=", ":", "\uFF1D", "\uFF1A"})
    if (plain.compare(end, sign.size(), sign) == 0) {
      typed.value = argument.substr(argument.find(sign) + sign.size());
      return typed;
    }
  fail(argument, " was not understood; a flag has the form --key=value.");
}

}  // namespace

Json typed_value(const Field& field, const std::string& text) {
  if (std::holds_alternative<std::string*>(field.value) ||
      std::holds_alternative<ChoicePointer>(field.value))
    return text;
  if (is_truth(field)) return truth_from(text);
  if (!is_list(field)) return number_from(text);
  const bool texts = std::holds_alternative<std::vector<std::string>*>(field.value);
  Json list = Json::array();
  for (const std::string& piece : pieces_of(field, text))
    list.push_back(texts ? Json(piece) : number_from(piece));
  return list;
}

std::string flag_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const Json& element : value) text += (text.empty() ? "" : ",") + flag_text(element);
  return text;
}

std::string number_advice(const std::string& text) {
  std::string plain, point = text;
  std::size_t commas = 0;
  for (const char c : text) {
    commas += c == ',';
    if (is_digit(c))
      plain += c;
    else if (c != ',' && c != '\'' && c != '_' && c != ' ')
      return "";
  }
  if (plain.empty() || plain.size() == text.size()) return "";
  const std::size_t comma = text.find(',');
  if (commas != 1 || plain.size() + 1 != text.size()) return "; write " + plain;
  point[comma] = '.';
  if (comma == 0 || text.size() - comma != 4) return "; write " + point + ", with a point";
  return "; write " + point + " or " + plain;
}

CommandLine FieldList::split(const std::vector<std::string>& arguments) const {
  CommandLine line;
  const std::string where = "command line";
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") continue;
    if (!is_flag(arguments[i])) {
      line.words.push_back(arguments[i]);
      continue;
    }
    Typed typed = parse_flag(arguments[i]);
    const auto next_is_word = [&] {
      return i + 1 < arguments.size() && !is_flag(arguments[i + 1]);
    };
    const Field* field = find(typed.name);
    if (field == nullptr && !typed.has_value && typed.name.starts_with("no")) {
      field = find(typed.name.substr(2));
      if (field != nullptr && !is_truth(*field)) field = nullptr;
      typed.value = "false";
      typed.has_value = field != nullptr;
    }
    if (field == nullptr) unknown(typed.name, where);
    if (!typed.has_value && is_truth(*field)) {
      const bool said = next_is_word() && truth_from(arguments[i + 1]).is_boolean();
      typed.value = said ? arguments[++i] : "true";
    } else if (!typed.has_value) {
      check(next_is_word(), where, ": --", typed.name, " lacks its value; write --", field->key,
            "=VALUE (a flag has the form --key=value).");
      typed.value = arguments[++i];
      if (typed.value.starts_with("=")) typed.value.erase(0, 1);
      while (is_list(*field) && next_is_word() && !arguments[i + 1].ends_with(".json"))
        typed.value += "," + arguments[++i];
    } else if (typed.value.empty() && !is_list(*field) && next_is_word()) {
      fail(where, ": --", field->key, "= and ", arguments[i + 1], " stand apart; write --",
           field->key, "=", arguments[i + 1], ".");
    }
    // The shell splits --languages=en, es into two arguments.
    while (is_list(*field) && typed.value.ends_with(",") && next_is_word())
      typed.value += arguments[++i];
    line.flags.push_back({field->key, typed.value});
  }
  return line;
}

}  // namespace ramoe
