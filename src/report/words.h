// Report - words that a reader may not know: a list at the end of every page
//
// A page must work offline and wherever it is copied to, so it holds the sentences themselves in
// place of links. The sentences are those of tutorial/glossary.md, letter by letter.
// Tests: tests/report/words_test.cpp
#pragma once

#include <string>
#include <vector>

namespace ramoe {

struct Word {
  const char *name, *meaning;
};
/// In alphabetical order.
const std::vector<Word>& words();

/// A folded list of the words that the page's text uses; nothing if it uses none.
std::string words_html(const std::string& body);

}  // namespace ramoe
