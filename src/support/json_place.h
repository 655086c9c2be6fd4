// Support - a place in a JSON file: its errors name file and path
//
//   "pack.json: numbers[3]: expected text, found 7."
//
// Tests: tests/support/json_test.cpp
#pragma once

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "support/choices.h"
#include "support/files.h"
#include "support/json.h"
#include "support/names.h"

namespace ramoe {

/// JSON with sorted objects: Json finds a key by a linear search, too slow for the keys of a
/// vocabulary.
using JsonTree = nlohmann::json;

/// File, path of keys and value. Owns only the path.
template <class Value>
struct JsonAt {
  const std::string& file;
  std::string path;
  const Value& value;
  const char* advice = ".";  // the end of every message: what to do

  /// The file and the path, for messages of the caller's own.
  std::string name() const { return path.empty() ? file : file + ": " + path; }
  /// The value in short. Of lists and objects only the size: they may be deep or huge.
  std::string shown() const {
    if (value.is_array()) return cat("a list of ", value.size());
    if (value.is_object()) return cat("an object of ", value.size(), " keys");
    const std::string text = value.dump(-1, ' ', true, Value::error_handler_t::replace);
    return text.size() > 120 ? text.substr(0, 117) + "..." : text;
  }
  template <class... Parts>
  [[noreturn]] void expected(const Parts&... parts) const {
    fail(name(), ": expected ", parts..., ", found ", shown(), advice);
  }
  /// The error for a wrong value of the right type.
  template <class... Parts>
  [[noreturn]] void wrong(const Parts&... parts) const {
    fail(name(), " is ", shown(), "; ", parts..., advice);
  }

  std::string join(const std::string& key) const { return path.empty() ? key : path + "." + key; }
  /// Error: this is not an object, or the key is missing.
  JsonAt operator[](const std::string& key) const {
    const auto found = object().find(key);
    check(found != value.end(), file, ": ", join(key), " is missing", advice);
    return {file, join(key), *found, advice};
  }
  /// Element i < list().size().
  JsonAt operator[](std::size_t i) const {
    return {file, cat(path, "[", i, "]"), list()[i], advice};
  }
  bool has(const std::string& key) const { return value.is_object() && value.contains(key); }
  /// The key is there and not null.
  bool given(const std::string& key) const { return has(key) && !value.at(key).is_null(); }

  std::string text() const {
    if (!value.is_string()) expected("text");
    return value.template get<std::string>();
  }
  bool flag() const {
    if (!value.is_boolean()) expected("true or false");
    return value.template get<bool>();
  }
  /// The value with that name.
  template <NamedEnum Enum>
  Enum choice() const {
    const std::vector<std::string> known = names_of<Enum>();
    const auto found =
        value.is_string() ? std::find(known.begin(), known.end(), text()) : known.end();
    if (found == known.end()) expected("one of ", joined(known));
    return static_cast<Enum>(found - known.begin());
  }
  double number() const {
    if (!value.is_number()) expected("a number");
    return value.template get<double>();
  }
  /// A whole number from `min` to `max`.
  int whole(int min, int max = std::numeric_limits<int>::max()) const {
    const bool fits = value.is_number_integer() && value >= min && value <= max;
    if (!fits && max == std::numeric_limits<int>::max())
      expected("a whole number of at least ", min);
    if (!fits) expected("a whole number from ", min, " to ", max);
    return value.template get<int>();
  }
  const Value& list() const {
    if (!value.is_array()) expected("a list");
    return value;
  }
  const Value& object() const {
    if (!value.is_object()) expected("an object");
    return value;
  }
  /// The elements of a list, each a place.
  std::vector<JsonAt> elements() const {
    std::vector<JsonAt> found;
    for (std::size_t i = 0; i < list().size(); ++i) found.push_back((*this)[i]);
    return found;
  }
  /// The members of an object, each a place, with their keys.
  std::vector<std::pair<std::string, JsonAt>> members() const {
    std::vector<std::pair<std::string, JsonAt>> found;
    for (const auto& [key, member] : object().items())
      found.push_back({key, {file, join(key), member, advice}});
    return found;
  }

  /// Error: the object has a key that is not one of these.
  void only(const std::vector<std::string>& keys) const {
    for (const auto& [key, unused] : object().items()) {
      if (contains(keys, key)) continue;
      const std::string nearest = nearest_word(key, keys);
      fail(file, ": ", join(key), " is an unknown key",
           nearest.empty() ? "" : " (did you mean \"" + nearest + "\"?)", "; expected ",
           joined(keys), advice);
    }
  }
  /// Error: the key is present and its value is not one of these.
  void expect(const std::string& key, std::initializer_list<Value> allowed) const {
    if (!has(key)) return;
    const JsonAt at = (*this)[key];
    if (contains(allowed, at.value)) return;
    at.wrong("only ", joined(allowed, " or "), " is supported");
  }
  /// The same for a key that must be present.
  void require(const std::string& key, std::initializer_list<Value> allowed) const {
    (*this)[key];
    expect(key, allowed);
  }
};

using JsonPlace = JsonAt<JsonTree>;

}  // namespace ramoe
