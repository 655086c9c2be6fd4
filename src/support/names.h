// Support - names as people type them: capitals, dashes and small typing errors.
// Tests: tests/support/names_test.cpp
#pragma once

#include <string>
#include <vector>

namespace ramoe {

/// The text with the dashes of Unicode, which word processors write for "-", replaced by "-".
std::string plain_dashes(const std::string& text);

/// Whether two names are equal if case (ASCII only), dashes, underscores and blanks are ignored.
bool same_name(const std::string& a, const std::string& b);

/// The candidate that a mistyped `word` most likely stands for: the only one that begins or ends
/// with it, or else the one with the smallest edit distance (a swap of two neighbours is one edit).
/// Empty if none is near. Up to a third of the letters of the shorter one may be edited. In a code
/// of two letters none may, since most codes differ by one letter only, but one may be appended.
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace ramoe
