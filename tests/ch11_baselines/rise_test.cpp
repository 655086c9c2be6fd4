#include "ch11_baselines/rise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ch04_moe/tiny_model.h"
#include "ch05_training/trainer.h"
#include "support/compare.h"

namespace ramoe {
namespace {

// One layer, three experts. sw: (.6, .3, 0), en: (.2, .3, 0). Means (.4, .3, 0); deviations over
// the two languages (.2, 0, 0), so CV = (.5, 0, -).
//   S    = .6/.4 = 1.5,  .3/.3 = 1         Spec = 1.5 (1 + 6) = 10.5,  1 (1 + 3) = 4
//   O    = 1/1.5,        1                 Ovlp = (1 + 4)/1.5 = 10/3,  1 + 3 = 4
TEST(Rise, ScoresByHand) {
  const UsageByLanguage usage = {{"sw", {{.6, .3, 0}}}, {"en", {{.2, .3, 0}}}};
  const RiseScores scores = rise_scores(usage, "sw");
  EXPECT_EQ(difference(scores.specific[0], std::vector<double>{10.5, 4, 0}, 1e-12, 0), "");
  EXPECT_EQ(difference(scores.overlapping[0], std::vector<double>{10.0 / 3, 4, 0}, 1e-12, 0), "");
  // S of English's first expert: .2/.4 = .5, Spec = .5 (1 + 2)
  EXPECT_NEAR(rise_scores(usage, "en").specific[0][0], 1.5, 1e-12);
  EXPECT_TRUE(mentions(error_of([&] { rise_scores(usage, "es"); }), "es"));
  EXPECT_TRUE(mentions(error_of([&] { rise_scores({{"sw", {{1}}}}, "sw"); }), "1 language"));
}

/// L layers of E experts whose scores rise with the expert, more so in later layers.
RiseScores rising(std::size_t L, std::size_t E) {
  RiseScores scores;
  for (std::size_t l = 0; l < L; ++l) {
    scores.specific.emplace_back();
    scores.overlapping.emplace_back();
    for (std::size_t e = 0; e < E; ++e) {
      scores.specific[l].push_back(double(10 * l + e));
      scores.overlapping[l].push_back(-double(e));
    }
  }
  return scores;
}

// Eight layers: depths .0625 .1875 .3125 | .4375 .5625 | .6875 .8125 .9375. Of 8*10 experts a
// quarter is 20: 7, 5 and 8 of them.
TEST(Rise, BudgetOfEachPartOfTheDepth) {
  const auto chosen = rise_experts(rising(8, 10), 0.25);
  std::vector<std::size_t> counts;
  for (const auto& layer : chosen) counts.push_back(layer.size());
  EXPECT_EQ(counts, (std::vector<std::size_t>{0, 0, 7, 3, 2, 0, 0, 8}));
  EXPECT_EQ(chosen[2], (std::vector<int>{3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(chosen[3], (std::vector<int>{0, 1, 2}));  // by overlap, ties to the earlier layer
  EXPECT_EQ(chosen[7], (std::vector<int>{2, 3, 4, 5, 6, 7, 8, 9}));
  // All of them: .35 of 80 are more than three layers of ten? no, 28 of 30; the middle's 20 all.
  std::size_t total = 0;
  for (const auto& layer : rise_experts(rising(8, 10), 1)) total += layer.size();
  EXPECT_EQ(total, 28u + 20u + 30u);
  EXPECT_EQ(rise_experts(rising(1, 4), 0.25)[0].size(), 1u);
  EXPECT_TRUE(mentions(error_of([] { rise_experts(rising(2, 2), 0); }), "share of 0"));
}

TEST(Rise, OnlyTheChosenExpertsChange) {
  const ModelConfig config = tiny_config("qwen2_moe", false);
  Model<float> model(config, 3), before(config, 3);
  train_only_experts(model, {{}, {0, 3}});
  TrainConfig train;
  train.learning_rate = 0.01;
  Trainer<float> trainer(model, train);
  const std::vector<TrainingSequence> sequences = {{{0, 3, 4, 5, 6}, 1, -1}, {{0, 7, 8, 9}, 1, -1}};
  for (int step = 0; step < 3; ++step)
    trainer.step([&](int) { return make_training_batch(sequences, 2, 0); });
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter<float>&p = *model.parameters()[i], &old = *before.parameters()[i];
    if (&p != model.layer(1).gate_up && &p != model.layer(1).down) {
      EXPECT_EQ(p.value, old.value) << p.name;
      continue;
    }
    const std::size_t block = p.value.size() / 4;
    for (std::size_t e = 0; e < 4; ++e) {
      const bool same = std::equal(p.value.begin() + std::ptrdiff_t(e * block),
                                   p.value.begin() + std::ptrdiff_t((e + 1) * block),
                                   old.value.begin() + std::ptrdiff_t(e * block));
      EXPECT_EQ(same, e == 1 || e == 2) << p.name << e;
    }
    EXPECT_TRUE(p.gradient_spent) << p.name;
  }
  EXPECT_TRUE(mentions(error_of([&] { train_only_experts(model, {{0}}); }), "2 layers"));
}

}  // namespace
}  // namespace ramoe
