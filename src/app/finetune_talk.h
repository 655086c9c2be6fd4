// App - what `ramoe finetune` says before and after it trains, and what it refuses.
#pragma once

#include "app/stages.h"

namespace ramoe {

/// Names what was given and cannot matter with the other keys.
void note_unused_finetune(const FinetuneOptions& options, const FieldList& fields);

/// Says what begins, and how well the base model does on adapt_valid. Returns its scores there and
/// on test; those are shown when all is done, so that nobody chooses by them.
Json say_finetuning(const FinetuneOptions& options, const FinetuneInputs& inputs);

/// Error if training cannot fit beside the weights, which are loaded.
void check_finetune_memory(const FinetuneOptions& options,
                           const std::vector<FinetuneExample>& examples, const ModelConfig& config);

/// One line for each task: the base model's accuracy on test, and that of the run in its folder.
void say_finetuned(const FinetuneOptions& options, const Json& before);

}  // namespace ramoe
