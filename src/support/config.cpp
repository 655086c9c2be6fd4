#include "support/config.h"

#include <algorithm>
#include <cmath>

#include "support/error.h"

namespace ramoe {
namespace {

/// Sets single values and lists from JSON, checking type and range on the way.
struct Setter {
  const Field& field;
  const Json& given;
  const std::string& where;

  [[noreturn]] void wrong(const std::string& wanted) const {
    fail(where, ": ", field.key, " = ", excerpt(given), " does not fit; wanted ", wanted, " (",
         field.help, ").");
  }

  void in_range(double number) const {
    const Allowed& a = field.allowed;
    if (number >= a.least && number <= a.most) return;
    const bool bounded_above = std::isfinite(a.most), bounded_below = std::isfinite(a.least);
    if (bounded_above && bounded_below) wrong(cat("a number from ", a.least, " to ", a.most));
    wrong(bounded_above ? cat("a number of at most ", a.most)
                        : cat("a number of at least ", a.least));
  }

  void set(bool& value, const Json& json) const {
    if (!json.is_boolean()) wrong("true or false");
    value = json.get<bool>();
  }
  void set(int& value, const Json& json) const {
    if (!json.is_number_integer()) wrong("a whole number");
    const double number = json.get<double>();
    if (std::abs(number) > std::numeric_limits<int>::max()) wrong("a whole number below 2^31");
    in_range(number);
    value = json.get<int>();
  }
  void set(std::uint64_t& value, const Json& json) const {
    if (!json.is_number_unsigned()) wrong("a whole number of at least 0");
    in_range(json.get<double>());
    value = json.get<std::uint64_t>();
  }
  void set(double& value, const Json& json) const {
    if (!json.is_number()) wrong("a number");
    const double number = json.get<double>();
    if (!std::isfinite(number)) wrong("a finite number");
    in_range(number);
    value = number;
  }
  void set(std::string& value, const Json& json) const {
    if (!json.is_string()) wrong("text");
    const std::string text = json.get<std::string>();
    if (text.find('\0') != std::string::npos) wrong("text without the character U+0000");
    const auto& choices = field.allowed.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
      std::string list;
      for (const std::string& choice : choices) list += (list.empty() ? "" : ", ") + choice;
      const std::string nearest = nearest_word(text, choices);
      wrong("one of " + list + (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
    }
    value = text;
  }
  template <class Element>
  void set(std::vector<Element>& list, const Json& json) const {
    if (!json.is_array()) wrong("a list");
    std::vector<Element> read;
    for (const Json& element : json) {
      Element value{};
      set(value, element);
      read.push_back(value);
    }
    list = read;
  }
};

/// A value as a flag gives it: text bare, lists separated by commas.
std::string flag_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const Json& element : value) text += (text.empty() ? "" : ",") + flag_text(element);
  return text;
}

/// The text of one flag as JSON of the field's type; text that is not JSON stays a string.
Json flag_to_json(const Field& field, const std::string& text) {
  if (std::holds_alternative<std::string*>(field.value)) return text;
  const auto parse = [](const std::string& piece) {
    Json json = Json::parse(piece, nullptr, false);
    return json.is_discarded() ? Json(piece) : json;
  };
  const bool texts = std::holds_alternative<std::vector<std::string>*>(field.value);
  const bool numbers = std::holds_alternative<std::vector<int>*>(field.value) ||
                       std::holds_alternative<std::vector<double>*>(field.value);
  if (!texts && !numbers) return parse(text);
  Json list = Json::array();
  std::istringstream pieces(text);
  for (std::string piece; std::getline(pieces, piece, ',');)
    list.push_back(texts ? Json(piece) : parse(piece));
  return list;
}

}  // namespace

std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t replaced = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

void FieldList::add(std::string key, FieldValue value, std::string help, Allowed allowed) {
  for (const Field& field : fields_)
    check(field.key != key, "the key ", key, " is listed twice; keys of one command are unique.");
  fields_.push_back({std::move(key), std::move(help), value, std::move(allowed)});
}

Field& FieldList::find(const std::string& key, const std::string& where) {
  std::vector<std::string> keys;
  for (Field& field : fields_) {
    if (field.key == key) return field;
    keys.push_back(field.key);
  }
  const std::string nearest = nearest_word(key, keys);
  fail(where, ": unknown key \"", key, "\"",
       nearest.empty() ? std::string("; --help lists the keys.")
                       : "; did you mean \"" + nearest + "\"? --help lists the keys.");
}

void FieldList::read_json(const Json& object, const std::string& where) {
  check(object.is_object(), where, ": a JSON object {\"key\": value, ...} was expected, not ",
        excerpt(object), ".");
  for (const auto& item : object.items()) {
    const Json& given = item.value();
    const Field& field = find(item.key(), where);
    const Setter setter{field, given, where};
    std::visit([&](auto* value) { setter.set(*value, given); }, field.value);
  }
}

void FieldList::read_flag(const std::string& flag) {
  const std::size_t equals = flag.find('=');
  check(equals != std::string::npos, "--", flag, ": a flag has the form --key=value.");
  const std::string key = flag.substr(0, equals), where = "command line";
  const Field& field = find(key, where);
  read_json(Json{{key, flag_to_json(field, flag.substr(equals + 1))}}, where);
}

Json FieldList::to_json() const {
  Json object = Json::object();
  for (const Field& field : fields_)
    std::visit([&](const auto* value) { object[field.key] = *value; }, field.value);
  return object;
}

std::string FieldList::help() const {
  std::ostringstream out;
  const Json values = to_json();
  for (const Field& field : fields_) {
    const Allowed& a = field.allowed;
    out << "  --" << field.key << "=" << flag_text(values[field.key]) << "\n      " << field.help;
    for (std::size_t i = 0; i < a.choices.size(); ++i)
      out << (i == 0 ? " [" : " | ") << a.choices[i] << (i + 1 == a.choices.size() ? "]" : "");
    if (std::isfinite(a.least) && std::isfinite(a.most))
      out << " [" << a.least << " to " << a.most << "]";
    else if (std::isfinite(a.least))
      out << " [at least " << a.least << "]";
    else if (std::isfinite(a.most))
      out << " [at most " << a.most << "]";
    out << "\n";
  }
  return out.str();
}

}  // namespace ramoe
