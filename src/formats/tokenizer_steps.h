// Formats - the steps of a tokenizer.json around its vocabulary
//
// normalizer, pre_tokenizer, post_processor, decoder and the flags of the model, in the forms of
// the byte-level tokenizers of OLMoE, Qwen and Llama 3:
//
//   normalizer      null or NFC
//   pre_tokenizer   ByteLevel with use_regex (GPT-2's pattern), or Sequence[Split by a pattern of
//                   pretokenize.h, ByteLevel without]
//   post_processor  null, ByteLevel (offsets only), TemplateProcessing, a Sequence of these
//   decoder         ByteLevel, or a Sequence of it and Fuse
#pragma once

#include "ch06_languages/bpe.h"
#include "support/json_place.h"

namespace ramoe {

inline constexpr int kLargestId = 100'000'000;

/// Fills in nfc, pattern and ignore_merges. Error: a step that would change ids in a way that we do
/// not support; names its key.
void read_steps(const JsonPlace& root, TokenizerParts& parts);

/// Fills in before, after and post_processor. Error: another form, or an id that is not in `parts`.
void read_post_processor(const JsonPlace& root, TokenizerParts& parts);

}  // namespace ramoe
