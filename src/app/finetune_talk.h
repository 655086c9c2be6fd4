// App - what `ramoe finetune` prints before and after it trains, and what it refuses
#pragma once

#include "app/stages.h"

namespace ramoe {

/// Names the given keys that have no effect with the other keys.
void note_unused_finetune(const FinetuneOptions& options, const FieldList& fields);

/// Prints what will be trained, and how well the base model does on adapt_valid. Returns its scores
/// there and on test; those on test are shown at the end, so that nobody chooses by them.
Json say_finetuning(const FinetuneOptions& options, const FinetuneInputs& inputs);

/// Error if training does not fit into memory beside the weights, which are already loaded.
void check_finetune_memory(const FinetuneOptions& options,
                           const std::vector<FinetuneExample>& examples, const ModelConfig& config);

/// One line for each task: the base model's accuracy on test, and that of the run in its folder.
void say_finetuned(const FinetuneOptions& options, const Json& before);

}  // namespace ramoe
