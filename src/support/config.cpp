#include "support/config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "support/error.h"
#include "support/json.h"

namespace ramoe {
namespace {

/// What other programs call our keys.
constexpr std::array<std::array<const char*, 2>, 14> kElsewhere = {{
    {"lr", "learning_rate"},
    {"batch_size", "batch"},
    {"per_device_train_batch_size", "batch"},
    {"gradient_accumulation_steps", "accumulate"},
    {"max_steps", "steps"},
    {"iterations", "steps"},
    {"warmup_ratio", "warmup_share"},
    {"max_grad_norm", "clip"},
    {"grad_clip", "clip"},
    {"output_dir", "run"},
    {"out_dir", "run"},
    {"save_steps", "save_every"},
    {"logging_steps", "log_every"},
    {"n_layers", "num_hidden_layers"},
}};

/// A bound for a message: 1048576, not 1.04858e+06.
std::string bound(double value) {
  const bool whole = std::abs(value) < 1e15 && value == std::floor(value);
  return whole ? cat(static_cast<std::int64_t>(value)) : cat(value);
}

/// "1 to 5000"; empty if all numbers are allowed.
std::string range_text(const Allowed& a) {
  const bool above = std::isfinite(a.most), below = std::isfinite(a.least);
  return above && below ? bound(a.least) + " to " + bound(a.most)
         : below        ? "at least " + bound(a.least)
         : above        ? "at most " + bound(a.most)
                        : "";
}

/// Sets single values and lists from JSON and checks their type and range.
struct Setter {
  const Field& field;
  const Json& given;
  const std::string& where;

  [[noreturn]] void wrong(const std::string& expected) const {
    fail(where, ": ", field.key, " = ", excerpt(given), " does not fit; expected ", expected, " (",
         field.help, ")", given.is_string() ? number_advice(given.get<std::string>()) : "", ".");
  }

  void in_range(double number) const {
    const Allowed& a = field.allowed;
    if (number >= a.least && number <= a.most) return;
    const bool both = std::isfinite(a.most) && std::isfinite(a.least);
    wrong(cat("a number ", both ? "from " : "of ", range_text(a)));
  }

  /// A number with a fraction, or with an exponent in a file: 1e3 is not an integer in JSON.
  [[noreturn]] void not_whole(const Json& json, const std::string& expected) const {
    const double number = json.is_number_float() ? json.get<double>() : 0.5;
    wrong(expected + (number == std::floor(number) && std::abs(number) < 1e15
                          ? cat(", written ", bound(number))
                          : std::string()));
  }

  void set(bool& value, const Json& json) const {
    if (!json.is_boolean()) wrong("true or false");
    value = json.get<bool>();
  }
  void set(int& value, const Json& json) const {
    if (!json.is_number_integer()) not_whole(json, "a whole number");
    const double number = json.get<double>();
    if (std::abs(number) > std::numeric_limits<int>::max()) wrong("a whole number below 2^31");
    in_range(number);
    value = json.get<int>();
  }
  void set(std::uint64_t& value, const Json& json) const {
    if (!json.is_number_unsigned()) not_whole(json, "a whole number of at least 0 and below 2^64");
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
    value = text;
    const auto& choices = field.allowed.choices;
    const auto known = std::find_if(choices.begin(), choices.end(),
                                    [&](const auto& choice) { return same_name(choice, text); });
    if (known != choices.end()) value = *known;
    if (!choices.empty() && known == choices.end()) {
      const std::string nearest = nearest_word(text, choices);
      wrong("one of " + joined(choices) +
            (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
    }
  }
  void set(const ChoicePointer& value, const Json& json) const {
    std::string name;
    set(name, json);
    value.set(name);
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

}  // namespace

bool Field::is_called(const std::string& name) const {
  return same_name(key, name) || std::any_of(aliases.begin(), aliases.end(),
                                             [&](const auto& one) { return same_name(one, name); });
}

void FieldList::add(std::string key, FieldValue value, std::string help, Allowed allowed) {
  for (const Field& field : fields_)
    check(field.key != key, "the key ", key, " is listed twice; keys of one command are unique.");
  fields_.push_back({std::move(key), std::move(help), value, std::move(allowed)});
}

void FieldList::also(const std::string& key, const std::vector<std::string>& aliases) {
  at(key, "aliases").aliases = aliases;
}

const Field* FieldList::find(const std::string& name) const {
  // Keys are searched first: a key wins over an alias of another field.
  for (const Field& field : fields_)
    if (same_name(field.key, name)) return &field;
  for (const Field& field : fields_)
    if (field.is_called(name)) return &field;
  return nullptr;
}

std::vector<std::string> FieldList::given(const std::vector<std::string>& keys) const {
  std::vector<std::string> found;
  for (const std::string& key : keys)
    if (const Field* field = find(key); field != nullptr && field->given) found.push_back(key);
  return found;
}

void FieldList::unknown(const std::string& key, const std::string& where) const {
  std::vector<std::string> keys;
  for (const Field& field : fields_) keys.push_back(field.key);
  const auto other = std::find_if(kElsewhere.begin(), kElsewhere.end(), [&](const auto& name) {
    return same_name(name[0], key) && find(name[1]) != nullptr;
  });
  const std::string nearest = other != kElsewhere.end() ? (*other)[1] : nearest_word(key, keys);
  fail(where, ": unknown key \"", key, "\"",
       nearest.empty() ? std::string("; --help lists the keys.")
                       : "; did you mean \"" + nearest + "\"? --help lists the keys.");
}

Field& FieldList::at(const std::string& key, const std::string& where) {
  const Field* found = find(key);
  if (found == nullptr) unknown(key, where);
  return fields_[static_cast<std::size_t>(found - fields_.data())];
}

void FieldList::read_json(const Json& object, const std::string& where) {
  check(object.is_object(), where, ": a JSON object {\"key\": value, ...} was expected, not ",
        excerpt(object), ".");
  for (const auto& item : object.items()) {
    const Json& given = item.value();
    Field& field = at(item.key(), where);
    const Setter setter{field, given, where};
    std::visit(
        [&](const auto& value) {
          const auto before = *value;
          if constexpr (std::is_pointer_v<std::decay_t<decltype(value)>>)
            setter.set(*value, given);
          else
            setter.set(value, given);
          field.given = field.given || *value != before;
        },
        field.value);
  }
}

void FieldList::read_flag(const CommandLine::Flag& flag) {
  Field& field = at(flag.key, "command line");
  read_json(Json{{field.key, typed_value(field, flag.value)}}, "command line");
  field.given = true;
}

void FieldList::read_flag(const std::string& flag) {
  for (const CommandLine::Flag& one : split({"--" + flag}).flags) read_flag(one);
}

Json FieldList::to_json() const {
  Json object = Json::object();
  for (const Field& field : fields_)
    std::visit([&](const auto& value) { object[field.key] = *value; }, field.value);
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
    if (const std::string range = range_text(a); !range.empty()) out << " [" << range << "]";
    for (std::size_t i = 0; i < field.aliases.size(); ++i)
      out << (i == 0 ? "; also --" : ", --") << field.aliases[i];
    out << "\n";
  }
  return out.str();
}

}  // namespace ramoe
