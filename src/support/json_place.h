// Chapter 6.5a - a place in a JSON file that knows its path, so that every error names the key
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

#include "support/error.h"

namespace ramoe {

/// Sorted objects for reading: an ordered one (Json) is searched from its start for each key of a
/// vocabulary.
using JsonTree = nlohmann::json;

/// File, path of keys and value. All are borrowed but the path.
struct JsonPlace {
  const std::string& file;
  std::string path;
  const JsonTree& value;

  /// The error that this value is not what was wanted.
  template <class... Parts>
  [[noreturn]] void wrong(const Parts&... parts) const {
    fail(file, ": ", path.empty() ? "the whole" : path, " is ", shown(), "; ", parts...);
  }
  /// The value in short. Lists and objects by their size alone: they may be deep or huge.
  std::string shown() const {
    if (value.is_array()) return cat("a list of ", value.size());
    if (value.is_object()) return cat("an object of ", value.size(), " keys");
    std::string text = value.dump(-1, ' ', true, JsonTree::error_handler_t::replace);
    if (text.size() > 120) text = text.substr(0, 117) + "...";
    return text;
  }
  std::string join(const std::string& key) const { return path.empty() ? key : path + "." + key; }

  /// Error: no object, or the key is missing.
  JsonPlace operator[](const std::string& key) const {
    if (!value.is_object()) wrong("wanted an object");
    const auto found = value.find(key);
    check(found != value.end(), file, ": ", join(key), " is missing");
    return {file, join(key), *found};
  }
  /// Element i < list().size().
  JsonPlace operator[](std::size_t i) const { return {file, cat(path, "[", i, "]"), list()[i]}; }
  bool has(const std::string& key) const { return value.is_object() && value.contains(key); }
  /// The key is there and not null.
  bool given(const std::string& key) const { return has(key) && !value.at(key).is_null(); }

  std::string text() const {
    if (!value.is_string()) wrong("wanted a text");
    return value.get<std::string>();
  }
  bool flag() const {
    if (!value.is_boolean()) wrong("wanted true or false");
    return value.get<bool>();
  }
  const JsonTree& list() const {
    if (!value.is_array()) wrong("wanted a list");
    return value;
  }
  const JsonTree& object() const {
    if (!value.is_object()) wrong("wanted an object");
    return value;
  }
  /// An id that fits an int.
  int id() const {
    if (!value.is_number_integer()) wrong("wanted a whole number");
    const auto number = value.get<std::int64_t>();
    if (number < 0 || number > 100'000'000) wrong("wanted an id of 0 or more");
    return static_cast<int>(number);
  }
  void only(std::initializer_list<const char*> keys) const {
    for (const auto& [key, unused] : object().items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        fail(file, ": ", join(key), " is not a key we know; we cannot tell what it would change");
      }
    }
  }
  /// The key, where present, has one of these values.
  void expect(const std::string& key, std::initializer_list<JsonTree> allowed) const {
    if (!has(key)) return;
    const JsonPlace at = (*this)[key];
    if (std::find(allowed.begin(), allowed.end(), at.value) != allowed.end()) return;
    std::string wanted;
    for (const JsonTree& a : allowed) wanted += (wanted.empty() ? "" : " or ") + a.dump();
    at.wrong("only ", wanted, " is supported");
  }
  /// The same for a key that must be present.
  void require(const std::string& key, std::initializer_list<JsonTree> allowed) const {
    (*this)[key];
    expect(key, allowed);
  }
};

}  // namespace ramoe
