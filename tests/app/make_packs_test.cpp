// data/make_packs.py: what it says of a language that CLDR lacks, wholly or in part, and the rules
// that make plain words of CLDR's names (data/plain_names.py). Only making packs needs Python.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

const std::string kData = RAMOE_SOURCE_DIR "/data";

class MakePacks : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("python3 --version >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "python3 is not installed; only new packs need it";
  }

  /// Runs a command line of Python; its exit code. Both streams go to said().
  int python(const std::string& line) {
    const int status = std::system(
        ("PYTHONDONTWRITEBYTECODE=1 python3 " + line + " >" + scratch_.file("said") + " 2>&1")
            .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int make(const std::string& languages) {
    return python(kData + "/make_packs.py --cldr " + scratch_.path() + " --out " +
                  scratch_.file("out") + " --languages " + languages);
  }
  std::string said() const { return read_file(scratch_.file("said")); }

  void put(const std::string& path, const Json& value) {
    fs::create_directories(fs::path(scratch_.file(path)).parent_path());
    write_json(scratch_.file(path), value);
  }
  /// A checkout of cldr-json with the English names of languages and nothing else.
  void put_checkout() {
    fs::create_directories(scratch_.file("cldr-core/supplemental"));
    put_names("en", "languages", {{"en", "English"}, {"tr", "Turkish"}, {"sv", "Swedish"}});
  }
  void put_names(const std::string& lang, const std::string& kind, const Json& names) {
    put("cldr-localenames-full/main/" + lang + "/" + kind + ".json",
        {{"main", {{lang, {{"localeDisplayNames", {{kind, names}}}}}}}});
  }
  /// Turkish with four names, without rules for number words.
  void put_turkish() {
    put_names("tr", "languages", {{"tr", "Türkçe"}});
    put_names("tr", "territories", {{"KE", "Kenya"}, {"TZ", "Kenya"}, {"014", "Doğu/Afrika"}});
    const auto put_main = [&](const std::string& package, const std::string& name, Json value) {
      put(package + "/main/tr/" + name + ".json", {{"main", {{"tr", std::move(value)}}}});
    };
    put_main("cldr-numbers-full", "currencies", {{"numbers", {{"currencies", Json::object()}}}});
    put_main("cldr-misc-full", "listPatterns",
             {{"listPatterns", {{"listPattern-type-standard", Json::object()}}}});
    put_main("cldr-dates-full", "ca-gregorian",
             {{"dates", {{"calendars", {{"gregorian", Json::object()}}}}}});
    put("cldr-annotations-full/annotations/tr/annotations.json",
        {{"annotations",
          {{"annotations", {{"➕", {{"tts", {"artı"}}}}, {"➖", {{"tts", {"eksi"}}}}}}}}});
  }

  ScratchFolder scratch_;
};

TEST_F(MakePacks, ThePacksAreThoseThatTheChecksumsName) {
  EXPECT_EQ(python(kData + "/make_packs.py --check"), 0) << said();
}

TEST_F(MakePacks, ALanguageThatCldrDoesNotHaveIsNamedAndAFolderThatIsNoneToo) {
  EXPECT_EQ(make("tr"), 1);
  expect_contains(said(), "no folder cldr-core");
  put_checkout();
  EXPECT_EQ(make("qq"), 1);
  expect_contains(said(), "no such language in CLDR: \"qq\"");
  EXPECT_EQ(said().find("checkout"), std::string::npos) << said();
  EXPECT_EQ(make("Turkish"), 1);
  expect_contains(said(), "did you mean \"tr\"?");
  EXPECT_EQ(make("EN"), 1);
  expect_contains(said(), "did you mean \"en\"?");
  EXPECT_EQ(make("sv"), 1);  // a language of CLDR, but not of this checkout
  expect_contains(said(), "(Swedish), only 1 languages: en; take a full checkout");
}

TEST_F(MakePacks, AllThatALanguageLacksIsToldAtOnce) {
  put_checkout();
  put_turkish();
  EXPECT_EQ(make("tr,qq"), 1);
  for (const char* part :
       {"data/web_share.json: \"tr\"", "data/cues.json: \"tr\"", "subregion, currency",
        "number words: CLDR has no spell-out rules", "names that CLDR lacks: territories/AD, AE",
        "names that CLDR lacks: currencies/AED", "languages/", "names that CLDR lacks: emoji/",
        "territories: KE and TZ are both \"Kenya\"", "\"Doğu/Afrika\" holds a sign",
        "names/tr/KIND", "no such language in CLDR: \"qq\""})
    expect_contains(said(), part);
  EXPECT_FALSE(fs::exists(scratch_.file("out")));
}

/// An expression over the rules, and what it gives as text.
struct Rule {
  const char *what, *expression, *wanted;
};

TEST_F(MakePacks, RulesMakePlainNames) {
  const auto emoji = [](const Json& names) {
    Json annotations;
    for (const auto& [sign, texts] : names.items())
      annotations[sign] = {{"tts", {texts[0]}}, {"default", texts}};
    return annotations;
  };
  put("ja.json", emoji({{"🐵", {"サルの顔", "サル", "顔"}},
                        {"🐒", {"サル"}},
                        {"🐶", {"イヌの顔", "イヌ", "顔"}},
                        {"🐕", {"イヌ"}},
                        {"🐱", {"ネコの顔", "ネコ", "顔"}},
                        {"🐈", {"ネコ"}},
                        {"🐭", {"ネズミの顔", "顔"}},
                        {"🐮", {"ウシの顔", "顔"}},
                        {"🦊", {"キツネの顔", "キツネ", "動物", "顔"}},
                        {"🪟", {"窓"}}}));
  put("ru.json", emoji({{"🐵", {"морда обезьяны", "морда"}},
                        {"🐶", {"морда собаки", "морда"}},
                        {"🐱", {"морда кошки", "морда"}},
                        {"🐭", {"морда мыши", "морда"}},
                        {"🐮", {"морда коровы", "морда"}},
                        {"🦊", {"морда лисицы", "лис", "лисица"}},
                        {"🦁", {"морда льва", "грива", "лев", "знак зодиака"}},
                        {"🐺", {"морда волка", "животное"}},
                        {"🌻", {"подсолнух"}},
                        {"➕", {"знак сложения", "значок", "плюс"}},
                        {"➖", {"знак вычитания", "значок", "минус"}},
                        {"+", {"плюс", "знак плюса"}},
                        {"−", {"минус", "знак минуса"}}}));
  put("pt.json", emoji({{"➕", {"símbolo de adição", "sinal"}},
                        {"+", {"sinal de mais", "adição", "mais"}},
                        {"➖", {"símbolo de subtração", "sinal", "menos"}},
                        {"−", {"sinal de menos", "menos", "subtração"}}}));
  put("hi.json", emoji({{"🍌", {"केला, फल", "केला", "फल"}}}));
  write_file(
      scratch_.file("rules.py"),
      "import json, sys\n"
      "sys.path.insert(0, sys.argv[1])\n"
      "import plain_names as p\n"
      "of = lambda lang: p.EmojiNames(json.load(open(sys.argv[2] + '/' + lang + '.json')))\n"
      "def told(rule):\n"
      "    try:\n"
      "        return str(eval(rule))\n"
      "    except ValueError as error:\n"
      "        return 'fault ' + str(error)\n"
      "print(json.dumps([told(rule) for rule in json.load(open(sys.argv[2] + '/rules'))]))\n");
  const Rule rules[] = {
      {"a keyword inside the name", "of('ja').plain_name('🦊')", "キツネ"},
      {"not a face", "of('ja').plain_name('🪟')", "窓"},
      {"another case of the word", "of('ru').plain_name('🦊')", "лисица"},
      {"a vowel that comes and goes", "of('ru').plain_name('🦁')", "лев"},
      {"no keyword is the animal", "of('ru').plain_name('🐺')",
       "fault \"морда волка\" says \"face of\", and no keyword of CLDR is the animal's name"},
      {"a list", "of('hi').plain_name('🍌')", "केला"},
      {"beside the spoken minus", "of('pt').operators('menos')",
       "{'plus': 'mais', 'minus': 'menos'}"},
      {"a name of its own", "of('ru').operators('минус')", "{'plus': 'плюс', 'minus': 'минус'}"},
      {"no blank before the bracket", "p.without_explanation('コンゴ民主共和国(キンシャサ)')",
       "コンゴ民主共和国"},
      {"fullwidth", "p.without_explanation('ミャンマー（ビルマ）')", "ミャンマー"},
      {"as ever", "p.without_explanation('Myanmar (Burma)')", "Myanmar"},
      {"the brackets are the difference",
       "list(p.without_explanations({1: 'Kongo (Kinshasa)', 2: 'Kongo(Brazzaville)'}).values())",
       "['Kongo Kinshasa', 'Kongo Brazzaville']"},
      {"no sign of questions",
       "list(p.without_explanations({1: '刚果（金）', 2: '刚果（布）'}).values())",
       "['刚果（金）', '刚果（布）']"}};
  Json expressions;
  for (const Rule& rule : rules) expressions.push_back(rule.expression);
  put("rules", expressions);
  ASSERT_EQ(python(scratch_.file("rules.py") + " " + kData + " " + scratch_.path()), 0) << said();
  const Json results = parse_json(said());
  for (std::size_t i = 0; i < std::size(rules); ++i)
    EXPECT_EQ(results.at(i), rules[i].wanted) << rules[i].what;
}

}  // namespace
}  // namespace ramoe
