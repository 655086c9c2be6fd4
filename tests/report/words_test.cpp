
#include <gtest/gtest.h>

#include "report/markup.h"
#include "report/page.h"
#include "support/files.h"
#include "support/texts.h"

namespace ramoe {
namespace {

TEST(Words, AreThoseOfTheGlossaryLetterByLetter) {
  const std::string glossary = read_file(RAMOE_SOURCE_DIR "/tutorial/glossary.md");
  std::string before;
  for (const Word& word : words()) {
    const std::size_t entry = glossary.find(cat("</a>**", word.name, "**"));
    ASSERT_NE(entry, std::string::npos) << word.name << " is not in tutorial/glossary.md";
    const std::string line = glossary.substr(entry, glossary.find('\n', entry) - entry);
    EXPECT_TRUE(line.ends_with(cat(") · ", word.meaning)))
        << line << "\nexpected at its end: " << word.meaning;
    EXPECT_NE(glossary.find(cat("<a id=\"", anchor_of(word.name), "\"></a>**", word.name, "**")),
              std::string::npos)
        << "the anchor of " << word.name;
    EXPECT_LT(before, anchor_of(word.name)) << "order";
    before = anchor_of(word.name);
  }
}

TEST(Words, OnlyThoseThatThePageUses) {
  EXPECT_EQ(words_html("<p class=\"ci\">Nothing that needs a word; a decision, circuits.</p>"), "");
  const std::string html = words_html("<p>The <b>Task experts</b> of ci.</p>");
  EXPECT_EQ(markup_offence(html), "");
  expect_contains(html, "<summary>Words used on this page</summary>");
  expect_contains(html, "<dt>ci</dt>");
  expect_contains(html, "<dt>expert</dt>");  // also in the plural
  expect_contains(html, "<dt>task experts</dt>");
  EXPECT_FALSE(mentions(html, "<dt>router</dt>"));
  EXPECT_FALSE(mentions(html, "http"));
}

TEST(Words, StandAtTheEndOfEveryPage) {
  const std::string page = html_page("Title", "<p>The gap of a cell.</p>\n");
  const std::size_t begin = page.find("<body>"), end = page.find("</html>");  // without the style
  EXPECT_EQ(markup_offence(page.substr(begin, end - begin)), "");
  expect_contains(page, "</dl>\n</details>\n</main>");
  EXPECT_FALSE(mentions(html_page("Title", "<p>None.</p>\n"), "<details"));
}

}  // namespace
}  // namespace ramoe
