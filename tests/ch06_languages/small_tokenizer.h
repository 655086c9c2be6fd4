// A tokenizer of a few merges for the tests of bytes, merges and added tokens.
#pragma once

#include "ch06_languages/bpe_train.h"

namespace ramoe {

inline Tokenizer small() {
  return train_bpe(std::vector<std::string>{"aaab ab aabb abab hello hello help ababab aaaa",
                                            "\u0915\u093F\u0924\u093E\u092C \u0915\u093F"},
                   kSmallestVocab + 20);
}

}  // namespace ramoe
