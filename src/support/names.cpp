#include "support/names.h"

#include <algorithm>
#include <array>

#include "support/choices.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// Lower case, without dashes, underscores and blanks.
std::string squeezed(const std::string& name) {
  std::string out;
  for (const char c : plain_dashes(name))
    if (c != '-' && c != '_' && c != ' ')
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

/// The number of insertions, deletions, replacements and swaps of neighbours from a to b.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1), last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

std::string plain_dashes(const std::string& text) {
  // Hyphens, dashes and minus signs: U+2010 to U+2015, U+2212, U+FE58, U+FE63, U+FF0D.
  static constexpr std::array kDashes = {"\u2010", "\u2011", "\u2012", "\u2013", "\u2014",
                                         "\u2015", "\u2212", "\uFE58", "\uFE63", "\uFF0D"};
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const bool dash = std::any_of(kDashes.begin(), kDashes.end(),
                                  [&](const char* one) { return text.compare(i, 3, one) == 0; });
    out += dash ? '-' : text[i];
    i += dash ? 3 : 1;
  }
  return out;
}

bool same_name(const std::string& a, const std::string& b) {
  return squeezed(a) == squeezed(b);
}

std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string given = squeezed(word);
  std::vector<std::string> begins;
  std::string best;
  std::size_t best_distance = given.size();
  for (const std::string& candidate : candidates) {
    const std::string known = squeezed(candidate);
    if (known == given) return candidate;
    if (given.size() >= 3 && (known.starts_with(given) || known.ends_with(given)))
      begins.push_back(candidate);
    const std::size_t shorter = std::min(given.size(), known.size());
    // For a code of two letters only an appended letter is a typing error: swa for sw, but not sx.
    const bool longer = shorter == 2 && given.size() == 3 && given.starts_with(known);
    const std::size_t most = shorter <= 2 ? longer : std::max<std::size_t>(1, shorter / 3);
    const std::size_t distance = edit_distance(given, known);
    if (distance > most || distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return begins.size() == 1 ? begins[0] : best;
}

std::size_t place_of(const std::string& name, const std::vector<std::string>& names,
                     const std::string& what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i)
    list += (i == 0 ? "" : i + 1 < names.size() ? ", " : " and ") + names[i];
  const std::string nearest = nearest_word(name, names);
  fail(what, " \"", name, "\" is unknown; there are ", list,
       nearest.empty() ? "." : "; did you mean " + nearest + "?");
}

}  // namespace ramoe
