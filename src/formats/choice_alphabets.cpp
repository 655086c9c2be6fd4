#include "formats/choice_letter.h"
#include "formats/language_customs.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

/// Letters in the order of choices, for one language or for all.
struct ChoiceLetters {
  std::string_view lang;
  std::u32string_view letters;
};
constexpr ChoiceLetters kAlphabets[] = {
    {"mr", U"अबकड"},     {"", U"कखगघङ"},     {"", U"अबसद"},       {"", U"কখগঘঙ"},
    {"", U"ਕਖਗਘਙ"},      {"", U"અબકડ"},      {"", U"କଖଗଘଙ"},      {"", U"அஆஇஈஉ"},
    {"", U"అఆఇఈఉ"},      {"", U"ಅಆಇಈಉ"},     {"", U"അആഇഈഉ"},      {"", U"අආඇඈඉ"},
    {"", U"กขคงจ"},      {"", U"ກຂຄງຈ"},     {"", U"កខគឃង"},      {"", U"ကခဂဃင"},
    {"", U"أبجده"},      {"", U"אבגדה"},     {"", U"ሀለሐመሠ"},      {"", U"აბგდე"},
    {"", U"ԱԲԳԴԵ"},      {"", U"ΑΒΓΔΕ"},     {"", U"甲乙丙丁戊"}, {"", U"アイウエオ"},
    {"", U"ㄱㄴㄷㄹㅁ"}, {"", U"가나다라마"}};

/// A Cyrillic letter is the Latin one that it looks like, or else the one of its sound or its
/// index.
constexpr std::u32string_view kCyrillic = U"АВСЕНБГД", kAsLatin = U"ABCEHBDD";

struct LetterName {
  std::string_view languages;  // " fa ur ", or empty for all
  std::u32string_view word;
  char latin;
};
constexpr LetterName kNames[] = {{" fa ur ps sd ug ku ", U"الف", 'A'},
                                 {"", U"ए", 'A'},
                                 {"", U"बी", 'B'},
                                 {"", U"सी", 'C'},
                                 {"", U"डी", 'D'},
                                 {"", U"এ", 'A'},
                                 {"", U"বি", 'B'},
                                 {"", U"সি", 'C'},
                                 {"", U"ডি", 'D'},
                                 {"", U"એ", 'A'},
                                 {"", U"બી", 'B'},
                                 {"", U"સી", 'C'},
                                 {"", U"ડી", 'D'},
                                 {"", U"ஏ", 'A'},
                                 {"", U"பி", 'B'},
                                 {"", U"சி", 'C'},
                                 {"", U"டி", 'D'},
                                 {"", U"ఎ", 'A'},
                                 {"", U"ఏ", 'A'},
                                 {"", U"బి", 'B'},
                                 {"", U"సి", 'C'},
                                 {"", U"డి", 'D'},
                                 {"", U"ಎ", 'A'},
                                 {"", U"ಬಿ", 'B'},
                                 {"", U"ಸಿ", 'C'},
                                 {"", U"ಡಿ", 'D'},
                                 {"", U"എ", 'A'},
                                 {"", U"ബി", 'B'},
                                 {"", U"സി", 'C'},
                                 {"", U"ഡി", 'D'}};

bool is_cased(char32_t c) {
  return is_latin_letter(c) || (c >= 0x0370 && c <= 0x052F);
}

/// A number for the script of c: the cased scripts that look alike count as one.
int script_of(char32_t c) {
  if (is_cased(c)) return 1;
  if (c >= 0x0530 && c < 0x0590) return 2;                                    // Armenian
  if ((c >= 0x0600 && c < 0x0700) || (c >= 0x0750 && c < 0x0780)) return 11;  // Arabic
  if (c >= 0x1000 && c < 0x10A0) return 3;                                    // Burmese
  if (c >= 0x10A0 && c < 0x1100) return 4;                                    // Georgian
  if (c >= 0x1200 && c < 0x1380) return 5;                                    // Ethiopic
  if (c >= 0x3040 && c < 0x30A0) return 6;                                    // hiragana
  if (c >= 0x30A0 && c < 0x3100) return 7;                                    // katakana
  if (c >= 0x3130 && c < 0x3190) return 8;                                    // Hangul letters
  if (c >= 0x3400 && c < 0xA000) return 9;                                    // Han
  if (c >= 0xAC00 && c < 0xD7B0) return 10;                                   // Hangul syllables
  if (c >= 0x0590 && c < 0x2000) return 16 + static_cast<int>(c / 0x80);      // blocks of 128
  return 0;
}

/// A range of special letter shapes, its first plain letter, and whether they are enclosed.
struct LetterShape {
  char32_t first, last, plain;
  bool enclosed;
};
constexpr LetterShape kLetterShapes[] = {
    {0xFF01, 0xFF5E, U'!', false},  {0x249C, 0x24B5, U'a', true},   {0x24B6, 0x24CF, U'A', true},
    {0x24D0, 0x24E9, U'a', true},   {0x1F110, 0x1F129, U'A', true}, {0x1F130, 0x1F149, U'A', true},
    {0x1F150, 0x1F169, U'A', true}, {0x1F170, 0x1F189, U'A', true}, {0x1F1E6, 0x1F1FF, U'A', true},
    {0x32D0, 0x32D0, U'ア', true},  {0x32D1, 0x32D1, U'イ', true},  {0x32D2, 0x32D2, U'ウ', true},
    {0x32D3, 0x32D3, U'エ', true},  {0x32D4, 0x32D4, U'オ', true}};
/// In brackets (3200, 320E) and in circles (3260, 326E).
constexpr std::u32string_view kListJamo = U"ㄱㄴㄷㄹㅁ", kListSyllables = U"가나다라마";

void append_plain(std::u32string& out, char32_t c) {
  const auto enclose = [&](char32_t plain) { out.append({U'(', plain, U')'}); };
  for (const char32_t first : {0x3200u, 0x3260u}) {
    if (c >= first && c < first + 5) return enclose(kListJamo[c - first]);
    if (c >= first + 14 && c < first + 19) return enclose(kListSyllables[c - first - 14]);
  }
  if (c >= 0x1D400 && c <= 0x1D6A3) {  // mathematical alphabets, 26 capitals and 26 small ones
    const char32_t n = (c - 0x1D400) % 52;
    out += n < 26 ? U'A' + n : U'a' + n - 26;
    return;
  }
  for (const LetterShape& shape : kLetterShapes) {
    if (c < shape.first || c > shape.last) continue;
    const char32_t plain = shape.plain + (c - shape.first);
    return shape.enclosed ? enclose(plain) : void(out += plain);
  }
  out += c;
}

}  // namespace

Choice choice_of(std::string_view lang, char32_t letter) {
  if (letter == 0x0627) letter = 0x0623;  // alef without its hamza
  if (letter >= U'A' && letter <= U'J') return {letter, static_cast<char>(letter)};
  if (const std::size_t n = kCyrillic.find(letter); n != std::u32string_view::npos)
    return {letter, static_cast<char>(kAsLatin[n])};
  const std::string primary = primary_language(lang);
  for (const ChoiceLetters& alphabet : kAlphabets) {
    const std::size_t n = alphabet.letters.find(letter);
    if (n != std::u32string_view::npos && (alphabet.lang.empty() || alphabet.lang == primary))
      return {letter, static_cast<char>('A' + n)};
  }
  return {};
}

Choice choice_named(std::string_view lang, std::u32string_view word) {
  const std::string primary = " " + primary_language(lang) + " ";
  for (const LetterName& name : kNames) {
    const bool spoken =
        name.languages.empty() || name.languages.find(primary) != std::string_view::npos;
    // The name of alef in Persian means that letter; all others are the names of English letters.
    if (spoken && name.word == word)
      return {name.languages.empty() ? static_cast<char32_t>(name.latin) : U'أ', name.latin};
  }
  return {};
}

bool is_also_a_word(char32_t letter) {
  return std::u32string_view(U"ఆఈಆಈആഈ가나다").find(letter) != std::u32string_view::npos;
}

bool are_of_one_script(char32_t a, char32_t b) {
  return script_of(a) != 0 && script_of(a) == script_of(b);
}

std::u32string plain_letters(std::u32string_view text) {
  std::u32string plain;
  for (const char32_t c : text)
    if (!is_invisible(c) && c != 0x0640) append_plain(plain, c);  // 0640 only stretches letters
  return plain;
}

bool is_same_choice(const Choice& a, const Choice& b) {
  const bool native = a.letter >= 0x0400 && b.letter >= 0x0400;  // neither Latin nor Greek
  if (native && are_of_one_script(a.letter, b.letter)) return a.letter == b.letter;
  return a.latin == b.latin;
}

}  // namespace ramoe
