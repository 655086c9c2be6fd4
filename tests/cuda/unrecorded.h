// Steps that are never replayed, to compare those that are with; and what a model's weights are.
#pragma once

#include <gtest/gtest.h>

#include <cstring>

#include "ch05_training/trainer.h"

namespace ramoe {

/// Another extra loss, or none, whose steps are never replayed.
class Unrecorded : public ExtraLoss<GpuFloat> {
 public:
  explicit Unrecorded(ExtraLoss<GpuFloat>* other) : other_(other) {}
  int count(const TrainingBatch& batch) const override { return other_ ? other_->count(batch) : 0; }
  std::optional<std::vector<double>> place(Tape<GpuFloat>& tape, const TrainingBatch& batch,
                                           int step) override {
    if (other_) other_->place(tape, batch, step);
    return {};
  }
  Tensor<GpuFloat> add(Tape<GpuFloat>& tape, const TrainingBatch& batch,
                       const ForwardResult<GpuFloat>& forward, int step) override {
    return other_ ? other_->add(tape, batch, forward, step) : Tensor<GpuFloat>{};
  }

 private:
  ExtraLoss<GpuFloat>* other_;
};

template <class Value>
std::vector<Value> fetched(const Gpu<Value>* from, std::size_t count) {
  std::vector<Value> host(count);
  copy_out(host.data(), from, count);
  return host;
}

using Values = std::vector<std::vector<float>>;
inline Values values_of(const Model<GpuFloat>& model) {
  Values values;
  for (const auto& p : model.parameters())
    values.push_back(fetched(p->value.data(), p->value.size()));
  return values;
}

/// As bytes: NaN does not equal itself.
inline void expect_same_bytes(const Values& a, const Values& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(std::memcmp(a[i].data(), b[i].data(), 4 * a[i].size()), 0);
}

inline void expect_same(const StepReport& a, const StepReport& b) {
  EXPECT_EQ(a.loss, b.loss) << a.step;
  EXPECT_EQ(a.balance, b.balance) << a.step;
  EXPECT_EQ(a.z_loss, b.z_loss) << a.step;
  EXPECT_EQ(a.extra, b.extra) << a.step;
  EXPECT_EQ(a.gradient_norm, b.gradient_norm) << a.step;
  EXPECT_EQ(a.tokens, b.tokens) << a.step;
}

inline TrainConfig read_each_step(int steps) {
  TrainConfig config;
  config.steps = steps;
  config.learning_rate = 0.02;
  config.log_every = 1;
  return config;
}

}  // namespace ramoe
