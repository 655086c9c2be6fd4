// The plan of `ramoe memory --device=cuda` against a GPU's arenas, and a model that is read straight
// into a GPU's memory.
#include <gtest/gtest.h>

#include <thread>

#include "ch05_training/memory_shapes.h"
#include "cuda/support/scratch.h"
#include "formats/load_straight.h"

namespace ramoe {
namespace {

/// Calls act() in a thread of its own, whose scratch memory is empty at first.
template <class Act>
void in_new_thread(const Act& act) {
  std::thread(act).join();
}

double most_of(const GpuArena& arena) {
  return static_cast<double>(arena.most_bytes() + cuda::scratch_arena().most_bytes());
}

constexpr int kB = 4, kT = 32;

TEST(GpuMemoryPlan, AStepTakesWhatTheArenasHold) {
  for (const char* family : kFamilyNames)
    for (const ModelConfig& config : memory_shapes(family))
      in_new_thread([&] {
        Model<GpuFloat> model(config, 1);
        Trainer<GpuFloat> trainer(model, {});
        trainer.step([&](int) { return make_training_batch(measured_sequences(kB, kT), 2, 0); });
        const ActivationCount count = count_activations(config, kT, MemoryOf::gpu);
        const double bytes = count.bytes(kB * kT, measured_targets(kB, kT));
        EXPECT_NEAR(bytes / most_of(trainer.arena()), 1, 0.05)
            << family << " V=" << config.vocab_size << " E=" << config.num_experts
            << " H=" << config.moe_intermediate_size;
      });
}

TEST(GpuMemoryPlan, ReadingPromptsTakesWhatTheArenasHold) {
  for (const char* family : kFamilyNames)
    for (const ModelConfig& config : memory_shapes(family))
      in_new_thread([&] {
        Model<GpuFloat> model(config, 1);
        GpuArena arena;
        Tape<GpuFloat> tape(arena);
        read_prompts(model, tape, measured_sequences(kB, kT));
        const ActivationCount count = count_activations(config, kT, MemoryOf::gpu);
        EXPECT_NEAR(count.forward_bytes(kB * kT, kB) / most_of(arena), 1, 0.05)
            << family << " V=" << config.vocab_size << " E=" << config.num_experts;
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

}  // namespace
}  // namespace ramoe
