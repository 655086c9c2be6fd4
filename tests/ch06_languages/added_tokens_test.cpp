// Added tokens, holes and whole pieces, by hand; real_tokenizers_test.cpp has them against the
// reference.
#include "ch06_languages/added_tokens.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "ch06_languages/small_tokenizer.h"
#include "formats/tokenizer_json.h"
#include "support/compare.h"
#include "support/json.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

TEST(Tokenizer, AHoleEncodesAndDecodesNothing) {
  TokenizerParts parts = small().parts();
  const int hole = static_cast<int>(parts.tokens.size());
  parts.tokens.push_back("");
  parts.tokens.push_back("zz");
  const Tokenizer tokenizer(parts);
  EXPECT_EQ(tokenizer.decode({hole, hole + 1, hole}), "zz");
  EXPECT_EQ(tokenizer.encode("hello"), small().encode("hello"));
  EXPECT_EQ(tokenizer.find_token(""), -1);
}

TEST(Tokenizer, AnAddedTokenMayHaveTheBytesOfAnOrdinaryOne) {
  TokenizerParts parts = small().parts();
  const int ordinary = small().find_token("aa"), added = static_cast<int>(parts.tokens.size());
  ASSERT_GE(ordinary, 0);
  parts.added.push_back({.id = added, .special = true, .in_vocab = false});
  parts.tokens.push_back("aa");
  const Tokenizer tokenizer(parts);
  EXPECT_EQ(tokenizer.find_token("aa"), ordinary);
  EXPECT_EQ(tokenizer.encode("aa"), std::vector<int>{ordinary});
  EXPECT_EQ(tokenizer.encode("aa", SpecialText::tokens), std::vector<int>{added});
  EXPECT_EQ(tokenizer.decode({ordinary, added}), "aaaa");
}

TEST(Tokenizer, ASpecialTokenPassedOverIsPassedOverWhole) {
  TokenizerParts parts = small().parts();
  for (const auto& [text, special] : {std::pair("#qz#", true), std::pair("qz", false)}) {
    parts.added.push_back({static_cast<int>(parts.tokens.size()), special});
    parts.tokens.push_back(text);
  }
  const int outer = static_cast<int>(parts.tokens.size()) - 2, inner = outer + 1;
  const Tokenizer tokenizer(parts);
  EXPECT_EQ(tokenizer.encode("#qz#", SpecialText::tokens), std::vector<int>{outer});
  EXPECT_EQ(tokenizer.encode("#qz#").size(), 4u);  // as `tokenizers`: no token inside it either
  EXPECT_EQ(tokenizer.encode("#qz").back(), inner);
}

TEST(Tokenizer, ANormalizedTokenMatchesWhatItsTextIsNormalisedTo) {
  TokenizerParts parts = small().parts();
  parts.nfc = true;
  const int id = static_cast<int>(parts.tokens.size());
  parts.added.push_back({.id = id, .special = false, .normalized = true});
  parts.tokens.push_back("e\u0301");
  EXPECT_EQ(Tokenizer(parts).encode("\u00E9"), std::vector<int>{id});
  EXPECT_EQ(Tokenizer(parts).encode("e\u0301"), std::vector<int>{id});
  parts.added.back().normalized = false;
  EXPECT_NE(Tokenizer(parts).encode("\u00E9"), std::vector<int>{id});
  EXPECT_EQ(Tokenizer(parts).encode("e\u0301"), std::vector<int>{id});
}

TEST(Tokenizer, IgnoreMergesTakesAWholePieceThatIsAToken) {
  TokenizerParts parts = small().parts();
  const int whole = static_cast<int>(parts.tokens.size());
  parts.tokens.push_back("zebra");  // no merge makes it
  EXPECT_EQ(Tokenizer(parts).encode("zebra").size(), 5u);
  parts.ignore_merges = true;
  EXPECT_EQ(Tokenizer(parts).encode("zebra"), std::vector<int>{whole});
  EXPECT_EQ(Tokenizer(parts).encode("zebras").size(), 6u);
  parts.added.push_back({.id = whole, .special = true, .in_vocab = false});
  EXPECT_EQ(Tokenizer(parts).encode("zebra").size(), 5u);  // not one of the vocabulary
}

TEST(Tokenizer, LongestAddedTokenWinsAndPlainOnesAlwaysMatch) {
  TokenizerParts parts = small().parts();
  for (const char* text : {"##", "###"}) {
    parts.added.push_back({static_cast<int>(parts.tokens.size()), false});
    parts.tokens.push_back(text);
  }
  const int two = static_cast<int>(parts.tokens.size()) - 2;
  EXPECT_EQ(Tokenizer(parts).encode("#####"), (std::vector<int>{two + 1, two}));
}

// "<a>" takes the white space behind it along, the two blanks that before them: where both want the
// same, nothing is left of the blanks, or less than nothing.
TEST(Tokenizer, WhiteSpaceBelongsToOneAddedToken) {
  TokenizerParts parts = small().parts();
  const int a = static_cast<int>(parts.tokens.size()), blanks = a + 1;
  parts.added.push_back({.id = a, .special = false, .rstrip = true});
  parts.added.push_back({.id = blanks, .special = false, .lstrip = true});
  parts.tokens.push_back("<a>");
  parts.tokens.push_back("  ");
  const Tokenizer tokenizer(parts);
  const std::vector<int> z = small().encode("z");
  const auto with_z = [&](std::vector<int> ids) {
    ids.insert(ids.end(), z.begin(), z.end());
    return ids;
  };
  EXPECT_EQ(tokenizer.encode("<a>  z"), with_z({a}));
  EXPECT_EQ(tokenizer.encode("<a> z"), with_z({a}));
  EXPECT_EQ(tokenizer.encode("   z").front(), blanks);
  const std::string error = error_of([&] { tokenizer.encode("<a>   z"); });
  EXPECT_TRUE(mentions(error, "(lstrip) lies within white space")) << error;
}

/// The sets of make_added_tokens_fixture.py, or of the file that RAMOE_ADDED_TOKENS names.
TEST(AddedTokens, SameIdsAsTheReferenceOrRefused) {
  const char* more = std::getenv("RAMOE_ADDED_TOKENS");
  const Json fixture =
      read_json(more ? more : RAMOE_SOURCE_DIR "/tests/formats/fixtures/added_tokens.json");
  const ScratchFolder scratch;
  int texts = 0, refused = 0, wrong = 0;
  for (const Json& set : fixture["sets"]) {
    Json file = fixture["base"];
    file["added_tokens"] = set["added"];
    if (set["nfc"] == true) file["normalizer"] = {{"type", "NFC"}};
    write_json(scratch.file("tokenizer.json"), file);
    const Tokenizer tokenizer = load_tokenizer(scratch.path());
    for (const Json& row : set["rows"])
      for (const auto& [at, special] :
           {std::pair(1, SpecialText::tokens), std::pair(2, SpecialText::plain)}) {
        const Json& wanted = row[std::size_t(at)];
        Json got;  // null: refused
        const std::string error =
            error_of([&] { got = Json(tokenizer.encode(row[0].get<std::string>(), special)); });
        ++texts;
        refused += got.is_null();
        if (got == wanted) continue;
        if (++wrong > 5) continue;
        ADD_FAILURE() << row[0].dump(-1, ' ', true) << " with " << set["added"].dump(-1, ' ', true)
                      << (set["nfc"] == true ? " NFC" : "") << ": " << got << " instead of "
                      << wanted << " " << error;
      }
  }
  EXPECT_EQ(wrong, 0) << "of " << texts;
  EXPECT_GE(texts, 1800);
  EXPECT_GE(refused, 5);
}

}  // namespace
}  // namespace ramoe
