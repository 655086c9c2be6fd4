// App - what `ramoe pretrain` refuses before it begins, and what it says of keys that do nothing.
#pragma once

#include "app/stages.h"

namespace ramoe {

/// Error at once if these sizes cannot fit, whatever the texts are like: a vocabulary of more than
/// they hold costs nothing, and hardly a row is shorter than 8 tokens.
void check_pretrain_sizes(const PretrainOptions& options);

/// The same with the tokenizer that there is now and the first rows. `config`: with its vocabulary.
void check_pretrain_batches(const PretrainOptions& options, const Mixture& mixture,
                            const Tokenizer& tokenizer, const ModelConfig& config);

/// Names what was given and cannot matter with the other keys.
void note_unused_pretrain(const PretrainOptions& options, const FieldList& fields);

}  // namespace ramoe
