#include "ch06_languages/switched.h"

namespace ramoe {

Example switched_example(const Corpus& corpus, const std::string& id, const std::string& frame,
                         const std::string& names) {
  LanguagePack both = corpus.pack(frame);
  for (const Concept kind : {Concept::territories, Concept::emoji, Concept::numbers})
    both.names[kind] = corpus.pack(names).names.at(kind);
  Example example = corpus.example(id, frame);
  example.question = make_example(id, both, corpus.world(), corpus.config().form).question;
  return example;
}

}  // namespace ramoe
