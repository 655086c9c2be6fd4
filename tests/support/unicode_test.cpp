#include "support/unicode.h"

#include <gtest/gtest.h>

#include "support/files.h"
#include "support/json.h"

namespace ramoe {
namespace {

/// What Python's unicodedata says; made by data/make_unicode_tables.py --fixture.
Json expected() {
  return read_json(RAMOE_SOURCE_DIR "/tests/formats/fixtures/unicode.json");
}

template <class Visit>
void for_every_code_point(const Visit& visit) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c < 0xD800 || c > 0xDFFF) visit(c);
  }
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

TEST(Unicode, VersionIsTheFixtures) {
  EXPECT_EQ(unicode_version(), expected()["unicode"].get<std::string>());
}

TEST(Unicode, Utf8RoundTripOfEveryCodePoint) {
  for_every_code_point([](char32_t c) {
    const std::string text = encode_utf8(std::u32string(1, c));
    const CodePoint read = read_utf8(text, 0);
    ASSERT_TRUE(read.valid && read.value == c && read.bytes == text.size()) << std::hex << int(c);
  });
  EXPECT_EQ(encode_utf8(U"a\U0001F419z"), "a\xF0\x9F\x90\x99z");
}

TEST(Unicode, WhatIsNoCharacterIsWrittenAsReplacement) {
  EXPECT_EQ(encode_utf8(std::u32string{0xD800, 0x110000}), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Unicode, BrokenUtf8ReadsAsReplacementsLikePython) {
  const Json rows = expected()["broken"];
  ASSERT_GE(rows.size(), 150u);
  for (const Json& row : rows) {
    const std::string bytes = from_hex(row[0].get<std::string>());
    EXPECT_EQ(encode_utf8(decode_utf8(bytes)), row[1].get<std::string>()) << row[0];
  }
}

TEST(Unicode, BrokenPartsAreMarkedAndTakeTheirBytes) {
  const std::string text =
      "\xE2\x82"
      "A";  // the euro sign without its last byte
  const CodePoint c = read_utf8(text, 0);
  EXPECT_FALSE(c.valid);
  EXPECT_EQ(c.bytes, 2u);
  EXPECT_EQ(read_utf8(text, 2).value, U'A');
  EXPECT_TRUE(read_utf8("\xEF\xBF\xBD", 0).valid);  // a written U+FFFD is a character
}

TEST(Unicode, NfcOfStrings) {
  const Json rows = expected()["nfc"];
  ASSERT_GE(rows.size(), 150u);
  for (const Json& row : rows) {
    EXPECT_EQ(to_nfc(row[0].get<std::string>()), row[1].get<std::string>()) << row;
    EXPECT_EQ(to_nfc(row[1].get<std::string>()), row[1].get<std::string>()) << row;
  }
  EXPECT_EQ(to_nfc("e\u0302\u0323"), "\u1EC7");  // Vietnamese, marks in the odd order
  EXPECT_EQ(to_nfc("\u1112\u1161\u11AB"), "\uD55C");
  EXPECT_EQ(to_nfc("\u0958"), "\u0915\u093C");  // a composition exclusion
  EXPECT_EQ(to_nfc("a\xFF"
                   "b"),
            "a\uFFFD"
            "b");
}

TEST(Unicode, NfcOfEveryCodePoint) {
  std::string alone, among_marks;
  for_every_code_point([&](char32_t c) {
    alone += to_nfc(encode_utf8(std::u32string(1, c))) + "\n";
    among_marks += to_nfc(encode_utf8(std::u32string{U'o', c, 0x301, 0x323})) + "\n";
  });
  const Json sums = expected()["every_code_point"];
  EXPECT_EQ(checksum(alone), sums["nfc"].get<std::string>());
  EXPECT_EQ(checksum(among_marks), sums["nfc_among_marks"].get<std::string>());
}

TEST(Unicode, LowerCaseClassAndDigitOfEveryCodePoint) {
  std::string lower, classes, words, digits;
  for_every_code_point([&](char32_t c) {
    append_utf8(lower, to_lower(c));
    classes += "-LMNS"[static_cast<int>(char_class(c))];
    words += is_word(c) ? 'w' : '-';
    digits += digit_value(c) < 0 ? '-' : static_cast<char>('0' + digit_value(c));
  });
  const Json sums = expected()["every_code_point"];
  EXPECT_EQ(checksum(words), sums["words"].get<std::string>());
  EXPECT_EQ(checksum(lower), sums["lower"].get<std::string>());
  EXPECT_EQ(checksum(classes), sums["classes"].get<std::string>());
  EXPECT_EQ(checksum(digits), sums["digits"].get<std::string>());
}

TEST(Unicode, VowelSignsAreMarks) {
  EXPECT_EQ(char_class(0x093F), CharClass::mark);    // Devanagari i
  EXPECT_EQ(char_class(0x0E34), CharClass::mark);    // Thai i
  EXPECT_EQ(char_class(0x0664), CharClass::number);  // Arabic four
  EXPECT_EQ(char_class(0x3000), CharClass::white_space);
  EXPECT_EQ(char_class(0x3002), CharClass::other);  // ideographic full stop
}

TEST(NormaliseAnswer, AsPython) {
  const Json rows = expected()["answer"];
  ASSERT_GE(rows.size(), 150u);
  for (const Json& row : rows) {
    EXPECT_EQ(normalise_answer(row[0].get<std::string>()), row[1].get<std::string>()) << row;
  }
}

TEST(NormaliseAnswer, CaseSpaceAndForm) {
  EXPECT_EQ(normalise_answer("  Kenyan\u00A0\t Shilling\n"), "kenyan shilling");
  EXPECT_EQ(normalise_answer("CAFE\u0301"), normalise_answer("caf\u00E9"));
  EXPECT_EQ(normalise_answer(""), "");
  EXPECT_EQ(normalise_answer(" \u3000\n"), "");
  EXPECT_NE(normalise_answer("thirty-nine"), normalise_answer("thirty nine"));
}

TEST(NormaliseAnswer, TwiceIsOnce) {
  for_every_code_point([](char32_t c) {
    if (c >= 0x20000 && c % 64 != 0) return;  // ideographs, private use and nothing: a sample
    const std::string once = normalise_answer(encode_utf8(std::u32string{U'I', c, 0x307, 0x301}));
    ASSERT_EQ(normalise_answer(once), once) << std::hex << int(c);
  });
}

}  // namespace
}  // namespace ramoe
