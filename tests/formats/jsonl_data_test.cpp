#include "formats/jsonl_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

const std::string kPacks = std::string(RAMOE_SOURCE_DIR) + "/data";
constexpr std::array kSplits = {Split::adapt_train, Split::adapt_valid, Split::test};

Json question_row(const std::string& task, const std::string& id, const std::string& lang,
                  const std::string& question, const std::string& split = "") {
  Json json = {{"task", task}, {"id", id}, {"lang", lang}, {"question", question}, {"answer", id}};
  if (!split.empty()) json["split"] = split;
  return json;
}

class JsonlDataTest : public testing::Test {
 protected:
  std::string put(const std::string& name, const std::vector<Json>& rows) {
    std::string text;
    for (const Json& one : rows) text += one.dump() + "\n";
    write_file(scratch_.file(name), text);
    return scratch_.file(name);
  }
  /// Two tasks of `items` items each in English, Swahili and Thai.
  std::vector<Json> rows(int items = 20) {
    std::vector<Json> all;
    for (const std::string task : {"sum", "pick"})
      for (int i = 0; i < items; ++i)
        for (const std::string lang : {"sw", "en", "th"})
          all.push_back(question_row(task, std::to_string(i), lang, cat(task, " ", lang, " ", i)));
    return all;
  }
  JsonlConfig config(const std::vector<Json>& all) {
    JsonlConfig c;
    c.data = {put("a.jsonl", all)};
    c.packs = kPacks;
    return c;
  }
  std::string error(const std::vector<Json>& all) {
    return error_of([&] { JsonlData data(config(all)); });
  }
  /// Ids of a split in one language.
  static std::set<std::string> ids(const JsonlData& data, const std::string& lang,
                                   const std::string& task, Split split) {
    std::set<std::string> found;
    for (const Example& e : data.examples(lang, task, split)) found.insert(e.id);
    return found;
  }
  ScratchFolder scratch_;
};

TEST_F(JsonlDataTest, LanguagesTasksAndPairs) {
  const JsonlData data(config(rows()));
  EXPECT_EQ(data.languages(), (std::vector<std::string>{"en", "sw", "th"}));
  EXPECT_EQ(data.targets(), (std::vector<std::string>{"sw", "th"}));
  EXPECT_EQ(data.tasks_by_name(), (std::vector<std::string>{"sum", "pick"}));
  std::size_t n = 0;
  for (const Split split : kSplits) {
    const auto pairs = data.pairs("th", "sum", split);
    n += pairs.size();
    for (const ExamplePair& pair : pairs) {
      EXPECT_EQ(pair.english.id, pair.target.id);
      EXPECT_EQ(pair.english.question, "sum en " + pair.target.answer);
      EXPECT_EQ(pair.target.question, "sum th " + pair.target.answer);
      EXPECT_EQ(pair.target.lang + pair.english.lang, "then");
    }
  }
  EXPECT_EQ(n, 20u);
  EXPECT_TRUE(data.is_verified(data.examples("sw", "sum", Split::test)[0],
                               data.examples("sw", "sum", Split::test)[0].answer));
  expect_contains(error_of([&] { data.examples("sv", "sum", Split::test); }), "en sw th");
  expect_contains(error_of([&] { data.examples("sw", "sums", Split::test); }), "\"sum\"");
  expect_contains(error_of([&] { data.examples("sw", "sum", Split::base); }), "pre-training");
}

TEST_F(JsonlDataTest, SharesAreDealtBySeedWhateverTheOrderOfTheRows) {
  std::vector<Json> all = rows();
  JsonlConfig c = config(all);
  const JsonlData data(c);
  for (const std::string task : {"sum", "pick"}) {
    EXPECT_EQ(data.examples("sw", task, Split::adapt_train).size(), 10u);
    EXPECT_EQ(data.examples("sw", task, Split::adapt_valid).size(), 2u);
    EXPECT_EQ(data.examples("sw", task, Split::test).size(), 8u);
  }
  std::reverse(all.begin(), all.end());
  const JsonlData reversed(config(all));
  EXPECT_EQ(ids(data, "th", "sum", Split::test), ids(reversed, "th", "sum", Split::test));
  c.split_seed = 2;
  const JsonlData other(c);
  EXPECT_NE(ids(data, "th", "sum", Split::test), ids(other, "th", "sum", Split::test));
  c.adapt_share = 0.25;
  c.valid_share = 0;
  EXPECT_EQ(JsonlData(c).examples("sw", "sum", Split::adapt_train).size(), 5u);
  c.valid_share = 0.8;
  expect_contains(error_of([&] { JsonlData bad(c); }), "adapt_share + valid_share");
}

TEST_F(JsonlDataTest, NoTestQuestionIsTrainedOnInAnyLanguage) {
  // Besides the ids: the same question under another id, in one language only, and across tasks.
  std::vector<Json> all = rows(40);
  for (int i = 0; i < 40; ++i) {
    all.push_back(question_row("sum", cat("again", i), "en", cat("SUM  en ", i)));
    all.push_back(question_row("sum", cat("again", i), "sw", cat("otherwise ", i)));
    all.push_back(question_row("sum", cat("again", i), "th", cat("otherwise th ", i)));
    all.push_back(question_row("pick", cat("third", i), "en", cat("third ", i)));
    all.push_back(question_row("pick", cat("third", i), "sw", cat("otherwise ", i)));
    all.push_back(question_row("pick", cat("third", i), "th", cat("third th ", i)));
  }
  const JsonlData data(config(all));
  std::map<std::string, std::set<Split>> splits_of_question, splits_of_id;
  for (const std::string& task : data.tasks_by_name())
    for (const std::string& lang : data.languages())
      for (const Split split : kSplits)
        for (const Example& e : data.examples(lang, task, split)) {
          std::string question = e.question;
          if (question.starts_with("SUM  ")) question = "sum " + question.substr(5);
          splits_of_question[lang + question].insert(split);
          splits_of_id[e.id].insert(split);
        }
  for (const auto& [question, splits] : splits_of_question)
    EXPECT_EQ(splits.size(), 1u) << question;
  for (const auto& [id, splits] : splits_of_id) EXPECT_EQ(splits.size(), 1u) << id;
  EXPECT_EQ(splits_of_id.size(), 160u);
  for (const Split split : kSplits) EXPECT_FALSE(data.examples("th", "pick", split).empty());
}

TEST_F(JsonlDataTest, SplitsOfTheRowsAreKept) {
  std::vector<Json> all;
  for (int i = 0; i < 9; ++i)
    for (const std::string lang : {"en", "sw"})
      all.push_back(question_row("sum", cat(i), lang, cat(lang, i),
                                 i < 2   ? "adapt_train"
                                 : i < 5 ? "adapt_valid"
                                         : "test"));
  const JsonlData data(config(all));
  EXPECT_EQ(ids(data, "sw", "sum", Split::adapt_train), (std::set<std::string>{"sum/0", "sum/1"}));
  EXPECT_EQ(data.pairs("sw", "sum", Split::adapt_valid).size(), 3u);
  EXPECT_EQ(data.pairs("sw", "sum", Split::test).size(), 4u);

  auto mixed = all;
  mixed[1]["split"] = "test";
  expect_contains(error(mixed), "line 2: \"split\": the item sum/0 has another split");
  mixed[1].erase("split");
  expect_contains(error(mixed), "line 2: \"split\": the item sum/0 has another split, or none");
  auto leak = all;
  leak[17]["question"] = "SW0";  // the last test item asks in Swahili what the first asks in train
  const std::string text = error(leak);
  for (const char* part : {"sum/8", "sum/0", "sw", "another split"}) expect_contains(text, part);
}

TEST_F(JsonlDataTest, ItemsThatAreNotParallelAreRefused) {
  std::vector<Json> all = rows();
  auto twice = all;
  twice.push_back(question_row("sum", "3", "sw", "again"));
  expect_contains(error(twice), "line 121: \"id\": the item sum/3 in sw stands in ");
  expect_contains(error(twice), "line 10");
  auto foreign = all;
  foreign.push_back(question_row("sum", "99", "sw", "alone"));
  expect_contains(error(foreign), "line 121: \"lang\": the item sum/99 has no row in English");
  // English alone is no harm, and a target may lack an item.
  auto more = all;
  more.push_back(question_row("sum", "99", "en", "alone"));
  more.push_back(question_row("sum", "98", "en", "two"));
  more.push_back(question_row("sum", "98", "sw", "mbili"));
  const JsonlData data(config(more));
  std::size_t en = 0, sw = 0, th = 0;
  for (const Split split : kSplits) {
    en += data.examples("en", "sum", split).size();
    sw += data.examples("sw", "sum", split).size();
    th += data.pairs("th", "sum", split).size();
  }
  EXPECT_EQ(en, 22u);
  EXPECT_EQ(sw, 21u);
  EXPECT_EQ(th, 20u);

  more.push_back(question_row("third", "1", "en", "x"));
  more.push_back(question_row("third", "1", "sw", "y"));
  expect_contains(error(more), "no item of the task third in sw for test");
  std::erase_if(all, [](const Json& json) { return json["lang"] != "en"; });
  expect_contains(error(all), "English rows only");
  expect_contains(error_of([] { JsonlData none(JsonlConfig{}); }), "--data");
}

TEST_F(JsonlDataTest, SeveralFilesAreOne) {
  std::vector<Json> english, others;
  for (const Json& one : rows()) (one["lang"] == "en" ? english : others).push_back(one);
  JsonlConfig c = config(others);
  c.data.push_back(put("b.jsonl", english));
  EXPECT_EQ(JsonlData(c).pairs("sw", "sum", Split::test).size(), 8u);
  c.data.push_back(c.data[1]);
  expect_contains(error_of([&] { JsonlData twice(c); }), "stands in");
}

// Numbers and choices are compared by what they say, whatever they look like; words are not.
TEST_F(JsonlDataTest, AnswersThatReadOtherwiseThanInEnglishAreListed) {
  std::vector<Json> all = rows();
  for (Json& one : all) {
    const int i = std::stoi(one["id"].get<std::string>());
    const bool sum = one["task"] == "sum", sw = one["lang"] == "sw";
    one["extractor"] = sum ? "last_number" : "choice_letter";
    if (sum) one["answer"] = cat(sw ? "ni " : "it is ", 1000 + i, sw ? ",0" : ".0");
    if (!sum) one["answer"] = cat("(", char('A' + i % 4), ")");
  }
  EXPECT_TRUE(JsonlData(config(all)).other_answers().empty());
  all[9]["answer"] = "ni 1004";   // sum 3 in Swahili, line 10
  all[62]["answer"] = "B";        // pick 0 in Thai, line 63
  all[5]["extractor"] = "exact";  // words: sum 1 in Thai
  all[5]["answer"] = "otherwise";
  const JsonlData data(config(all));
  ASSERT_EQ(data.other_answers().size(), 2u);
  const OtherAnswer &pick = data.other_answers()[0], &sum = data.other_answers()[1];
  EXPECT_EQ(pick.id + pick.lang + pick.english + pick.target, "pick/0th(A)B");
  EXPECT_EQ(sum.id + sum.lang + sum.english + sum.target, "sum/3swit is 1003.0ni 1004");
  EXPECT_TRUE(sum.where.ends_with("a.jsonl, line 10")) << sum.where;
}

TEST_F(JsonlDataTest, GeneralTextFromFilesOrPacks) {
  JsonlConfig c = config(rows());
  const JsonlData packs(c);
  EXPECT_GT(packs.general_text("sw", 3).size(), 100u);
  EXPECT_EQ(packs.english_text(3)[5], packs.general_text("th", 3)[5].english);
  const auto text = [](const std::string& id, const std::string& lang, const std::string& words) {
    return Json{{"id", id}, {"lang", lang}, {"text", words}};
  };
  c.general = {
      put("g.jsonl", {text("1", "sw", "moja"), text("1", "en", "one"), text("2", "en", "two"),
                      text("3", "sw", "tatu"), text("3", "en", "three"), text("1", "xx", "un")})};
  const JsonlData mixed(c);
  const auto pairs = mixed.general_text("sw", 3);
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[1].english + pairs[1].target, "threetatu");
  EXPECT_EQ(mixed.english_text(3), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(mixed.general_text("th", 3)[5].target, packs.general_text("th", 3)[5].target);

  c.general = {put("g.jsonl", {text("1", "sw", "moja")})};
  expect_contains(error_of([&] { JsonlData bad(c); }), "line 1: \"id\": the text 1 has no row in");
  c.general = {put("g.jsonl", {text("1", "en", "one"), text("1", "en", "uno")})};
  expect_contains(error_of([&] { JsonlData bad(c); }), "line 2: \"id\": the text 1 in en stands");
  c.general.clear();
  c.packs = "/none";
  expect_contains(error_of([&] { JsonlData bad(c); }), "--general");
  c.packs = kPacks;
  auto other = rows();
  for (Json& json : other)
    if (json["lang"] == "th") json["lang"] = "qq";
  write_file(c.data[0], "");
  c.data = {put("a.jsonl", other)};
  const std::string missing = error_of([&] { JsonlData bad(c); });
  for (const char* part : {"in qq", "--general", "qq.json", "--packs"})
    expect_contains(missing, part);
}

TEST_F(JsonlDataTest, TheExamplesOfTheRepositoryAreSuchData) {
  JsonlConfig c;
  c.data = {kPacks + "/examples/sums.jsonl", kPacks + "/examples/currency.jsonl"};
  c.general = {kPacks + "/examples/general.jsonl"};
  const JsonlData data(c);
  EXPECT_EQ(data.languages(), (std::vector<std::string>{"en", "es", "sw"}));
  EXPECT_EQ(data.general_text("sw", 1).size(), 60u);
  for (const std::string& task : data.tasks_by_name())
    EXPECT_EQ(data.pairs("sw", task, Split::adapt_train).size(), 20u);
}

TEST_F(JsonlDataTest, ChecksumFollowsContentAndSettingsNotPaths) {
  const std::vector<Json> all = rows();
  JsonlConfig c = config(all);
  const std::string sum = JsonlData(c).checksum();
  c.data = {put("elsewhere.jsonl", all)};
  EXPECT_EQ(JsonlData(c).checksum(), sum);
  JsonlConfig seed = c;
  seed.split_seed = 2;
  EXPECT_NE(JsonlData(seed).checksum(), sum);
  auto changed = all;
  changed[7]["question"] = "another";
  c.data = {put("elsewhere.jsonl", changed)};
  EXPECT_NE(JsonlData(c).checksum(), sum);
}

}  // namespace
}  // namespace ramoe
