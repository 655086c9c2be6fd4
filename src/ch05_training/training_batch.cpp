#include "ch05_training/training_batch.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "ch03_transformer/layer_ops.h"

namespace ramoe {

int TrainingBatch::targets() const {
  return static_cast<int>(target.size()) -
         static_cast<int>(std::count(target.begin(), target.end(), kIgnore));
}

TrainingBatch make_training_batch(const std::vector<TrainingSequence>& sequences, int pad,
                                  int bos) {
  std::vector<std::vector<int>> tokens;
  for (const TrainingSequence& sequence : sequences) tokens.push_back(sequence.tokens);
  TrainingBatch batch;
  batch.tokens = make_batch(tokens, pad, bos);
  for (std::size_t b = 0; b < sequences.size(); ++b) {
    const TrainingSequence& s = sequences[b];
    check(s.prompt >= 1, "a training sequence needs a prompt of at least its BOS token.");
    batch.prompt.push_back(s.prompt);
    batch.example.push_back(s.example);
    for (int t = s.prompt; t < static_cast<int>(s.tokens.size()); ++t) {
      batch.logit_rows.push_back(static_cast<int>(b) * batch.tokens.T + t - 1);
      batch.target.push_back(s.tokens[std::size_t(t)]);
    }
  }
  return batch;
}

int common_size(int n) {
  // From 16 on, a quarter of the largest power of two below n.
  const int below = static_cast<int>(std::bit_floor(unsigned(std::max(n - 1, 1))));
  const int step = std::max(4, below / 4);
  return (n + step - 1) / step * step;
}

TrainingBatch padded_to_common_sizes(const TrainingBatch& batch, int rows, int pad) {
  const TokenBatch& from = batch.tokens;
  TrainingBatch padded = batch;
  TokenBatch& to = padded.tokens;
  to.B = from.B < rows ? std::min(rows, int(std::bit_ceil(unsigned(from.B))))
                       : (from.B + rows - 1) / rows * rows;
  to.T = common_size(from.T);
  const std::int64_t N = std::int64_t{to.B} * to.T;
  if (N > kMostCommonTokens) return batch;
  to.token.assign(std::size_t(N), std::max(pad, 0));
  to.position.resize(std::size_t(N));
  to.is_token.assign(std::size_t(N), 0);
  to.scored.assign(std::size_t(N), 0);
  for (int n = 0; n < int(N); ++n) to.position[std::size_t(n)] = n % to.T;
  for (int b = 0; b < from.B; ++b) {
    const auto copy = [&](auto& into, const auto& values) {
      std::copy_n(values.begin() + std::ptrdiff_t(b) * from.T, from.T,
                  into.begin() + std::ptrdiff_t(b) * to.T);
    };
    copy(to.token, from.token);
    copy(to.is_token, from.is_token);
    copy(to.scored, from.scored);
  }
  to.length.resize(std::size_t(to.B), 0);
  padded.prompt.resize(std::size_t(to.B), 1);
  padded.example.resize(std::size_t(to.B), -1);
  for (int& n : padded.logit_rows) n = n / from.T * to.T + n % from.T;
  const int R = std::min(common_size(int(batch.target.size())), int(N));
  // One row each: the gradient of a row that many add to would be a long sum of zeros.
  for (int r = int(batch.target.size()); r < R; ++r) padded.logit_rows.push_back(r);
  padded.target.resize(std::size_t(R), kIgnore);
  return padded;
}

}  // namespace ramoe
