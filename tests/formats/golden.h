// What transformers computed for the models of tests/formats/golden, and how to compute it
// again here.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ch04_moe/tiny_model.h"
#include "ch05_training/trainer.h"
#include "formats/model_files.h"
#include "support/read_tensor.h"

namespace ramoe {

inline std::string golden_folder() {
  return std::string(RAMOE_SOURCE_DIR) + "/tests/formats/golden";
}

inline std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder()))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenModel {
 public:
  explicit GoldenModel(const std::string& name)
      : folder_(golden_folder() + "/" + name),
        file_(folder_ + "/golden.safetensors"),
        json_(read_json(folder_ + "/golden.json")),
        rows_(json_["input_ids"].get<std::vector<std::vector<int>>>()),
        model_(load_model(folder_)) {}

 protected:
  /// No BOS: transformers counts the first token like any other.
  TokenBatch batch() const { return make_batch(rows_, model_->config().pad_token_id, -1); }

  struct Losses {
    Tensor<float> ce, balance, total;
  };
  Losses losses(Tape<float>& tape, const TokenBatch& tokens, const std::vector<int>& target) const {
    const auto result = model_->forward(tape, tokens);
    const auto ce = cross_entropy(tape, result.logits, target.data());
    const auto balance =
        pooled_balance_loss(tape, result.routing, tokens.scored.data(), tokens.scored_rows());
    return {ce, balance,
            weighted_sum<float>(tape, {{ce, 1.0}, {balance, json_["aux_coef"].get<double>()}})};
  }

  TrainConfig train_config() const {
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
    config.balance_form = BalanceForm::pooled;
    config.z_loss = 0;
    return config;
  }
  /// `count` rows from row `first` on, or those that are left; all tokens after the first are
  /// targets.
  TrainingBatch training_batch(std::size_t first = 0, std::size_t count = ~std::size_t{0}) const {
    std::vector<TrainingSequence> sequences;
    for (std::size_t b = first; b < rows_.size() && b - first < count; ++b)
      sequences.push_back({rows_[b], 1, -1});
    return make_training_batch(sequences, model_->config().pad_token_id, -1);
  }

  std::vector<float> tensor(const std::string& name, const TensorShape& shape) const {
    std::size_t count = 1;
    for (const std::int64_t extent : shape) count *= std::size_t(extent);
    std::vector<float> values(count);
    read_f32(file_, name, shape, values.data());
    return values;
  }

  /// The tensors `prefix` + name of a file, in the order and shape of the parameters.
  std::vector<std::vector<float>> parameters(const std::string& prefix,
                                             const std::string& path) const {
    std::vector<std::vector<float>> wanted;
    std::vector<std::vector<float>*> arrays;
    for (const auto& p : model_->parameters()) wanted.emplace_back(p->value.size());
    for (std::vector<float>& values : wanted) arrays.push_back(&values);
    read_tensors(WeightFiles(path), model_->config(), prefix, arrays);
    return wanted;
  }
  std::vector<std::vector<float>> parameters(const std::string& prefix) const {
    return parameters(prefix, file_.path());
  }
  /// Each tensor as a whole: its distance, relative to its length.
  void expect_tensors(const std::vector<std::vector<float>>& wanted,
                      const std::vector<std::vector<float>>& got, const std::string& prefix,
                      double nothing, double relative) const {
    for (std::size_t i = 0; i < got.size(); ++i) {
      double squares = 0, distance = 0;
      for (std::size_t j = 0; j < got[i].size(); ++j) {
        squares += double(wanted[i][j]) * double(wanted[i][j]);
        distance += std::pow(double(got[i][j]) - double(wanted[i][j]), 2);
      }
      EXPECT_LE(std::sqrt(distance), nothing + relative * std::sqrt(squares))
          << prefix << model_->parameters()[i]->name;
    }
  }
  std::vector<std::vector<float>> gradients() const {
    std::vector<std::vector<float>> all;
    for (const auto& p : model_->parameters()) all.push_back(p->gradient);
    return all;
  }
  std::vector<std::vector<float>> values() const {
    std::vector<std::vector<float>> all;
    for (const auto& p : model_->parameters()) all.push_back(p->value);
    return all;
  }

  std::string folder_;
  SafetensorsFile file_;
  Json json_;
  std::vector<std::vector<int>> rows_;
  std::unique_ptr<Model<float>> model_;
};

}  // namespace ramoe
