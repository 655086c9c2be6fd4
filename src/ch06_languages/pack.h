// Chapter 6.5 - language packs: the words of one language, and the facts of the world
//
// A pack (data/languages/<code>.json) holds what tasks are built from: number words 0..100, the
// words for plus and minus, list patterns, and names of territories, subregions, currencies,
// languages and emoji; all from Unicode CLDR 47 (data/SOURCES.md). The few cue words that CLDR
// lacks
// ("currency", "repeat", ...) are hand-written and stand under a key that says so. The world
// (data/world.json) holds what is true in every language: Kenya - Eastern Africa - KES - Swahili.
// A pack must name every concept of the world, and no two of a kind alike: adding a language is
// adding one file. Tests: tests/ch06_languages/pack_test.cpp
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

namespace ramoe {

/// Kinds of names in a pack. `numbers` has the keys "0".."100", `operators` "plus" and "minus".
enum class Concept {
  territories,
  subregions,
  currencies,
  languages,
  emoji,
  numbers,
  operators,
  cues
};
/// The key of a kind in the pack's file.
constexpr auto names(Concept) {
  return std::array{"territories", "subregions", "currencies", "languages",
                    "emoji",       "numbers",    "operators",  "cues"};
}

/// CLDR list patterns with {0} and {1}: `two` for two items; otherwise start, middle..., end.
struct ListPattern {
  std::string two, start, middle, end;

  /// The items as a list in this language. One item: itself; none: empty.
  std::string join(const std::vector<std::string>& items) const;
  /// What stands between item i and i+1 of `count` items, as join() writes it.
  std::string separator(int i, int count) const;
};

inline constexpr int largest_number = 100;

struct LanguagePack {
  std::string code, english_name, own_name;
  double web_share = 0;  // percent of web pages
  ListPattern list;
  std::map<Concept, std::map<std::string, std::string>> names;
  std::string path, checksum;  // where it was read, and the checksum of its bytes

  /// The name of one concept. Error: unknown key, with file and key.
  const std::string& name(Concept kind, const std::string& key) const;
  /// The word for a number from 0 to largest_number. Error: out of range.
  const std::string& number(int value) const;
};

/// What is true of a territory. Currency and language may be empty: not every fact has a name.
struct Territory {
  std::string subregion, currency, language;  // M49 code, ISO 4217, main official language
  std::vector<std::string> official;          // languages official in the whole territory

  bool is_official(const std::string& language_code) const;
};

struct World {
  std::map<std::string, Territory> territories;  // by ISO 3166 code
  std::vector<std::string> emoji;                // in the order of the file
  std::map<std::string, std::string> emoji_group;
  std::string path, checksum;

  /// The keys that a pack must have for one kind, in a fixed order.
  std::vector<std::string> keys(Concept kind) const;
};

/// Reads a pack and checks it by itself: present keys, types, no empty name, list patterns with {0}
/// and {1}, 101 numbers, no two names of a kind alike after normalise_answer. Error: file and key.
LanguagePack load_pack(const std::string& path);

/// Reads the facts. Error: file and key.
World load_world(const std::string& path);

/// Checks that the pack names every concept of the world. Error: file and key of the first missing.
void check_names(const LanguagePack& pack, const World& world);

/// The packs of folder/languages/<code>.json in the order of `codes`, each with check_names.
/// Error: unknown language (with those there are and the nearest), a code given twice, none given.
std::vector<LanguagePack> load_packs(const std::string& folder,
                                     const std::vector<std::string>& codes, const World& world);

/// The given languages by their codes: a pack's code, English name or own name in any case is
/// understood; what is none of these stays as it is, for load_packs() to refuse.
std::vector<std::string> language_codes(const std::string& folder,
                                        const std::vector<std::string>& given);

/// Whether a text names a language: same_name() as its code, or equal to one of its names but for
/// case and white space.
bool names_language(const std::string& text, const std::string& code,
                    const std::vector<std::string>& names);

/// The codes of the packs in folder/languages, sorted. Error: no such folder.
std::vector<std::string> available_languages(const std::string& folder);

}  // namespace ramoe
