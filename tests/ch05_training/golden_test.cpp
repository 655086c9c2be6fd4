// The three families against transformers: make_golden.py wrote down what it computes for tiny
// models with awkward settings; here the same folders are opened and everything is computed again.
#include <gtest/gtest.h>

#include <filesystem>

#include "ch02_autograd/basic_ops.h"
#include "ch03_transformer/transformer_ops.h"
#include "ch05_training/trainer.h"
#include "support/compare.h"
#include "support/scratch_folder.h"

namespace ramoe {
namespace {

// Sums of a few dozen fp32 products in another order differ by some 1e-6; the goal is 1e-4.
constexpr double kLogits = 1e-5, kRelative = 1e-4, kNothing = 1e-7;

std::string golden_folder() {
  return std::string(RAMOE_SOURCE_DIR) + "/tests/ch05_training/golden";
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder()))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {
 protected:
  Golden()
      : folder_(golden_folder() + "/" + GetParam()),
        file_(folder_ + "/golden.safetensors"),
        json_(read_json(folder_ + "/golden.json")),
        rows_(json_["input_ids"].get<std::vector<std::vector<int>>>()),
        model_(load_model(folder_)) {}

  /// No BOS: transformers counts the first token like any other.
  TokenBatch batch() const { return make_batch(rows_, model_->config().pad_token_id, -1); }

  std::vector<float> tensor(const std::string& name, const TensorShape& shape) const {
    std::size_t count = 1;
    for (const std::int64_t extent : shape) count *= std::size_t(extent);
    std::vector<float> values(count);
    file_.read_f32(name, shape, values.data());
    return values;
  }

  /// Compares the rows (N,width) that are no padding.
  std::string row_difference(const TokenBatch& batch, const float* got,
                             const std::vector<float>& wanted, int width) const {
    for (int n = 0; n < batch.B * batch.T; ++n) {
      if (!batch.real[std::size_t(n)]) continue;
      const std::string error = difference(row(got, n, width), row(wanted.data(), n, width),
                                           std::size_t(width), kLogits, 0);
      if (!error.empty()) return cat("row ", n, ": ", error);
    }
    return "";
  }

  /// Compares arrays shaped like the parameters with the tensors `prefix` + name of the fixture:
  /// each element, and each tensor as a whole.
  void expect_parameters(const std::string& prefix,
                         const std::vector<std::vector<float>>& got) const {
    std::vector<std::vector<float>> wanted;
    std::vector<std::vector<float>*> arrays;
    for (const std::vector<float>& values : got) wanted.emplace_back(values.size());
    for (std::vector<float>& values : wanted) arrays.push_back(&values);
    read_tensors(WeightFiles(file_.path()), *model_, prefix, arrays);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const std::string& name = model_->parameters()[i]->name;
      double squares = 0, distance = 0;
      for (std::size_t j = 0; j < got[i].size(); ++j) {
        squares += double(wanted[i][j]) * double(wanted[i][j]);
        distance += std::pow(double(got[i][j]) - double(wanted[i][j]), 2);
      }
      EXPECT_LE(std::sqrt(distance), kNothing + kRelative * std::sqrt(squares)) << prefix << name;
      // An element is a sum of terms as large as the tensor's largest element.
      const double largest = std::sqrt(squares / double(got[i].size()));
      EXPECT_EQ(difference(got[i], wanted[i], kNothing + kRelative * largest, kRelative), "")
          << prefix << name;
    }
  }

  std::vector<std::vector<float>> gradients() const {
    std::vector<std::vector<float>> all;
    for (const auto& p : model_->parameters()) all.push_back(p->gradient);
    return all;
  }

  std::string folder_;
  SafetensorsFile file_;
  Json json_;
  std::vector<std::vector<int>> rows_;
  std::unique_ptr<Model<float>> model_;
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
  std::vector<int> target(tokens.token.size(), kIgnore);
  for (int n = 0; n + 1 < tokens.B * tokens.T; ++n)
    if (n % tokens.T + 1 < tokens.length[std::size_t(n / tokens.T)])
      target[std::size_t(n)] = tokens.token[std::size_t(n) + 1];
  Arena arena;
  Tape<float> tape(arena);
  const auto result = model_->forward(tape, tokens);
  const auto ce = cross_entropy(tape, result.logits, target.data());
  const auto balance = pooled_balance_loss(tape, result.routing, tokens.counts.data());
  EXPECT_NEAR(ce.data[0], json_["loss"].get<double>(), kLogits);
  EXPECT_NEAR(balance.data[0], json_["balance"].get<double>(), kLogits);
  const auto total =
      weighted_sum<float>(tape, {{ce, 1.0}, {balance, json_["aux_coef"].get<double>()}});
  EXPECT_NEAR(total.data[0], json_["total"].get<double>(), kLogits);
  tape.backward(total);
  expect_parameters("grad.", gradients());
}

TEST_P(Golden, ThreeStepsOfAdamW) {
  TrainConfig config;
  config.steps = 3;
  config.warmup_share = 0;
  config.least_rate = 1;
  config.learning_rate = json_["learning_rate"];
  config.weight_decay = json_["weight_decay"];
  config.beta1 = json_["beta1"];
  config.beta2 = json_["beta2"];
  config.adam_eps = json_["adam_eps"];
  config.clip = json_["clip"];
  config.balance = json_["aux_coef"];
  config.balance_form = "pooled";
  config.z_loss = 0;
  std::vector<TrainingSequence> sequences;
  for (const std::vector<int>& tokens : rows_) sequences.push_back({tokens, 1, -1});
  Trainer trainer(*model_, config);
  for (int step = 0; step < 3; ++step) {
    const StepReport report = trainer.step(
        [&](int) { return make_training_batch(sequences, model_->config().pad_token_id, -1); });
    const Json& wanted = json_["steps"][std::size_t(step)];
    EXPECT_NEAR(report.loss, wanted["loss"].get<double>(), kLogits) << step;
    EXPECT_NEAR(report.balance, wanted["balance"].get<double>(), kLogits) << step;
    const double norm = wanted["gradient_norm"];
    EXPECT_NEAR(report.gradient_norm, norm, kRelative * norm) << step;
  }
  std::vector<std::vector<float>> values;
  for (const auto& p : model_->parameters()) values.push_back(p->value);
  expect_parameters("step3.", values);
}

TEST_P(Golden, GreedyGenerations) {
  const auto wanted = json_["generated"].get<std::vector<std::vector<int>>>();
  const GenerateOptions options{.max_new_tokens = 8, .eos = {model_->config().eos_token_id}};
  CachedMoe cached(*model_);
  auto together = generate(cached, rows_, options);
  for (std::size_t b = 0; b < rows_.size(); ++b) {
    EXPECT_EQ(together[b], generate(cached, {rows_[b]}, options)[0]) << b;
    // transformers ends with EOS, we leave it out
    if (together[b].size() < wanted[b].size()) together[b].push_back(options.eos[0]);
    EXPECT_EQ(together[b], wanted[b]) << b;
  }
}

TEST_P(Golden, SavedAgainItIsTheSameModel) {
  const ScratchFolder scratch;
  save_model(*model_, scratch.path());
  const WeightFiles before(folder_), after(scratch.path());
  std::vector<std::string> a = before.names(), b = after.names();
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  EXPECT_EQ(a, b);
  for (const std::string& name : a) {
    const TensorInfo& info = before.info(name);
    std::vector<float> x(info.bytes / (info.dtype == "F32" ? 4 : 2)), y(x);
    before.file_of(name).read_f32(name, info.shape, x.data());
    after.file_of(name).read_f32(name, info.shape, y.data());
    EXPECT_EQ(x, y) << name;
  }
  ModelConfig back = load_model(scratch.path())->config(), config = model_->config();
  EXPECT_EQ(to_hugging_face(back), to_hugging_face(config));
}

INSTANTIATE_TEST_SUITE_P(, Golden, testing::ValuesIn(golden_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace ramoe
