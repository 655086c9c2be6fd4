#include "support/config.h"

#include <gtest/gtest.h>

#include "support/json.h"
#include "support/texts.h"

namespace ramoe {
namespace {

struct Example {
  bool resume = false;
  int steps = 1000;
  std::uint64_t seed = 1;
  double lambda = 0.5;
  std::string family = "olmoe";
  std::string run = "runs/base";
  std::vector<std::string> languages = {"es", "sw"};
  std::vector<int> layers = {};
  std::vector<double> taus = {0.25};

  void list(FieldList& f) {
    f.add("resume", &resume, "continue");
    f.add("steps", &steps, "optimiser steps", {.least = 1, .most = 5000});
    f.add("seed", &seed, "of all draws");
    f.add("lambda", &lambda, "weight of alignment", {.least = 0});
    f.add("family", &family, "router family", {.choices = {"olmoe", "qwen3_moe", "qwen2_moe"}});
    f.add("run", &run, "folder");
    f.add("languages", &languages, "targets", {.choices = {"zh", "es", "sw"}});
    f.add("layers", &layers, "zone", {.least = 0, .most = 5});
    f.add("taus", &taus, "thresholds", {.most = 1});
  }
};

class Config : public testing::Test {
 protected:
  std::string flag_error(const std::string& flag) {
    return error_of([&] { fields_of(example_).read_flag(flag); });
  }
  std::string json_error(const std::string& json) {
    return error_of([&] { fields_of(example_).read_json(parse_json(json), "base.json"); });
  }
  void flag(const std::string& text) { fields_of(example_).read_flag(text); }

  Example example_;
};

TEST_F(Config, FlagsOfEachType) {
  for (const char* text :
       {"resume=true", "steps=7", "seed=18446744073709551615", "lambda=1e-2", "family=qwen3_moe",
        "run=a=b", "languages=zh,es", "layers=0,5", "taus=0.5,-1"})
    flag(text);
  EXPECT_TRUE(example_.resume);
  EXPECT_EQ(example_.steps, 7);
  EXPECT_EQ(example_.seed, 18446744073709551615u);
  EXPECT_EQ(example_.lambda, 0.01);
  EXPECT_EQ(example_.family, "qwen3_moe");
  EXPECT_EQ(example_.run, "a=b");
  EXPECT_EQ(example_.languages, (std::vector<std::string>{"zh", "es"}));
  EXPECT_EQ(example_.layers, (std::vector<int>{0, 5}));
  EXPECT_EQ(example_.taus, (std::vector<double>{0.5, -1}));
  flag("languages=");
  EXPECT_TRUE(example_.languages.empty());
  flag("languages=sw");
  EXPECT_EQ(example_.languages, std::vector<std::string>{"sw"});
  flag("run=12");  // text that looks like a number stays text
  EXPECT_EQ(example_.run, "12");
}

TEST_F(Config, JsonRoundTrip) {
  const Json wanted = parse_json(
      R"({"resume":false,"steps":1000,"seed":1,"lambda":0.5,"family":"olmoe","run":"runs/base",
          "languages":["es","sw"],"layers":[],"taus":[0.25]})");
  const Json written = fields_of(example_).to_json();
  EXPECT_EQ(written, wanted);
  Example read{.steps = 3, .lambda = 9, .languages = {}, .taus = {}};
  fields_of(read).read_json(parse_json(written.dump()), "base.json");
  EXPECT_EQ(fields_of(read).to_json(), wanted);
  fields_of(read).read_json(parse_json(R"({"lambda":2})"), "base.json");
  EXPECT_EQ(read.lambda, 2);
  EXPECT_EQ(read.steps, 1000);
}

TEST_F(Config, UnknownKeysSuggestTheNearest) {
  expect_contains(flag_error("lamda=1"), "unknown key \"lamda\"; did you mean \"lambda\"?");
  expect_contains(json_error(R"({"familly":"olmoe"})"), "base.json: unknown key \"familly\"");
  const std::string error = flag_error("temperature=1");
  expect_contains(error, "unknown key \"temperature\"; --help");
  expect_contains(flag_error("steps"), "--key=value");
  for (const char* text : {"lr=1", "learningrate=1"})
    EXPECT_EQ(flag_error(text).find("did you mean"), std::string::npos) << text;  // there is none
  expect_contains(flag_error("=3"), "unknown key");
}

TEST_F(Config, WrongTypesSayWhatIsExpected) {
  expect_contains(flag_error("resume=ja"), "resume = \"ja\" does not fit; expected true or false");
  for (const char* text :
       {"steps=1.5", "steps=many", "steps=", "steps=true", "layers=1,x", "layers=1,,2"})
    expect_contains(flag_error(text), "a whole number");
  for (const char* text : {"seed=-1", "seed=1.0"}) expect_contains(flag_error(text), "at least 0");
  for (const char* text : {"lambda=x", "lambda=nan", "lambda=", "taus=1;2"})
    expect_contains(flag_error(text), "a number");
  expect_contains(json_error(R"({"run":3})"), "expected text (folder)");
  expect_contains(json_error(R"({"layers":3})"), "expected a list");
  expect_contains(json_error(R"({"layers":[[1]]})"), "a whole number");
  expect_contains(json_error("[1]"), "a JSON object");
  expect_contains(flag_error("steps=\xff"), "a whole number");  // not UTF-8, yet an Error as others
}

TEST_F(Config, Ranges) {
  for (const char* text : {"steps=0", "steps=5001"})
    expect_contains(flag_error(text), "a number from 1 to 5000 (optimiser steps)");
  expect_contains(flag_error("lambda=-0.1"), "at least 0");
  expect_contains(flag_error("taus=0.5,1.5"), "at most 1");
  expect_contains(flag_error("layers=6"), "0 to 5");
  expect_contains(flag_error("layers=99999999999"), "2^31");
  expect_contains(flag_error("lambda=1e999"), "a number");
  EXPECT_EQ(fields_of(example_).to_json(), [] {
    Example fresh;
    return fields_of(fresh).to_json();
  }());
}

TEST_F(Config, Choices) {
  expect_contains(flag_error("family=qwen4_moe"),
                  "one of olmoe, qwen3_moe, qwen2_moe; did you mean qwen");
  expect_contains(flag_error("languages=es,fr"), "\"fr\"");
  EXPECT_EQ(example_.languages, (std::vector<std::string>{"es", "sw"}));
}

TEST_F(Config, HelpShowsKeyValueMeaningAndRange) {
  flag("steps=12");
  const std::string help = fields_of(example_).help();
  for (const char* part : {"--steps=12\n      optimiser steps [1 to 5000]\n",
                           "--lambda=0.5\n      weight of alignment [at least 0]\n",
                           "[olmoe | qwen3_moe | qwen2_moe]", "[at most 1]"})
    expect_contains(help, part);
  // What help shows can be given as it stands.
  for (const char* shown :
       {"--languages=es,sw\n", "--family=olmoe\n", "--taus=0.25\n", "--layers=\n"})
    expect_contains(help, shown);
}

TEST_F(Config, KeysAreUnique) {
  FieldList list = fields_of(example_);
  expect_contains(error_of([&] { list.add("steps", &example_.steps, "again"); }), "listed twice");
}

TEST(NearestWord, ByEditDistance) {
  const std::vector<std::string> words = {"lambda", "layers", "languages"};
  EXPECT_EQ(nearest_word("lambda", words), "lambda");
  EXPECT_EQ(nearest_word("lamda", words), "lambda");
  EXPECT_EQ(nearest_word("layer", words), "layers");
  EXPECT_EQ(nearest_word("alpha", words), "");
  EXPECT_EQ(nearest_word("", words), "");
  EXPECT_EQ(nearest_word("x", {}), "");
}

}  // namespace
}  // namespace ramoe
