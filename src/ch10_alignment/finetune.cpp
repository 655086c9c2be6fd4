#include "ch10_alignment/finetune.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "ch01_tensor/philox.h"

namespace ramoe {

std::vector<FinetuneExample> finetune_examples(const std::vector<ExamplePair>& pairs,
                                               const std::vector<ClassifiedPair>& taxonomy,
                                               const Prompts& prompts) {
  std::map<std::pair<std::string, std::string>, PairType> types;
  for (const ClassifiedPair& pair : taxonomy) types[{pair.lang, pair.id}] = pair.type;
  CachedEncoder encoder(prompts.tokenizer());
  std::vector<FinetuneExample> examples;
  for (const ExamplePair& pair : pairs) {
    const auto type = types.find({pair.target.lang, pair.target.id});
    check(type != types.end(), "the taxonomy does not hold ", pair.target.id, " in ",
          pair.target.lang, "; run `ramoe taxonomy` with the same data, languages and tasks.");
    FinetuneExample example{pair.target.id, pair.target.task, type->second, {}, {}};
    example.target = prompts.example(encoder, pair.target.question, pair.target.answer);
    example.target.example = static_cast<int>(examples.size());
    example.english = prompts.example(encoder, pair.english.question, pair.english.answer);
    examples.push_back(std::move(example));
  }
  return examples;
}

std::vector<FinetuneExample> draw_examples(const std::vector<FinetuneExample>& examples, int count,
                                           std::uint64_t seed) {
  check(count >= 0, "train_pairs = ", count, ": expected 0, for all, or how many to draw.");
  if (count == 0 || std::size_t(count) >= examples.size()) return examples;
  std::vector<int> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  Random(seed, 34).shuffle(order);
  order.resize(std::size_t(count));
  std::sort(order.begin(), order.end());
  std::vector<FinetuneExample> drawn;
  for (const int i : order) {
    drawn.push_back(examples[std::size_t(i)]);
    drawn.back().target.example = static_cast<int>(drawn.size()) - 1;
  }
  return drawn;
}

FinetuneBatches::FinetuneBatches(const std::vector<FinetuneExample>& examples, int batch,
                                 int accumulate, int pad, int bos, std::uint64_t seed)
    : examples_(examples),
      batch_(batch),
      accumulate_(accumulate),
      pad_(pad),
      bos_(bos),
      seed_(seed) {
  check(!examples.empty(), "fine-tuning needs training pairs; none match the languages and tasks.");
  const std::int64_t rows = std::int64_t{batch} * accumulate;
  per_epoch_ = (static_cast<std::int64_t>(examples.size()) + rows - 1) / rows;
}

TrainingBatch FinetuneBatches::batch(std::int64_t number) {
  const std::int64_t step = number / accumulate_;
  if (step / per_epoch_ != epoch_) {
    epoch_ = step / per_epoch_;
    std::vector<TrainingSequence> sequences;
    for (const FinetuneExample& example : examples_) sequences.push_back(example.target);
    // Shuffle first, so that examples of equal length have other neighbours in each epoch.
    Random(seed_, 4000 + std::uint64_t(epoch_)).shuffle(sequences);
    steps_ = bucket_by_length(std::move(sequences), std::size_t(batch_) * std::size_t(accumulate_),
                              seed_ + std::uint64_t(epoch_));
  }
  return piece_of_step(steps_[std::size_t(step % per_epoch_)], batch_,
                       static_cast<int>(number % accumulate_), pad_, bos_);
}

template <class T>
void finetune(Trainer<T>& trainer, FinetuneBatches& batches, const TrainConfig& config,
              ExtraLoss<T>* extra, const std::function<bool(int step, const StepReport&)>& watch) {
  while (trainer.steps_done() < config.steps) {
    const int step = trainer.steps_done();
    const std::int64_t at = std::int64_t{step} * config.accumulate;
    const StepReport report =
        trainer.step([&](int micro) { return batches.batch(at + micro); }, extra);
    if (!watch(step + 1, report)) return;
  }
}

#define RAMOE_INSTANTIATE(T)                                                               \
  template void finetune(Trainer<T>&, FinetuneBatches&, const TrainConfig&, ExtraLoss<T>*, \
                         const std::function<bool(int step, const StepReport&)>&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
