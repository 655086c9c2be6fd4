#include "ch03_transformer/transformer_ops.h"

namespace ramoe {

void check_indices(const int* index, int count, int below, const char* what, bool may_ignore) {
  for (int i = 0; i < count; ++i)
    check((index[i] >= 0 && index[i] < below) || (may_ignore && index[i] == kIgnore), what, " ",
          index[i], " at place ", i, ": expected 0 to ", below - 1,
          "; was the text encoded with this model's tokenizer?");
}

}  // namespace ramoe
