// Support - a struct and its JSON: each key is named once, for reading and for writing
//
//   template <class Keys> void list(Keys& keys, KeysOf<Keys, Row>& row) {
//     keys("lang", row.lang, "n", row.n);
//   }
//
// A double that is null or missing is NaN. A missing or null key is an Error for a text, a whole
// number or a bool; lists, structs and optionals keep their value. Errors name the file and the
// path of the key. Tests: tests/support/json_keys_test.cpp
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/error.h"
#include "support/json.h"

namespace ramoe {

/// An object whose keys are data, in their order.
template <class T>
using Named = std::vector<std::pair<std::string, T>>;

/// The value of a key; nullptr if the key is missing.
template <class T>
const T* find_named(const Named<T>& named, const std::string& key) {
  for (const auto& [name, value] : named)
    if (name == key) return &value;
  return nullptr;
}

/// The same to be changed; a missing key is added at the end.
template <class T>
T& at_named(Named<T>& named, const std::string& key) {
  for (auto& [name, value] : named)
    if (name == key) return value;
  return named.emplace_back(key, T{}).second;
}

template <class Keys, class T>
using KeysOf = std::conditional_t<Keys::writes, const T, T>;

/// Reads a value that stands at `path` of the file `where`.
class JsonKeyReader {
 public:
  static constexpr bool writes = false;
  JsonKeyReader(const Json& value, std::string where, std::string path = "")
      : value_(value), where_(std::move(where)), path_(std::move(path)) {}

  template <class T>
  void operator()(const char* key, T& field) const {
    if (!value_.is_object()) wrong(cat("an object with the key \"", key, "\""));
    static const Json none;
    const auto found = value_.find(key);
    at(found == value_.end() ? none : *found, path_.empty() ? key : cat(path_, ".", key))
        .read(field);
  }
  template <class T, class... More>
  void operator()(const char* key, T& field, const char* next, More&... more) const {
    (*this)(key, field);
    (*this)(next, more...);
  }
  /// The same for a text or a whole number that may be missing.
  template <class T>
  void maybe(const char* key, T& field) const {
    if (!value_.is_object() || value_.value(key, Json()).is_null()) return;
    (*this)(key, field);
  }
  /// A nested object of the JSON whose keys are fields of this same struct.
  template <class List>
  void object(const char* key, const List& list_inside) const {
    Json inside;
    (*this)(key, inside);
    list_inside(at(inside, path_.empty() ? key : cat(path_, ".", key)));
  }

  void read(std::string& text) const {
    if (!value_.is_string()) wrong("text");
    text = value_.get<std::string>();
  }
  void read(double& number) const {
    if (!value_.is_number() && !value_.is_null()) wrong("a number or null");
    number = value_.is_null() ? std::numeric_limits<double>::quiet_NaN() : value_.get<double>();
  }
  void read(int& number) const {
    if (!value_.is_number_integer()) wrong("a whole number");
    if (std::abs(value_.get<double>()) > 1e9) wrong("a whole number below 1e9");
    number = value_.get<int>();
  }
  void read(bool& flag) const {
    if (!value_.is_boolean()) wrong("true or false");
    flag = value_.get<bool>();
  }
  void read(Json& json) const { json = value_; }
  template <class T>
  void read(std::optional<T>& field) const {
    if (value_.is_null() || (value_.is_object() && value_.empty())) return;
    read(field.emplace());
  }
  template <class T>
  void read(std::vector<T>& all) const {
    if (value_.is_null()) return;
    if (!value_.is_array()) wrong("a list");
    all.resize(value_.size());
    for (std::size_t i = 0; i < all.size(); ++i)
      at(value_[i], cat(path_, "[", i, "]")).read(all[i]);
  }
  template <class T>
  void read(Named<T>& all) const {
    if (value_.is_null()) return;
    if (!value_.is_object()) wrong("an object");
    for (const auto& [key, value] : value_.items()) {
      all.emplace_back(key, T{});
      at(value, cat(path_, ".", key)).read(all.back().second);
    }
  }
  template <class T>
  requires std::is_class_v<T>
  void read(T& fields) const {
    if (!value_.is_null()) list(*this, fields);
  }

  [[noreturn]] void wrong(const std::string& expected) const {
    fail(where_, ": ", path_.empty() ? "the whole" : path_, ": given ",
         value_.is_null() ? "nothing" : excerpt(value_), ", expected ", expected,
         ". Make the file again, or mend this key.");
  }

 private:
  JsonKeyReader at(const Json& value, std::string path) const {
    return {value, where_, std::move(path)};
  }
  const Json& value_;
  const std::string where_, path_;
};

/// Writes into an object. NaN and infinity become null; an empty optional is left out.
class JsonKeyWriter {
 public:
  static constexpr bool writes = true;
  explicit JsonKeyWriter(Json& object) : object_(object) { object_ = Json::object(); }

  template <class T>
  void operator()(const char* key, const T& field) {
    object_[key] = written(field);
  }
  template <class T>
  void operator()(const char* key, const std::optional<T>& field) {
    if (field) object_[key] = written(*field);
  }
  template <class T, class... More>
  void operator()(const char* key, const T& field, const char* next, const More&... more) {
    (*this)(key, field);
    (*this)(next, more...);
  }
  template <class T>
  void maybe(const char* key, const T& field) {
    (*this)(key, field);
  }
  template <class List>
  void object(const char* key, const List& list_inside) {
    list_inside(JsonKeyWriter(object_[key]));
  }

  template <class T>
  static Json written(const T& field) {
    if constexpr (std::is_same_v<T, double>) {
      return number_or_null(field);
    } else if constexpr (std::is_class_v<T> && !std::is_constructible_v<Json, T>) {
      Json json;
      JsonKeyWriter writer(json);
      list(writer, field);
      return json;
    } else {
      return field;
    }
  }
  template <class T>
  static Json written(const std::vector<T>& all) {
    Json json = Json::array();
    for (const T& one : all) json.push_back(written(one));
    return json;
  }
  template <class T>
  static Json written(const Named<T>& all) {
    Json json = Json::object();
    for (const auto& [key, value] : all) json[key] = written(value);
    return json;
  }

 private:
  Json& object_;
};

}  // namespace ramoe
