#include "ch10_alignment/followed_side.h"

#include "ch01_tensor/philox.h"

namespace ramoe {

std::vector<int> followed_items(EnglishSide which, const std::vector<FinetuneExample>& examples,
                                const std::vector<bool>& aligned, std::uint64_t seed) {
  std::vector<int> items;
  std::map<std::string, std::vector<int>> rings;  // by task
  for (std::size_t i = 0; i < examples.size(); ++i) {
    items.push_back(static_cast<int>(i));
    if (aligned[i]) rings[examples[i].task].push_back(static_cast<int>(i));
  }
  if (which != EnglishSide::shuffled) return items;
  Random random(seed, 35);
  for (auto& [task, ring] : rings) {
    check(ring.size() >= 2, "english_side = shuffled follows another item of the task, and of ",
          task,
          " one pair alone is aligned; expected at least 2: more train_pairs, a pool or "
          "examples = all.");
    random.shuffle(ring);
    for (std::size_t r = 0; r < ring.size(); ++r)
      items[std::size_t(ring[r])] = ring[(r + 1) % ring.size()];
  }
  return items;
}

namespace {

/// A place for each token of the target prompt that has a counterpart.
std::vector<AlignedPlace> token_places(const PromptTokens& followed, const PromptTokens& target) {
  const std::vector<int> from = counterparts(followed.signs, target.signs);
  std::vector<AlignedPlace> places;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] < 0) continue;
    const int t = target.at[i], t_followed = followed.at[std::size_t(from[i])];
    places.push_back({{t, t + 1}, {t_followed, t_followed + 1}});
  }
  return places;
}

}  // namespace

std::vector<FollowedSide> followed_sides(const AlignmentConfig& config,
                                         const std::vector<FinetuneExample>& examples,
                                         const std::vector<bool>& aligned, std::uint64_t seed) {
  const std::vector<int> items = followed_items(config.english_side, examples, aligned, seed);
  const bool own = config.english_side == EnglishSide::own;
  std::vector<FollowedSide> sides(examples.size());
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (!aligned[i]) continue;
    const FinetuneExample &example = examples[i], &item = examples[std::size_t(items[i])];
    FollowedSide& side = sides[i];
    side.sequence = own ? &example.target : &item.english;
    if (config.span == AlignedTokens::tokens)
      side.places =
          token_places(own ? example.target_prompt : item.english_prompt, example.target_prompt);
    else
      side.places = {{aligned_span(config.span, example.target.prompt),
                      aligned_span(config.span, side.sequence->prompt)}};
    check(!side.places.empty(), "span = tokens: no token of the prompt of ", example.id,
          " has an English counterpart; is a question empty?");
  }
  return sides;
}

namespace {

/// What a layer's router reads, on the host: (N,C).
template <class T>
std::vector<Number<T>> fetched_states(const Routing<T>& routing) {
  std::vector<Number<T>> states(routing.input.count());
  copy_out(states.data(), routing.input.data, states.size());
  return states;
}

}  // namespace

template <class T>
std::vector<std::vector<PerLayer>> read_sides(Model<T>& model, AlignedSignal signal,
                                              const std::vector<int>& layers,
                                              const std::vector<const FollowedSide*>& sides) {
  const std::size_t L = std::size_t(model.config().moe_layer_count());
  std::vector<std::vector<PerLayer>> read;
  std::vector<std::vector<int>> sequences;
  for (const FollowedSide* side : sides) {
    sequences.push_back(side->sequence->tokens);
    read.emplace_back(side->places.size(), PerLayer(L));
  }
  const bool hidden = signal == AlignedSignal::hidden;
  const RoutingVisit<T> visit = [&](const TokenBatch& batch, const std::vector<int>& members,
                                    const std::vector<Routing<T>>& routing) {
    for (const int l : layers) {
      const Routing<T>& r = routing[std::size_t(l)];
      const int width = hidden ? r.input.columns() : r.E;
      const std::vector<Number<T>> values = hidden ? fetched_states(r) : FetchedRouting<T>(r).p;
      for (int b = 0; b < batch.B; ++b) {
        const std::size_t i = std::size_t(members[std::size_t(b)]);
        for (std::size_t place = 0; place < read[i].size(); ++place) {
          const int tokens = mean_of_rows(read[i][place][std::size_t(l)], values, width, batch, b,
                                          sides[i]->places[place].followed);
          check(tokens > 0, "sequence ", i, " has no token besides BOS in the span looked at.");
        }
      }
    }
  };
  read_routing(model, sequences, visit, hidden ? RoutingLeft::inputs : RoutingLeft::decisions);
  return read;
}

#define RAMOE_INSTANTIATE(T)                              \
  template std::vector<std::vector<PerLayer>> read_sides( \
      Model<T>&, AlignedSignal, const std::vector<int>&, const std::vector<const FollowedSide*>&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
