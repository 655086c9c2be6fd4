// Chapter 11.1 - methods behind one interface
//
// A method may freeze parts of the model before training and may add a loss. What all share - data,
// steps, learning rate, batches - stays in chapter 10, so a comparison differs in the method alone.
//
//   sft     cross-entropy on the target-language answers; nothing else
//   ramoe   the same plus lambda times the alignment loss of chapter 10
//   rise    cross-entropy, but only some experts are trained (chapter 11.3)
//   sara    cross-entropy plus 1.5 times the Jensen-Shannon divergence between the routing of the
//           two sides, mean over the zone's layers, of every example (arXiv 2606.25821); ours: the
//           English side is the frozen base model's, as for ramoe, and its other keys do not matter
//
// Routing Steering (chapter 11.2) trains nothing: it is a way to answer, on the base model or
// sft's. Tests: tests/ch11_baselines/method_test.cpp
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ch10_alignment/alignment_term.h"
#include "ch11_baselines/rise.h"

namespace ramoe {

struct MethodConfig {
  double rise_share = 0.25;
  double sara_weight = 1.5;

  void list(FieldList& fields);
};

/// What a method may look at.
struct MethodContext {
  const MethodConfig& config;
  const AlignmentConfig& alignment;
  const StageResults& stages;
  const std::vector<FinetuneExample>& examples;  // outlives the training
  int steps;
  std::uint64_t seed;
  std::string language;                    // the target
  std::function<UsageByLanguage()> usage;  // of the base model on training prompts
};

class Method {
 public:
  virtual ~Method() = default;
  virtual std::string name() const = 0;
  /// Before the optimiser is made: chooses what is trained. The default trains everything.
  virtual void prepare(Model<float>& model, const MethodContext& context) const;
  /// The loss beside cross-entropy, or nullptr. `model` still holds the base weights.
  virtual std::unique_ptr<ExtraLoss<float>> extra_loss(Model<float>& model,
                                                       const MethodContext& context) const;
};

/// Error: unknown name, with the nearest.
std::unique_ptr<Method> make_method(const std::string& name);
std::vector<std::string> method_names();

}  // namespace ramoe
