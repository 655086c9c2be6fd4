// App - what `ramoe demo` runs: the options of every stage, in subfolders of the demo's folder
//
// The base model is of a kind in which routing holds something back (docs/ladder.md): many small
// experts, and answers that are the same in every language. Three methods are compared:
//
//   sft         supervised fine-tuning
//   ramoe       the paper's setting: mean routing of the prompt, ci examples
//   ramoe-last  an extension, ours: the last prompt token alone, all examples, 5 lambda
//
// Tests: tests/app/demo_test.cpp
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "app/stages.h"

namespace ramoe {

enum class DemoTier { small, smoke };
constexpr auto names(DemoTier) {
  return std::array{"small", "smoke"};
}

struct DemoOptions {
  RunOptions run{"runs/demo"};
  DemoTier tier = DemoTier::small;
  std::string data = "data";
  Family model_type = Family::olmoe;
  int num_experts = 64, num_experts_per_tok = 8, moe_intermediate_size = 16;
  std::vector<std::string> tasks, languages;
  TaskForm form{AnswerForm::neutral, NumberForm::digits};
  int seeds = 10;
  int steps = 0, finetune_steps = 0;
  double lambda = 1;
  Precision precision = Precision::fp32;

  void list(FieldList& fields);
  bool smoke() const { return tier == DemoTier::smoke; }
  std::vector<std::string> tasks_or_default() const;
  /// Fine-tuning seeds 1 to this number.
  int seed_count() const { return smoke() ? 1 : seeds; }
};

/// A fine-tuning run, and its method's name in the results.
struct DemoRun {
  std::string method;
  FinetuneOptions options;
};

struct DemoPlan {
  PretrainOptions pretrain;
  DivergenceOptions divergence;
  std::vector<HeadroomOptions> headroom;  // a form each
  TaxonomyOptions taxonomy;
  ExpertsOptions experts;
  std::vector<DemoRun> finetune;
};
DemoPlan demo_plan(const DemoOptions& options);

/// The run folder and command of every stage.
std::vector<std::pair<std::string, std::string>> stage_folders(const DemoPlan& plan);

}  // namespace ramoe
