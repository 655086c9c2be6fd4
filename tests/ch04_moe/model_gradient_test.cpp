// The derivative of the whole model, by finite differences in double precision.
#include <gtest/gtest.h>

#include "ch04_moe/tiny_model.h"

namespace ramoe {
namespace {

struct Probe {
  double loss;
  std::vector<int> chosen;  // of all layers
};

struct Checked {
  int elements = 0, flipped = 0, zero = 0;
  double worst = 0;
  std::string where;
};

Probe probe(Model<double>& model, Tape<double>& tape, const TokenBatch& batch,
            const std::vector<int>& target, bool backward) {
  tape.reset();
  const auto result = model.forward(tape, batch);
  const Tensor<double> loss = total_loss(tape, result, batch, target);
  Probe p{loss.data[0], {}};
  for (const auto& r : result.routing)
    p.chosen.insert(p.chosen.end(), r.chosen.expert, r.chosen.expert + r.N * r.K);
  if (backward) tape.backward(loss);
  return p;
}

/// Compares up to 12 elements of every parameter; those at which a choice of experts changes within
/// the step have no derivative and are skipped.
Checked check_gradients(Model<double>& model, const TokenBatch& batch) {
  const std::vector<int> target = next_tokens(batch);
  Arena arena;
  Tape<double> tape(arena);
  const Probe base = probe(model, tape, batch, target, true);
  Checked result;
  Random random(1, 2);
  for (const auto& parameter : model.parameters())
    for (int sample = 0; sample < 12; ++sample) {
      const std::size_t i = random.below(static_cast<std::uint32_t>(parameter->value.size()));
      double& x = parameter->value[i];
      const double before = x, h = 1e-5;
      x = before + h;
      const Probe above = probe(model, tape, batch, target, false);
      x = before - h;
      const Probe below = probe(model, tape, batch, target, false);
      x = before;
      if (above.chosen != base.chosen || below.chosen != base.chosen) {
        ++result.flipped;
        continue;
      }
      ++result.elements;
      const double slope = (above.loss - below.loss) / (2 * h), gradient = parameter->gradient[i];
      if (gradient == 0) ++result.zero;
      // Rounding of the loss (1e-16) over h gives 1e-11; the third derivative times h^2 some 1e-9.
      const double excess = std::abs(gradient - slope) / (1e-8 + 1e-6 * std::abs(slope));
      if (!(excess <= result.worst)) {
        result.worst = excess;
        result.where = cat(parameter->name, "[", i, "]: the backward gives ", gradient,
                           ", finite differences ", slope);
      }
    }
  return result;
}

TEST(ModelGradient, OfEveryParameterInEveryFamily) {
  for (const char* family : kFamilyNames)
    for (const bool tied : {false, true})
      for (const bool renormalise : {false, true}) {
        ModelConfig config = tiny_config(family, tied);
        config.norm_topk_prob = renormalise;
        Model<double> model(config, 3);
        stir(model, 50);
        const TokenBatch batch =
            make_batch({{0, 3, 4, 5, 9}, {0, 6}, {0, 7, 8, 10}}, config.pad_token_id, 0);
        const Checked checked = check_gradients(model, batch);
        EXPECT_LE(checked.worst, 1) << family << (tied ? " tied: " : ": ") << checked.where;
        EXPECT_LE(checked.flipped, 4) << family;
        EXPECT_GT(checked.elements, 200) << family;
        // Rows of the embedding that no token reads, and experts that none visits, have none.
        EXPECT_LT(checked.zero, checked.elements / 5) << family;
      }
}

TEST(ModelGradient, OfDenseLayersAndClippedQueries) {
  const TokenBatch batch = make_batch({{0, 3, 4, 5, 9}, {6}, {7, 8, 10}}, -1, -1);
  for (const char* family : {"qwen3_moe", "qwen2_moe"}) {
    Model<double> model(with_dense_layers(family), 3);
    stir(model, 50);
    const Checked checked = check_gradients(model, batch);
    EXPECT_LE(checked.worst, 1) << family << ": " << checked.where;
  }
  ModelConfig config = tiny_config("olmoe", false);
  config.clip_qkv = 0.8;  // after QK-norm about half of the values are larger
  Model<double> model(config, 3);
  stir(model, 50);
  const Checked checked = check_gradients(model, batch);
  EXPECT_LE(checked.worst, 1) << checked.where;
}

TEST(ModelGradient, FrozenParametersGetNone) {
  Model<double> model(tiny_config("qwen2_moe", false), 3);
  Model<double> frozen(tiny_config("qwen2_moe", false), 3);
  const TokenBatch batch = make_batch({{0, 3, 4, 5}}, 2, 0);
  const std::vector<int> target = next_tokens(batch);
  for (std::size_t i = 0; i < frozen.parameters().size(); ++i)
    frozen.parameters()[i]->trainable = i % 2 == 0;
  for (Model<double>* m : {&model, &frozen}) {
    Arena arena;
    Tape<double> tape(arena);
    probe(*m, tape, batch, target, true);
  }
  for (std::size_t i = 0; i < frozen.parameters().size(); ++i) {
    const auto &got = frozen.parameters()[i]->gradient, &all = model.parameters()[i]->gradient;
    EXPECT_EQ(got, i % 2 == 0 ? all : std::vector<double>());
  }
}

}  // namespace
}  // namespace ramoe
