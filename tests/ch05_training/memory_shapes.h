// Models and batches whose memory is measured, on the host and on a GPU.
#pragma once

#include "ch01_tensor/philox.h"
#include "ch04_moe/tiny_model.h"
#include "ch05_training/memory.h"
#include "ch05_training/trainer.h"

namespace ramoe {

/// Shapes that differ in what dominates: vocabulary, experts, width of experts, heads.
inline std::vector<ModelConfig> memory_shapes(const std::string& family) {
  ModelConfig c;
  c.model_type = from_name<Family>(family, "family");
  c.vocab_size = 300;
  c.hidden_size = 64;
  c.num_hidden_layers = 4;
  c.moe_intermediate_size = 48;
  std::vector<ModelConfig> all(5, c);
  all[1].vocab_size = 2000;
  all[2].num_experts = 32;
  all[2].num_experts_per_tok = 4;
  all[3].moe_intermediate_size = 128;
  if (family == "olmoe") all[3].clip_qkv = 1;
  if (family != "olmoe") all[3].mlp_only_layers = {0};
  if (family == "qwen3_moe") all[4].head_dim = 32;
  if (family != "olmoe") all[4].num_key_value_heads = 2;
  for (ModelConfig& config : all) config.set_family_defaults();
  return all;
}

/// B sequences of T tokens, of which T - T/2 - 1 are to be predicted.
inline std::vector<TrainingSequence> measured_sequences(int B, int T) {
  std::vector<TrainingSequence> sequences;
  Random random(1);
  for (int b = 0; b < B; ++b) {
    sequences.push_back({{}, T / 2 + 1, -1});
    for (int t = 0; t < T; ++t) sequences.back().tokens.push_back(3 + int(random.below(200)));
  }
  return sequences;
}
inline double measured_targets(int B, int T) {
  return B * (T - T / 2 - 1);
}

/// A forward pass over the sequences that wants the last logits of each, as answering begins.
template <class T_>
void read_prompts(Model<T_>& model, Tape<T_>& tape,
                  const std::vector<TrainingSequence>& sequences) {
  std::vector<std::vector<int>> prompts;
  for (const TrainingSequence& s : sequences) prompts.push_back(s.tokens);
  const TokenBatch batch = make_batch(prompts, 2, 0);
  std::vector<int> last;
  for (int b = 0; b < batch.B; ++b) last.push_back((b + 1) * batch.T - 1);
  tape.reset();
  const typename Tape<T_>::NoGrad no_grad(tape);
  model.forward(tape, batch, {.logit_rows = &last});
}

}  // namespace ramoe
