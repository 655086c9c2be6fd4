#include "ch06_languages/pack.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "support/choices.h"
#include "support/config.h"
#include "support/error.h"
#include "support/json_place.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

constexpr const char* kAdvice = "; make the file again with data/make_packs.py.";

using Place = JsonAt<Json>;

/// A text that is not empty, in NFC.
std::string text_at(const Place& at) {
  const std::string text = at.text();
  check(!normalise_answer(text).empty(), at.name(), " is empty", kAdvice);
  check(to_nfc(text) == text, at.name(), " is not in Unicode form NFC", kAdvice);
  return text;
}

std::map<std::string, std::string> texts_at(const Place& at) {
  std::map<std::string, std::string> texts;
  for (const auto& [key, member] : at.members()) texts[key] = text_at(member);
  return texts;
}

ListPattern read_list(const Place& list) {
  const auto pattern = [&](const char* key) {
    const std::string text = text_at(list[key]);
    const std::size_t first = text.find("{0}"), second = text.find("{1}");
    if (first != 0 || second == std::string::npos || second + 3 != text.size() || second == 3)
      list[key].expected("{0}, a separator, {1}, such as \"{0}, {1}\"");
    return text;
  };
  return {pattern("2"), pattern("start"), pattern("middle"), pattern("end")};
}

std::map<std::string, std::string> read_numbers(const Place& words) {
  if (words.list().size() != largest_number + 1)
    words.expected("a list of the words for 0 to ", largest_number);
  std::map<std::string, std::string> numbers;
  for (std::size_t i = 0; i < words.value.size(); ++i) numbers[cat(i)] = text_at(words[i]);
  return numbers;
}

void check_distinct(const LanguagePack& pack) {
  for (const auto& [kind, names] : pack.names) {
    std::map<std::string, std::string> key_of;
    for (const auto& [key, name] : names) {
      const auto [other, is_new] = key_of.emplace(normalise_answer(name), key);
      check(is_new, pack.path, ": ", name_of(kind), ".", other->second, " and ", name_of(kind), ".",
            key, " have the same name \"", name, "\", which makes answers ambiguous; give one of ",
            "them another name in data/overrides.json and make the pack again.");
    }
  }
}

}  // namespace

std::string ListPattern::separator(int i, int count) const {
  const std::string& pattern = count == 2 ? two : i == count - 2 ? end : i == 0 ? start : middle;
  return pattern.substr(3, pattern.size() - 6);  // without {0} and {1}
}

std::string ListPattern::join(const std::vector<std::string>& items) const {
  std::string text;
  const int count = static_cast<int>(items.size());
  for (int i = 0; i < count; ++i) {
    if (i > 0) text += separator(i - 1, count);
    text += items[static_cast<std::size_t>(i)];
  }
  return text;
}

const std::string& LanguagePack::name(Concept kind, const std::string& key) const {
  const auto& of_kind = names.at(kind);
  const auto found = of_kind.find(key);
  check(found != of_kind.end(), path, ": ", name_of(kind), ".", key, " is missing", kAdvice);
  return found->second;
}

const std::string& LanguagePack::number(int value) const {
  check(value >= 0 && value <= largest_number, "no pack has a word for ", value,
        "; numbers go from 0 to ", largest_number, ".");
  return name(Concept::numbers, std::to_string(value));
}

bool Territory::is_official(const std::string& language_code) const {
  return contains(official, language_code);
}

std::vector<std::string> World::keys(Concept kind) const {
  std::set<std::string> found;
  switch (kind) {
    case Concept::emoji:
      return emoji;
    case Concept::numbers: {
      std::vector<std::string> numbers;
      for (int i = 0; i <= largest_number; ++i) numbers.push_back(std::to_string(i));
      return numbers;
    }
    case Concept::operators:
      return {"plus", "minus"};
    case Concept::cues:
      return {"subregion", "currency", "language", "first", "last", "reverse", "repeat"};
    default:
      for (const auto& [code, t] : territories) {
        if (kind == Concept::territories) found.insert(code);
        if (kind == Concept::subregions) found.insert(t.subregion);
        if (kind == Concept::currencies && !t.currency.empty()) found.insert(t.currency);
        if (kind == Concept::languages && !t.language.empty()) found.insert(t.language);
      }
  }
  return {found.begin(), found.end()};
}

LanguagePack load_pack(const std::string& path) {
  LanguagePack pack;
  pack.path = path;
  pack.checksum = checksum(read_file(path));
  const Json file = read_json(path);
  const Place at{path, "", file, kAdvice};
  pack.code = text_at(at["code"]);
  pack.english_name = text_at(at["english_name"]);
  pack.own_name = text_at(at["own_name"]);
  pack.web_share = at["web_share"].number();
  if (!(pack.web_share > 0 && pack.web_share <= 100))
    at["web_share"].expected("a percentage above 0");
  pack.list = read_list(at["list"]);
  for (const Concept kind : every<Concept>()) {
    const Place names = at[name_of(kind)];
    pack.names[kind] = kind == Concept::numbers ? read_numbers(names) : texts_at(names);
  }
  check_distinct(pack);
  return pack;
}

World load_world(const std::string& path) {
  World world;
  world.path = path;
  world.checksum = checksum(read_file(path));
  const Json file = read_json(path);
  const Place at{path, "", file, kAdvice}, territories = at["territories"];
  if (territories.object().empty()) territories.expected("an object {code: facts}, not empty");
  for (const auto& [code, facts] : territories.members()) {
    Territory& t = world.territories[code];
    t.subregion = text_at(facts["subregion"]);
    if (facts.has("currency")) t.currency = text_at(facts["currency"]);
    if (facts.has("language")) t.language = text_at(facts["language"]);
    for (const Place& language : facts["official"].elements())
      t.official.push_back(text_at(language));
  }
  const Place emoji = at["emoji"];
  if (emoji.object().size() < 8) emoji.expected("an object {emoji: group} of at least 8");
  for (const auto& [key, group] : emoji.members()) {
    world.emoji.push_back(key);
    world.emoji_group[key] = text_at(group);
  }
  return world;
}

void check_names(const LanguagePack& pack, const World& world) {
  for (const Concept kind : every<Concept>())
    for (const std::string& key : world.keys(kind)) pack.name(kind, key);
}

std::vector<std::string> available_languages(const std::string& folder) {
  const std::string languages = folder + "/languages";
  std::error_code error;
  std::vector<std::string> codes;
  for (const auto& entry : std::filesystem::directory_iterator(languages, error))
    if (entry.path().extension() == ".json") codes.push_back(entry.path().stem().string());
  check(!error, "the folder ", languages, " cannot be read: ", error.message(),
        "; give the project's data folder with --data=FOLDER.");
  std::sort(codes.begin(), codes.end());
  return codes;
}

bool names_language(const std::string& text, const std::string& code,
                    const std::vector<std::string>& names) {
  return same_name(text, code) || std::any_of(names.begin(), names.end(), [&](const auto& name) {
           return normalise_answer(name) == normalise_answer(text);
         });
}

std::vector<std::string> language_codes(const std::string& folder,
                                        const std::vector<std::string>& given) {
  const std::vector<std::string> available = available_languages(folder);
  const auto is_code = [&](const std::string& text) { return contains(available, text); };
  std::vector<std::string> codes = given;
  for (std::string& code : codes) {
    if (is_code(code)) continue;
    for (const std::string& one : available) {
      const Json file = read_json(folder + "/languages/" + one + ".json");
      std::vector<std::string> names;
      for (const char* key : {"english_name", "own_name"})
        if (file.is_object() && file.contains(key) && file[key].is_string())
          names.push_back(file[key].get<std::string>());
      if (!names_language(code, one, names)) continue;
      code = one;
      break;
    }
  }
  return codes;
}

std::vector<LanguagePack> load_packs(const std::string& folder,
                                     const std::vector<std::string>& codes, const World& world) {
  const std::vector<std::string> available = available_languages(folder);
  check(!codes.empty(), "no language was given; there are ", joined(available), ".");
  std::vector<LanguagePack> packs;
  std::set<std::string> seen;
  for (const std::string& code : codes) {
    if (!contains(available, code)) {
      const std::string nearest = nearest_word(code, available);
      fail("there is no pack for the language \"", code, "\" in ", folder, "/languages",
           nearest.empty() ? "." : "; did you mean \"" + nearest + "\"?", " There are ",
           joined(available), "; `python3 data/make_packs.py --cldr PATH/cldr-json --languages ",
           code, "` makes another (data/SOURCES.md).");
    }
    check(seen.insert(code).second, "the language ", code, " is given twice; once is enough.");
    packs.push_back(load_pack(folder + "/languages/" + code + ".json"));
    check(packs.back().code == code, packs.back().path, ": code is \"", packs.back().code,
          "\", but the file is named for \"", code, "\"; rename the file or mend the code.");
    check_names(packs.back(), world);
  }
  return packs;
}

}  // namespace ramoe
