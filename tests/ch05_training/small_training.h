// Small trainings that the tests of the trainer and of its checkpoints share.
#pragma once

#include "ch04_moe/tiny_model.h"
#include "ch05_training/trainer.h"
#include "support/scratch.h"

namespace ramoe {

inline constexpr int kPad = 2, kBos = 0;

inline TrainConfig quick() {
  TrainConfig config;
  config.steps = 6;
  config.learning_rate = 0.02;
  return config;
}

/// Sequences of 3 to 7 tokens that depend on the number.
inline TrainingBatch numbered_batch(int number) {
  std::vector<TrainingSequence> sequences;
  Random random(7, static_cast<std::uint64_t>(number));
  for (int b = 0; b < 3; ++b) {
    std::vector<int> tokens{kBos};
    for (std::uint32_t t = 2 + random.below(5); t > 0; --t)
      tokens.push_back(3 + static_cast<int>(random.below(8)));
    sequences.push_back({tokens, 1, -1});
  }
  return make_training_batch(sequences, kPad, kBos);
}

/// Steps until `until` are done; the batches follow the step number.
template <class T>
void train(Trainer<T>& trainer, const TrainConfig& config, int until,
           ExtraLoss<T>* extra = nullptr) {
  while (trainer.steps_done() < until) {
    const int step = trainer.steps_done();
    trainer.step([&](int micro) { return numbered_batch(step * config.accumulate + micro); },
                 extra);
  }
}

/// Weights, moments and step number as bytes.
inline std::string state_of(const Trainer<float>& trainer) {
  std::string state = std::to_string(trainer.steps_done());
  const auto add = [&](const std::vector<float>& values) {
    state.append(reinterpret_cast<const char*>(values.data()), 4 * values.size());
  };
  for (std::size_t i = 0; i < trainer.model().parameters().size(); ++i) {
    add(trainer.model().parameters()[i]->value);
    add(trainer.optimiser().m(i));
    add(trainer.optimiser().v(i));
  }
  return state;
}

inline std::vector<std::vector<float>> values_of(const Model<float>& model) {
  std::vector<std::vector<float>> values;
  for (const auto& p : model.parameters()) values.push_back(p->value);
  return values;
}

}  // namespace ramoe
