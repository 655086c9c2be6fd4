// A model in bf16 files, large enough that a copy of it shows: what reading it takes on the host.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "ch04_moe/tiny_model.h"
#include "formats/model_files.h"
#include "support/heap_watch.h"
#include "support/scratch.h"

namespace ramoe {

class StoredInHalf {
 public:
  StoredInHalf(const std::string& family = "qwen3_moe", bool tied = false)
      : model(config(family, tied), 1) {
    const SavedForm form{to_hugging_face(model.config()),
                         saved_dtypes(SaveDtype::bf16, "", model.config())};
    round_values(model, form);
    save_model(model, folder.path(), form);
    for (const auto& p : model.parameters()) {
      all += sizeof(float) * p->value.size();
      largest = std::max(largest, sizeof(float) * p->value.size());
    }
  }
  /// Names, shapes and the header of the file, and what an emulated GPU notes of its memory.
  static constexpr long long kBesides = 900 << 10;

  ScratchFolder folder;
  Model<float> model;
  std::size_t all = 0, largest = 0;  // bytes as floats

 private:
  static ModelConfig config(const std::string& family, bool tied) {
    ModelConfig c = tiny_config(family, tied);
    c.vocab_size = 2000;
    c.hidden_size = c.moe_intermediate_size = 64;
    c.num_experts = 8;
    c.num_hidden_layers = 6;
    return c;
  }
};

/// The logits of one batch, on the host.
template <class T>
std::vector<Number<T>> logits_of(Model<T>& model) {
  ArenaOf<T> arena;
  Tape<T> tape(arena);
  const typename Tape<T>::NoGrad no_grad(tape);
  const TokenBatch batch = make_batch({{1, 2, 3, 4, 5}, {6, 7}}, 0, -1);
  const Tensor<T> logits = model.forward(tape, batch).logits;
  std::vector<Number<T>> values(logits.count());
  copy_out(values.data(), logits.data, values.size());
  return values;
}

/// With the weights kept as BF16, as the file has them, nothing changes.
template <class T>
void expect_same_answers(const StoredInHalf& stored) {
  const auto whole = load_model<T>(stored.folder.path());
  const auto kept = load_model<T>(stored.folder.path(), stored.model.config(), Precision::bf16);
  for (const auto& p : kept->parameters()) {
    EXPECT_EQ(p->bf16.empty(), p->shape.rank() == 1) << p->name;
    EXPECT_NE(p->bf16.empty(), p->value.empty()) << p->name;
  }
  EXPECT_EQ(logits_of(*kept), logits_of(*whole));
}
/// Of all families, and with an output layer that is tied to the embedding.
template <class T>
void expect_same_answers() {
  for (const char* family : kFamilyNames)
    for (const bool tied : {false, true}) expect_same_answers<T>(StoredInHalf(family, tied));
}

}  // namespace ramoe
