// The three families against transformers: make_golden.py wrote down what it computes for tiny
// models with awkward settings; here the same folders are opened and everything is computed again.
#include "formats/golden.h"

#include <gtest/gtest.h>

#include "support/compare.h"
#include "support/read_tensor.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

// Sums of a few dozen fp32 products in another order differ by some 1e-6; the goal is 1e-4.
constexpr double kLogits = 1e-5, kRelative = 1e-4, kNothing = 1e-7;

class Golden : public testing::TestWithParam<std::string>, public GoldenModel {
 protected:
  Golden() : GoldenModel(GetParam()) {}

  /// Compares the rows (N,width) that are no padding.
  std::string row_difference(const TokenBatch& batch, const float* got,
                             const std::vector<float>& wanted, int width) const {
    for (int n = 0; n < batch.B * batch.T; ++n) {
      if (!batch.is_token[std::size_t(n)]) continue;
      const std::string error = difference(row(got, n, width), row(wanted.data(), n, width),
                                           std::size_t(width), kLogits, 0);
      if (!error.empty()) return cat("row ", n, ": ", error);
    }
    return "";
  }

  /// Compares arrays shaped like the parameters with the tensors `prefix` + name of the fixture.
  void expect_parameters(const std::string& prefix,
                         const std::vector<std::vector<float>>& got) const {
    expect_parameters(parameters(prefix), got, prefix);
  }
  /// Each element, and each tensor as a whole.
  void expect_parameters(const std::vector<std::vector<float>>& wanted,
                         const std::vector<std::vector<float>>& got,
                         const std::string& prefix) const {
    expect_tensors(wanted, got, prefix, kNothing, kRelative);
    for (std::size_t i = 0; i < got.size(); ++i) {
      // An element is a sum of terms as large as the tensor's usual element.
      double squares = 0;
      for (const float value : wanted[i]) squares += double(value) * double(value);
      const double usual = std::sqrt(squares / double(got[i].size()));
      EXPECT_EQ(difference(got[i], wanted[i], kNothing + kRelative * usual, kRelative), "")
          << prefix << model_->parameters()[i]->name;
    }
  }
};

TEST_P(Golden, LogitsAndRouterLogitsOfEveryLayer) {
  const ModelConfig& c = model_->config();
  const TokenBatch tokens = batch();
  Arena arena;
  Tape<float> tape(arena);
  const auto result = model_->forward(tape, tokens);
  const std::int64_t B = tokens.B, T = tokens.T;
  EXPECT_EQ(row_difference(tokens, result.logits.data, tensor("logits", {B, T, c.vocab_size}),
                           c.vocab_size),
            "");
  ASSERT_EQ(result.routing.size(), c.moe_layers().size());
  for (std::size_t i = 0; i < result.routing.size(); ++i) {
    EXPECT_EQ(result.routing[i].layer, c.moe_layers()[i]);
    EXPECT_EQ(row_difference(tokens, result.routing[i].logits.z.data,
                             tensor(cat("router.", i), {B, T, c.num_experts}), c.num_experts),
              "")
        << "layer " << result.routing[i].layer;
  }
  EXPECT_FALSE(file_.has(cat("router.", result.routing.size())));
}

TEST_P(Golden, LossesAndGradientsOfEveryParameter) {
  const TokenBatch tokens = batch();
  const std::vector<int> target = next_tokens(tokens);
  Arena arena;
  Tape<float> tape(arena);
  const auto [ce, balance, total] = losses(tape, tokens, target);
  EXPECT_NEAR(ce.data[0], json_["loss"].get<double>(), kLogits);
  EXPECT_NEAR(balance.data[0], json_["balance"].get<double>(), kLogits);
  EXPECT_NEAR(total.data[0], json_["total"].get<double>(), kLogits);
  tape.backward(total);
  expect_parameters("grad.", gradients());
}

// In one batch, as transformers computed it, and cut into several: cross-entropy and the pooled
// balance loss are those of all four rows. One row has no target at all.
TEST_P(Golden, ThreeStepsOfAdamWInAnyCut) {
  const std::vector<std::vector<float>> first = values();
  for (const int batch : {4, 3, 2, 1}) {
    for (std::size_t i = 0; i < first.size(); ++i) model_->parameters()[i]->value = first[i];
    TrainConfig config = train_config();
    config.accumulate = (int(rows_.size()) + batch - 1) / batch;
    Trainer<float> trainer(*model_, config);
    for (int step = 0; step < 3; ++step) {
      const StepReport report = trainer.step([&](int micro) {
        return training_batch(std::size_t(batch * micro), std::size_t(batch));
      });
      const Json& wanted = json_["steps"][std::size_t(step)];
      EXPECT_NEAR(report.loss, wanted["loss"].get<double>(), kLogits) << batch << " " << step;
      EXPECT_NEAR(report.balance, wanted["balance"].get<double>(), kLogits) << batch << " " << step;
      const double norm = wanted["gradient_norm"];
      EXPECT_NEAR(report.gradient_norm, norm, kRelative * norm) << batch << " " << step;
    }
    expect_parameters("step3.", values());
  }
}

TEST_P(Golden, GreedyGenerations) {
  const auto wanted = json_["generated"].get<std::vector<std::vector<int>>>();
  GenerateOptions options{.max_new_tokens = 8, .eos = model_->config().more_eos};
  options.eos.push_back(model_->config().eos_token_id);
  CachedMoe<float> cached(*model_);
  auto together = generate(cached, rows_, options);
  for (std::size_t b = 0; b < rows_.size(); ++b) {
    EXPECT_EQ(together[b], generate(cached, {rows_[b]}, options)[0]) << b;
    // transformers ends with EOS, we leave it out
    if (together[b].size() < wanted[b].size())
      for (const int eos : options.eos)
        if (wanted[b].back() == eos) together[b].push_back(eos);
    EXPECT_EQ(together[b], wanted[b]) << b;
  }
}

TEST_P(Golden, SavedAgainItIsTheSameModel) {
  const ScratchFolder scratch;
  save_model(*model_, scratch.path());
  const WeightFiles before(folder_), after(scratch.path());
  std::vector<std::string> a, b = after.names();
  for (const StoredTensor& t : stored_tensors(model_->config())) a.push_back(t.name);
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  EXPECT_EQ(a, b);
  for (const std::string& name : before.names()) {
    if (mentions(name, "experts.gate_up_proj") || mentions(name, "experts.down_proj")) continue;
    const TensorInfo& info = before.info(name);
    std::vector<float> x(info.bytes / (info.dtype == "F32" ? 4 : 2)), y(x);
    read_f32(before.file_of(name), name, info.shape, x.data());
    read_f32(after.file_of(name), name, info.shape, y.data());
    EXPECT_EQ(x, y) << name;
  }
  ModelConfig back = load_model(scratch.path())->config(), config = model_->config();
  EXPECT_EQ(to_hugging_face(back), to_hugging_face(config));
}

// Against transformers' own accumulation, make_golden_accumulation.py: masked prompts, batches of
// 3, 3 and 1 rows; the same rows in other cuts.
TEST_P(Golden, AccumulatedStepsOfMaskedPrompts) {
  if (!std::filesystem::exists(folder_ + "/accumulated.json")) return;  // two of the models
  const Json wanted = read_json(folder_ + "/accumulated.json");
  std::vector<TrainingSequence> rows;
  for (std::size_t b = 0; b < wanted["input_ids"].size(); ++b)
    rows.push_back({wanted["input_ids"][b].get<std::vector<int>>(), wanted["prompts"][b], -1});
  const std::vector<std::vector<float>> first = values();
  for (const std::size_t batch :
       {wanted["batch"].get<std::size_t>(), rows.size(), std::size_t{1}}) {
    for (std::size_t i = 0; i < first.size(); ++i) model_->parameters()[i]->value = first[i];
    TrainConfig config = train_config();
    config.balance = 0;
    config.accumulate = int((rows.size() + batch - 1) / batch);
    Trainer<float> trainer(*model_, config);
    for (const Json& step : wanted["steps"]) {
      const StepReport report = trainer.step([&](int micro) {
        const std::size_t at = batch * std::size_t(micro), end = std::min(rows.size(), at + batch);
        return make_training_batch(
            {rows.begin() + std::ptrdiff_t(at), rows.begin() + std::ptrdiff_t(end)},
            model_->config().pad_token_id, -1);
      });
      EXPECT_NEAR(report.loss, step["loss"].get<double>(), kLogits) << batch;
      const double norm = step["gradient_norm"];
      EXPECT_NEAR(report.gradient_norm, norm, kRelative * norm) << batch;
    }
    expect_parameters(parameters("", folder_ + "/accumulated.safetensors"), values(),
                      cat(batch, " rows: "));
  }
}

INSTANTIATE_TEST_SUITE_P(, Golden, testing::ValuesIn(golden_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace ramoe
