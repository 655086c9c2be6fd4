// Chapter 11.1 - methods behind one interface
//
// A method may freeze parts of the model before training and may add a loss. What all share - data,
// steps, learning rate, batches - stays in chapter 10, so a comparison differs in the method alone.
//
//   sft     cross-entropy on the target-language answers; nothing else
//   ramoe   the same plus lambda times the alignment loss of chapter 10
//
// Tests: tests/ch11_baselines/method_test.cpp
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ch10_alignment/alignment_term.h"

namespace ramoe {

/// What a method may look at.
struct MethodContext {
  const AlignmentConfig& alignment;
  const StageResults& stages;
  const std::vector<FinetuneExample>& examples;  // outlives the training
  int steps;
  std::uint64_t seed;
};

class Method {
 public:
  virtual ~Method() = default;
  virtual std::string name() const = 0;
  /// Before the optimiser is made: sets Parameter::trainable. The default trains everything.
  virtual void prepare(Model<float>& model) const;
  /// The loss beside cross-entropy, or nullptr. `model` still holds the base weights.
  virtual std::unique_ptr<ExtraLoss> extra_loss(Model<float>& model,
                                                const MethodContext& context) const;
};

/// Error: unknown name, with the nearest.
std::unique_ptr<Method> make_method(const std::string& name);
std::vector<std::string> method_names();

}  // namespace ramoe
