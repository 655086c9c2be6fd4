#include "support/unicode.h"

#include <algorithm>
#include <iterator>

namespace ramoe {
namespace {

struct ClassRange {
  char32_t first, last;
  CharClass value;
};
struct CombiningRange {
  char32_t first, last;
  std::uint8_t value;
};
struct LowerRange {
  char32_t first, last, step;
  std::int32_t delta;
};
struct Decomposition {
  char32_t whole, first, second;
};

constexpr CharClass kL = CharClass::letter, kM = CharClass::mark, kN = CharClass::number,
                    kS = CharClass::white_space;
#include "support/unicode_tables.inc"

constexpr char32_t kReplacement = 0xFFFD;

/// The range that contains c, or null. Ranges are sorted and disjoint.
template <class Range, std::size_t n>
const Range* find_range(const Range (&ranges)[n], char32_t c) {
  const Range* range = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                        [](char32_t x, const Range& r) { return x < r.first; });
  if (range == std::begin(ranges)) return nullptr;
  --range;
  return c <= range->last ? range : nullptr;
}

std::uint8_t combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const CombiningRange* range = find_range(kCombining, c);
  return range ? range->value : std::uint8_t{0};
}

// Hangul syllables: 19 leading consonants (L) x 21 vowels (V) x 28 trailing ones (T, 0: none).
constexpr char32_t kSyllable0 = 0xAC00, kL0 = 0x1100, kV0 = 0x1161, kT0 = 0x11A7;
constexpr char32_t kLs = 19, kVs = 21, kTs = 28, kSyllables = kLs * kVs * kTs;

void decompose(char32_t c, std::u32string& out) {
  if (c >= kSyllable0 && c < kSyllable0 + kSyllables) {
    const char32_t s = c - kSyllable0;
    out += kL0 + s / (kVs * kTs);
    out += kV0 + s / kTs % kVs;
    if (s % kTs) out += kT0 + s % kTs;
    return;
  }
  const Decomposition* row =
      std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), c,
                       [](const Decomposition& d, char32_t x) { return d.whole < x; });
  if (c < 0xC0 || row == std::end(kDecompositions) || row->whole != c) {
    out += c;
    return;
  }
  decompose(row->first, out);
  if (row->second) decompose(row->second, out);
}

/// The primary composite of the two, or 0.
char32_t compose(char32_t a, char32_t b) {
  if (a >= kL0 && a < kL0 + kLs && b >= kV0 && b < kV0 + kVs) {
    return kSyllable0 + ((a - kL0) * kVs + (b - kV0)) * kTs;
  }
  if (a >= kSyllable0 && a < kSyllable0 + kSyllables && (a - kSyllable0) % kTs == 0 && b > kT0 &&
      b < kT0 + kTs) {
    return a + (b - kT0);
  }
  const auto before = [](std::uint16_t row, std::pair<char32_t, char32_t> pair) {
    const Decomposition& d = kDecompositions[row];
    return d.first != pair.first ? d.first < pair.first : d.second < pair.second;
  };
  const std::uint16_t* row =
      std::lower_bound(std::begin(kCompositions), std::end(kCompositions), std::pair(a, b), before);
  if (row == std::end(kCompositions)) return 0;
  const Decomposition& d = kDecompositions[*row];
  return d.first == a && d.second == b ? d.whole : 0;
}

/// Canonical ordering: each run of non-starters is sorted by combining class (stable).
void order_marks(std::u32string& text) {
  for (std::size_t i = 0; i < text.size();) {
    if (combining_class(text[i]) == 0) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    const auto at = [&](std::size_t k) { return text.begin() + static_cast<std::ptrdiff_t>(k); };
    std::stable_sort(at(i), at(end), [](char32_t x, char32_t y) {
      return combining_class(x) < combining_class(y);
    });
    i = end;
  }
}

/// Composes each character with the last starter unless a character between the two blocks it.
void compose_all(std::u32string& text) {
  constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t starter = kNone, written = 0;
  int class_between = -1;  // highest combining class since the starter; -1: nothing in between
  for (const char32_t c : text) {
    const int cc = combining_class(c);
    if (starter != kNone && class_between < cc) {
      if (const char32_t whole = compose(text[starter], c)) {
        text[starter] = whole;
        continue;
      }
    }
    if (cc == 0) {
      starter = written;
      class_between = -1;
    } else {
      class_between = cc;
    }
    text[written++] = c;
  }
  text.resize(written);
}

std::u32string nfc(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size() + text.size() / 2);
  for (const char32_t c : text) decompose(c, out);
  order_marks(out);
  compose_all(out);
  return out;
}

}  // namespace

std::string unicode_version() {
  return kUnicodeVersion;
}

CodePoint read_utf8(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;  // 0 ends any sequence
  };
  const unsigned lead = byte(at);
  if (lead < 0x80) return {lead, 1, true};
  if (lead < 0xC2 || lead > 0xF4) return {kReplacement, 1, false};
  const std::size_t wanted = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // After four lead bytes the range of the second byte is narrower: it excludes overlong forms,
  // surrogates and values above U+10FFFF.
  const unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t value = lead & (0xFFu >> (wanted + 1));
  for (std::size_t i = 1; i < wanted; ++i) {
    const unsigned next = byte(at + i);
    if (next < (i == 1 ? least : 0x80) || next > (i == 1 ? most : 0xBF)) {
      return {kReplacement, i, false};
    }
    value = value << 6 | (next & 0x3F);
  }
  return {value, wanted, true};
}

void append_utf8(std::string& out, char32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = kReplacement;
  const auto put = [&](char32_t byte) {
    out += static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = read_utf8(text, at);
    out += c.value;
    at += c.bytes;
  }
  return out;
}

std::string encode_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_utf8(out, c);
  return out;
}

CharClass char_class(char32_t c) {
  if (c < 0x80) {  // ASCII, the most frequent: no search
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') return CharClass::letter;
    if (c >= '0' && c <= '9') return CharClass::number;
    return c == ' ' || (c >= 9 && c <= 13) ? CharClass::white_space : CharClass::other;
  }
  const ClassRange* range = find_range(kClasses, c);
  return range ? range->value : CharClass::other;
}

bool is_letter(char32_t c) {
  return char_class(c) == CharClass::letter || char_class(c) == CharClass::mark;
}

bool is_latin_letter(char32_t c) {
  return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') ||
         (c >= 0x00C0 && c <= 0x024F && c != 0x00D7 && c != 0x00F7) || (c >= 0x1E00 && c <= 0x1EFF);
}

bool is_invisible(char32_t c) {
  return c == 0x00AD || c == 0x061C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
         (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF;
}

int digit_value(char32_t c) {
  const char32_t* after = std::upper_bound(std::begin(kDigitZeros), std::end(kDigitZeros), c);
  if (after == std::begin(kDigitZeros)) return -1;
  const char32_t digit = c - *(after - 1);
  return digit < 10 ? static_cast<int>(digit) : -1;
}

bool is_word(char32_t c) {
  const CharClass value = char_class(c);
  return value == CharClass::letter || value == CharClass::mark || find_range(kJoining, c);
}

char32_t to_lower(char32_t c) {
  const LowerRange* range = find_range(kLower, c);
  if (!range || (c - range->first) % range->step != 0) return c;
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + range->delta);
}

std::string to_nfc(std::string_view text) {
  const auto ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::all_of(text.begin(), text.end(), ascii)) return std::string(text);
  return encode_utf8(nfc(decode_utf8(text)));
}

std::string normalise_answer(std::string_view text) {
  std::u32string lower = nfc(decode_utf8(text));
  for (char32_t& c : lower) c = to_lower(c);
  // Lower case can create pairs that compose (capital I with dot, then an acute accent).
  lower = nfc(lower);
  std::u32string out;
  bool blank = false;
  for (const char32_t c : lower) {
    if (char_class(c) == CharClass::white_space) {
      blank = !out.empty();
      continue;
    }
    if (blank) out += U' ';
    blank = false;
    out += c;
  }
  return encode_utf8(out);
}

}  // namespace ramoe
