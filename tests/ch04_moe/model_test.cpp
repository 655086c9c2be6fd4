#include "ch04_moe/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "ch04_moe/tiny_model.h"
#include "fast/gemm_bf16.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

using Sequences = std::vector<std::vector<int>>;
const Sequences kSequences = {{0, 3, 4, 5, 9, 1}, {0, 6}, {7, 8, 10, 3, 0, 4, 4, 9, 6}};

/// Logits of every real row of the batch, sequence after sequence.
std::vector<float> real_logits(Model<float>& model, const TokenBatch& batch) {
  Arena arena;
  Tape<float> tape(arena);
  const Tape<float>::NoGrad no_grad(tape);
  const auto result = model.forward(tape, batch);
  std::vector<float> logits;
  const int V = model.config().vocab_size;
  for (int n = 0; n < batch.B * batch.T; ++n)
    if (batch.is_token[std::size_t(n)])
      logits.insert(logits.end(), row(result.logits.data, n, V), row(result.logits.data, n + 1, V));
  EXPECT_EQ(tape.operations(), 0u);
  return logits;
}

TEST(MakeBatch, PadsOnTheRightAndMarksWhatCounts) {
  const TokenBatch b = make_batch({{0, 5}, {0, 7, 0, 2}}, 2, 0);
  EXPECT_EQ(b.B, 2);
  EXPECT_EQ(b.T, 4);
  EXPECT_EQ(b.token, (std::vector<int>{0, 5, 2, 2, 0, 7, 0, 2}));
  EXPECT_EQ(b.position, (std::vector<int>{0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT_EQ(b.length, (std::vector<int>{2, 4}));
  EXPECT_EQ(b.is_token, (std::vector<unsigned char>{1, 1, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(b.scored, (std::vector<unsigned char>{0, 1, 0, 0, 0, 1, 0, 1}));
  EXPECT_TRUE(mentions(error_of([] { make_batch({{1}, {}}, 2, 0); }), "sequence 1"));
}

TEST(Model, IndicesAreCheckedWhereTheyArePlaced) {
  Model<float> model(tiny_config("olmoe", false), 1);
  Arena arena;
  Tape<float> tape(arena);
  const auto error = [&](const auto& change, const std::vector<int>& rows) {
    TokenBatch batch = make_batch({{1, 2}}, 2, 0);
    change(batch);
    return error_of([&] { model.place_batch(tape, batch, rows); });
  };
  const auto nothing = [](TokenBatch&) {};
  EXPECT_EQ(error(nothing, {0, 1}), "no error");
  EXPECT_TRUE(mentions(error(nothing, {2}), "row 2 of 2"));
  EXPECT_TRUE(mentions(error(nothing, {-1}), "row -1 of 2"));
  EXPECT_TRUE(mentions(error([](TokenBatch& b) { b.token[1] = 11; }, {0}),
                       "token 11 at place 1 is outside the vocabulary of 11"));
  EXPECT_TRUE(mentions(error([](TokenBatch& b) { b.token[0] = -1; }, {0}), "token -1 at place 0"));
  EXPECT_TRUE(mentions(error([](TokenBatch& b) { b.length[0] = 3; }, {0}),
                       "has length 3 in rows of 2 tokens"));
}

TEST(Model, SameSeedSameWeights) {
  for (const char* family : kFamilyNames) {
    const Model<float> a(tiny_config(family, false), 5), b(tiny_config(family, false), 5);
    const Model<float> c(tiny_config(family, false), 6);
    bool differs = false;
    for (std::size_t i = 0; i < a.parameters().size(); ++i) {
      EXPECT_EQ(a.parameters()[i]->value, b.parameters()[i]->value);
      differs = differs || a.parameters()[i]->value != c.parameters()[i]->value;
    }
    EXPECT_TRUE(differs);
    Model<float> copy(tiny_config(family, false), 7);
    copy.copy_values(a);
    EXPECT_EQ(copy.parameters().back()->value, a.parameters().back()->value);
    EXPECT_TRUE(
        mentions(error_of([&] { copy.copy_values(Model<float>(tiny_config(family, true), 1)); }),
                 "the models differ"));
  }
}

TEST(Model, PaddingAndNeighboursDoNotChangeASequence) {
  for (const char* family : kFamilyNames) {
    Model<float> model(tiny_config(family, false), 3);
    stir(model, 1);
    TokenBatch batch = make_batch(kSequences, 2, 0);
    const std::vector<float> together = real_logits(model, batch);
    std::vector<float> alone;
    for (const auto& sequence : kSequences) {
      const auto logits = real_logits(model, make_batch({sequence}, 2, 0));
      alone.insert(alone.end(), logits.begin(), logits.end());
    }
    // The same sums over the same values; only how rows fall into blocks may differ.
    EXPECT_EQ(difference(together, alone, 1e-5, 1e-5), "") << family;
    for (std::size_t n = 0; n < batch.token.size(); ++n)
      if (!batch.is_token[n]) batch.token[n] = 8;
    EXPECT_EQ(difference(real_logits(model, batch), together, 0, 0), "") << family;
  }
}

TEST(Model, LogitRowsAndRoutingOnly) {
  Model<float> model(tiny_config("qwen3_moe", true), 3);
  const TokenBatch batch = make_batch(kSequences, 2, 0);
  Arena arena;
  Tape<float> tape(arena);
  const auto all = model.forward(tape, batch);
  const std::vector<int> rows = {10, 0, 10};
  const auto some = model.forward(tape, batch, {.logit_rows = &rows});
  ASSERT_EQ(some.logits.shape, (Shape{3, 11}));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(difference(row(some.logits.data, i, 11),
                         row(all.logits.data, rows[std::size_t(i)], 11), 11, 1e-6, 1e-6),
              "");
  const auto none = model.forward(tape, batch, {.routing_only = true});
  EXPECT_EQ(none.logits.data, nullptr);
  ASSERT_EQ(none.routing.size(), 2u);
  EXPECT_EQ(none.routing[1].layer, 1);
  const std::size_t choices = std::size_t(batch.B * batch.T * 2);
  EXPECT_TRUE(std::equal(none.routing[1].chosen.expert, none.routing[1].chosen.expert + choices,
                         all.routing[1].chosen.expert));
}

/// Everything of a pass: logits, and the routing of each layer.
template <class T>
std::vector<std::vector<T>> values_of(const ForwardResult<T>& result) {
  std::vector<std::vector<T>> all;
  const auto add = [&](const auto* from, std::size_t count) {
    all.emplace_back(from, from ? from + count : from);
  };
  add(result.logits.data, result.logits.count());
  for (const Routing<T>& r : result.routing) {
    add(r.input.data, r.input.count());
    add(r.logits.z.data, r.logits.z.count());
    add(r.probabilities.p, r.logits.z.count());
    add(r.chosen.expert, r.gate.count());
    add(r.gate.data, r.gate.count());
  }
  return all;
}

template <class T>
void expect_same_without_recording(const ModelConfig& config) {
  Model<T> model(config, 3);
  stir(model, 1);
  const TokenBatch batch = make_batch(kSequences, 2, 0);
  Arena recorded_arena, arena;
  Tape<T> recorded_tape(recorded_arena), tape(arena);
  std::vector<std::vector<T>> wanted = values_of(model.forward(recorded_tape, batch));
  const typename Tape<T>::NoGrad no_grad(tape);
  const auto pass = [&](RoutingLeft left) {
    tape.reset();
    return model.forward(tape, batch, {.left = left});
  };
  EXPECT_EQ(values_of(pass(RoutingLeft::inputs)), wanted);
  for (std::size_t i = 1; i < wanted.size(); i += 5) wanted[i].clear();
  EXPECT_EQ(values_of(pass(RoutingLeft::decisions)), wanted);
  const ForwardResult<T> none = pass(RoutingLeft::none);
  EXPECT_EQ(values_of(none)[0], wanted[0]);
  for (const Routing<T>& r : none.routing) EXPECT_EQ(r.probabilities.p, nullptr);
}

TEST(Model, APassThatRecordsNothingComputesTheSame) {
  std::vector<ModelConfig> configs = {with_dense_layers("qwen2_moe"),
                                      with_dense_layers("qwen3_moe")};
  for (const char* family : kFamilyNames)
    for (const bool tied : {false, true}) configs.push_back(tiny_config(family, tied));
  for (const ModelConfig& config : configs) {
    expect_same_without_recording<float>(config);
    expect_same_without_recording<double>(config);
  }
}

TEST(Model, APassThatRecordsNothingTakesNoMoreMemoryForMoreLayers) {
  const auto taken = [](int layers, Precision weights) {
    ModelConfig config = tiny_config("qwen2_moe", false);
    config.num_hidden_layers = layers;
    Model<float> model(config, weights);
    Arena arena;
    Tape<float> tape(arena);
    const Tape<float>::NoGrad no_grad(tape);
    model.forward(tape, make_batch(kSequences, 2, 0));
    return arena.most_bytes();
  };
  for (const Precision weights : {Precision::fp32, Precision::bf16}) {
    EXPECT_EQ(taken(9, weights), taken(1, weights));
    EXPECT_GT(taken(1, weights), 0u);
  }
}

TEST(Model, CachedDecodingEqualsTheWholeForward) {
  for (const char* family : kFamilyNames) {
    Model<float> model(tiny_config(family, family == kFamilyNames[1]), 3);
    stir(model, 1);
    CachedMoe<float> cached(model);
    const Sequences full = {{0, 3, 4, 5, 9, 1, 7}, {0, 6, 6, 2, 10}, {7, 8, 10, 3, 0, 4}};
    // After the prompts of 3, 1 and 2 tokens come four steps; sequence 1 leaves after two.
    Sequences seen = {{0, 3, 4}, {0}, {7, 8}};
    const float* logits = cached.start(seen, 7);
    std::vector<int> alive = {0, 1, 2};
    for (int step = 0; step <= 4; ++step) {
      std::vector<int> next;
      for (std::size_t b = 0; b < alive.size(); ++b) {
        auto& sequence = seen[std::size_t(alive[b])];
        const auto wanted = real_logits(model, make_batch({sequence}, 2, 0));
        // Attention sums in another order; values of size 1 through two layers.
        EXPECT_EQ(difference(logits + b * 11, &*(wanted.end() - 11), 11, 2e-5, 2e-5), "")
            << family << " step " << step << " sequence " << alive[b];
        if (step == 2 && alive[b] == 1) continue;
        if (step < 4) sequence.push_back(full[std::size_t(alive[b])][sequence.size()]);
        next.push_back(sequence.back());
      }
      if (step == 2) {
        cached.keep({0, 2});
        alive = {0, 2};
      }
      if (step < 4) logits = cached.step(next);
    }
  }
}

TEST(Model, GenerateInBatchesEqualsOneByOne) {
  Model<float> model(tiny_config("qwen2_moe", false), 3);
  stir(model, 1);
  CachedMoe<float> cached(model);
  const Sequences prompts = {{0, 3, 4}, {0}, {7, 8, 9, 10, 1}, {0, 3, 4}, {5, 5}};
  for (const double temperature : {0.0, 1.0}) {
    GenerateOptions options{.max_new_tokens = 12, .eos = {4}, .batch = 1};
    options.temperature = temperature;
    const Sequences wanted = generate(cached, prompts, options);
    options.batch = 3;
    EXPECT_EQ(generate(cached, prompts, options), wanted);
    options.batch = 64;
    EXPECT_EQ(generate(cached, prompts, options), wanted);
  }
  EXPECT_TRUE(mentions(error_of([&] { generate(cached, {{}}, {}); }), "empty"));
  EXPECT_TRUE(mentions(error_of([&] { generate(cached, {{1}}, {.max_new_tokens = 32}); }), "32"));
}

TEST(Model, BadBatchesAreErrors) {
  Model<float> model(tiny_config("olmoe", false), 3);
  Arena arena;
  Tape<float> tape(arena);
  const auto attempt = [&](const std::vector<int>& sequence) {
    return error_of([&] { model.forward(tape, make_batch({{0}, sequence}, 2, 0)); });
  };
  EXPECT_TRUE(mentions(attempt({0, 11}), "token 11"));
  EXPECT_EQ(attempt(std::vector<int>(32, 3)), "no error");
  EXPECT_TRUE(mentions(attempt(std::vector<int>(33, 3)), "sequence 1 has 33 tokens"));
  CachedMoe<float> cached(model);
  EXPECT_TRUE(mentions(error_of([&] { cached.step({1}); }), "batch of 0"));
  cached.start({{0, 1}}, 3);
  EXPECT_TRUE(mentions(error_of([&] { cached.step({1, 2}); }), "2 tokens for a batch of 1"));
  cached.step({1});
  EXPECT_TRUE(mentions(error_of([&] { cached.step({1}); }), "is full"));
}

/// Loss and all gradients of one step, as floats in a row.
std::vector<float> one_step(Model<float>& model, const TokenBatch& batch) {
  Arena arena;
  Tape<float> tape(arena);
  for (const auto& p : model.parameters()) std::fill(p->gradient.begin(), p->gradient.end(), 0.0f);
  const std::vector<int> target = next_tokens(batch);
  const Tensor<float> loss = total_loss(tape, model.forward(tape, batch), batch, target);
  tape.backward(loss);
  std::vector<float> all = {loss.data[0]};
  for (const auto& p : model.parameters())
    all.insert(all.end(), p->gradient.begin(), p->gradient.end());
  return all;
}

TEST(Model, SameBitsForAnyNumberOfThreads) {
  for (const char* family : kFamilyNames) {
    ModelConfig config = tiny_config(family, false);
    // Large enough that every operation is cut into several pieces.
    config.vocab_size = 300;
    config.hidden_size = 64;
    config.moe_intermediate_size = 48;
    config.initializer_range = 0.1;
    Model<float> model(config, 3);
    Sequences sequences;
    for (int b = 0; b < 18; ++b) {
      sequences.push_back({0});
      for (int t = 0; t < 12 + b; ++t) sequences.back().push_back((b * 37 + t * t * 11) % 300);
    }
    const TokenBatch batch = make_batch(sequences, 2, 0);
    const std::vector<float> wanted = one_step(model, batch);
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      const PoolScope scope(pool);
      EXPECT_EQ(difference(one_step(model, batch), wanted, 0, 0), "") << family << " " << threads;
    }
  }
}

// Gradients that the optimiser has used are overwritten, whatever stands there, those of experts
// that nobody visits as well; two backward passes add up.
TEST(Model, SpentGradientsAreOverwrittenOnce) {
  for (const char* family : kFamilyNames)
    for (const bool tied : {false, true}) {
      ModelConfig config = tiny_config(family, false);
      config.tie_word_embeddings = tied;
      Model<float> model(config, 3);
      const TokenBatch batch = make_batch({{0, 3}}, 2, 0);  // two tokens: some experts see none
      const std::vector<float> wanted = one_step(model, batch);
      for (const auto& p : model.parameters()) {
        std::fill(p->gradient.begin(), p->gradient.end(), std::numeric_limits<float>::quiet_NaN());
        p->gradient_spent = true;
      }
      Arena arena;
      Tape<float> tape(arena);
      const std::vector<int> target = next_tokens(batch);
      for (const float times : {1.0f, 2.0f}) {
        tape.reset();
        tape.backward(total_loss(tape, model.forward(tape, batch), batch, target));
        std::vector<float> got = {wanted[0]}, expected = {wanted[0]};
        for (const auto& p : model.parameters()) {
          EXPECT_FALSE(p->gradient_spent) << p->name;
          got.insert(got.end(), p->gradient.begin(), p->gradient.end());
        }
        for (std::size_t i = 1; i < wanted.size(); ++i) expected.push_back(times * wanted[i]);
        EXPECT_EQ(difference(got, expected, 1e-8, 1e-6), "") << family << " " << times;
      }
    }
}

// Weights that are numbers of bf16 and then grow by less than 2^-9 of themselves round back to what
// they were: logits notice that only where a parameter enters in fp32.
TEST(Model, Bf16IsForLinearLayersAndExpertsAlone) {
  for (const bool tied : {false, true}) {
    ModelConfig config = with_dense_layers("qwen2_moe");
    config.tie_word_embeddings = tied;
    Model<float> model(config, 1);
    stir(model, 7);
    for (const auto& p : model.parameters())
      for (float& value : p->value) value = round_to_bf16(value);
    const TokenBatch batch = make_batch(kSequences, 2, 0);
    Arena arena;
    Tape<float> tape(arena, Precision::bf16);
    const auto logits = [&] {
      tape.reset();
      const Tensor<float> z = model.forward(tape, batch).logits;
      return std::vector<float>(z.data, z.data + z.count());
    };
    const std::vector<float> before = logits();
    for (const auto& p : model.parameters()) {
      if (mentions(p->name, "k_bias")) continue;  // nearly cancels in the softmax over the keys
      const std::vector<float> value = p->value;
      for (float& v : p->value) v *= 1 + 0x1.fcp-10f;
      const std::string& name = p->name;
      const bool in_fp32 = mentions(name, "router") || mentions(name, "shared_expert_gate") ||
                           mentions(name, "norm") || mentions(name, "bias") ||
                           mentions(name, "embed_tokens");
      EXPECT_EQ(logits() != before, in_fp32) << name;
      p->value = value;
    }
  }
}

TEST(Model, NothingIsAllocatedAfterTheFirstStep) {
  for (const char* family : kFamilyNames) {
    ModelConfig config = tiny_config(family, false);
    config.vocab_size = 2000;  // the arena grows more than once
    Model<float> model(config, 3);
    Arena arena;
    Tape<float> tape(arena);
    int allocations = 0;
    for (int step = 0; step < 3; ++step) {
      Sequences sequences(20, std::vector<int>(30, 3 + step));
      const TokenBatch batch = make_batch(sequences, 2, 0);
      const std::vector<int> target = next_tokens(batch);
      tape.backward(total_loss(tape, model.forward(tape, batch), batch, target));
      if (step == 0) allocations = arena.allocations();
      tape.reset();
    }
    EXPECT_GT(allocations, 1);
    EXPECT_EQ(arena.allocations(), allocations) << family;
  }
}

}  // namespace
}  // namespace ramoe
