// Chapter 10.4 - the side that is followed: which tokens of which sequence, and what they hold
//
//   english_side   the sequence that is read              by which model
//   base           the English side of the same item      the frozen base model
//   current        the same                               the model as it is now, at each step
//   shuffled       English of another item of the task    the frozen base model
//   own            the target side itself                 the frozen base model
//
// Fact: the English side. Ours: the frozen base model. The last two are controls: a gain that stays
// with them does not come from the English side of the item.
// Tests: tests/ch10_alignment/followed_side_test.cpp
#pragma once

#include <vector>

#include "ch10_alignment/alignment_choices.h"

namespace ramoe {

/// Tokens of the target sequence, and those of the followed one with which they are compared.
struct AlignedPlace {
  TokenSpan target, followed;
};

/// What one example follows: nothing (no sequence), or a sequence at one place or at many.
struct FollowedSide {
  const TrainingSequence* sequence = nullptr;
  std::vector<AlignedPlace> places;
};

/// For each example the index of the item whose English side it follows: its own, or with
/// `shuffled` that of another aligned example of its task. Those of a task are drawn into a ring by
/// seed, and each takes the next one. Error: shuffled, and a task has one aligned example alone.
std::vector<int> followed_items(EnglishSide which, const std::vector<FinetuneExample>& examples,
                                const std::vector<bool>& aligned, std::uint64_t seed);

/// What each aligned example follows; `examples` must outlive it. With span = tokens a place for
/// each target prompt token with a counterpart, otherwise one place. Error: an example has none.
std::vector<FollowedSide> followed_sides(const AlignmentConfig& config,
                                         const std::vector<FinetuneExample>& examples,
                                         const std::vector<bool>& aligned, std::uint64_t seed);

/// By side and place the mean over its tokens, (L,E) of p or (L,C) of what the routers read. Layers
/// that are not in `layers` are left empty. Error: a place without a scored token.
template <class T>
std::vector<std::vector<PerLayer>> read_sides(Model<T>& model, AlignedSignal signal,
                                              const std::vector<int>& layers,
                                              const std::vector<const FollowedSide*>& sides);

}  // namespace ramoe
