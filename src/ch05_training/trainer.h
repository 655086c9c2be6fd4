// Chapter 5.4 - the training step and the loop around it
//
//   L = L_CE + balance * L_balance + z * L_z + extra losses
//
//   L_CE       mean of -log p over the targets of the step
//   L_z        mean over the scored rows of the step and over the layers
//   L_balance  E sum_e f[e] P[e], f and P over the scored rows of the step (chapter 4.1)
//   extra      mean over those examples of the step that the loss uses
//
// The rows of a step may be cut into batches (`accumulate`). Every cut gives the same loss,
// gradient and step, except for rounding: if a step has n targets, rows or examples and a batch has
// n_i of them, the batch adds n_i / n times its own mean. f belongs to the whole step and has no
// gradient. So with balance and more than one batch, a forward pass over all batches computes their
// routing first (one third more time per step); a single batch needs no such pass.
//
// Pre-training and fine-tuning share this code: they differ in the batches and in the extra loss
// (the alignment term of chapter 10). A step is a pure function of the weights, the optimiser's
// state, the step number and its batches, so a resumed run gives the same bits as one that never
// stopped.
// Tests: tests/ch05_training/trainer_test.cpp
#pragma once

#include <array>
#include <functional>
#include <optional>

#include "ch01_tensor/replay.h"
#include "ch04_moe/model.h"
#include "ch05_training/adamw.h"
#include "ch05_training/schedule.h"
#include "ch05_training/training_batch.h"
#include "support/config.h"

namespace ramoe {

/// Whether the balance loss takes f and P over each layer, or over the rows of all layers at once.
enum class BalanceForm { layer, pooled };
constexpr auto names(BalanceForm) {
  return std::array{"layer", "pooled"};
}

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
  BalanceForm balance_form = BalanceForm::layer;
  double z_loss = 0.001;
  Precision precision = Precision::fp32;
  int log_every = 20;
  int save_every = 500;

  void list(FieldList& fields);
  Schedule schedule() const;
};

/// A loss beside cross-entropy: a mean over examples.
template <class T>
class ExtraLoss {
 public:
  virtual ~ExtraLoss() = default;
  /// The number of examples of the batch that the loss is a mean over; it gives the batch's weight.
  virtual int count(const TrainingBatch& batch) const = 0;
  /// Comes before add(): places what add() reads of this batch. Returns the numbers of the host
  /// that add() uses beside it and beside the sizes of the batch, so that its work can be replayed
  /// when they are the same (chapter 1.8); nothing: it is never replayed.
  virtual std::optional<std::vector<double>> place(Tape<T>&, const TrainingBatch&, int /*step*/) {
    return {};
  }
  /// The loss, a scalar that includes its weight; a tensor without data if there is none.
  virtual Tensor<T> add(Tape<T>& tape, const TrainingBatch& batch, const ForwardResult<T>& forward,
                        int step) = 0;
};

/// The measurements of one step.
struct StepReport {
  int step = 0;  // its number, from 1
  double loss = 0, balance = 0, z_loss = 0, extra = 0, gradient_norm = 0, rate = 0;
  std::size_t tokens = 0;
};

template <class T>
class Trainer {
 public:
  /// The model must outlive the trainer. Parameters that are not trainable stay as they are.
  Trainer(Model<T>& model, const TrainConfig& config);

  /// One optimiser step from `config.accumulate` batches given by `next(micro)`; batches without a
  /// row, such as at the end of an epoch, are skipped. Error, naming step and part, if a loss, the
  /// gradient norm or the update is not finite. Weights and moments are then unchanged, as they
  /// are after Interrupted.
  ///
  /// A GPU is not waited for: its steps are read at log lines, when a checkpoint is due and after
  /// the last step. In between the report is that of the last step read, and a step that fails is
  /// found at the next reading; the steps after it do nothing.
  StepReport step(const std::function<TrainingBatch(int micro)>& next,
                  ExtraLoss<T>* extra = nullptr);
  /// Reads the steps that have not been read; the same errors. The report of the last.
  const StepReport& settle();

  int steps_done() const { return optimiser_.steps_done(); }
  /// Mean over all steps so far, including those before a resume and padding. NaN after a resume
  /// from an old checkpoint, which does not store it.
  double tokens_per_step() const;

  Model<T>& model() const { return model_; }
  /// What a checkpoint holds besides the weights. `tokens`: of all steps so far; NaN: not known.
  AdamW<T>& optimiser() { return optimiser_; }
  const AdamW<T>& optimiser() const { return optimiser_; }
  double tokens() const { return tokens_; }
  void set_tokens(double tokens) { tokens_ = tokens; }

  const ArenaOf<T>& arena() const { return arena_; }
  const Replay<T>& replay() const { return replay_; }
  /// Tokens and targets of the steps of one batch so far, and with what common sizes added.
  struct Padding {
    double tokens = 0, targets = 0, padded_tokens = 0, padded_targets = 0;
  };
  const Padding& padding() const { return padding_; }

 private:
  /// The numbers of targets, rows and examples in a step, and f of its balance loss.
  struct StepTotals {
    double targets = 0, rows = 0, examples = 0;
    Storage<T> f;  // (L,E), pooled (1,E); empty: the batch computes its own
  };
  StepTotals totals(const std::vector<TrainingBatch>& batches, const ExtraLoss<T>* extra);
  void step_shares(const std::vector<TrainingBatch>& batches, StepTotals& totals);
  /// The weights of one batch in a step: its shares of the targets, rows and examples.
  struct Shares {
    double targets, rows, examples;
  };
  Shares shares(const TrainingBatch& batch, const StepTotals& totals,
                const ExtraLoss<T>* extra) const;
  /// Begins a step on the tape: places the batch, its targets and what the extra loss reads. The
  /// key of its work if it can be replayed.
  std::optional<std::vector<double>> place_batch(const TrainingBatch& batch, const Shares& share,
                                                 ExtraLoss<T>* extra);
  /// Forward and backward of the batch that was placed; `losses` gets kLosses values.
  void accumulate(const TrainingBatch& batch, const StepTotals& totals, const Shares& share,
                  ExtraLoss<T>* extra, T* losses);
  /// A step of one batch, which a GPU may replay.
  void replay_step(const TrainingBatch& batch, const StepTotals& totals, const Shares& share,
                   ExtraLoss<T>* extra);
  /// A step that has not been read: what the host knows of it.
  struct Pending {
    StepReport report;  // without what the device knows
    std::vector<Shares> shares;
  };
  bool must_read() const;
  /// The report of a pending step, with its losses and outcome; an error if it failed.
  StepReport read(const Pending& step, const Number<T>* losses, const AdamWOutcome& outcome);
  /// Clears the gradients and throws the Error of a step in which `what` is not finite.
  [[noreturn]] void give_up(const std::string& what, const StepReport& report);

  Model<T>& model_;
  TrainConfig config_;
  AdamW<T> optimiser_;
  double tokens_ = 0;  // of all steps; a whole number or NaN
  ArenaOf<T> arena_;
  Tape<T> tape_;
  PlacedBatch<T> placed_;
  const Index<T>* target_ = nullptr;
  Count<T> targets_{};  // how many are scored
  Replay<T> replay_;
  Padding padding_;
  static constexpr int kLosses = 5;  // cross-entropy, balance, z, extra, their sum
  Storage<T> losses_;                        // of the step, batch by batch
  // The losses and outcomes of pending steps, one after another.
  static constexpr std::size_t kMostPending = Lives<T>::on_gpu ? 128 : 1;
  std::vector<Pending> pending_;
  Storage<T> pending_losses_;
  typename Lives<T>::template Vector<Beside<T, AdamWOutcome>> pending_outcomes_;
  StepReport last_;
};

}  // namespace ramoe
