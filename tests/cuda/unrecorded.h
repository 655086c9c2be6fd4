// Steps that are never replayed, to compare those that are with.
#pragma once

#include <gtest/gtest.h>

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

using Bits = std::vector<std::vector<float>>;
inline Bits weights_of(const Model<GpuFloat>& model) {
  Bits values;
  for (const auto& p : model.parameters()) {
    values.emplace_back(p->value.size());
    copy_out(values.back().data(), p->value.data(), p->value.size());
  }
  return values;
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
