// Chapter 5.3 - the training step and the loop around it
//
//   L = L_CE + balance * L_balance + z * L_z + extra losses
//
//   L_CE       sum of -log p over the targets of the step / number of its targets
//   L_z        sum over the rows of the step that count / their number, mean over the layers
//   L_balance  E sum_e f[e] P[e], f and P over the rows of the step that count (chapter 4.1)
//   extra      mean over the examples of the step that the loss looks at
//
// A step's rows may be cut into batches (`accumulate`): every cut gives the same loss, gradient and
// step, but for rounding. With n of a step's targets, rows or examples, a batch that has n_i of
// them adds n_i / n of its own mean. f belongs to the whole step and has no gradient, so with
// balance and more than one batch the routing of all batches is computed first, forward alone
// (a third of the step's time more); a single batch needs no second pass.
//
// Pre-training and fine-tuning share this code: they differ in the batches and in the extra loss
// (the alignment term of chapter 10). A step is a pure function of the weights, the optimiser's
// state and the step number, so a resumed run gives the same bits as one that never stopped.
// Tests: tests/ch05_training/trainer_test.cpp
#pragma once

#include <functional>
#include <optional>

#include "ch04_moe/model.h"
#include "ch05_training/adamw.h"
#include "ch05_training/schedule.h"
#include "support/config.h"

namespace ramoe {

struct TrainConfig {
  int steps = 1000;
  int batch = 64;
  int accumulate = 1;
  double learning_rate = 3e-3;
  double warmup_share = 0.05;
  double least_rate = 0.05;
  double weight_decay = 0.1;
  double beta1 = 0.9, beta2 = 0.95, adam_eps = 1e-8;
  double clip = 1.0;
  double balance = 0.01;
  std::string balance_form = "layer";
  double z_loss = 0.001;
  std::string precision = "fp32";
  int log_every = 20;
  int save_every = 500;

  void list(FieldList& fields);
  Schedule schedule() const;
};

/// A batch with targets. Row logit_rows[i] of the batch predicts target[i].
struct TrainingBatch {
  TokenBatch tokens;
  std::vector<int> logit_rows, target;
  std::vector<int> prompt;   // (B) leading tokens that are prompt
  std::vector<int> example;  // (B) number of each sequence's example, for extra losses; or -1
};

/// Sequences with the number of leading tokens that are prompt: targets are the tokens from
/// `prompt` on (prompt >= 1; 1 trains on everything after BOS).
struct TrainingSequence {
  std::vector<int> tokens;
  int prompt = 1;
  int example = -1;
};
TrainingBatch make_training_batch(const std::vector<TrainingSequence>& sequences, int pad, int bos);

/// A loss beside cross-entropy: a mean over examples.
template <class T>
class ExtraLoss {
 public:
  virtual ~ExtraLoss() = default;
  /// How many examples of the batch the loss is a mean over: its share in a step of several.
  virtual int count(const TrainingBatch& batch) const = 0;
  /// A scalar already weighted, or a tensor without data for none.
  virtual Tensor<T> add(Tape<T>& tape, const TrainingBatch& batch, const ForwardResult<T>& forward,
                        int step) = 0;
};

/// What one step measured.
struct StepReport {
  double loss = 0, balance = 0, z_loss = 0, extra = 0, gradient_norm = 0, rate = 0;
  std::size_t tokens = 0;
};

template <class T>
class Trainer {
 public:
  /// The model must outlive the trainer. Parameters that are not trainable stay as they are.
  Trainer(Model<T>& model, const TrainConfig& config);

  /// One optimiser step from `config.accumulate` batches given by `next(micro)`; those without a
  /// row, as where an epoch ends, are passed over. Error, naming step and part, if a loss, the
  /// gradient norm or the update is not finite; weights and moments are then unchanged, as they
  /// are when it is Interrupted.
  StepReport step(const std::function<TrainingBatch(int micro)>& next,
                  ExtraLoss<T>* extra = nullptr);

  int steps_done() const { return optimiser_.steps_done(); }
  /// Mean over all steps so far, those before a resume too; padding counts. NaN after a resume from
  /// an old checkpoint, which does not say.
  double tokens_per_step() const;

  Model<T>& model() const { return model_; }
  /// What a checkpoint holds beside the weights; `tokens` of all steps so far, NaN: not known.
  AdamW<T>& optimiser() { return optimiser_; }
  const AdamW<T>& optimiser() const { return optimiser_; }
  double tokens() const { return tokens_; }
  void set_tokens(double tokens) { tokens_ = tokens; }

  const Arena& arena() const { return arena_; }

 private:
  /// What the losses of a step are means over, and f of its balance loss.
  struct StepTotals {
    double targets = 0, rows = 0, examples = 0;
    Storage<T> f;  // (L,E), pooled (1,E); empty: each batch has its own
  };
  StepTotals totals(const std::vector<TrainingBatch>& batches, const ExtraLoss<T>* extra);
  void step_shares(const std::vector<TrainingBatch>& batches, StepTotals& totals);
  /// The weights in a step of what one batch has of its targets, rows and examples.
  struct Shares {
    double targets, rows, examples;
  };
  Shares shares(const TrainingBatch& batch, const StepTotals& totals,
                const ExtraLoss<T>* extra) const;
  /// Forward and backward; `losses` gets kLosses values.
  void accumulate(const TrainingBatch& batch, const StepTotals& totals, ExtraLoss<T>* extra,
                  T* losses);
  /// Ends a step of which `what` is not finite with an Error; the gradients are cleared.
  [[noreturn]] void give_up(const std::string& what, const StepReport& report);

  Model<T>& model_;
  TrainConfig config_;
  AdamW<T> optimiser_;
  double tokens_ = 0;  // of all steps: a whole number
  Arena arena_;
  Tape<T> tape_;
  static constexpr std::size_t kLosses = 5;  // cross-entropy, balance, z, extra, their sum
  Storage<T> losses_;                        // of the step, batch by batch
};

}  // namespace ramoe
