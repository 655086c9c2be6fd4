// Support - names as people type them: capitals, dashes and small slips.
// Tests: tests/support/names_test.cpp
#pragma once

#include <string>
#include <vector>

namespace ramoe {

/// The text with every dash of Unicode, as documents put them in place of "-", as "-".
std::string plain_dashes(const std::string& text);

/// Whether two names are the same but for capitals (of ASCII), dashes, underscores and blanks.
bool same_name(const std::string& a, const std::string& b);

/// The candidate that a mistyped `word` most likely stands for: one that begins or ends with it,
/// or else the one with the smallest edit distance (an exchange of two neighbours is one edit).
/// Empty if none is near. A third of the letters of the shorter one may be edited; of a code of
/// two letters none may, since most codes are that near to another, but one may be behind it.
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace ramoe
