// Chapter 7.6 - headroom: is routing what holds the target language back?
//
// An oracle answers the target item while its prompt is routed as that of the English twin, in the
// layers of the zone. It is asked before any fine-tuning, of the base model:
//
//   base     the target item, routed by the model itself
//   own      ... with the routing of its English twin
//   OTHER    ... with the routing of another English item of the task: the control
//   headroom = accuracy(own) - accuracy(OTHER)
//
// Read own minus OTHER, never own alone: any English routing may help (it looks like English) or
// harm (it does not fit), and only the difference is due to the item's own. Without headroom,
// aligned routing alone has nothing to win on this model. One fault hides from OTHER: one that is
// the same for all items, as that of a lesion (chapter 7.7), which any English routing undoes.
// control=target guards against it: the routing of another item in the target language itself.
//
// What is forced (RoutingForm), on prompt tokens except BOS:
//   seq      the mean routing of the prompt becomes the English q (chapter 7.5): what the paper's
//            loss asks for
//   last     the last token, from which the answer begins, gets the logits of the English last one
//   tokens   each token gets the logits of its English counterpart (chapter 6.13)
//
// Teacher-forced: an item is right if every token after the prompt (prefix, answer, end) is the
// largest logit, given those before. For greedy decoding and exact match, as of our own tasks, that
// is the accuracy of chapter 7.3, except where a text can be spelt with other tokens. For answers
// that are read leniently (numbers, letters) it is stricter: the answer must come at once.
//
// Ours alone: the paper's abstract says nothing of it.
// Tests: tests/ch07_divergence/headroom_test.cpp
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ch06_languages/counterparts.h"
#include "ch06_languages/parallel_data.h"
#include "ch07_divergence/divergence.h"
#include "ch07_divergence/forced_routing.h"

namespace ramoe {

enum class RoutingForm { seq, last, tokens };
constexpr auto names(RoutingForm) {
  return std::array{"seq", "last", "tokens"};
}
/// Which MoE layers are forced.
enum class ForcedLayers { zone, all, outside };
constexpr auto names(ForcedLayers) {
  return std::array{"zone", "all", "outside"};
}
/// Which tokens are forced besides BOS: the prompt's, or all with those of the answer (for seq).
enum class ForcedTokens { prompt, both };
constexpr auto names(ForcedTokens) {
  return std::array{"prompt", "both"};
}
/// What own is compared with: another English item's routing, the mean of the task's, or another
/// item's in the target language itself.
enum class RoutingControl { other, mean, target };
constexpr auto names(RoutingControl) {
  return std::array{"other", "mean", "target"};
}

struct HeadroomConfig {
  RoutingForm form = RoutingForm::seq;
  ForcedLayers layers = ForcedLayers::zone;
  RoutingControl control = RoutingControl::other;
  ForcedTokens span = ForcedTokens::prompt;
  int items = 0;
  MatchLimits match = {};
  int batch_tokens = 2048;

  void list(FieldList& fields);
};

/// By MoE layer whether it is forced. Error: none would be.
std::vector<bool> forced_layers(ForcedLayers which, Zone zone, int layers);

/// The item whose English routing is the control of item i: a fixed derangement, half way round.
/// Error: fewer than 2 items.
std::size_t other_item(std::size_t i, std::size_t items);

/// What became of one item.
struct OracleItem {
  std::string id;
  bool english = false, base = false, own = false, control = false;  // right or wrong
  double base_divergence = 0, own_divergence = 0;  // mean D to the English q over forced layers
};

template <class T>
class RoutingOracle {
 public:
  /// Model and prompts must outlive it. `watch` is told how many texts are read. Error: other
  /// layers than the model's, form tokens with control mean (there is no mean token), span both
  /// with another form than seq.
  RoutingOracle(Model<T>& model, const Prompts& prompts, const HeadroomConfig& config,
                std::vector<bool> forced, Watch watch = {});

  /// One task and language: English, base, own and control of each pair. English items are read
  /// once for all languages. Error: see other_item(); a prompt without a token besides BOS.
  std::vector<OracleItem> measure(const std::vector<ExamplePair>& pairs);
  /// Which examples the model answers right, teacher-forced, with nothing forced.
  std::vector<bool> right(const std::vector<Example>& examples);
  /// The largest distance that form seq left between a mean and its q.
  double farthest() const { return farthest_; }

 private:
  /// One side of a pair, and what is kept of the routing of an English one.
  struct Side {
    TrainingSequence sequence;
    PromptTokens prompt;  // the tokens that count: those of the answer too for span both
    bool right = false;
    PerLayer q;                             // (L,E), in forced layers
    std::vector<std::vector<Number<T>>> z;  // (L): the rows that are given to others, (rows,E)
  };
  Side side_of(const Example& example);
  /// How many tokens of a sequence, from its first on, may be forced.
  int forced_tokens(const TrainingSequence& sequence) const {
    return config_.span == ForcedTokens::both ? static_cast<int>(sequence.tokens.size())
                                              : sequence.prompt;
  }
  void learn_english(const std::vector<ExamplePair>& pairs);
  void keep_routing(Side& side, const TokenBatch& batch, int b,
                    const std::vector<Routing<T>>& routing) const;
  Side mean_side(const std::vector<const Side*>& sides) const;
  void force(ForcedRouting<T>& hook, int first_row, const Side& target, const Side& source) const;
  template <class Force, class See>
  void read(const std::vector<const Side*>& sides, const Force& force, const See& see);

  Model<T>& model_;
  const Prompts& prompts_;
  HeadroomConfig config_;
  std::vector<bool> forced_;
  Watch watch_;
  CachedEncoder encoder_;
  ArenaOf<T> arena_;
  Tape<T> tape_;
  std::map<std::string, Side> english_;  // by id
  double farthest_ = 0;
};

}  // namespace ramoe
