// The plan of `ramoe memory --device=cuda` against a GPU's arenas, and a model that is read
// straight into a GPU's memory.
#include <gtest/gtest.h>

#include <thread>

#include "ch05_training/memory_shapes.h"
#include "cuda/only_left.h"
#include "cuda/support/scratch.h"
#include "formats/load_straight.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// Calls act() in a thread of its own, whose scratch memory is empty at first.
template <class Act>
void in_new_thread(const Act& act) {
  std::thread(act).join();
}

constexpr int kB = 2, kT = 32, kTokens = kB * kT;

/// What a step or a forward pass took, in its arena and beside it, against the plan's bytes.
void expect_planned(double bytes, const GpuArena& arena, const ModelConfig& config) {
  const double beside = 4 * kTokens * count_activations(config, kT, MemoryOf::gpu).scratch;
  const double scratch = double(cuda::scratch_arena().most_bytes());
  // The memory that a layer lends is not used in a dense one, whose gradients may take its place.
  const double within = config.mlp_only_layers.empty() ? 0.05 : 0.1;
  EXPECT_NEAR((bytes - beside) / double(arena.most_bytes()), 1, within)
      << name_of(config.model_type) << " V=" << config.vocab_size << " E=" << config.num_experts
      << " H=" << config.moe_intermediate_size;
  // Small products are cut into parts whose sums are kept; those of real models are not.
  EXPECT_GE(scratch, beside);
  EXPECT_LE(scratch, beside + (1 << 18));
}

TEST(GpuMemoryPlan, AStepTakesWhatTheArenasHold) {
  for (const char* family : kFamilyNames)
    for (const std::size_t shape : {2u, 3u})
      in_new_thread([&] {
        const ModelConfig config = memory_shapes(family)[shape];
        Model<GpuFloat> model(config, 1);
        Trainer<GpuFloat> trainer(model, {});
        trainer.step([&](int) { return make_training_batch(measured_sequences(kB, kT), 2, 0); });
        const ActivationCount count = count_activations(config, kT, MemoryOf::gpu);
        expect_planned(count.bytes(kTokens, measured_targets(kB, kT)), trainer.arena(), config);
      });
}

TEST(GpuMemoryPlan, ReadingPromptsTakesWhatTheArenasHold) {
  for (const char* family : kFamilyNames)
    for (const Precision weights : {Precision::fp32, Precision::bf16})
      in_new_thread([&] {
        const ModelConfig config = memory_shapes(family)[2];
        Model<GpuFloat> model(config, weights);
        GpuArena arena;
        Tape<GpuFloat> tape(arena);
        read_prompts(model, tape, measured_sequences(kB, kT));
        const ForwardCount count = count_forward(config, kT, MemoryOf::gpu);
        expect_planned(count.bytes(kTokens, kB, weights), arena, config);
      });
}

TEST(GpuMemoryPlan, AModelIsReadWithoutACopyOnTheHost) {
  const StoredInHalf stored;
  Model<GpuFloat> wanted(stored.model.config());  // the way through floats on the host
  wanted.copy_values(*load_model(stored.folder.path()));
  std::unique_ptr<Model<GpuFloat>> read;
  const long long heap = heap_of([&] { read = load_model<GpuFloat>(stored.folder.path()); });
  for (std::size_t i = 0; i < wanted.parameters().size(); ++i) {
    const std::size_t count = wanted.parameters()[i]->value.size();
    std::vector<float> a(count), b(count);
    copy_out(a.data(), wanted.parameters()[i]->value.data(), count);
    copy_out(b.data(), read->parameters()[i]->value.data(), count);
    EXPECT_EQ(a, b) << wanted.parameters()[i]->name;
  }
  EXPECT_LE(heap, static_cast<long long>(stored.largest) + StoredInHalf::kBesides);
}

#ifdef RAMOE_CUDA_EMULATION
TEST(GpuMemoryPlan, AModelThatCannotFitIsNotRead) {
  const StoredInHalf stored;
  const OnlyLeft left(1000);
  const std::string error = error_of([&] { load_model<GpuFloat>(stored.folder.path()); });
  EXPECT_TRUE(mentions(error, "KiB is free on the GPU; take a smaller one, a larger GPU")) << error;
}
#endif

TEST(GpuMemoryPlan, WeightsKeptAsBf16AnswerAsTheFileDoes) {
  expect_same_answers<GpuFloat>();
}

}  // namespace
}  // namespace ramoe
