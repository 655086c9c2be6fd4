#include "ch06_languages/pack.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "ch06_languages/small_corpus.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

const std::vector<std::string> kSeven = {"en", "zh", "es", "ar", "th", "hi", "sw"};

/// A data folder of the test's own with Swahili changed by `change`.
class BadPack : public testing::Test {
 protected:
  void SetUp() override { make_folder(scratch_.file("languages")); }

  std::string error_with(const std::function<void(Json&)>& change) {
    Json pack = read_json(kData + "/languages/sw.json");
    change(pack);
    write_json(path_, pack);
    return error_of([&] { load(); });
  }
  std::vector<LanguagePack> load() const {
    return load_packs(scratch_.path(), {"sw"}, load_world(kData + "/world.json"));
  }

  const ScratchFolder scratch_;
  const std::string path_ = scratch_.file("languages/sw.json");
};

TEST(Pack, SevenLanguagesNameTheWholeWorld) {
  const World world = load_world(kData + "/world.json");
  const std::vector<LanguagePack> packs = load_packs(kData, kSeven, world);
  ASSERT_EQ(packs.size(), 7u);
  EXPECT_EQ(packs[6].name(Concept::territories, "KE"), "Kenya");
  EXPECT_EQ(packs[0].name(Concept::currencies, "KES"), "Kenyan Shilling");
  EXPECT_EQ(packs[0].number(27), "twenty-seven");
  EXPECT_EQ(packs[6].number(27), "ishirini na saba");
  EXPECT_EQ(packs[5].own_name, "हिन्दी");
  EXPECT_DOUBLE_EQ(packs[6].web_share, 0.0126);
  EXPECT_EQ(world.territories.at("KE").language, "sw");
  EXPECT_TRUE(world.territories.at("KE").is_official("en"));
  EXPECT_FALSE(world.territories.at("KE").is_official("ar"));
  EXPECT_GE(world.emoji.size(), 150u);
}

TEST(Pack, ChecksumFollowsTheBytes) {
  const LanguagePack pack = load_pack(kData + "/languages/sw.json");
  EXPECT_EQ(pack.checksum, checksum(read_file(kData + "/languages/sw.json")));
}

TEST(Pack, ListsAreJoinedByTheLanguagesPattern) {
  const ListPattern en = load_pack(kData + "/languages/en.json").list;
  EXPECT_EQ(en.join({}), "");
  EXPECT_EQ(en.join({"a"}), "a");
  EXPECT_EQ(en.join({"a", "b"}), "a and b");
  EXPECT_EQ(en.join({"a", "b", "c", "d"}), "a, b, c, and d");
  const ListPattern th = load_pack(kData + "/languages/th.json").list;
  EXPECT_EQ(th.join({"a", "b"}), "aและb");
  EXPECT_EQ(th.join({"a", "b", "c"}), "a b และc");
  const ListPattern distinct{"{0}2{1}", "{0}s{1}", "{0}m{1}", "{0}e{1}"};
  EXPECT_EQ(distinct.join({"A", "B", "C", "D", "E"}), "AsBmCmDeE");
}

TEST(Pack, NoNameHoldsASignThatQuestionsAreMadeWith) {
  const World world = load_world(kData + "/world.json");
  for (const LanguagePack& pack : load_packs(kData, kSeven, world))
    for (const auto& [kind, names] : pack.names)
      for (const auto& [key, name] : names)
        EXPECT_EQ(name.find_first_of(",:?=()[]"), std::string::npos) << pack.code << " " << name;
}

TEST_F(BadPack, UnchangedPackIsGood) {
  write_json(path_, read_json(kData + "/languages/sw.json"));
  EXPECT_EQ(load().size(), 1u);
}

TEST_F(BadPack, MissingConceptNamesFileAndKey) {
  const std::string message = error_with([](Json& pack) { pack["territories"].erase("KE"); });
  expect_contains(message, path_);
  expect_contains(message, "territories.KE is missing");
}

TEST_F(BadPack, MissingCueNamesFileAndKey) {
  expect_contains(error_with([](Json& pack) { pack["cues"].erase("repeat"); }),
                  "cues.repeat is missing");
  expect_contains(error_with([](Json& pack) { pack.erase("emoji"); }), "emoji is missing");
  expect_contains(error_with([](Json& pack) { pack.erase("list"); }), "list is missing");
}

TEST_F(BadPack, EmptyNameAndWrongTypeNameTheKey) {
  expect_contains(error_with([](Json& pack) { pack["currencies"]["KES"] = " "; }),
                  "currencies.KES is empty");
  expect_contains(error_with([](Json& pack) { pack["currencies"]["KES"] = 3; }),
                  "currencies.KES: expected text, found 3; make the file again");
  expect_contains(error_with([](Json& pack) { pack["numbers"].erase(100); }),
                  "numbers: expected a list of the words");
  expect_contains(error_with([](Json& pack) { pack["web_share"] = -1; }),
                  "web_share: expected a percentage above 0, found -1");
  expect_contains(error_with([](Json& pack) { pack["web_share"] = "much"; }), "web_share");
  expect_contains(error_with([](Json& pack) { pack["territories"] = Json::array(); }),
                  "territories: expected an object");
  expect_contains(error_with([](Json& pack) { pack = Json::array(); }), "expected an object");
}

TEST_F(BadPack, ListPatternsNeedBothPlaces) {
  expect_contains(error_with([](Json& pack) { pack["list"]["end"] = "na {1}"; }),
                  "found \"na {1}\"");
  expect_contains(error_with([](Json& pack) { pack["list"]["2"] = "{0} na"; }), "list.2");
  expect_contains(error_with([](Json& pack) { pack["list"]["2"] = "{0}{1}"; }), "list.2");
  expect_contains(error_with([](Json& pack) { pack["list"].erase("middle"); }),
                  "list.middle is missing");
}

TEST_F(BadPack, TwoConceptsWithOneNameAreAmbiguous) {
  const std::string message =
      error_with([](Json& pack) { pack["emoji"]["🐙"] = "KIFARU"; });  // the rhinoceros, in capitals
  expect_contains(message, "emoji.🐙");
  expect_contains(message, "emoji.🦏");
  expect_contains(message, "same name");
}

TEST_F(BadPack, NamesMustBeNfc) {
  expect_contains(error_with([](Json& pack) { pack["own_name"] = "e\u0301"; }),
                  "own_name is not in");
}

TEST_F(BadPack, BrokenJsonNamesTheLine) {
  write_file(path_, "{\n \"code\": \"sw\",\n oops\n}\n");
  const std::string message = error_of([&] { load(); });
  expect_contains(message, path_);
  expect_contains(message, "line 3");
}

TEST_F(BadPack, FileNamedForAnotherLanguage) {
  expect_contains(error_with([](Json& pack) { pack["code"] = "es"; }),
                  "the file is named for \"sw\"");
}

TEST(Pack, UnknownLanguageGetsTheNearestAndTheList) {
  const World world = load_world(kData + "/world.json");
  const std::string message = error_of([&] { load_packs(kData, {"en", "swa"}, world); });
  expect_contains(message, "\"swa\"");
  expect_contains(message, "did you mean \"sw\"?");
  expect_contains(message, "ar, en, es, hi, sw, th, zh");
}

TEST(Pack, LanguageTwiceNoneAndNoFolder) {
  const World world = load_world(kData + "/world.json");
  expect_contains(error_of([&] { load_packs(kData, {"en", "en"}, world); }), "given twice");
  expect_contains(error_of([&] { load_packs(kData, {}, world); }), "no language was given");
  expect_contains(error_of([&] { load_packs("/nowhere", {"en"}, world); }), "/nowhere/languages");
}

TEST(Pack, NamesAndNumbersOutOfRange) {
  const LanguagePack pack = load_pack(kData + "/languages/en.json");
  expect_contains(error_of([&] { pack.name(Concept::emoji, "x"); }), "emoji.x is missing");
  expect_contains(error_of([&] { pack.number(101); }), "no pack has a word for 101");
  expect_contains(error_of([&] { pack.number(-1); }), "no pack has a word for -1");
}

TEST(Pack, BrokenWorldNamesFileAndKey) {
  const ScratchFolder scratch;
  const std::string path = scratch.file("world.json");
  Json world = read_json(kData + "/world.json");
  world["territories"]["KE"].erase("subregion");
  write_json(path, world);
  const std::string message = error_of([&] { load_world(path); });
  expect_contains(message, path);
  expect_contains(message, "territories.KE.subregion is missing");
  write_json(path, Json{{"territories", Json::object()}});
  expect_contains(error_of([&] { load_world(path); }), "not empty");
}

}  // namespace
}  // namespace ramoe
