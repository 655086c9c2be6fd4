// Support - errors that say what was given, what was expected and what to do; and a few words that
// all rooms use
#pragma once

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <string>

namespace ramoe {

/// Every failure that a user can cause or fix. main() prints what() on one line and exits with 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The parts written one after another, as operator<< writes them.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// The elements, with `between` between them.
template <class List>
std::string joined(const List& all, const char* between = ", ") {
  std::string text;
  const char* gap = "";
  for (const auto& one : all) text += cat(gap, one), gap = between;
  return text;
}

/// Whether a list has this element.
template <class List, class Element>
  requires requires(const List& all, const Element& one) { *all.begin() == one; }
bool contains(const List& all, const Element& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

/// Appends what the list does not have yet.
template <class List, class Element>
void add_once(List& all, const Element& one) {
  if (!contains(all, one)) all.push_back(one);
}

/// Throws an Error whose text is the joined parts.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(cat(parts...));
}

/// Throws an Error with the joined parts unless the condition holds. The parts are only joined on
/// failure.
template <class... Parts>
void check(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(parts...);
}

}  // namespace ramoe
