// Configuration: one struct per command, each field with its key, default, meaning and range.
//
//   struct TrainConfig {
//     int steps = 1000;
//     void list(FieldList& f) { f.add("steps", &steps, "optimiser steps", {.least = 1}); }
//   };
//
// The same list reads JSON files and --key=value flags, refuses unknown keys, wrong types and
// values out of range, writes the resolved configuration, and prints --help.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// What a value may be. Numbers: least <= value <= most. Text: one of `choices`, when there are
/// any; for lists the rule holds for each element.
struct Allowed {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices = {};
};

using FieldValue = std::variant<bool*, int*, std::uint64_t*, double*, std::string*,
                                std::vector<std::string>*, std::vector<int>*, std::vector<double>*>;

/// One key of a configuration; `value` points into the struct that listed it.
struct Field {
  std::string key, help;
  FieldValue value;
  Allowed allowed;
};

/// The fields of one or several config structs, in the order of listing. Keys are unique.
class FieldList {
 public:
  void add(std::string key, FieldValue value, std::string help, Allowed allowed = {});
  const std::vector<Field>& fields() const { return fields_; }

  /// Sets the fields named in a JSON object. `where` names the source in errors.
  /// Error: unknown key (the nearest known one is suggested), wrong type, value not allowed.
  void read_json(const Json& object, const std::string& where);
  /// Sets one field from "key=value"; lists are separated by commas. Errors as read_json.
  void read_flag(const std::string& flag);
  /// All fields and their present values.
  Json to_json() const;
  /// A line for each field: key, present value, meaning, what is allowed.
  std::string help() const;

 private:
  Field& find(const std::string& key, const std::string& where);
  std::vector<Field> fields_;
};

/// The fields of one config struct.
template <class Config>
FieldList fields_of(Config& config) {
  FieldList list;
  config.list(list);
  return list;
}

/// The candidate with the smallest edit distance to `word`; empty if none is within a third of its
/// length (at least 2).
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace ramoe
