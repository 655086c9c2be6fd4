#include "app/pretrain_checks.h"

#include <algorithm>

#include "ch05_training/memory.h"
#include "ch06_languages/batches.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr const char* kLower =
    "lower hidden_size, num_hidden_layers, num_experts, "
    "moe_intermediate_size, vocab_size or batch";

}  // namespace

void check_pretrain_sizes(const PretrainOptions& o) {
  if (o.run.device == Device::cuda) return;  // a GPU says itself what it lacks
  constexpr int kTokens = 8, kVocabulary = 4096;
  ModelConfig config = o.model;
  config.vocab_size = std::min(config.vocab_size, kVocabulary);
  check_memory(training_bytes(config, o.train.batch, kTokens,
                              static_cast<double>(count_parameters(config).total)),
               "training", kLower);
}

void check_pretrain_batches(const PretrainOptions& o, const Mixture& mixture,
                            const Tokenizer& tokenizer, const ModelConfig& config) {
  MixtureBatches batches(mixture, tokenizer, o.train.batch, o.train.accumulate, o.question_targets,
                         o.seed);
  int longest = 0;
  for (std::int64_t i = 0; i < std::int64_t{8} * o.train.accumulate; ++i)  // of eight steps
    longest = std::max(longest, batches.batch(i).tokens.T);
  if (o.run.device == Device::cuda) return;
  check_memory(training_bytes(config, o.train.batch, longest,
                              static_cast<double>(count_parameters(config).total)),
               cat("training with batches of ", o.train.batch, " rows of ", longest, " tokens"),
               kLower);
}

void note_unused_pretrain(const PretrainOptions& o, const FieldList& fields) {
  const auto has = [&](const char* task) {
    return std::find(o.corpus.tasks.begin(), o.corpus.tasks.end(), task) != o.corpus.tasks.end();
  };
  if (!has("sums")) note_unused(fields, {"sums_share", "max_sum"}, "no task sums");
  if (!has("facts")) note_unused(fields, {"facts_share"}, "no task facts");
  if (!has("follow"))
    note_unused(fields,
                {"follow_share", "follow_base", "follow_adapt", "follow_valid", "follow_test",
                 "longest_list"},
                "no task follow");
  if (!o.model.shared_expert())
    note_unused(fields, {"shared_expert_intermediate_size"},
                "model_type=" + name_of(o.model.model_type));
  if (o.model.moe_layer_count() == o.model.num_hidden_layers)
    note_unused(fields, {"intermediate_size"}, "every layer has experts");
  note_unused(fields, {"bos_token_id", "eos_token_id", "pad_token_id"},
              "the tokenizer that is trained has its own");
}

}  // namespace ramoe
