// Chapter 12.12 - the claims of the abstract, each with a verdict             [paper facts 1, 4, 5]
//
// A claim has parts. Each is a number that should be above (or below) zero if the claim holds. The
// verdict on a part follows from its interval alone: shown if the interval lies on the claimed side
// of zero, contradicted if it lies on the other side, not shown if it contains zero, not measured
// if there is none. The claim is shown if all deciding parts are, contradicted if any is, not
// measured if none was measured, and else not shown. Ours: that these numbers stand for the
// sentences of the abstract. Parts that do not decide are given beside them. Whether a claim about
// a gain could be decided at all on these models is headroom's to say (12.11).
// Tests: tests/ch12_experiments/claims_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/evidence.h"
#include "ch12_experiments/headroom_gain.h"

namespace ramoe {

enum class ClaimVerdict { shown, not_shown, contradicted, not_measured };
constexpr auto names(ClaimVerdict) {
  return std::array{"shown", "not shown", "contradicted", "not measured"};
}

struct ClaimPart {
  std::string what;  // "olmoe: layers after the zone minus zone, divergence"
  Estimate estimate;
  int claimed_sign = +1;  // of the estimate, if the claim holds
  bool deciding = true;
  std::string unit;  // "points" (value times 100), "r", "D"
  ClaimVerdict verdict() const;
};

struct Claim {
  std::string id;         // "a" to "e"; "f" is ours
  std::string statement;  // what the abstract says, in our words
  std::string how;        // how it is measured here: our choice
  std::vector<ClaimPart> parts = {};
  Decidable decidable = Decidable::yes;  // on these models; yes too where no gain is asked for
  ClaimVerdict verdict() const;
};

/// (a) U-shaped divergence with a zone in the middle; (b) divergence in the zone against the gap;
/// (c) RA-MoE over SFT, Routing Steering and RISE; (d) share of ci against the gain; (e) alignment
/// brings target routing nearer to English, in the zone. Where headroom was measured also (f), a
/// question of ours: headroom against the gain.
std::vector<Claim> weigh_claims(const Evidence& evidence,
                                const std::vector<HeadroomGain>& headroom = {});

}  // namespace ramoe
