#include "ch06_languages/pack.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "support/choices.h"
#include "support/config.h"
#include "support/error.h"
#include "support/files.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

const std::string kAdvice = "; make the file again with data/make_packs.py.";

/// Reads members of one JSON file; every error names the file and the key.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  const Json& member(const Json& object, const std::string& key, const std::string& where) const {
    const std::string full = where.empty() ? key : where + "/" + key;
    check(object.is_object(), path_, ": ", where.empty() ? "the whole file" : where,
          " should be an object {...}", kAdvice);
    check(object.contains(key), path_, ": ", full, " is missing", kAdvice);
    return object.at(key);
  }

  std::string text(const Json& object, const std::string& key, const std::string& where) const {
    return as_text(member(object, key, where), where.empty() ? key : where + "/" + key);
  }

  std::string as_text(const Json& value, const std::string& where) const {
    check(value.is_string(), path_, ": ", where, " should be text, not ", value.type_name(),
          kAdvice);
    std::string text = value.get<std::string>();
    check(!normalise_answer(text).empty(), path_, ": ", where, " is empty", kAdvice);
    check(to_nfc(text) == text, path_, ": ", where, " is not in Unicode form NFC", kAdvice);
    return text;
  }

  std::map<std::string, std::string> texts(const Json& object, const std::string& key) const {
    const Json& entries = member(object, key, "");
    check(entries.is_object(), path_, ": ", key, " should be an object {...}", kAdvice);
    std::map<std::string, std::string> found;
    for (const auto& [code, value] : entries.items())
      found[code] = as_text(value, key + "/" + code);
    return found;
  }

 private:
  const std::string& path_;
};

ListPattern read_list(const Reader& reader, const Json& file, const std::string& path) {
  const Json& object = reader.member(file, "list", "");
  const auto pattern = [&](const char* key) {
    const std::string text = reader.text(object, key, "list");
    const std::size_t first = text.find("{0}"), second = text.find("{1}");
    check(first == 0 && second != std::string::npos && second + 3 == text.size() && second > 3,
          path, ": list/", key, " = \"", text,
          "\" should be {0}, a separator, {1}; such as \"{0}, {1}\"", kAdvice);
    return text;
  };
  return {pattern("2"), pattern("start"), pattern("middle"), pattern("end")};
}

std::map<std::string, std::string> read_numbers(const Reader& reader, const Json& file,
                                                const std::string& path) {
  const Json& words = reader.member(file, "numbers", "");
  check(words.is_array() && words.size() == largest_number + 1, path,
        ": numbers should be a list of the words for 0 to ", largest_number, kAdvice);
  std::map<std::string, std::string> numbers;
  for (std::size_t i = 0; i < words.size(); ++i)
    numbers[std::to_string(i)] = reader.as_text(words[i], cat("numbers/", i));
  return numbers;
}

void check_distinct(const LanguagePack& pack) {
  for (const auto& [kind, names] : pack.names) {
    std::map<std::string, std::string> key_of;
    for (const auto& [key, name] : names) {
      const auto [other, is_new] = key_of.emplace(normalise_answer(name), key);
      check(is_new, pack.path, ": ", name_of(kind), "/", other->second, " and ", name_of(kind), "/",
            key, " have the same name \"", name, "\", which makes answers ambiguous; give one of ",
            "them another name in data/overrides.json and make the pack again.");
    }
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
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
  check(found != of_kind.end(), path, ": ", name_of(kind), "/", key, " is missing", kAdvice);
  return found->second;
}

const std::string& LanguagePack::number(int value) const {
  check(value >= 0 && value <= largest_number, "no pack has a word for ", value,
        "; numbers go from 0 to ", largest_number, ".");
  return name(Concept::numbers, std::to_string(value));
}

bool Territory::is_official(const std::string& language_code) const {
  return std::find(official.begin(), official.end(), language_code) != official.end();
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
  const Json file = read_json(path);
  const Reader reader(path);
  pack.checksum = checksum(read_file(path));
  pack.code = reader.text(file, "code", "");
  pack.english_name = reader.text(file, "english_name", "");
  pack.own_name = reader.text(file, "own_name", "");
  const Json& share = reader.member(file, "web_share", "");
  check(share.is_number() && share.get<double>() > 0 && share.get<double>() <= 100, path,
        ": web_share = ", share.dump(), " should be a percentage above 0", kAdvice);
  pack.web_share = share.get<double>();
  pack.list = read_list(reader, file, path);
  for (const Concept kind : every<Concept>())
    pack.names[kind] = kind == Concept::numbers ? read_numbers(reader, file, path)
                                                : reader.texts(file, name_of(kind));
  check_distinct(pack);
  return pack;
}

World load_world(const std::string& path) {
  World world;
  world.path = path;
  const Json file = read_json(path);
  const Reader reader(path);
  world.checksum = checksum(read_file(path));
  const Json& territories = reader.member(file, "territories", "");
  check(territories.is_object() && !territories.empty(), path,
        ": territories should be an object {code: facts} that is not empty", kAdvice);
  for (const auto& [code, facts] : territories.items()) {
    const std::string where = "territories/" + code;
    Territory t;
    t.subregion = reader.text(facts, "subregion", where);
    if (facts.contains("currency")) t.currency = reader.text(facts, "currency", where);
    if (facts.contains("language")) t.language = reader.text(facts, "language", where);
    const Json& official = reader.member(facts, "official", where);
    check(official.is_array(), path, ": ", where, "/official should be a list", kAdvice);
    for (const Json& language : official)
      t.official.push_back(reader.as_text(language, where + "/official"));
    world.territories[code] = t;
  }
  const Json& emoji = reader.member(file, "emoji", "");
  check(emoji.is_object() && emoji.size() >= 8, path,
        ": emoji should be an object {emoji: group} of at least 8", kAdvice);
  for (const auto& [key, group] : emoji.items()) {
    world.emoji.push_back(key);
    world.emoji_group[key] = reader.as_text(group, "emoji/" + key);
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
  const auto is_code = [&](const std::string& text) {
    return std::find(available.begin(), available.end(), text) != available.end();
  };
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
    if (std::find(available.begin(), available.end(), code) == available.end()) {
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
