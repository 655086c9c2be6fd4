// Chapter 4.5 - decoding with the cache. Declared in model.h.
#include <algorithm>

#include "ch01_tensor/vector_ops.h"
#include "ch04_moe/model.h"

namespace ramoe {

template <class T>
const float* CachedMoe<T>::run(const TokenBatch& batch, const std::vector<int>& rows) {
  tape_.reset();
  const typename Tape<T>::NoGrad no_grad(tape_);
  const Tensor<T> logits =
      model_
          .forward(tape_, batch,
                   {.logit_rows = &rows,
                    .cache = cache_.get(),
                    .hook = hook_,
                    .left = RoutingLeft::none})
          .logits;
  if constexpr (std::is_same_v<T, float>) return logits.data;
  fetched_.resize(logits.count());
  copy_out(fetched_.data(), logits.data, logits.count());
  logits_.assign(fetched_.begin(), fetched_.end());
  return logits_.data();
}

template <class T>
const float* CachedMoe<T>::start(const std::vector<std::vector<int>>& prompts, int capacity) {
  const ModelConfig& c = model_.config();
  const TokenBatch batch = make_batch(prompts, c.pad_token_id, c.bos_token_id);
  cache_ = std::make_unique<KvCache<T>>(c.num_hidden_layers, batch.B, std::max(capacity, batch.T),
                                        c.num_key_value_heads * c.head_size());
  std::vector<int> last;
  for (int b = 0; b < batch.B; ++b) last.push_back(b * batch.T + batch.length[std::size_t(b)] - 1);
  return run(batch, last);
}

template <class T>
const float* CachedMoe<T>::step(const std::vector<int>& tokens) {
  check(cache_ && static_cast<int>(tokens.size()) == cache_->B, "decoding: ", tokens.size(),
        " tokens for a batch of ", cache_ ? cache_->B : 0, ".");
  TokenBatch batch;
  batch.B = cache_->B;
  batch.T = 1;
  batch.token = tokens;
  batch.position = cache_->length;
  batch.length.assign(tokens.size(), 1);
  batch.is_token.assign(tokens.size(), 1);
  batch.scored.assign(tokens.size(), 1);
  std::vector<int> rows;
  for (int b = 0; b < batch.B; ++b) {
    check(cache_->length[std::size_t(b)] < cache_->capacity, "decoding: the cache of ",
          cache_->capacity, " tokens is full.");
    rows.push_back(b);
  }
  return run(batch, rows);
}

template <class T>
void CachedMoe<T>::keep(const std::vector<int>& sequences) {
  KvCache<T>& old = *cache_;
  const int layers = model_.config().num_hidden_layers, B = static_cast<int>(sequences.size());
  auto kept = std::make_unique<KvCache<T>>(layers, B, old.capacity, old.width);
  const std::size_t block = std::size_t(old.capacity) * std::size_t(old.width);
  for (std::size_t b = 0; b < sequences.size(); ++b) {
    const std::size_t from = std::size_t(sequences[b]);
    kept->length[b] = old.length[from];
    const std::size_t used = std::size_t(old.length[from]) * std::size_t(old.width);
    for (int l = 0; l < layers; ++l) {
      copy_values(kept->keys(l) + b * block, old.keys(l) + from * block, used);
      copy_values(kept->values(l) + b * block, old.values(l) + from * block, used);
    }
  }
  cache_ = std::move(kept);
}

#define RAMOE_INSTANTIATE(T) template class CachedMoe<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
