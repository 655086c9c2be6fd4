#include "ch06_languages/batches.h"

#include <algorithm>

#include "ch01_tensor/philox.h"
#include "support/order.h"
#include "support/stop.h"

namespace ramoe {

std::vector<std::vector<TrainingSequence>> bucket_by_length(std::vector<TrainingSequence> sequences,
                                                            std::size_t batch, std::uint64_t seed) {
  const auto length = [&](int i) { return sequences[std::size_t(i)].tokens.size(); };
  const auto fits = [&](std::size_t rows, std::size_t) { return rows <= batch; };
  std::vector<std::vector<TrainingSequence>> batches;
  for (const std::vector<int>& members : batches_by_length(sequences.size(), length, fits)) {
    batches.emplace_back();
    for (const int i : members) batches.back().push_back(std::move(sequences[std::size_t(i)]));
  }
  Random(seed, seed_for(seed, "batch order")).shuffle(batches);
  return batches;
}

TrainingBatch piece_of_step(const std::vector<TrainingSequence>& rows, int batch, int micro,
                            int pad, int bos) {
  const auto at = [&](std::size_t piece) {
    return rows.begin() +
           static_cast<std::ptrdiff_t>(std::min(piece * std::size_t(batch), rows.size()));
  };
  return make_training_batch({at(std::size_t(micro)), at(std::size_t(micro) + 1)}, pad, bos);
}

MixtureBatches::MixtureBatches(const Mixture& mixture, const Tokenizer& tokenizer, int batch,
                               int accumulate, bool question_targets, std::uint64_t seed)
    : mixture_(mixture),
      tokenizer_(tokenizer),
      prompts_(tokenizer),
      encoder_(tokenizer),
      batch_(batch),
      accumulate_(accumulate),
      question_targets_(question_targets),
      seed_(seed) {
  constexpr std::int64_t kMost = 1 << 20;
  check(std::int64_t{batch} * accumulate <= kMost,
        "batch * accumulate = ", std::int64_t{batch} * accumulate, " rows a step; at most ", kMost,
        " are drawn together. Lower one of them.");
}

TrainingBatch MixtureBatches::batch(std::int64_t number) {
  const std::int64_t step = number / accumulate_;
  if (step / kGroup != group_) {
    group_ = step / kGroup;
    std::vector<TrainingSequence> sequences;
    const std::uint64_t rows = std::uint64_t(batch_) * std::uint64_t(accumulate_);
    const std::uint64_t count = static_cast<std::uint64_t>(kGroup) * rows;
    for (std::uint64_t i = 0; i < count; ++i) {
      const Document document = mixture_.document(std::uint64_t(group_) * count + i);
      sequences.push_back(prompts_.example(encoder_, document.question, document.answer));
      if (question_targets_) sequences.back().prompt = 1;
    }
    steps_ = bucket_by_length(std::move(sequences), rows, seed_ + std::uint64_t(group_));
  }
  return piece_of_step(steps_[static_cast<std::size_t>(step % kGroup)], batch_,
                       static_cast<int>(number % accumulate_), tokenizer_.pad(), tokenizer_.bos());
}

std::vector<std::string> tokenizer_lines(const Mixture& mixture, int documents) {
  std::vector<std::string> lines;
  for (const Document& document : mixture.lexicon_documents()) lines.push_back(document.text());
  for (int i = 0; i < documents; ++i) {
    stop_point();
    lines.push_back(mixture.document(static_cast<std::uint64_t>(i)).text());
  }
  return lines;
}

}  // namespace ramoe
