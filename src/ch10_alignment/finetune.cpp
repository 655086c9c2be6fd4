#include "ch10_alignment/finetune.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "ch01_tensor/philox.h"

namespace ramoe {

std::vector<FinetuneExample> finetune_examples(const std::vector<ExamplePair>& pairs,
                                               const std::vector<ClassifiedPair>& taxonomy,
                                               const Prompts& prompts) {
  std::map<std::pair<std::string, std::string>, const ClassifiedPair*> classified;
  for (const ClassifiedPair& pair : taxonomy) classified[{pair.lang, pair.id}] = &pair;
  CachedEncoder encoder(prompts.tokenizer());
  std::vector<FinetuneExample> examples;
  for (const ExamplePair& pair : pairs) {
    const auto found = classified.find({pair.target.lang, pair.target.id});
    check(found != classified.end(), "the taxonomy does not hold ", pair.target.id, " in ",
          pair.target.lang, "; run `ramoe taxonomy` with the same data, languages and tasks.");
    FinetuneExample example{pair.target.id, pair.target.task, found->second->type, {}, {}};
    example.target = prompts.example(encoder, pair.target.question, pair.target.answer);
    example.target.example = static_cast<int>(examples.size());
    example.english = prompts.example(encoder, pair.english.question, pair.english.answer);
    const int bos = prompts.format().bos;
    example.target_prompt = prompt_tokens(prompts.tokenizer(), example.target, bos);
    example.english_prompt = prompt_tokens(prompts.tokenizer(), example.english, bos);
    example.self = prompts.example(encoder, pair.target.question, found->second->target_output);
    examples.push_back(std::move(example));
  }
  return examples;
}

namespace {

/// The indices of the examples in the order in which they are drawn.
std::vector<int> draw_order(std::size_t examples, std::uint64_t seed) {
  std::vector<int> order(examples);
  std::iota(order.begin(), order.end(), 0);
  Random(seed, 34).shuffle(order);
  return order;
}

/// Puts the examples of these indices behind `drawn` in their order, numbered as they then stand.
void append_drawn(std::vector<FinetuneExample>& drawn, std::vector<int> indices,
                  const std::vector<FinetuneExample>& examples) {
  std::sort(indices.begin(), indices.end());
  for (const int i : indices) {
    drawn.push_back(examples[std::size_t(i)]);
    drawn.back().target.example = static_cast<int>(drawn.size()) - 1;
  }
}

}  // namespace

std::vector<FinetuneExample> draw_examples(const std::vector<FinetuneExample>& examples, int count,
                                           std::uint64_t seed) {
  check(count >= 0, "train_pairs = ", count, ": expected 0, for all, or how many to draw.");
  if (count == 0 || std::size_t(count) >= examples.size()) return examples;
  std::vector<int> order = draw_order(examples.size(), seed);
  order.resize(std::size_t(count));
  std::vector<FinetuneExample> drawn;
  append_drawn(drawn, order, examples);
  return drawn;
}

int pool_size(const std::string& pool) {
  if (pool == "all") return kWholePool;
  const bool whole = !pool.empty() && pool.size() <= 9 &&
                     pool.find_first_not_of("0123456789") == std::string::npos;
  check(whole, "pool = \"", pool, "\": expected 0 for none, all, or how many pairs, such as 200.");
  return std::stoi(pool);
}

std::vector<FinetuneExample> draw_with_pool(const std::vector<FinetuneExample>& examples, int count,
                                            int pool, std::uint64_t seed) {
  std::vector<FinetuneExample> drawn = draw_examples(examples, count, seed);
  const std::size_t labelled = drawn.size();
  const std::size_t all = std::min(examples.size(), labelled + std::size_t(pool));
  const std::vector<int> order = draw_order(examples.size(), seed);
  append_drawn(drawn,
               {order.begin() + std::ptrdiff_t(labelled), order.begin() + std::ptrdiff_t(all)},
               examples);
  for (std::size_t i = labelled; i < drawn.size(); ++i) {
    FinetuneExample& example = drawn[i];
    example.labelled = false;
    example.type = PairType::ii;
    example.target.tokens.resize(std::size_t(example.target.prompt));
    example.english.tokens.resize(std::size_t(example.english.prompt));
  }
  return drawn;
}

std::size_t labelled_count(const std::vector<FinetuneExample>& examples) {
  return static_cast<std::size_t>(std::count_if(
      examples.begin(), examples.end(), [](const FinetuneExample& e) { return e.labelled; }));
}

EpochRows::EpochRows(std::vector<TrainingSequence> sequences, std::size_t rows, std::uint64_t seed,
                     std::uint64_t stream)
    : sequences_(std::move(sequences)),
      rows_(rows),
      seed_(seed),
      stream_(stream),
      per_epoch_(static_cast<std::int64_t>((sequences_.size() + rows - 1) / rows)) {}

const std::vector<TrainingSequence>& EpochRows::of_step(std::int64_t step) {
  if (step / per_epoch_ != epoch_) {
    epoch_ = step / per_epoch_;
    std::vector<TrainingSequence> sequences = sequences_;
    // Shuffle first, so that examples of equal length have other neighbours in each epoch.
    Random(seed_, stream_ + std::uint64_t(epoch_)).shuffle(sequences);
    steps_ = bucket_by_length(std::move(sequences), rows_, seed_ + std::uint64_t(epoch_));
  }
  return steps_[std::size_t(step % per_epoch_)];
}

namespace {

/// The labelled examples; if others are aligned in their place they are nobody's example.
std::vector<TrainingSequence> labelled_rows(const std::vector<FinetuneExample>& examples,
                                            bool others_aligned) {
  std::vector<TrainingSequence> sequences;
  for (const FinetuneExample& example : examples) {
    if (!example.labelled) continue;
    sequences.push_back(example.target);
    if (others_aligned) sequences.back().example = -1;
  }
  check(!sequences.empty(),
        "fine-tuning needs training pairs; none match the languages and tasks.");
  return sequences;
}

/// Streams of what is drawn for an epoch: far enough apart for any number of epochs.
constexpr std::uint64_t labelled_stream = 4000, beside_stream = std::uint64_t{1} << 40;

}  // namespace

FinetuneBatches::FinetuneBatches(const std::vector<FinetuneExample>& examples, int batch,
                                 int accumulate, int pad, int bos, std::uint64_t seed,
                                 BesideRows beside)
    : batch_(batch),
      accumulate_(accumulate),
      pad_(pad),
      bos_(bos),
      labelled_(labelled_rows(examples, beside.aligned),
                std::size_t(batch) * std::size_t(accumulate), seed, labelled_stream),
      aligned_(beside.aligned) {
  if (!beside.sequences.empty())
    beside_.emplace(std::move(beside.sequences), std::size_t(batch) * std::size_t(accumulate), seed,
                    beside_stream);
}

TrainingBatch FinetuneBatches::batch(std::int64_t number) {
  const std::int64_t step = number / accumulate_;
  const int micro = static_cast<int>(number % accumulate_);
  const std::vector<TrainingSequence>& rows = labelled_.of_step(step);
  if (!beside_) return piece_of_step(rows, batch_, micro, pad_, bos_);
  const std::size_t piece = std::size_t(micro), size = std::size_t(batch_);
  const std::size_t pieces = (rows.size() + size - 1) / size;
  if (piece >= pieces) return {};
  const std::vector<TrainingSequence>& others = beside_->of_step(step);
  const auto at = [](const std::vector<TrainingSequence>& list, std::size_t i) {
    return list.begin() + static_cast<std::ptrdiff_t>(std::min(i, list.size()));
  };
  std::vector<TrainingSequence> both(at(rows, piece * size), at(rows, (piece + 1) * size));
  const std::size_t labelled = both.size();
  both.insert(both.end(), at(others, piece * others.size() / pieces),
              at(others, (piece + 1) * others.size() / pieces));
  TrainingBatch result = make_training_batch(both, pad_, bos_);
  std::vector<unsigned char>& scored = result.tokens.scored;
  if (aligned_)
    std::fill(scored.begin() + std::ptrdiff_t(labelled) * result.tokens.T, scored.end(), 0);
  return result;
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
