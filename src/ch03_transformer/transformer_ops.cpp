#include "ch03_transformer/transformer_ops.h"

namespace ramoe {

void check_targets(const int* target, int count, int V) {
  for (int i = 0; i < count; ++i)
    check((target[i] >= 0 && target[i] < V) || target[i] == kIgnore, "target ", target[i],
          " at place ", i, ": expected 0 to ", V - 1,
          "; was the text encoded with this model's tokenizer?");
}

}  // namespace ramoe
