#include "ch06_languages/corpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ch06_languages/small_corpus.h"
#include "support/json.h"
#include "support/texts.h"

namespace ramoe {
namespace {

std::set<std::string> ids_of(const std::vector<Example>& examples) {
  std::set<std::string> ids;
  for (const Example& e : examples) ids.insert(e.id);
  return ids;
}

std::set<std::string> questions_of(const std::vector<Example>& examples) {
  std::set<std::string> questions;
  for (const Example& e : examples) questions.insert(e.question);
  return questions;
}

TEST(Corpus, SplitsShareTheIdsWithoutOverlap) {
  for (const Task task : every<Task>()) {
    std::set<std::string> all;
    std::size_t sum = 0;
    for (const Split split : every<Split>()) {
      const std::vector<std::string>& ids = corpus().ids(task, split);
      EXPECT_FALSE(ids.empty());
      all.insert(ids.begin(), ids.end());
      sum += ids.size();
    }
    EXPECT_EQ(all.size(), sum) << name_of(task);
    const std::size_t wanted = task == Task::sums    ? sum_ids(30).size()
                               : task == Task::facts ? fact_ids(corpus().world()).size()
                                                     : 450u;
    EXPECT_EQ(sum, wanted);
  }
  EXPECT_EQ(corpus().ids(Task::sums, Split::test).size(), 243u);  // 27 % of 900
  EXPECT_EQ(corpus().ids(Task::follow, Split::adapt_valid).size(), 20u);
}

TEST(Corpus, NothingOfTestOrAdaptIsInATargetsBase) {
  for (const std::string& lang : corpus().targets())
    for (const Task task : every<Task>()) {
      const std::vector<Example> base = corpus().base_examples(lang, task);
      const std::set<std::string> ids = ids_of(base), questions = questions_of(base);
      for (const Split split : {Split::adapt_train, Split::adapt_valid, Split::test})
        for (const Example& e : corpus().examples(lang, task, split)) {
          if (e.local) continue;
          EXPECT_FALSE(ids.contains(e.id)) << lang << " " << e.id;
          EXPECT_FALSE(questions.contains(e.question)) << lang << " " << e.question;
        }
    }
}

TEST(Corpus, TestIsDisjointFromAdaptAndHasNoLocalFact) {
  for (const std::string& lang : corpus().targets())
    for (const Task task : every<Task>()) {
      const std::vector<Example> test = corpus().examples(lang, task, Split::test);
      const std::set<std::string> ids = ids_of(test), questions = questions_of(test);
      EXPECT_EQ(questions.size(), test.size());
      EXPECT_GE(test.size(), 50u);
      for (const Example& e : test) EXPECT_FALSE(e.local) << lang << " " << e.id;
      for (const Split split : {Split::adapt_train, Split::adapt_valid})
        for (const Example& e : corpus().examples(lang, task, split)) {
          EXPECT_FALSE(ids.contains(e.id)) << lang << " " << e.id;
          EXPECT_FALSE(questions.contains(e.question)) << lang << " " << e.question;
        }
    }
}

TEST(Corpus, EnglishSeesNearlyAllAndNoRareOne) {
  for (const Task task : every<Task>()) {
    const std::set<std::string> seen = ids_of(corpus().base_examples("en", task));
    for (const Split split : every<Split>()) {
      const std::vector<std::string>& ids = corpus().ids(task, split);
      std::size_t count = 0;
      for (const std::string& id : ids) {
        count += seen.contains(id);
        EXPECT_FALSE(corpus().is_rare(id) && seen.contains(id)) << id;
      }
      EXPECT_GE(static_cast<double>(count), 0.65 * static_cast<double>(ids.size()));
    }
  }
}

TEST(Corpus, RareIdsAreFewAndSeenByNobody) {
  std::size_t rare = 0, all = 0;
  for (const Task task : every<Task>())
    for (const Split split : every<Split>())
      for (const std::string& id : corpus().ids(task, split)) {
        ++all;
        rare += corpus().is_rare(id);
      }
  EXPECT_GT(rare, all / 100);
  EXPECT_LT(rare, all / 15);
  for (const LanguagePack& pack : corpus().packs())
    for (const Task task : every<Task>())
      for (const Example& e : corpus().base_examples(pack.code, task))
        EXPECT_FALSE(corpus().is_rare(e.id)) << pack.code << " " << e.id;
}

TEST(Corpus, TargetsSeeTheirWeightOfBase) {
  EXPECT_DOUBLE_EQ(corpus().weight("en"), 1);
  EXPECT_NEAR(corpus().weight("sw"), 0.0879, 1e-3);  // (0.0126/41.7)^0.3
  const std::vector<std::string>& base = corpus().ids(Task::sums, Split::base);
  std::set<std::string> stronger;
  for (const char* lang : {"zh", "es", "ar", "th", "hi", "sw"}) {
    const double weight = corpus().weight(lang), n = static_cast<double>(base.size());
    const std::set<std::string> seen = ids_of(corpus().base_examples(lang, Task::sums));
    EXPECT_LE(static_cast<double>(seen.size()), weight * n + 1) << lang;
    EXPECT_GE(static_cast<double>(seen.size()), weight * n * 0.85) << lang;  // rare ones are out
    EXPECT_TRUE(stronger.empty() ||
                std::includes(stronger.begin(), stronger.end(), seen.begin(), seen.end()))
        << lang << " sees what a stronger language does not";
    stronger = seen;
  }
}

TEST(Corpus, ExponentZeroIsEqualSharesAndOneTheRawWeb) {
  CorpusConfig config = small_config();
  config.languages = {"en", "sw"};
  config.tasks = {"sums"};
  config.rare_share = 0;
  config.mixture_exponent = 0;
  EXPECT_EQ(load_corpus(config).base_examples("sw", Task::sums).size(), 405u);
  config.mixture_exponent = 1;
  EXPECT_EQ(load_corpus(config).base_examples("sw", Task::sums).size(), 1u);  // ceil(0.0003 * 405)
}

TEST(Corpus, LocalFactsAreSeenAtHomeFirst) {
  const std::set<std::string> ar = ids_of(corpus().base_examples("ar", Task::facts));
  const std::set<std::string> en = ids_of(corpus().base_examples("en", Task::facts));
  std::size_t local = 0, seen_by_english = 0;
  for (const Split split : every<Split>())
    for (const std::string& id : corpus().ids(Task::facts, split)) {
      if (!corpus().is_local(id, "ar") || corpus().is_rare(id)) continue;
      ++local;
      seen_by_english += en.contains(id);
      EXPECT_TRUE(ar.contains(id)) << id;
    }
  EXPECT_GT(local, 50u);
  // About as often as configured; with 50 draws two deviations are 0.12.
  const double share = static_cast<double>(seen_by_english) / static_cast<double>(local);
  EXPECT_NEAR(share, corpus().config().english_sees_local, 0.15);
  const auto adapt = corpus().examples("ar", Task::facts, Split::adapt_train);
  EXPECT_GT(adapt.size(), corpus().ids(Task::facts, Split::adapt_train).size());
  EXPECT_TRUE(std::any_of(adapt.begin(), adapt.end(), [](const Example& e) { return e.local; }));
}

TEST(Corpus, EnglishSeesLocalFactsAsOftenAsConfigured) {
  CorpusConfig config = small_config();
  config.tasks = {"facts"};
  config.rare_share = 0;
  config.english_sees_local = 1;
  EXPECT_EQ(load_corpus(config).base_examples("en", Task::facts).size(),
            fact_ids(corpus().world()).size());
  config.english_sees_local = 0;
  const Corpus none = load_corpus(config);
  const std::set<std::string> en = ids_of(none.base_examples("en", Task::facts));
  EXPECT_FALSE(en.contains("facts/TH/currency"));
  EXPECT_FALSE(
      en.contains("facts/KE/currency"));          // English is official there, Swahili the main one
  EXPECT_TRUE(en.contains("facts/SG/currency"));  // Chinese is official there, English the main one
}

TEST(Corpus, SameSeedSameCorpus) {
  const Corpus again = load_corpus(small_config());
  CorpusConfig other = small_config();
  other.data_seed = 2;
  const Corpus different = load_corpus(other);
  for (const Task task : every<Task>())
    for (const Split split : every<Split>()) {
      EXPECT_EQ(corpus().ids(task, split), again.ids(task, split));
      EXPECT_NE(corpus().ids(task, split), different.ids(task, split));
    }
  EXPECT_EQ(corpus().checksum(), again.checksum());
  EXPECT_NE(corpus().checksum(), different.checksum());
}

const Corpus& neutral_corpus() {
  static const Corpus shared = [] {
    CorpusConfig config = small_config();
    config.form = {AnswerForm::neutral, NumberForm::digits};
    return load_corpus(config);
  }();
  return shared;
}

TEST(Corpus, NeutralAnswersAndDigitsChangeTheTextsAndNothingElse) {
  for (const Task task : every<Task>()) {
    for (const Split split : every<Split>())
      EXPECT_EQ(neutral_corpus().ids(task, split), corpus().ids(task, split));
    for (const std::string& lang : corpus().languages())
      EXPECT_EQ(ids_of(neutral_corpus().base_examples(lang, task)),
                ids_of(corpus().base_examples(lang, task)));
  }
  for (const Task task : {Task::sums, Task::facts})
    for (const ExamplePair& pair : neutral_corpus().pairs("th", task, Split::test)) {
      EXPECT_EQ(pair.english.answer, pair.target.answer);
      EXPECT_NE(pair.english.question, pair.target.question);
    }
}

/// Answers that English and a target share: the questions alone keep what is held out apart.
TEST(Corpus, NoLanguageSeesAQuestionThatAnotherIsTestedOn) {
  std::map<std::string, std::set<std::string>> seen;  // by language
  for (const std::string& lang : neutral_corpus().languages())
    for (const Task task : every<Task>())
      seen[lang].merge(questions_of(neutral_corpus().base_examples(lang, task)));
  for (const std::string& lang : neutral_corpus().targets())
    for (const Task task : every<Task>())
      for (const Split split : {Split::adapt_train, Split::adapt_valid, Split::test})
        for (const Example& e : neutral_corpus().examples(lang, task, split))
          for (const auto& [other, questions] : seen)
            EXPECT_FALSE(questions.contains(e.question) && !(e.local && other == lang))
                << lang << " " << e.question << " is learnt in " << other;
}

TEST(Corpus, LanguagesThatAskAlikeAreRefusedWhereAnswersAreShared) {
  const World world = load_world(kData + "/world.json");
  std::vector<LanguagePack> packs = load_packs(kData, {"en", "sw"}, world);
  packs[1].names[Concept::operators]["plus"] = "plus";
  CorpusConfig config = small_config();
  config.tasks = {"sums"};
  EXPECT_NO_THROW(Corpus(packs, world, config));
  config.form.answers = AnswerForm::neutral;
  EXPECT_NO_THROW(Corpus(packs, world, config));  // the words for the numbers differ
  config.form.numbers = NumberForm::digits;
  const std::string message = error_of([&] { Corpus(packs, world, config); });
  expect_contains(message, "en and sw ask sums/");
  expect_contains(message, "expected --numbers=words");
}

TEST(Corpus, ItsFormIsInTheChecksumAndTheOldOneIsAsItWas) {
  std::set<std::string> checksums = {corpus().checksum(), neutral_corpus().checksum()};
  for (const TaskForm form : {TaskForm{.answers = AnswerForm::neutral},
                              TaskForm{.numbers = NumberForm::digits}}) {
    CorpusConfig config = small_config();
    config.form = form;
    checksums.insert(load_corpus(config).checksum());
  }
  EXPECT_EQ(checksums.size(), 4u);
  // That of the shipped base models, which were made before there were forms.
  CorpusConfig config;
  config.data = kData;
  EXPECT_EQ(load_corpus(config).checksum(),
            read_json(kData + "/models/olmoe/run.json")["data"]["corpus"].get<std::string>());
}

TEST(Corpus, ATasksSplitsDoNotDependOnTheOtherTasksOrLanguages) {
  CorpusConfig config = small_config();
  config.tasks = {"facts"};
  config.languages = {"sw", "en"};
  const Corpus small = load_corpus(config);
  EXPECT_EQ(small.ids(Task::facts, Split::test), corpus().ids(Task::facts, Split::test));
  EXPECT_EQ(ids_of(small.base_examples("sw", Task::facts)),
            ids_of(corpus().base_examples("sw", Task::facts)));
  expect_contains(error_of([&] { small.ids(Task::sums, Split::test); }), "without the task sums");
}

TEST(Corpus, PairsAreTheSameItemTwice) {
  const std::vector<ExamplePair> pairs = corpus().pairs("hi", Task::follow, Split::adapt_valid);
  EXPECT_EQ(pairs.size(), 20u);
  for (const ExamplePair& pair : pairs) {
    EXPECT_EQ(pair.english.id, pair.target.id);
    EXPECT_EQ(pair.english.lang, "en");
    EXPECT_EQ(pair.target.lang, "hi");
    EXPECT_NE(pair.english.question, pair.target.question);
  }
}

TEST(Corpus, ParallelTextIsWholeInEveryLanguage) {
  const std::vector<ParallelText> single = corpus().parallel_text();
  EXPECT_EQ(single.size(), corpus().world().emoji.size());
  std::set<std::string> english_side;
  for (const ParallelText& text : single) {
    EXPECT_EQ(text.text.size(), 7u);
    english_side.insert(text.text.at("en"));
  }
  EXPECT_EQ(english_side.size(), single.size());
  const std::vector<std::string> triples = corpus().english_text(3);
  EXPECT_EQ(triples.size(), single.size());
  EXPECT_NE(triples[0].find(", and "), std::string::npos);
  expect_contains(error_of([] { corpus().parallel_text(0); }), "0 names");
  expect_contains(error_of([] { corpus().english_text(1000); }), "1000 names");
}

TEST(Corpus, BadConfigsSayWhatToDo) {
  CorpusConfig config = small_config();
  config.languages = {"es", "sw"};
  expect_contains(error_of([&] { load_corpus(config); }), "add en to --languages");
  config = small_config();
  config.tasks = {"sums", "fact"};
  expect_contains(error_of([&] { load_corpus(config); }), "did you mean facts?");
  config.tasks = {"sums", "sums"};
  expect_contains(error_of([&] { load_corpus(config); }), "given twice");
  config.tasks = {};
  expect_contains(error_of([&] { load_corpus(config); }), "--tasks=");
  config = small_config();
  config.adapt_share = 0.8;
  expect_contains(error_of([&] { load_corpus(config); }), "too little for pre-training");
  config = small_config();
  config.follow_base = 100'000;
  expect_contains(error_of([&] { load_corpus(config); }), "follow items");
  expect_contains(error_of([&] { fields_of(config).read_flag("tasks=follw"); }),
                  "did you mean follow");
  expect_contains(error_of([] { corpus().example("sums/1+1", "swe"); }), "did you mean \"sw\"?");
  expect_contains(error_of([] { corpus().examples("sw", Task::sums, Split::base); }),
                  "base_examples");
}

}  // namespace
}  // namespace ramoe
