// Hidden checks of lab 8: the merges learnt from drawn words. Keys: seed lines letters merges.
#include "ch06_languages/bpe_train.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  Random draws = given.random(1);
  std::vector<WeightedLine> lines;
  for (int i = 0; i < given.number("lines"); ++i) {
    std::string line;
    const int words = 1 + int(draws.below(4));
    for (int w = 0; w < words; ++w) {
      if (w > 0) line += ' ';
      const int length = 1 + int(draws.below(8));
      for (int c = 0; c < length; ++c)
        line += char('a' + draws.below(std::uint32_t(given.number("letters"))));
    }
    lines.emplace_back(line, long(draws.below(5)));
  }
  const Tokenizer tokenizer = train_bpe_plain(lines, kSmallestVocab + given.number("merges"));
  std::vector<double> merges;
  for (const auto& merge : tokenizer.parts().merges) {
    merges.push_back(merge.left);
    merges.push_back(merge.right);
  }
  print("vocabulary", tokenizer.vocab_size());
  print("merges", merges);
}
