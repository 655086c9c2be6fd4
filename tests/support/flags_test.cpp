// Command lines as people type them: what is meant is done, or the right form is said.
#include <gtest/gtest.h>

#include "support/config.h"
#include "support/json.h"
#include "support/texts.h"

namespace ramoe {
namespace {

using Words = std::vector<std::string>;

struct FlagsExample {
  bool resume = false;
  int steps = 1000, save_every = 500;
  std::uint64_t seed = 1;
  double lambda = 0.5;
  std::string method = "sft", run = "runs/base", prompt;
  std::vector<std::string> languages, data;
  std::vector<double> taus;

  void list(FieldList& f) {
    f.add("resume", &resume, "continue");
    f.add("steps", &steps, "optimiser steps", {0, 1e9});
    f.add("save_every", &save_every, "steps between checkpoints", {1, 1e9});
    f.add("seed", &seed, "of all draws");
    f.add("lambda", &lambda, "weight of alignment", {-10, 10});
    f.add("method", &method, "how", {.choices = {"sft", "ramoe"}});
    f.add("run", &run, "folder");
    f.add("prompt", &prompt, "text");
    f.add("languages", &languages, "targets");
    f.also("languages", {"language", "on"});
    f.add("data", &data, "files", {.paths = true});
    f.add("taus", &taus, "thresholds");
  }
};

/// The values after a command line, with the words that belong to no flag.
struct Read {
  FlagsExample values;
  Words words;
};
Read read(const Words& arguments) {
  Read result;
  FieldList fields = fields_of(result.values);
  const CommandLine line = fields.split(arguments);
  for (const CommandLine::Flag& flag : line.flags) fields.read_flag(flag);
  result.words = line.words;
  return result;
}
std::string error(const Words& arguments) {
  return error_of([&] { read(arguments); });
}

TEST(Flags, ManyFormsOfOneKey) {
  for (const Words& form : {Words{"--steps=5"},
                            {"--steps", "5"},
                            {"-steps=5"},
                            {"-steps", "5"},
                            {"--steps", "=5"},
                            {"\u2013steps=5"},
                            {"\u2014steps", "5"},
                            {"\u2013\u2013steps=5"},
                            {"--STEPS=5"},
                            {"--Steps:5"},
                            {"--steps=+5"},
                            {"--steps= 5"},
                            {"--steps=05"},
                            {"--steps=5e0"},
                            {"--steps\uFF1D5"},
                            {"--steps=9", "--steps=5"},
                            {"--", "--steps=5"}}) {
    EXPECT_EQ(read(form).values.steps, 5) << form[0];
    EXPECT_TRUE(read(form).words.empty()) << form[0];
  }
  for (const Words& form : {Words{"--save-every=7"}, {"--saveEvery", "7"}, {"--save\u2010every=7"}})
    EXPECT_EQ(read(form).values.save_every, 7) << form[0];
}

TEST(Flags, TruthValues) {
  for (const Words& form : {Words{"--resume"},
                            {"--resume=true"},
                            {"--resume", "true"},
                            {"--resume=yes"},
                            {"--resume=1"},
                            {"--resume=ON"},
                            {"--resume=True"},
                            {"-resume"},
                            {"--resume", "--steps=1"}})
    EXPECT_TRUE(read(form).values.resume) << form.back();
  for (const Words& form : {Words{"--resume", "--no-resume"},
                            {"--resume", "--no_resume"},
                            {"--resume=no"},
                            {"--resume", "false"},
                            {"--resume=0"}})
    EXPECT_FALSE(read(form).values.resume) << form.back();
  EXPECT_EQ(read({"--resume", "base.json"}).words, Words{"base.json"});
  for (const char* text : {"--resume=", "--resume=2", "--resume=ja"})
    expect_contains(error({text}), "expected true or false");
}

TEST(Flags, NumbersAsPeopleWriteThem) {
  EXPECT_EQ(read({"--seed=1e3"}).values.seed, 1000u);
  EXPECT_EQ(read({"--seed=007"}).values.seed, 7u);
  EXPECT_EQ(read({"--seed=18446744073709551615"}).values.seed, 18446744073709551615u);
  for (const char* form : {"--lambda=-0.5", "--lambda=-.5", "--lambda=\u22120.5", "--lambda=-5e-1"})
    EXPECT_EQ(read({form}).values.lambda, -0.5) << form;
  EXPECT_EQ(read({"--lambda", "-0.5"}).values.lambda, -0.5);
  EXPECT_EQ(read({"--lambda=2"}).values.lambda, 2);
  expect_contains(error({"--lambda=0,5"}), "write 0.5, with a point");
  expect_contains(error({"--steps=10,000"}), "write 10.000 or 10000");
  expect_contains(error({"--steps=1,000,000"}), "write 1000000");
  expect_contains(error({"--steps=10_000"}), "write 10000");
  for (const char* text : {"--steps=1.5", "--steps=5k", "--steps=0x10", "--steps=five",
                           "--steps=", "--steps=1e-3", "--steps=5.", "--steps=--5", "--steps=1e3x"})
    expect_contains(error({text}), "expected a whole number");
  expect_contains(error({"--steps=1e10"}), "below 2^31");
  for (const char* text : {"--seed=-1", "--seed=18446744073709551616", "--seed=1.0"})
    expect_contains(error({text}), "at least 0 and below 2^64");
  expect_contains(error({"--seed=1.0"}), "written 1");
  for (const char* text : {"--lambda=nan", "--lambda=inf", "--lambda=1e999", "--lambda=1/2"})
    expect_contains(error({text}), "a number");
  expect_contains(error({"--steps=-1"}), "from 0 to 1000000000");  // not 1e+09
}

TEST(Flags, Lists) {
  const Words wanted = {"en", "es", "sw"};
  for (const Words& form : {Words{"--languages=en,es,sw"},
                            {"--languages=en, es, sw"},
                            {"--languages=en es sw"},
                            {"--languages=[en, es, sw]"},
                            {"--languages=['en', 'es', \"sw\"]"},
                            {"--language=en,es,sw"},
                            {"--on", "en,es,sw"},
                            {"--languages", "en", "es", "sw"},
                            {"--languages=en,", "es,", "sw"},
                            {"--languages=en,es,sw,"},
                            {"--languages=en\uFF0Ces\u3001sw"}}) {
    EXPECT_EQ(read(form).values.languages, wanted) << form[0];
    EXPECT_TRUE(read(form).words.empty()) << form[0];
  }
  EXPECT_EQ(read({"--languages", "en", "es", "base.json"}).words, Words{"base.json"});
  EXPECT_TRUE(read({"--languages=en", "--languages="}).values.languages.empty());
  EXPECT_EQ(read({"--taus=0.25 -0.5"}).values.taus, (std::vector<double>{0.25, -0.5}));
  EXPECT_EQ(read({"--data=my texts/a.jsonl,b.jsonl"}).values.data,
            (Words{"my texts/a.jsonl", "b.jsonl"}));
  EXPECT_EQ(read({"--data", "a.jsonl", "b.jsonl"}).values.data, (Words{"a.jsonl", "b.jsonl"}));
}

TEST(Flags, TextStaysAsItIs) {
  EXPECT_EQ(read({"--run=a=b:c"}).values.run, "a=b:c");
  EXPECT_EQ(read({"--run", "12"}).values.run, "12");
  EXPECT_EQ(read({"--prompt=\u2013 so \u2212"}).values.prompt, "\u2013 so \u2212");
  EXPECT_EQ(read({"--prompt", "- hello"}).values.prompt, "- hello");
  EXPECT_EQ(read({"--prompt="}).values.prompt, "");
  for (const char* form : {"--method=RaMoE", "--method=ra-moe", "--method=RAMOE"})
    EXPECT_EQ(read({form}).values.method, "ramoe") << form;
}

TEST(Flags, WhatIsNotUnderstoodSaysTheRightForm) {
  expect_contains(error({"--steps"}), "--steps lacks its value; write --steps=VALUE");
  expect_contains(error({"--steps", "--resume"}), "write --steps=VALUE");
  expect_contains(error({"--run=", "x"}), "write --run=x");
  expect_contains(error({"--steps+5"}), "--key=value");
  expect_contains(error({"--stpes=5"}), "did you mean \"steps\"?");
  expect_contains(error({"--max_steps=5"}), "did you mean \"steps\"?");
  expect_contains(error({"--no-steps"}), "unknown key \"no-steps\"");
  EXPECT_EQ(read({"base.json", "-5", "-", "--steps=2"}).words, (Words{"base.json", "-5", "-"}));
}

TEST(Flags, KnowWhichKeysWereGiven) {
  FlagsExample example;
  FieldList fields = fields_of(example);
  fields.read_json(Json{{"steps", 1000}, {"lambda", 2}}, "run.json");
  fields.read_flag("seed=1");
  EXPECT_EQ(fields.given({"steps", "lambda", "seed", "run"}), (Words{"lambda", "seed"}));
}

}  // namespace
}  // namespace ramoe
