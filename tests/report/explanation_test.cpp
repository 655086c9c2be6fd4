// The numbers that are explained are those that the model and the alignment term use.
#include "report/explanation.h"

#include <gtest/gtest.h>

#include <numeric>

#include "ch07_divergence/small_world.h"
#include "ch10_alignment/alignment_term.h"
#include "support/compare.h"

namespace ramoe {
namespace {

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

class Explanations : public testing::TestWithParam<const char*> {
 protected:
  static ModelConfig config_of(const std::string& family) {
    ModelConfig config = small_model_config();
    config.model_type = from_name<Family>(family, "family");
    config.norm_topk_prob = family == "qwen3_moe";
    config.num_key_value_heads = family == "qwen2_moe" ? 1 : 2;
    config.resolve_widths();
    return config;
  }
  Explanations() : model(config_of(GetParam()), 3) {
    CachedEncoder encoder(small_tokenizer());
    const ExamplePair pair = small_pairs()[1];
    example = {pair.target.id, "sums", PairType::ci, {}, {}};
    example.target =
        Prompts(small_tokenizer()).example(encoder, pair.target.question, pair.target.answer);
    example.target.example = 0;
    example.english =
        Prompts(small_tokenizer()).example(encoder, pair.english.question, pair.english.answer);
  }
  int last() const { return example.target.prompt - 1; }
  /// L_align of the example as fine-tuning computes it.
  double loss_of_the_term(const AlignmentConfig& config) {
    const std::vector<FinetuneExample> examples = {example};
    AlignmentTerm<double> term(model, config, stages, examples, 1, 1);
    const TrainingBatch batch =
        make_training_batch({example.target}, small_tokenizer().pad(), small_tokenizer().bos());
    Arena arena;
    Tape<double> tape(arena);
    term.place(tape, batch, 0);
    term.add(tape, batch, model.forward(tape, batch.tokens), 0);
    return term.last().data[0];
  }

  Model<double> model;
  FinetuneExample example;
  StageResults stages{{1, 2}, {{"sums", {{0}, {0, 2}, {1, 3}}}}};
};

TEST_P(Explanations, GatesAreThoseOfTheRouterAndRowsSumToOne) {
  Arena arena;
  Tape<double> tape(arena);
  const TokenBatch batch = make_batch({example.target.tokens}, -1, small_tokenizer().bos());
  const ForwardResult<double> forward = model.forward(tape, batch);
  for (int i = 0; i < 3; ++i) {
    const Routing<double>& r = forward.routing[std::size_t(i)];
    const RouterNumbers n = router_numbers(model, example.target.tokens, i, last());
    EXPECT_NEAR(sum(n.p), 1, 1e-12);
    ASSERT_EQ(n.gate.size(), 2u);
    for (std::size_t k = 0; k < 2; ++k) {
      EXPECT_EQ(n.chosen[k], row(r.chosen.expert, last(), 2)[k]);
      EXPECT_EQ(n.gate[k], row(r.gate.data, last(), 2)[k]);
      if (!model.config().norm_topk_prob) {
        EXPECT_EQ(n.gate[k], n.p[std::size_t(n.chosen[k])]);
      }
    }
    EXPECT_EQ(difference(n.z.data(), row(r.logits.z.data, last(), 4), 4, 0, 0), "");
    if (model.config().norm_topk_prob) {
      EXPECT_NEAR(sum(n.gate), 1, 1e-12);
    }
  }
}

TEST_P(Explanations, KeysAndValuesAreThoseThatTheModelKeeps) {
  const int T = static_cast<int>(example.target.tokens.size()),
            NKV = model.config().num_key_value_heads;
  KvCache<double> cache(3, 1, T, NKV * 8);
  Arena arena;
  Tape<double> tape(arena);
  const Tape<double>::NoGrad no_grad(tape);
  const TokenBatch batch = make_batch({example.target.tokens}, -1, small_tokenizer().bos());
  model.forward(tape, batch, {.cache = &cache});
  for (int layer = 0; layer < 3; ++layer) {
    const AttentionNumbers n = attention_numbers(model, example.target.tokens, layer, 1, last());
    EXPECT_EQ(n.kv, NKV - 1);
    EXPECT_NEAR(sum(n.p), 1, 1e-12);
    ASSERT_EQ(n.p.size(), std::size_t(last()) + 1);
    std::vector<double> out(8, 0.0);
    for (std::size_t j = 0; j < n.p.size(); ++j) {
      const int head = static_cast<int>(j) * NKV + n.kv;
      EXPECT_EQ(difference(n.k[j].data(), row(cache.keys(layer), head, 8), 8, 0, 0), "") << j;
      EXPECT_EQ(difference(n.v[j].data(), row(cache.values(layer), head, 8), 8, 0, 0), "") << j;
      for (std::size_t i = 0; i < 8; ++i) out[i] += n.p[j] * n.v[j][i];
      // p is the softmax of s: ratios of p are exponentials of differences of s.
      EXPECT_NEAR(n.p[j] / n.p[0], std::exp(n.s[j] - n.s[0]), 1e-9) << j;
    }
    EXPECT_EQ(difference(n.out, out, 1e-12, 1e-12), "");
  }
}

TEST_P(Explanations, TheLossIsThatOfTheTermInEveryForm) {
  for (const AlignmentForm form : every<AlignmentForm>())
    for (const AlignedTokens span : every<AlignedTokens>()) {
      if (span == AlignedTokens::tokens) continue;  // not one mean
      AlignmentConfig config;
      config.divergence = form;
      config.span = span;
      const int t = span == AlignedTokens::answer ? last() + 1 : last();
      const AlignmentNumbers n = alignment_numbers(model, example, config, stages, 1, t);
      EXPECT_NEAR(n.loss, loss_of_the_term(config), 1e-14);
      EXPECT_GT(n.largest, 1e-4);
      EXPECT_LT(n.distance, 1e-8) << "the error of central differences in double";
      ASSERT_EQ(n.layers.size(), 2u);
      EXPECT_EQ(n.checked, 2 * 4 * example.target.tokens.size());
      EXPECT_NEAR((n.layers[0].D + n.layers[1].D) / 2, n.loss, 1e-14);
    }
}

TEST_P(Explanations, DzFollowsFromThePrintedNumbersByTheFormula) {
  const AlignmentNumbers n = alignment_numbers(model, example, {}, stages, 1, last());
  EXPECT_EQ(n.rows, last()) << "all tokens of the prompt but BOS";
  for (const AlignedLayerNumbers& l : n.layers) {
    EXPECT_NEAR(sum(l.q), 1, 1e-12);
    EXPECT_NEAR(sum(l.q_star), 1, 1e-12);
    double mean_g = 0;
    for (std::size_t e = 0; e < 4; ++e) mean_g += l.p[e] * l.g[e];
    for (std::size_t e = 0; e < 4; ++e)  // two layers, T tokens
      EXPECT_NEAR(l.dz[e], l.p[e] * (l.g[e] - mean_g) / n.rows / 2, 1e-14);
    double m = 0;
    for (const int e : l.support) m += l.q[std::size_t(e)];
    EXPECT_EQ(l.m, m);
  }
}

TEST_P(Explanations, WhatIsNotThereIsNamed) {
  expect_contains(error_of([&] { alignment_numbers(model, example, {}, stages, 1, 0); }),
                  "without BOS");
  example.type = PairType::cc;
  expect_contains(error_of([&] { alignment_numbers(model, example, {}, stages, 1, 1); }),
                  "the example is cc");
}

INSTANTIATE_TEST_SUITE_P(Families, Explanations,
                         testing::Values("olmoe", "qwen3_moe", "qwen2_moe"));

}  // namespace
}  // namespace ramoe
