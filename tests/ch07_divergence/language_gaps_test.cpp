#include "ch07_divergence/language_gaps.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ch07_divergence/small_world.h"
#include "support/compare.h"

namespace ramoe {
namespace {

// In the zone (layer 1) divergence rises with the gap, outside (mean of layers 0 and 2) it falls.
TEST(LanguageGaps, CorrelationInTheZoneAndOutside) {
  const std::vector<TaskGap> tasks = {{"es", "sums", {0.9, 0.1, 0.7}, 0.0},
                                      {"sw", "sums", {0.7, 0.2, 0.7}, 0.2},
                                      {"zh", "sums", {0.6, 0.3, 0.6}, 0.4}};
  const ZoneCorrelation both = gap_correlation(tasks, {1, 1});
  EXPECT_NEAR(both.zone, 1, 1e-12);
  EXPECT_NEAR(both.outside, -1, 1e-2);
  EXPECT_LT(both.outside, -0.99);
  EXPECT_EQ(both.points, 3u);
  EXPECT_TRUE(std::isnan(gap_correlation(tasks, {0, 2}).outside));  // no layer is outside
  EXPECT_TRUE(std::isnan(gap_correlation({tasks[0], tasks[1]}, {1, 1}).zone));
}

/// The pairs of the small world as the training pairs of one task.
class SmallData : public ParallelData {
 public:
  std::vector<std::string> languages() const override { return {"en", "sw"}; }
  std::vector<std::string> tasks_by_name() const override { return {"sums"}; }
  std::vector<Example> examples(const std::string& lang, const std::string& task,
                                Split split) const override {
    std::vector<Example> all;
    for (const ExamplePair& pair : pairs("sw", task, split))
      all.push_back(lang == english ? pair.english : pair.target);
    return all;
  }
  std::vector<ExamplePair> pairs(const std::string&, const std::string&,
                                 Split split) const override {
    const std::vector<ExamplePair> all = small_pairs();
    if (split == Split::adapt_train) return {all[0], all[1], all[2]};
    return {all[3]};
  }
  std::vector<TextPair> general_text(const std::string&, int) const override {
    return {{"one two", "moja mbili"}, {"three four five", "tatu nne tano"}};
  }
  std::vector<std::string> english_text(int) const override { return {"one two three"}; }
  std::string checksum() const override { return ""; }
};

TEST(LanguageGaps, OfAModelThatKnowsEnglishAlone) {
  Model<float> model(small_model_config(), 1);
  std::vector<Example> known;
  for (const ExamplePair& pair : small_pairs()) known.push_back(pair.english);
  teach(model, known);
  const Prompts prompts(small_tokenizer());
  double watched = 0;
  AnswerOptions options(8);
  options.watch = [&](double texts) { watched += texts; };
  const LanguageGaps gaps = measure_gaps(model, prompts, SmallData(), 3, options);
  EXPECT_NEAR(watched, double(texts_to_measure(SmallData(), 3)), 1e-6);
  EXPECT_EQ(texts_to_measure(SmallData(), 3), 2u * 2 + 4 * 4);
  EXPECT_EQ(gaps.texts.at("sw"), 2u);
  EXPECT_EQ(gaps.mean, gaps.general.at("sw"));  // of one language
  ASSERT_EQ(gaps.tasks.size(), 1u);
  EXPECT_EQ(gaps.tasks[0].lang + gaps.tasks[0].task, "swsums");
  EXPECT_GT(gaps.tasks[0].gap, 0.5);

  // Div by its definition, of the two general texts.
  CachedEncoder encoder(small_tokenizer());
  std::vector<double> mean(3, 0.0);
  for (const TextPair& line : SmallData().general_text("sw", 3)) {
    const auto routing = sequence_routing(
        model, {prompts.text(encoder, line.english), prompts.text(encoder, line.target)});
    for (std::size_t l = 0; l < 3; ++l)
      mean[l] += routing_divergence(routing[0].q[l], routing[1].q[l]) / 2;
  }
  EXPECT_EQ(difference(gaps.mean, mean, 1e-12, 1e-6), "");
}

}  // namespace
}  // namespace ramoe
