// Support - configuration: one struct per command, each field with key, default, help and range
//
//   struct TrainConfig {
//     int steps = 1000;
//     void list(FieldList& f) { f.add("steps", &steps, "optimiser steps", {.least = 1}); }
//   };
//
// The same list reads JSON files and --key=value flags, refuses unknown keys, wrong types and
// values out of range, writes the resolved configuration, and prints --help.
// Tests: tests/support/config_test.cpp, flags_test.cpp
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "support/choices.h"
#include "support/files.h"
#include "support/names.h"

namespace ramoe {

/// What a value may be. Numbers: least <= value <= most. Text: one of `choices`, if there are any.
/// Enums: the names that `choices` lists, or all. Lists: the rule holds for each element; lists of
/// `paths` are separated by commas only, others by blanks too.
struct Allowed {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices = {};
  bool paths = false;
};

using FieldValue = std::variant<bool*, int*, std::uint64_t*, double*, std::string*, ChoicePointer,
                                std::vector<std::string>*, std::vector<int>*, std::vector<double>*>;

/// One key of a configuration; `value` points into the struct that listed it.
struct Field {
  std::string key, help;
  FieldValue value;
  Allowed allowed;
  std::vector<std::string> aliases = {};  // other accepted names
  bool given = false;                     // by a flag, or with a value other than the default

  /// Whether the name is that of this field: same_name() with the key or an alias.
  bool is_called(const std::string& name) const;
};

/// A parsed command line: the flags in order, and the words that belong to no flag.
struct CommandLine {
  struct Flag {
    std::string key, value;  // the key as listed
  };
  std::vector<Flag> flags;
  std::vector<std::string> words;
};

/// The fields of one or several config structs, in the order of listing. Keys are unique.
class FieldList {
 public:
  void add(std::string key, FieldValue value, std::string help, Allowed allowed = {});
  /// A choice of a method: an enum with names (choices.h).
  template <NamedEnum Enum>
  void add(std::string key, Enum* value, std::string help, Allowed allowed = {}) {
    if (allowed.choices.empty()) allowed.choices = names_of<Enum>();
    add(std::move(key), FieldValue(ChoicePointer(value)), std::move(help), std::move(allowed));
  }
  /// Other names of a listed key, for files and flags.
  void also(const std::string& key, const std::vector<std::string>& aliases);
  const std::vector<Field>& fields() const { return fields_; }
  /// The field with that name; nullptr if there is none.
  const Field* find(const std::string& name) const;
  /// Those of `keys` that were given: by a flag, or by a file with a value other than the default.
  std::vector<std::string> given(const std::vector<std::string>& keys) const;

  /// Sets the fields named in a JSON object. `where` names the source in errors.
  /// Error: unknown key (the nearest known one is suggested), wrong type, value not allowed.
  void read_json(const Json& object, const std::string& where);
  /// Parses arguments: --key=value, --key value, --key alone for true, --no-key for false. One dash
  /// or a dash of a word processor counts as two, ':' counts as '='. Error: unknown key, no value.
  CommandLine split(const std::vector<std::string>& arguments) const;
  /// Sets one field from typed text; lists are separated by commas. Errors: see read_json.
  void read_flag(const CommandLine::Flag& flag);
  /// split() and read_flag() of one argument, "key=value".
  void read_flag(const std::string& flag);
  /// All fields and their current values.
  Json to_json() const;
  /// A line for each field: key, current value, meaning, allowed values.
  std::string help() const;

 private:
  Field& at(const std::string& key, const std::string& where);
  [[noreturn]] void unknown(const std::string& key, const std::string& where) const;
  std::vector<Field> fields_;
};

/// The fields of one config struct.
template <class Config>
FieldList fields_of(Config& config) {
  FieldList list;
  config.list(list);
  return list;
}

// ---- What is typed after the name of a command (flags.cpp) --------------------------------------

/// Typed text as JSON of the field's type: 1e3 for 1000, yes for true, "en, es" for a list. Text
/// that does not fit the type stays text, which FieldList::read_json() then refuses.
Json typed_value(const Field& field, const std::string& text);

/// A value as it is written in a flag: text without quotes, lists separated by commas.
std::string flag_text(const Json& value);

/// How to write a text that was meant as a number ("; write 0.5 ..."); empty if it was not.
std::string number_advice(const std::string& text);

}  // namespace ramoe
