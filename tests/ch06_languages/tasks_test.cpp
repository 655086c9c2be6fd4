#include "ch06_languages/tasks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ch06_languages/small_corpus.h"
#include "support/texts.h"

namespace ramoe {
namespace {

class Tasks : public testing::Test {
 protected:
  Example ask(const std::string& id, const std::string& lang, const TaskForm& form = {}) const {
    return make_example(id, pack(lang), world_, form);
  }
  const LanguagePack& pack(const std::string& lang) const {
    const auto found = packs_.find(lang);
    if (found != packs_.end()) return found->second;
    return packs_[lang] = load_pack(kData + "/languages/" + lang + ".json");
  }
  const World world_ = load_world(kData + "/world.json");
  mutable std::map<std::string, LanguagePack> packs_;
};

TEST_F(Tasks, SumsInWords) {
  const Example en = ask("sums/27+12", "en");
  EXPECT_EQ(en.question, "twenty-seven plus twelve ?");
  EXPECT_EQ(en.answer, "thirty-nine");
  EXPECT_EQ(en.task, "sums");
  EXPECT_FALSE(en.local);
  const Example sw = ask("sums/27+12", "sw");
  EXPECT_EQ(sw.question, "ishirini na saba kuongeza kumi na mbili ?");
  EXPECT_EQ(sw.answer, "thelathini na tisa");
  EXPECT_EQ(ask("sums/30-30", "zh").answer, "〇");
  EXPECT_EQ(ask("sums/30-4", "es").question, "treinta menos cuatro ?");
}

TEST_F(Tasks, FactsInEachLanguage) {
  EXPECT_EQ(ask("facts/KE/currency", "en").question, "Kenya : currency ?");
  EXPECT_EQ(ask("facts/KE/currency", "en").answer, "Kenyan Shilling");
  EXPECT_EQ(ask("facts/KE/language", "sw").answer, "Kiswahili");
  EXPECT_EQ(ask("facts/KE/subregion", "es").answer, "África oriental");
  EXPECT_TRUE(ask("facts/KE/currency", "sw").local);
  EXPECT_FALSE(ask("facts/KE/currency", "es").local);
  EXPECT_EQ(ask("facts/LS/currency", "en").answer, "Lesotho Loti");  // an override of CLDR's order
}

TEST_F(Tasks, FollowInEachLanguage) {
  const Example repeat = ask("follow/repeat3/1f419", "en");
  EXPECT_EQ(repeat.question, "repeat three : octopus ?");
  EXPECT_EQ(repeat.answer, "octopus, octopus, and octopus");
  EXPECT_EQ(ask("follow/first/1f419,1f40d", "en").question, "first : octopus , snake ?");
  EXPECT_EQ(ask("follow/first/1f419,1f40d", "en").answer, "octopus");
  EXPECT_EQ(ask("follow/last/1f419,1f40d", "en").answer, "snake");
  EXPECT_EQ(ask("follow/reverse/1f419,1f40d,1f415", "en").answer, "dog, snake, and octopus");
  EXPECT_EQ(ask("follow/reverse/1f419,1f40d", "ar").answer, "ثعبان وأخطبوط");
  EXPECT_EQ(ask("follow/repeat2/1f415", "th").answer, "สุนัขและสุนัข");
}

TEST_F(Tasks, NeutralAnswersAreTheSameInEveryLanguage) {
  const TaskForm neutral = {.answers = AnswerForm::neutral};
  for (const char* lang : {"en", "sw"}) {
    EXPECT_EQ(ask("sums/27+12", lang, neutral).answer, "39");
    EXPECT_EQ(ask("sums/30-30", lang, neutral).answer, "0");
    EXPECT_EQ(ask("facts/KE/currency", lang, neutral).answer, "KES");
    EXPECT_EQ(ask("facts/KE/language", lang, neutral).answer, "sw");
    EXPECT_EQ(ask("facts/KE/subregion", lang, neutral).answer, "014");
    for (const char* id : {"sums/27+12", "facts/KE/currency", "follow/repeat3/1f419"})
      EXPECT_EQ(ask(id, lang, neutral).question, ask(id, lang).question);
    for (const char* id : {"follow/repeat3/1f419", "follow/reverse/1f419,1f40d"})
      EXPECT_EQ(ask(id, lang, neutral).answer, ask(id, lang).answer);
  }
  EXPECT_TRUE(ask("facts/KE/currency", "sw", neutral).local);
  EXPECT_FALSE(ask("facts/KE/currency", "es", neutral).local);
  EXPECT_TRUE(ask("facts/KE/currency", "sw", neutral).is_answered_by(" KES "));
  EXPECT_FALSE(ask("facts/KE/currency", "sw", neutral).is_answered_by("Shilingi ya Kenya"));
}

TEST_F(Tasks, QuestionsWithDigits) {
  const TaskForm digits = {.numbers = NumberForm::digits};
  EXPECT_EQ(ask("sums/27+12", "en", digits).question, "27 plus 12 ?");
  EXPECT_EQ(ask("sums/27+12", "sw", digits).question, "27 kuongeza 12 ?");
  EXPECT_EQ(ask("sums/27+12", "en", digits).answer, "thirty-nine");
  EXPECT_EQ(ask("follow/repeat3/1f419", "en", digits).question, "repeat 3 : octopus ?");
  EXPECT_EQ(ask("follow/repeat3/1f419", "sw", digits).question, "rudia 3 : pweza ?");
  const TaskForm both = {AnswerForm::neutral, NumberForm::digits};
  EXPECT_EQ(ask("sums/30-4", "es", both).question, "30 menos 4 ?");
  EXPECT_EQ(ask("sums/30-4", "es", both).answer, "26");
}

TEST_F(Tasks, SumIdsAreAllAndOnce) {
  const std::vector<std::string> ids = sum_ids(30);
  EXPECT_EQ(ids.size(), 435u + 465u);  // sum of 1..29, sum of 1..30
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size());
  for (const std::string& id : ids) EXPECT_NO_THROW(ask(id, "en"));
  EXPECT_EQ(sum_ids(2).size(), 1u + 3u);
  expect_contains(error_of([] { sum_ids(101); }), "101");
  expect_contains(error_of([] { sum_ids(1); }), "from 2");
}

TEST_F(Tasks, FactIdsHaveAnAnswer) {
  const std::vector<std::string> ids = fact_ids(world_);
  EXPECT_GT(ids.size(), 600u);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), "facts/CW/currency"),
            0);  // CLDR: no name everywhere
  const LanguagePack& hindi = pack("hi");
  for (const std::string& id : ids) EXPECT_FALSE(make_example(id, hindi, world_).answer.empty());
}

TEST_F(Tasks, FollowIdsAreDistinctBalancedAndSeeded) {
  const std::vector<std::string> ids = follow_ids(world_, 2630, 3, 7);
  EXPECT_EQ(ids.size(), 2630u);
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size());
  EXPECT_EQ(ids, follow_ids(world_, 2630, 3, 7));
  EXPECT_NE(ids, follow_ids(world_, 2630, 3, 8));
  std::map<std::string, int> verbs;
  for (const std::string& id : ids) {
    const Instruction instruction = parse_instruction(id);
    ++verbs[instruction.verb];
    const std::set<std::string> different(instruction.emoji.begin(), instruction.emoji.end());
    EXPECT_EQ(different.size(), instruction.emoji.size()) << id;
    EXPECT_LE(instruction.wanted().size(), 3u);
  }
  for (const char* verb : {"first", "last", "reverse"}) EXPECT_GT(verbs[verb], 700);
  EXPECT_EQ(verbs["repeat"], 320);  // all there are: 160 emoji, 2 or 3 times
}

TEST_F(Tasks, TooManyOrTooLongFollowItems) {
  expect_contains(error_of([&] { follow_ids(world_, 10'000'000, 3, 1); }), "there can be 4 to");
  expect_contains(error_of([&] { follow_ids(world_, 3, 3, 1); }), "3 follow items");
  expect_contains(error_of([&] { follow_ids(world_, 100, 5, 1); }), "longest_list");
  EXPECT_EQ(follow_ids(world_, 4, 2, 1).size(), 4u);
}

TEST_F(Tasks, IdsThatAreNoItems) {
  for (const char* id :
       {"", "sums", "sums/", "sums/3", "sums/a+b", "sums/3+", "sums/3+4/5", "facts/KE",
        "facts/KE/capital", "facts/QQ/currency", "facts/CW/currency", "follow/first",
        "follow/jump/1f419", "follow/first/zz", "follow/first/", "follow/repeat/1f419",
        "follow/repeat0/1f419", "follow/repeat2/1f419,1f40d", "chess/e4"})
    expect_contains(error_of([&] { ask(id, "en"); }),
                    std::string("\"") + id + "\" is not a task item");
  expect_contains(error_of([&] { ask("sums/90+90", "en"); }), "180");
  const TaskForm both = {AnswerForm::neutral, NumberForm::digits};
  expect_contains(error_of([&] { ask("sums/90+90", "en", both); }), "180");
  expect_contains(error_of([&] { ask("sums/120-90", "en", both); }), "120");
  expect_contains(error_of([&] { ask("follow/first/41,1f40d", "en"); }), "emoji.A is missing");
}

TEST_F(Tasks, TaskNames) {
  EXPECT_EQ(from_name<Task>("facts", "task"), Task::facts);
  EXPECT_EQ(task_of("follow/first/1f419,1f40d"), Task::follow);
  const std::string message = error_of([] { from_name<Task>("sumz", "task"); });
  expect_contains(message, "did you mean sums?");
  expect_contains(error_of([] { from_name<Task>("philosophy", "task"); }),
                  "there are sums, facts and follow");
}

TEST_F(Tasks, EveryAnswerFollowsItsInstruction) {
  const std::vector<std::string> ids = follow_ids(world_, 150, 4, 3);
  for (const char* lang : {"en", "zh", "es", "ar", "th", "hi", "sw"}) {
    const LanguagePack& words = pack(lang);
    for (const std::string& id : ids) {
      const Verdict verdict =
          follows(parse_instruction(id), make_example(id, words, world_).answer, words);
      EXPECT_TRUE(verdict.ok) << lang << " " << id << ": " << verdict.failed;
    }
  }
}

TEST_F(Tasks, VerifierSaysWhatFailed) {
  const LanguagePack& en = pack("en");
  const Instruction three = parse_instruction("follow/reverse/1f419,1f40d,1f415");
  const auto failed = [&](const char* output) { return follows(three, output, en).failed; };
  EXPECT_EQ(failed("dog, snake, and octopus"), "");
  EXPECT_EQ(failed("  DOG,  snake, and octopus "), "");
  EXPECT_EQ(failed("dog and snake").substr(0, 6), "count:");
  EXPECT_EQ(failed("").substr(0, 6), "count:");
  EXPECT_EQ(failed("octopus, snake, and dog").substr(0, 6), "order:");
  EXPECT_EQ(failed("dog, snake and octopus").substr(0, 10), "separator:");
  EXPECT_EQ(failed("dog snake octopus").substr(0, 10), "separator:");
  EXPECT_EQ(failed("dogsnakeoctopus").substr(0, 10), "separator:");
  EXPECT_EQ(failed("dog, snake, and pulpo").substr(0, 11), "vocabulary:");
  EXPECT_EQ(failed("a dog, snake, and octopus").substr(0, 11), "vocabulary:");
  EXPECT_EQ(failed("dog, snake, and octopus.").substr(0, 11), "vocabulary:");
  EXPECT_EQ(failed("dog, or snake, and octopus").substr(0, 11), "vocabulary:");
}

TEST_F(Tasks, VerifierPrefersTheLongestName) {
  // Thai writes "newspaper" as "books" and more letters.
  const LanguagePack& th = pack("th");
  const Instruction instruction = parse_instruction("follow/repeat2/1f4f0");
  EXPECT_TRUE(follows(instruction, "หนังสือพิมพ์และหนังสือพิมพ์", th).ok);
  EXPECT_EQ(follows(instruction, "หนังสือและหนังสือพิมพ์", th).failed.substr(0, 6), "order:");
}

}  // namespace
}  // namespace ramoe
