#include "ch07_divergence/headroom.h"

#include <algorithm>

#include "support/error.h"
#include "support/order.h"

namespace ramoe {

void HeadroomConfig::list(FieldList& f) {
  f.add("form", &form,
        "what is forced: seq, the mean routing of the prompt; last, the logits of its last token; "
        "tokens, those of each token");
  f.add("layers", &layers, "where: in the alignment zone, in all layers, or outside the zone");
  f.add("control", &control,
        "what own is compared with: the routing of another English item of the task, their mean "
        "(for seq and last), or that of another item in the target language itself");
  f.add("span", &span,
        "which tokens: those of the prompt, or, for seq, those of the answer too, which is forced "
        "to the English prompt and answer together");
  f.add("items", &items, "most pairs of each task and language, the first ones; 0: all",
        {0, 1 << 30});
  f.add("rounds", &match.rounds, "seq: most rounds to find the bias of a layer", {1, 1e6});
  f.add("tolerance", &match.tolerance,
        "seq: how near the mean routing must come to the English one, per expert", {1e-9, 1});
  f.add("batch_tokens", &batch_tokens, "most tokens of a batch; bounds the memory", {1, 1 << 30});
}

std::vector<bool> forced_layers(ForcedLayers which, Zone zone, int layers) {
  std::vector<bool> forced;
  for (int l = 0; l < layers; ++l)
    forced.push_back(which == ForcedLayers::all ||
                     zone.contains(l) == (which == ForcedLayers::zone));
  check(contains(forced, true), "layers = ", name_of(which), " of ", layers,
        " layers with experts and a zone from ", zone.first, " to ", zone.last,
        " are none, so nothing would be forced; expected --layers=all, or another "
        "zone.");
  return forced;
}

std::size_t other_item(std::size_t i, std::size_t items) {
  check(items >= 2, "headroom compares an item with another one, and there is ", items,
        "; expected at least 2 pairs of each task and language, or --control=mean.");
  return (i + items / 2) % items;
}

namespace {

/// By sequence whether all its targets are the largest logits; ties go to the lower token.
template <class T>
std::vector<bool> right_sequences(const Tensor<T>& logits, const TrainingBatch& batch) {
  const std::size_t V = std::size_t(logits.columns());
  std::vector<Number<T>> all(batch.target.size() * V);
  copy_out(all.data(), logits.data, all.size());
  std::vector<bool> right(std::size_t(batch.tokens.B), true);
  for (std::size_t r = 0; r < batch.target.size(); ++r) {
    const auto first = all.begin() + std::ptrdiff_t(r * V);
    const auto best = std::max_element(first, first + std::ptrdiff_t(V)) - first;
    if (best != batch.target[r]) right[std::size_t(batch.logit_rows[r] / batch.tokens.T)] = false;
  }
  return right;
}

}  // namespace

template <class T>
RoutingOracle<T>::RoutingOracle(Model<T>& model, const Prompts& prompts,
                                const HeadroomConfig& config, std::vector<bool> forced, Watch watch)
    : model_(model),
      prompts_(prompts),
      config_(config),
      forced_(std::move(forced)),
      watch_(std::move(watch)),
      encoder_(prompts.tokenizer()),
      tape_(arena_) {
  const int L = model.config().moe_layer_count();
  check(forced_.size() == std::size_t(L), "headroom: ", forced_.size(), " layers for a model with ",
        L, ".");
  check(config.form != RoutingForm::tokens || config.control != RoutingControl::mean,
        "form = tokens with control = mean: tokens at different places have no mean; expected "
        "control = other, or form = seq or last.");
  check(config.form == RoutingForm::seq || config.span == ForcedTokens::prompt,
        "span = both with form = ", name_of(config.form),
        ": answers are forced by their mean alone; expected form = seq.");
}

template <class T>
typename RoutingOracle<T>::Side RoutingOracle<T>::side_of(const Example& example) {
  Side side;
  side.sequence = prompts_.example(encoder_, example.question, example.answer);
  TrainingSequence forced = side.sequence;
  forced.prompt = forced_tokens(side.sequence);
  side.prompt = prompt_tokens(prompts_.tokenizer(), forced, model_.config().bos_token_id);
  check(!side.prompt.at.empty(), "the prompt of ", example.id, " in ", example.lang,
        " has no token besides BOS, so it has no routing.");
  return side;
}

/// Reads the sides in batches: force(hook, first_row, i) says what is forced of side i, and
/// see(i, right, batch, b, routing) what came out.
template <class T>
template <class Force, class See>
void RoutingOracle<T>::read(const std::vector<const Side*>& sides, const Force& force,
                            const See& see) {
  const ModelConfig& c = model_.config();
  const typename Tape<T>::NoGrad no_grad(tape_);
  const auto length = [&](int i) { return sides[std::size_t(i)]->sequence.tokens.size(); };
  const auto fits = [&](std::size_t rows, std::size_t longest) {
    return rows * longest <= std::size_t(config_.batch_tokens);
  };
  for (const std::vector<int>& members : batches_by_length(sides.size(), length, fits)) {
    std::vector<TrainingSequence> sequences;
    for (const int i : members) sequences.push_back(sides[std::size_t(i)]->sequence);
    const TrainingBatch batch = make_training_batch(sequences, c.pad_token_id, c.bos_token_id);
    ForcedRouting<T> hook(c.moe_layer_count(), config_.match);
    for (std::size_t b = 0; b < members.size(); ++b)
      force(hook, static_cast<int>(b) * batch.tokens.T, std::size_t(members[b]));
    tape_.reset();
    const ForwardResult<T> forward =
        model_.forward(tape_, batch.tokens, {.logit_rows = &batch.logit_rows, .hook = &hook});
    const std::vector<bool> right = right_sequences(forward.logits, batch);
    for (std::size_t b = 0; b < members.size(); ++b)
      see(std::size_t(members[b]), right[b], batch.tokens, static_cast<int>(b), forward.routing);
    farthest_ = std::max(farthest_, hook.farthest());
    if (watch_) watch_(batch.tokens.B);
  }
}

/// What others may be given: q, and the logits of the last prompt token or of all.
template <class T>
void RoutingOracle<T>::keep_routing(Side& side, const TokenBatch& batch, int b,
                                    const std::vector<Routing<T>>& routing) const {
  side.q.resize(forced_.size());
  side.z.resize(forced_.size());
  for (std::size_t l = 0; l < forced_.size(); ++l) {
    if (!forced_[l]) continue;
    mean_routing(side.q[l], FetchedRouting<T>(routing[l]), batch, b,
                 {0, forced_tokens(side.sequence)});
    if (config_.form == RoutingForm::seq) continue;
    const bool last = config_.form == RoutingForm::last;
    const std::size_t E = std::size_t(routing[l].E);
    for (std::size_t k = last ? side.prompt.at.size() - 1 : 0; k < side.prompt.at.size(); ++k) {
      side.z[l].resize(side.z[l].size() + E);
      copy_out(side.z[l].data() + side.z[l].size() - E,
               row(routing[l].logits.z.data, b * batch.T + side.prompt.at[k], routing[l].E), E);
    }
  }
}

template <class T>
void RoutingOracle<T>::learn_english(const std::vector<ExamplePair>& pairs) {
  std::vector<Side*> fresh;
  for (const ExamplePair& pair : pairs)
    if (const auto [at, is_new] = english_.try_emplace(pair.english.id); is_new) {
      at->second = side_of(pair.english);
      fresh.push_back(&at->second);
    }
  const auto nothing = [](ForcedRouting<T>&, int, std::size_t) {};
  read({fresh.begin(), fresh.end()}, nothing,
       [&](std::size_t i, bool right, const TokenBatch& batch, int b, const auto& routing) {
         fresh[i]->right = right;
         keep_routing(*fresh[i], batch, b, routing);
       });
}

/// The mean of the task's English routings: of q, and of the logits of the last token.
template <class T>
typename RoutingOracle<T>::Side RoutingOracle<T>::mean_side(
    const std::vector<const Side*>& sides) const {
  Side mean = *sides[0];
  for (std::size_t l = 0; l < forced_.size(); ++l) {
    for (std::size_t e = 0; e < mean.q[l].size(); ++e) {
      double q = 0;
      for (const Side* side : sides) q += side->q[l][e] / double(sides.size());
      mean.q[l][e] = q;
    }
    for (std::size_t e = 0; e < mean.z[l].size(); ++e) {
      double z = 0;
      for (const Side* side : sides) z += double(side->z[l][e]) / double(sides.size());
      mean.z[l][e] = static_cast<Number<T>>(z);
    }
  }
  return mean;
}

template <class T>
void RoutingOracle<T>::force(ForcedRouting<T>& hook, int first_row, const Side& target,
                             const Side& source) const {
  std::vector<int> rows;
  for (const int t : target.prompt.at) rows.push_back(first_row + t);
  std::vector<int> from;
  if (config_.form == RoutingForm::tokens)
    from = counterparts(source.prompt.signs, target.prompt.signs);
  for (std::size_t l = 0; l < forced_.size(); ++l) {
    if (!forced_[l]) continue;
    const int i = static_cast<int>(l);
    const std::size_t E = source.q[l].size();
    if (config_.form == RoutingForm::seq) hook.set_mean(i, rows, source.q[l]);
    if (config_.form == RoutingForm::last) hook.set_row(i, rows.back(), source.z[l].data());
    for (std::size_t t = 0; t < from.size(); ++t)
      if (from[t] >= 0)
        hook.set_row(i, rows[t], source.z[l].data() + std::size_t(from[t]) * E);
  }
}

template <class T>
std::vector<OracleItem> RoutingOracle<T>::measure(const std::vector<ExamplePair>& pairs) {
  const bool by_mean = config_.control == RoutingControl::mean;
  check(!pairs.empty(), "headroom was asked for without a pair.");
  std::vector<std::size_t> other;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    other.push_back(by_mean ? i : other_item(i, pairs.size()));
  learn_english(pairs);
  std::vector<Side> sides;
  std::vector<const Side*> targets, english;
  std::vector<OracleItem> items;
  for (const ExamplePair& pair : pairs) sides.push_back(side_of(pair.target));
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    targets.push_back(&sides[i]);
    english.push_back(&english_.at(pairs[i].english.id));
    items.push_back({.id = pairs[i].target.id, .english = english[i]->right});
  }
  const Side mean = by_mean ? mean_side(english) : Side{};
  const bool by_target = config_.control == RoutingControl::target;
  bool learns = by_target;  // while nothing is forced
  /// Reads all targets, each with the routing of source(i), or its own for nullptr.
  const auto ask = [&](const auto& source, bool OracleItem::*right, double OracleItem::*distance) {
    const auto forcing = [&](ForcedRouting<T>& hook, int first_row, std::size_t i) {
      if (const Side* from = source(i)) force(hook, first_row, sides[i], *from);
    };
    read(targets, forcing,
         [&](std::size_t i, bool is_right, const TokenBatch& batch, int b, const auto& routing) {
           items[i].*right = is_right;
           if (learns) keep_routing(sides[i], batch, b, routing);
           double sum = 0, layers = 0;
           for (std::size_t l = 0; distance && l < forced_.size(); ++l) {
             if (!forced_[l]) continue;
             std::vector<double> q;
             mean_routing(q, FetchedRouting<T>(routing[l]), batch, b,
                          {0, forced_tokens(sides[i].sequence)});
             sum += routing_divergence(english[i]->q[l], q);
             ++layers;
           }
           if (distance) items[i].*distance = sum / layers;
         });
  };
  ask([](std::size_t) -> const Side* { return nullptr; }, &OracleItem::base,
      &OracleItem::base_divergence);
  learns = false;
  ask([&](std::size_t i) { return english[i]; }, &OracleItem::own, &OracleItem::own_divergence);
  const auto control = [&](std::size_t i) -> const Side* {
    return by_mean ? &mean : by_target ? &sides[other[i]] : english[other[i]];
  };
  ask(control, &OracleItem::control, nullptr);
  return items;
}

template <class T>
std::vector<bool> RoutingOracle<T>::right(const std::vector<Example>& examples) {
  std::vector<Side> sides;
  std::vector<const Side*> all;
  for (const Example& example : examples) sides.push_back(side_of(example));
  for (const Side& side : sides) all.push_back(&side);
  std::vector<bool> result(sides.size());
  const auto nothing = [](ForcedRouting<T>&, int, std::size_t) {};
  read(all, nothing, [&](std::size_t i, bool right, const TokenBatch&, int, const auto&) {
    result[i] = right;
  });
  return result;
}

#define RAMOE_INSTANTIATE(T) template class RoutingOracle<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
