// Bench - ramoe bench: speed compared with the machine's own ceilings, measured in the same minute
//
// The parts measure one machine, one configuration and one number of threads. Nothing here asserts
// a time. Compare numbers within a run; between runs, compare shares of the ceilings.
// Tests: tests/app/bench_test.cpp
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/bench_measure.h"
#include "ch05_training/trainer.h"

namespace ramoe {

struct BenchOptions {
  ModelConfig model;                // of steps, operations and generation
  int sequences = 32, tokens = 64;  // B and T of a step
  double seconds = 1;               // for each measurement
  int rounds = 7;                   // of each measurement
  std::uint64_t seed = 1;

  BenchOptions();
  void list(FieldList& fields);
  /// The effort of a measurement that takes this share of `seconds`.
  Effort effort(double share = 1) const { return {share * seconds, rounds}; }
};

/// What a part of the bench gets: its keys, and functions that take its progress and its results.
struct Bench {
  BenchOptions options;
  std::function<void(double done)> progress;           // share of this part, up to 1
  std::function<void(const std::string& text)> print;  // to the user, at the end of the part
};

/// Each prints a table and returns the same numbers. The pool in force on this thread does the
/// work.
Json bench_peak(const Bench& bench);
/// The products of the configuration's layers.
Json bench_gemm(const Bench& bench);
/// The 72 products of bench_sizes.h.
Json bench_sgemm(const Bench& bench);
/// Plain and fast versions of the same work, adding one idea at a time.
Json bench_ideas(const Bench& bench);
/// Products and the training step in bf16, alternating with fp32.
Json bench_bf16(const Bench& bench);
/// The operations of chapters 1 to 5, forward and backward.
Json bench_ops(const Bench& bench);
/// The training step of the model and of its dense counterpart.
Json bench_step(const Bench& bench);
/// The memory that a training step takes, and the cost of the tape itself.
Json bench_memory(const Bench& bench);
/// The cost of a step as experts, layers, sequences and tokens grow.
Json bench_scaling(const Bench& bench);
/// Greedy generation with the cache.
Json bench_generate(const Bench& bench);
/// Start-up of the program and loading of a model, in wall time and in processor time.
Json bench_start(const Bench& bench);

// ---- What the parts share (bench_models.cpp) ----------------------------------------------------

/// L=6 C=128 NH=4 V=512 E=16 K=2 H=128, 5.2 M parameters.
ModelConfig standard_config();
/// The same without experts: every layer has one SwiGLU as wide as the K experts of a token, so
/// both take the same FLOPs per token, apart from those of the router.
ModelConfig dense_counterpart(const ModelConfig& config);

/// B prompts of T random tokens; the first few of a vocabulary are left to the special ones.
std::vector<std::vector<int>> random_tokens(std::uint64_t seed, int B, int T, int V);
/// B sequences of T random tokens; all but the first token are targets.
TrainingBatch random_batch(const ModelConfig& config, int B, int T, std::uint64_t seed);

/// Multiply-adds of the matrix products of a step, two FLOPs each. Backward costs twice as much as
/// forward. Attention counts the full T x T, which is what the usual libraries compute.
double step_flops(const ModelConfig& config, const TrainingBatch& batch);

/// A model, its trainer and one batch, which every step uses again.
class BenchModel {
 public:
  BenchModel(const ModelConfig& config, int B, int T, std::uint64_t seed,
             const TrainConfig& train = {});
  void step();
  Model<float>& model() { return model_; }
  const Trainer<float>& trainer() const { return trainer_; }
  const TrainingBatch& batch() const { return batch_; }
  double flops() const { return step_flops(model_.config(), batch_); }
  double tokens() const { return static_cast<double>(batch_.tokens.token.size()); }

 private:
  Model<float> model_;
  TrainingBatch batch_;
  Trainer<float> trainer_;
};

/// printf into a string.
std::string text_of(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace ramoe
