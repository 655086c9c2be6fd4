#include "report/routing_trace.h"

#include <gtest/gtest.h>

#include "ch07_divergence/small_world.h"
#include "report/markup.h"
#include "report/report.h"
#include "support/compare.h"
#include "support/texts.h"

namespace ramoe {
namespace {

class RoutingTraces : public testing::Test {
 protected:
  RoutingTraces() : base(small_model_config(), 1), tuned(small_model_config()) {
    std::vector<Example> english_side;
    for (const ExamplePair& pair : small_pairs()) english_side.push_back(pair.english);
    teach(base, english_side);
    tuned.copy_values(base);
    teach(tuned, {small_pairs()[1].target}, 20);
  }
  RoutingTrace trace() {
    return trace_pair(base, tuned, small_pairs()[1],
                      {prompts, {1, 1}, {{0}, {1, 2}, {3}}, AnswerOptions(8), "ramoe"});
  }

  Prompts prompts{small_tokenizer()};
  Model<float> base, tuned;
};

TEST_F(RoutingTraces, AgreesWithTheStatisticsOfChapter7) {
  CachedEncoder encoder(small_tokenizer());
  const std::vector<int> prompt = prompts.prompt(encoder, "two ?");
  const PassageRouting passage = passage_routing(base, prompt);
  const SequenceRouting whole = sequence_routing(base, {prompt})[0];
  ASSERT_EQ(passage.ids.size() + 1, prompt.size()) << "BOS is left out";
  ASSERT_EQ(passage.q.size(), 3u);
  for (std::size_t l = 0; l < 3; ++l) {
    std::vector<double> u(4, 0.0);
    for (const std::vector<int>& experts : passage.chosen[l]) {
      ASSERT_EQ(experts.size(), 2u);
      for (const int e : experts) u[std::size_t(e)] += 1.0 / double(passage.ids.size());
    }
    for (std::size_t e = 0; e < 4; ++e) {
      EXPECT_NEAR(u[e], whole.u[l][e], 1e-12) << l << " " << e;
      EXPECT_NEAR(passage.q[l][e], whole.q[l][e], 1e-6) << l << " " << e;
    }
  }
}

TEST_F(RoutingTraces, ShowsThePairThatEnglishAloneKnows) {
  const AnswerOptions options(8);
  std::vector<ExamplePair> pairs = small_pairs();
  EXPECT_EQ(pair_to_show(base, prompts, pairs, options).target.id, pairs[0].target.id);
  EXPECT_NE(pair_to_show(tuned, prompts, {pairs[1], pairs[0]}, options).english.question, "");
  EXPECT_TRUE(mentions(error_of([&] { pair_to_show(base, prompts, {}, options); }), "no pair"));
}

TEST_F(RoutingTraces, BeforeAndAfter) {
  const RoutingTrace t = trace();
  EXPECT_EQ(t.english.output, " three");
  EXPECT_EQ(t.after.output, " tatu");
  EXPECT_EQ(t.before.tokens.size(), t.before.chosen[0].size());
  // The English side is the base model's in both, so an untouched model has the same trace twice.
  const RoutingTrace same = trace_pair(
      base, base, small_pairs()[1], {prompts, {1, 1}, {{0}, {1, 2}, {3}}, AnswerOptions(8), "sft"});
  EXPECT_EQ(same.before.chosen, same.after.chosen);
  EXPECT_EQ(same.before.divergence, same.after.divergence);
  EXPECT_NE(t.before.divergence, t.after.divergence);
  EXPECT_GT(t.english.mass[1], 0);
  EXPECT_LT(t.english.mass[1], 1);
  EXPECT_TRUE(mentions(error_of([&] {
                         trace_pair(base, tuned, small_pairs()[1],
                                    {prompts, {1, 1}, {{0}}, AnswerOptions(8), "ramoe"});
                       }),
                       "3 layers"));
}

TEST_F(RoutingTraces, IsDrawn) {
  RunResults results;
  results.routing = {trace()};
  results.language_names = {{"sw", "Swahili"}};
  const std::string html = report_html(results);
  const std::size_t begin = html.find("<style>"), end = html.find("</style>");
  EXPECT_EQ(markup_offence(html.substr(0, begin) + html.substr(end + 8)), "");
  EXPECT_FALSE(has_broken_number(html));
  expect_contains(html, "Routing of one pair");
  expect_contains(html, "Swahili, after RA-MoE");
  expect_contains(html, "<tr class=\"zone\"><th scope=\"row\">1 zone</th>");
  EXPECT_EQ(report_html({}).find("Routing of one pair"), std::string::npos);
}

TEST_F(RoutingTraces, AMalformedTraceIsNamed) {
  const auto error_with = [&](const auto& change) {
    Json json = to_json(GridRouting{"", {}, {trace()}});
    EXPECT_EQ(to_json(results_from<GridRouting>(json, "routing")), json) << "there and back";
    change(json["traces"][0]);
    return error_of([&] { results_from<GridRouting>(json, "routing"); });
  };
  EXPECT_TRUE(mentions(error_with([](Json& t) { t["after"]["chosen"].erase(0); }),
                       "traces[0].after.chosen"));
  EXPECT_TRUE(mentions(error_with([](Json& t) { t["english"]["chosen"][0][0][0] = 4; }),
                       "an expert from 0 to 3"));
  EXPECT_TRUE(
      mentions(error_with([](Json& t) { t["before"]["divergence"] = {0.1}; }), "one per layer"));
  EXPECT_TRUE(mentions(error_with([](Json& t) { t["zone"]["last"] = 3; }), "within layers"));
}

TEST(VisibleToken, BlanksAndBrokenBytes) {
  const Tokenizer& tokenizer = small_tokenizer();
  EXPECT_EQ(visible_token(tokenizer, tokenizer.find_token(" ")), "\u2423");
  EXPECT_EQ(visible_token(tokenizer, tokenizer.find_token("\xE0")), "<E0>");
  EXPECT_EQ(visible_token(tokenizer, tokenizer.find_token("a")), "a");
}

}  // namespace
}  // namespace ramoe
