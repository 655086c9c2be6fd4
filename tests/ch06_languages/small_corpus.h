// The corpus that several tests of this chapter look at: all languages, fewer follow items.
#pragma once

#include <string>

#include "ch06_languages/corpus.h"

namespace ramoe {

inline const std::string kData = std::string(RAMOE_SOURCE_DIR) + "/data";

inline CorpusConfig small_config() {
  CorpusConfig config;
  config.data = kData;
  config.follow_base = 300;
  config.follow_adapt = 60;
  config.follow_valid = 20;
  config.follow_test = 70;
  return config;
}

inline const Corpus& corpus() {
  static const Corpus shared = load_corpus(small_config());
  return shared;
}

}  // namespace ramoe
