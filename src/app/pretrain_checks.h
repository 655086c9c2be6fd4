// App - what `ramoe pretrain` refuses before it begins, and its notes on keys without effect
#pragma once

#include "app/stages.h"

namespace ramoe {

/// Error at once if these sizes cannot fit with any texts. It counts a small vocabulary, because
/// the texts may not fill a large one, and rows of 8 tokens, because few rows are shorter.
void check_pretrain_sizes(const PretrainOptions& options);

/// The same check once the tokenizer and the first rows exist. `config` has the tokenizer's
/// vocabulary.
void check_pretrain_batches(const PretrainOptions& options, const Mixture& mixture,
                            const Tokenizer& tokenizer, const ModelConfig& config);

/// Names the given keys that have no effect with the other keys.
void note_unused_pretrain(const PretrainOptions& options, const FieldList& fields);

}  // namespace ramoe
