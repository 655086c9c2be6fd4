// What tests ask of texts: the message of an error, and whether a text holds another.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "support/error.h"

namespace ramoe {

/// The message of the ramoe::Error that `action` throws; "no error" if it throws none.
template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// Whether a text holds another.
inline bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// EXPECT that the text holds the part, and show both if not.
inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_TRUE(mentions(text, part)) << "text: " << text << "\nexpected in it: " << part;
}

}  // namespace ramoe
