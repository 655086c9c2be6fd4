#include "ch06_languages/mixture.h"

#include <gtest/gtest.h>

#include <set>

#include "ch06_languages/small_corpus.h"
#include "support/texts.h"

namespace ramoe {
namespace {

constexpr int kDraws = 20000;

TEST(Mixture, DocumentIsAFunctionOfItsNumber) {
  const Mixture one(corpus(), {}), two(corpus(), {});
  MixtureConfig config;
  config.mixture_seed = 2;
  const Mixture other(corpus(), config);
  int same = 0;
  for (std::uint64_t i = 500; i-- > 0;) {  // any order
    EXPECT_EQ(one.document(i).text(), two.document(i).text());
    same += one.document(i).text() == other.document(i).text();
  }
  EXPECT_LT(same, 20);
  EXPECT_EQ(one.document(~std::uint64_t{0}).text(), two.document(~std::uint64_t{0}).text());
}

/// The promise of the whole comparison: pre-training shows a target none of its test or adapt
/// items.
TEST(Mixture, NoTestOrAdaptItemOfATargetComesUp) {
  const Mixture mixture(corpus(), {});
  for (const std::string& lang : corpus().targets()) {
    std::set<std::string> ids, texts;  // every document that can come up in this language
    for (const Task task : every<Task>())
      for (const Document& d : mixture.qa_documents(lang, task)) {
        EXPECT_EQ(d.lang, lang);
        ids.insert(d.id);
        texts.insert(d.question);
        texts.insert(d.answer);
      }
    for (const Document& d : mixture.lexicon_documents()) {
      texts.insert(d.question);
      texts.insert(d.answer);
    }
    for (const Task task : every<Task>())
      for (const Split split : {Split::adapt_train, Split::adapt_valid, Split::test})
        for (const Example& e : corpus().examples(lang, task, split)) {
          if (e.local) continue;
          EXPECT_FALSE(ids.contains(e.id)) << lang << " " << e.id;
          EXPECT_FALSE(texts.contains(e.question)) << lang << " " << e.question;
        }
  }
}

TEST(Mixture, DrawsAreAmongTheEnumeratedDocuments) {
  const Mixture mixture(corpus(), {});
  std::set<std::string> known;
  for (const LanguagePack& pack : corpus().packs())
    for (const Task task : every<Task>())
      for (const Document& d : mixture.qa_documents(pack.code, task))
        known.insert(d.lang + d.id + d.text());
  for (const Document& d : mixture.lexicon_documents()) known.insert(d.lang + d.id + d.text());
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const Document d = mixture.document(i);
    if (d.kind == DocumentKind::names) {
      EXPECT_EQ(d.text().find_first_of("?=:"), std::string::npos) << d.text();
      EXPECT_TRUE(d.question.empty());
    } else {
      EXPECT_TRUE(known.contains(d.lang + d.id + d.text())) << d.text();
    }
  }
}

TEST(Mixture, SharesAreThoseOfTheConfig) {
  const Mixture mixture(corpus(), {});
  std::map<DocumentKind, double> kinds;
  std::map<std::string, double> languages, tasks;
  double english_side = 0, qa = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const Document d = mixture.document(i);
    kinds[d.kind] += 1.0 / kDraws;
    if (d.kind == DocumentKind::lexicon) english_side += d.id.find("/en") != std::string::npos;
    if (d.kind != DocumentKind::qa) continue;
    ++qa;
    ++languages[d.lang];
    ++tasks[d.id.substr(0, d.id.find('/'))];
  }
  // Five deviations of a share of 20,000 draws are below 0.018.
  EXPECT_NEAR(kinds[DocumentKind::qa], 0.6, 0.018);
  EXPECT_NEAR(kinds[DocumentKind::lexicon], 0.3, 0.018);
  EXPECT_NEAR(kinds[DocumentKind::names], 0.1, 0.018);
  EXPECT_NEAR(english_side / kDraws / kinds[DocumentKind::lexicon], 0.8, 0.03);
  EXPECT_NEAR(tasks["sums"] / qa, 0.5, 0.025);
  EXPECT_NEAR(tasks["facts"] / qa, 0.25, 0.02);
  double all = 0;
  for (const LanguagePack& pack : corpus().packs()) all += corpus().weight(pack.code);
  for (const LanguagePack& pack : corpus().packs())
    EXPECT_NEAR(languages[pack.code] / qa, corpus().weight(pack.code) / all, 0.025) << pack.code;
}

TEST(Mixture, LexiconHasEveryConceptInEveryPairBothWays) {
  const Mixture mixture(corpus(), {});
  const std::vector<Document> documents = mixture.lexicon_documents();
  std::size_t concepts = 0;
  for (const Concept kind : every<Concept>()) concepts += corpus().world().keys(kind).size();
  EXPECT_EQ(documents.size(), concepts * 7 * 6);
  std::set<std::string> texts;
  for (const Document& d : documents) texts.insert(d.text());
  for (const char* text : {"Kenya = Kenia", "Kenia = Kenya", "octopus = pweza", "plus = más",
                           "repeat = rudia", "tatu = three", "Kenyan Shilling = Shilingi ya Kenya"})
    EXPECT_TRUE(texts.contains(text)) << text;
  std::set<std::string> drawn;  // and in truth they come up: every concept, in both directions
  double lines = 0, to_english = 0, from_english = 0;
  for (std::uint64_t i = 0; i < 3 * kDraws; ++i) {
    const Document d = mixture.document(i);
    if (d.kind != DocumentKind::lexicon) continue;
    const std::string without_pair = d.id.substr(0, d.id.rfind('/', d.id.rfind('/') - 1));
    drawn.insert(without_pair);
    EXPECT_NE(d.id.substr(d.id.rfind('/') - 2, 2), d.lang);
    ++lines;
    to_english += d.lang == "en";
    from_english += d.id.substr(d.id.rfind('/') - 2, 2) == "en";
  }
  EXPECT_NEAR(to_english / lines, 0.4, 0.02);  // half of the lines with an English side
  EXPECT_NEAR(from_english / lines, 0.4, 0.02);
  EXPECT_EQ(drawn.size(), concepts);
}

TEST(Mixture, OneLanguageHasNoLexicon) {
  CorpusConfig config = small_config();
  config.languages = {"en"};
  const Corpus alone = load_corpus(config);
  const Mixture mixture(alone, {});
  for (std::uint64_t i = 0; i < 2000; ++i) {
    EXPECT_EQ(mixture.document(i).lang, "en");
    EXPECT_NE(mixture.document(i).kind, DocumentKind::lexicon);
  }
}

TEST(Mixture, TwoLanguagesAlwaysPairWithEnglish) {
  CorpusConfig config = small_config();
  config.languages = {"sw", "en"};
  const Corpus two = load_corpus(config);
  MixtureConfig lexicon_only;
  lexicon_only.qa_share = lexicon_only.names_share = 0;
  const Mixture mixture(two, lexicon_only);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::string id = mixture.document(i).id, pair = id.substr(id.size() - 6);
    EXPECT_TRUE(pair == "/en/sw" || pair == "/sw/en") << id;
  }
}

TEST(Mixture, BadSharesSayWhatToDo) {
  MixtureConfig config;
  config.qa_share = config.lexicon_share = config.names_share = 0;
  expect_contains(error_of([&] { Mixture(corpus(), config); }), "all 0");
  config.qa_share = 1;
  config.sums_share = config.facts_share = config.follow_share = 0;
  expect_contains(error_of([&] { Mixture(corpus(), config); }), "sums_share");
  const Mixture good(corpus(), {});
  expect_contains(error_of([&] { good.qa_documents("fr", Task::sums); }), "\"fr\"");
}

}  // namespace
}  // namespace ramoe
