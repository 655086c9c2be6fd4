// Going on from checkpoints, and what is none.
#include "runs/checkpoint.h"

#include <gtest/gtest.h>

#include "ch05_training/small_training.h"
#include "formats/model_files.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

TEST(Checkpoint, ResumedEqualsNeverStopped) {
  const ScratchFolder folder;
  TrainConfig config = quick();
  config.accumulate = 2;
  Model<float> straight(tiny_config("qwen2_moe", false), 1);
  Trainer<float> never_stopped(straight, config);
  train(never_stopped, config, 6);

  Model<float> before(tiny_config("qwen2_moe", false), 1);
  Trainer<float> stopped(before, config);
  train(stopped, config, 3);
  save_checkpoint(stopped, folder.file("checkpoint"));
  Model<float> after(tiny_config("qwen2_moe", false), 99);  // other weights, to be replaced
  Trainer<float> resumed(after, config);
  load_checkpoint(resumed, folder.file("checkpoint"));
  EXPECT_EQ(resumed.steps_done(), 3);
  EXPECT_NE(state_of(resumed), state_of(never_stopped));
  train(resumed, config, 6);
  EXPECT_EQ(state_of(resumed), state_of(never_stopped));
}

TEST(Checkpoint, TokensPerStepAreTheRunsMeanAlsoAfterResumes) {
  const ScratchFolder folder;
  Model<float> straight(tiny_config("olmoe", false), 1);
  Trainer<float> never_stopped(straight, quick());
  EXPECT_EQ(never_stopped.tokens_per_step(), 0);
  double tokens = 0;
  for (int step = 0; step < 6; ++step)
    tokens += double(never_stopped.step([&](int) { return numbered_batch(step); }).tokens);
  EXPECT_EQ(never_stopped.tokens_per_step(), tokens / 6);
  EXPECT_NE(tokens, 6 * double(numbered_batch(5).tokens.token.size()));
  for (int stop = 0; stop <= 6; ++stop) {  // at the end, too
    Model<float> model(tiny_config("olmoe", false), 1);
    Trainer<float> trainer(model, quick());
    if (stop > 0) load_checkpoint(trainer, folder.file("c"));
    EXPECT_EQ(trainer.steps_done(), std::max(0, stop - 1));
    train(trainer, quick(), stop);
    save_checkpoint(trainer, folder.file("c"));
    EXPECT_EQ(trainer.tokens_per_step() == tokens / 6, stop == 6);
  }
}

/// What a tiny olmoe says to a checkpoint of another model.
std::string error_of_loading(const ModelConfig& other, bool router_alone = false) {
  const ScratchFolder folder;
  Model<float> saved(other, 1), model(tiny_config("olmoe", false), 2);
  if (router_alone)
    for (const auto& p : saved.parameters()) p->trainable = p.get() == saved.layer(0).router;
  save_checkpoint(Trainer<float>(saved, quick()), folder.file("c"));
  Trainer<float> trainer(model, quick());
  const std::vector<std::vector<float>> before = values_of(model);
  const std::string error = error_of([&] { load_checkpoint(trainer, folder.file("c")); });
  // What does not fit in its last tensor must not have overwritten the first.
  EXPECT_EQ(values_of(model) == before, error != "no error") << error;
  return error;
}

TEST(Checkpoint, TheCheckpointOfAnotherModelIsAnError) {
  ModelConfig other = tiny_config("olmoe", false);
  EXPECT_EQ(error_of_loading(other), "no error");
  other.moe_intermediate_size = 7;
  std::string error = error_of_loading(other);
  EXPECT_TRUE(mentions(error, "experts.0.gate_proj.weight") && mentions(error, "(7,8)") &&
              mentions(error, "(5,8)"))
      << error;
  other = tiny_config("olmoe", false);
  other.num_hidden_layers = 1;
  EXPECT_TRUE(mentions(error_of_loading(other), "model.layers.1."));
  other.num_hidden_layers = 3;  // all that is asked for is there, and more
  EXPECT_TRUE(mentions(error_of_loading(other), "model.layers.2."));
  EXPECT_TRUE(mentions(error_of_loading(tiny_config("qwen2_moe", false)), "self_attn"));
  EXPECT_TRUE(mentions(error_of_loading(tiny_config("olmoe", true)), "lm_head.weight"));
  EXPECT_TRUE(mentions(error_of_loading(tiny_config("olmoe", false), true), "adamw.m."));
}

TEST(Checkpoint, WhatIsNoCheckpointIsAnError) {
  const ScratchFolder folder;
  Model<float> model(tiny_config("olmoe", false), 2);
  Trainer<float> trainer(model, quick());
  save_model(model, folder.path());
  const std::string no_step =
      error_of([&] { load_checkpoint(trainer, folder.file("model.safetensors")); });
  EXPECT_TRUE(mentions(no_step, "\"step\"") && mentions(no_step, "model.safetensors")) << no_step;
  for (const char* step : {"", "-1", "3x", "99999999999"}) {
    write_safetensors(folder.file("c"), {}, {{"step", step}});
    EXPECT_TRUE(mentions(error_of([&] { load_checkpoint(trainer, folder.file("c")); }), "step"));
  }
  save_checkpoint(trainer, folder.file("c"));
  const std::string whole = read_file(folder.file("c"));
  write_file(folder.file("c"), whole.substr(0, whole.size() - 5));
  EXPECT_TRUE(
      mentions(error_of([&] { load_checkpoint(trainer, folder.file("c")); }), folder.file("c")));
}

}  // namespace
}  // namespace ramoe
