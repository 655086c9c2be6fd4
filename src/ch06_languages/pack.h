// Chapter 6.5 - language packs: the words of one language, and the facts of the world
//
// A pack (data/languages/<code>.json) holds what the tasks are built from: number words 0..100, the
// words for plus and minus, list patterns, and names of territories, subregions, currencies,
// languages and emoji; all from Unicode CLDR 47 (data/SOURCES.md). The few cue words that CLDR
// lacks ("currency", "repeat", ...) are handwritten and have a key that says so. The world
// (data/world.json) holds the facts of all languages: Kenya - Eastern Africa - KES - Swahili. A
// pack must name every concept of the world, and names of one kind must differ. To add a language,
// add one file. Tests: tests/ch06_languages/pack_test.cpp
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
/// The key of a kind in the file of a pack.
constexpr auto names(Concept) {
  return std::array{"territories", "subregions", "currencies", "languages",
                    "emoji",       "numbers",    "operators",  "cues"};
}

/// CLDR list patterns with {0} and {1}: `two` for two items; otherwise start, middle..., end.
struct ListPattern {
  std::string two, start, middle, end;

  /// The items as a list in this language. One item: itself; none: empty.
  std::string join(const std::vector<std::string>& items) const;
  /// The text between items i and i+1 of `count` items in join().
  std::string separator(int i, int count) const;
};

inline constexpr int largest_number = 100;

struct LanguagePack {
  std::string code, english_name, own_name;
  double web_share = 0;  // percent of web pages
  ListPattern list;
  std::map<Concept, std::map<std::string, std::string>> names;
  std::string path, checksum;  // its file, and the checksum of the file

  /// The name of one concept. Error: unknown key, with file and key.
  const std::string& name(Concept kind, const std::string& key) const;
  /// The word for a number from 0 to largest_number. Error: out of range.
  const std::string& number(int value) const;
};

/// The facts of a territory. Currency and language may be empty: not every fact has a name.
struct Territory {
  std::string subregion, currency, language;  // M49 code, ISO 4217, main official language
  std::vector<std::string> official;          // languages that are official in the whole territory

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

/// Reads a pack and checks it on its own: all keys present, types, no empty name, list patterns
/// with {0} and {1}, 101 numbers, no two equal names of a kind after normalise_answer. Error: names
/// file and key.
LanguagePack load_pack(const std::string& path);

/// Reads the facts. Error: names file and key.
World load_world(const std::string& path);

/// Error unless the pack names every concept of the world; names file and key of the first missing.
void check_names(const LanguagePack& pack, const World& world);

/// The packs folder/languages/<code>.json in the order of `codes`, checked with check_names. Error:
/// an unknown language (lists the known ones and suggests the nearest), a duplicate code, no code.
std::vector<LanguagePack> load_packs(const std::string& folder,
                                     const std::vector<std::string>& codes, const World& world);

/// The codes of the given languages. Accepts the code, English name or own name of a pack in any
/// case; anything else stays as it is, and load_packs() refuses it.
std::vector<std::string> language_codes(const std::string& folder,
                                        const std::vector<std::string>& given);

/// Whether a text names a language: same_name() with its code, or one of its names if case and
/// white space are ignored.
bool names_language(const std::string& text, const std::string& code,
                    const std::vector<std::string>& names);

/// The codes of the packs in folder/languages, sorted. Error: no such folder.
std::vector<std::string> available_languages(const std::string& folder);

}  // namespace ramoe
