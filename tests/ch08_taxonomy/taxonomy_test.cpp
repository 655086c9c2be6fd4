#include "ch08_taxonomy/taxonomy.h"

#include <gtest/gtest.h>

#include "ch07_divergence/small_world.h"
#include "support/compare.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

TEST(Taxonomy, TheFourTypes) {
  EXPECT_EQ(pair_type(true, true), PairType::cc);
  EXPECT_EQ(pair_type(true, false), PairType::ci);
  EXPECT_EQ(pair_type(false, true), PairType::ic);
  EXPECT_EQ(pair_type(false, false), PairType::ii);
  for (const PairType type : every<PairType>())
    EXPECT_EQ(from_name<PairType>(name_of(type), "type"), type);
  EXPECT_EQ(name_of(PairType::ci), "ci");
  for (const char* wrong : {"", "CI", "xx", "cic"})
    EXPECT_TRUE(
        mentions(error_of([&] { from_name<PairType>(wrong, "type"); }), "cc, ci, ic and ii"));
}

ClassifiedPair pair_of(PairType type) {
  return {"sums/1+1", "sw", "sums", type, "a", "b", false};
}

TEST(Taxonomy, CountsAndShares) {
  const TypeCounts none = count_types({});
  EXPECT_EQ(none.total(), 0);
  EXPECT_EQ(none.share(PairType::ci), 0);
  const TypeCounts counts =
      count_types({pair_of(PairType::ci), pair_of(PairType::cc), pair_of(PairType::ci),
                   pair_of(PairType::ii), pair_of(PairType::ci)});
  EXPECT_EQ(counts.total(), 5);
  EXPECT_EQ(counts.of(PairType::cc), 1);
  EXPECT_EQ(counts.of(PairType::ci), 3);
  EXPECT_EQ(counts.of(PairType::ic), 0);
  EXPECT_EQ(counts.of(PairType::ii), 1);
  EXPECT_NEAR(counts.share(PairType::ci), 0.6, 1e-15);
}

TEST(Taxonomy, RoundTripOfOddText) {
  const ScratchFolder folder;
  std::vector<ClassifiedPair> pairs = {
      {"sums/1+1", "sw", "sums", PairType::ci, "two\nlines \"quoted\" \\", "\t\x01 mbili", true},
      {"facts/KE/currency", "th", "facts", PairType::ii, "", "\xe0\xb8\xaa\xf0\x9f\x90\x99",
       false}};
  write_taxonomy(folder.file("taxonomy.jsonl"), pairs);
  const std::vector<ClassifiedPair> read = read_taxonomy(folder.file("taxonomy.jsonl"));
  ASSERT_EQ(read.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read[i].id, pairs[i].id);
    EXPECT_EQ(read[i].lang, pairs[i].lang);
    EXPECT_EQ(read[i].task, pairs[i].task);
    EXPECT_EQ(read[i].type, pairs[i].type);
    EXPECT_EQ(read[i].english_output, pairs[i].english_output);
    EXPECT_EQ(read[i].target_output, pairs[i].target_output);
    EXPECT_EQ(read[i].local, pairs[i].local);
  }
  write_taxonomy(folder.file("none.jsonl"), {});
  EXPECT_TRUE(read_taxonomy(folder.file("none.jsonl")).empty());
}

TEST(Taxonomy, BrokenUtf8OfAModelIsReplacedNotRefused) {
  const ScratchFolder folder;
  ClassifiedPair pair = pair_of(PairType::cc);
  pair.target_output = "ab\xe0\xb8 c\xff";
  write_taxonomy(folder.file("t"), {pair});
  EXPECT_EQ(read_taxonomy(folder.file("t"))[0].target_output, "ab\xef\xbf\xbd c\xef\xbf\xbd");
}

TEST(Taxonomy, BrokenLinesAreNamed) {
  const ScratchFolder folder;
  const std::string path = folder.file("taxonomy.jsonl");
  write_taxonomy(path, {pair_of(PairType::cc)});
  const std::string good = read_file(path);
  const auto error_with = [&](const std::string& second) {
    write_file(path, good + second + "\n");
    return error_of([&] { read_taxonomy(path); });
  };
  EXPECT_EQ(error_with(good.substr(0, good.size() - 1)), "no error");
  for (const std::string broken : {"{\"id\": \"a\"", "", "[1]", "7"})
    EXPECT_TRUE(mentions(error_with(broken), path + ", line 2")) << error_with(broken);
  EXPECT_TRUE(mentions(error_with("{\"id\": 3}"), path + ", line 2: id: expected text"));
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string line = good.substr(0, good.size() - 1);
    line.replace(line.find(from), from.size(), to);
    return error_with(line);
  };
  EXPECT_TRUE(mentions(replaced("\"target_output\"", "\"output\""),
                       path + ", line 2: target_output is missing"));
  EXPECT_TRUE(mentions(replaced("\"type\":\"cc\"", "\"type\":\"cx\""),
                       path + ", line 2: type of the taxonomy \"cx\""));
  const std::string local = replaced("\"local\":false", "\"local\":3");
  EXPECT_TRUE(mentions(local, path + ", line 2") && mentions(local, "local")) << local;
  EXPECT_TRUE(mentions(error_of([&] { read_taxonomy(folder.file("no")); }), folder.file("no")));
}

TEST(Classifier, FindsWhatTheModelWasTaught) {
  // English of items 0 and 1, Swahili of items 0 and 2: cc, ci, ic, ii.
  std::vector<ExamplePair> pairs = small_pairs();
  pairs[1].target.local = true;
  Model<float> model(small_model_config(), 1);
  teach(model, {pairs[0].english, pairs[1].english, pairs[0].target, pairs[2].target});
  Classifier<float> classifier(model, small_tokenizer(), 8);
  const std::vector<ClassifiedPair> found = classifier.classify(pairs);
  ASSERT_EQ(found.size(), 4u);
  const std::vector<PairType> wanted = {PairType::cc, PairType::ci, PairType::ic, PairType::ii};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(name_of(found[i].type), name_of(wanted[i])) << i;
    EXPECT_EQ(found[i].id, pairs[i].target.id);
    EXPECT_EQ(found[i].lang, "sw");
    EXPECT_EQ(found[i].task, "sums");
    EXPECT_EQ(found[i].local, i == 1);
    const Answer english = answer_questions(model, small_tokenizer(), {pairs[i].english}, 8)[0];
    const Answer target = answer_questions(model, small_tokenizer(), {pairs[i].target}, 8)[0];
    EXPECT_EQ(found[i].type, pair_type(english.correct, target.correct));
    EXPECT_EQ(found[i].english_output, english.output);
    EXPECT_EQ(found[i].target_output, target.output);
  }
}

TEST(Classifier, AsksEnglishOnce) {
  const std::vector<ExamplePair> pairs = small_pairs();
  Model<float> model(small_model_config(), 1);
  teach(model, {pairs[0].english});
  Classifier<float> classifier(model, small_tokenizer(), 8);
  EXPECT_EQ(classifier.classify({pairs[0], pairs[0]})[1].type, PairType::ci);
  // A second language: the English answer is remembered even if the model has forgotten it.
  Model<float> empty(small_model_config(), 5);
  model.copy_values(empty);
  EXPECT_EQ(classifier.classify({pairs[0]})[0].type, PairType::ci);
  EXPECT_EQ(Classifier(model, small_tokenizer(), 8).classify({pairs[0]})[0].type, PairType::ii);
}

TEST(Classifier, AnItemMayStandInSeveralPairs) {
  const std::vector<ExamplePair> pairs = small_pairs();
  Model<float> model(small_model_config(), 1);
  teach(model, {pairs[1].english});
  const std::vector<ClassifiedPair> found =
      Classifier(model, small_tokenizer(), 8).classify({pairs[0], pairs[0], pairs[1], pairs[1]});
  const std::vector<PairType> wanted = {PairType::ii, PairType::ii, PairType::ci, PairType::ci};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(name_of(found[i].type), name_of(wanted[i])) << i;
}

TEST(Classifier, APairOfTwoItemsIsAnError) {
  Model<float> model(small_model_config(), 1);
  std::vector<ExamplePair> pairs = small_pairs();
  std::swap(pairs[0].target, pairs[1].target);
  const std::string error =
      error_of([&] { Classifier(model, small_tokenizer(), 8).classify(pairs); });
  EXPECT_TRUE(mentions(error, "sums/1+1") && mentions(error, "sums/2+1")) << error;
}

}  // namespace
}  // namespace ramoe
