// Support - choices: an enum with a table of its names
//
//   enum class PairType { cc, ci, ic, ii };
//   constexpr auto names(PairType) { return std::array{"cc", "ci", "ic", "ii"}; }
//
// The table lists the names in the order of the values; nothing else has to be written. It gives
// name_of, every and from_name, and makes the enum a field of a configuration (config.h): its
// choices in --help, the nearest name in an error, its text in JSON.
// Tests: tests/support/choices_test.cpp
#pragma once

#include <array>
#include <string>
#include <type_traits>
#include <vector>

namespace ramoe {

template <class Enum>
concept NamedEnum = std::is_enum_v<Enum> && requires(Enum value) {
  names(value).size();
};

template <NamedEnum Enum>
std::string name_of(Enum value) {
  return names(value)[static_cast<std::size_t>(value)];
}

/// All values, in order.
template <NamedEnum Enum>
constexpr auto every() {
  std::array<Enum, names(Enum{}).size()> values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Enum>(i);
  return values;
}

template <NamedEnum Enum>
std::vector<std::string> names_of() {
  constexpr auto all = names(Enum{});
  return {all.begin(), all.end()};
}

/// The index of a name in a list. Error: `what` "name" is unknown; lists the names and suggests the
/// nearest one.
std::size_t place_of(const std::string& name, const std::vector<std::string>& names,
                     const std::string& what);

/// The value with that name. `what` says in the error what the name is for.
template <NamedEnum Enum>
Enum from_name(const std::string& name, const std::string& what) {
  return static_cast<Enum>(place_of(name, names_of<Enum>(), what));
}

/// Points to a value of any enum with names, read and set by name.
class ChoicePointer {
 public:
  template <NamedEnum Enum>
  explicit ChoicePointer(Enum* value)
      : value_(value),
        get_([](const void* at) { return name_of(*static_cast<const Enum*>(at)); }),
        set_([](void* at, const std::string& name) {
          *static_cast<Enum*>(at) = from_name<Enum>(name, "choice");
        }) {}
  std::string operator*() const { return get_(value_); }
  void set(const std::string& name) const { set_(value_, name); }

 private:
  void* value_;
  std::string (*get_)(const void*);
  void (*set_)(void*, const std::string&);
};

}  // namespace ramoe
