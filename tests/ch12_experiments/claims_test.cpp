// Verdicts: of intervals, of parts together, and what each claim rests on.
#include "ch12_experiments/claims.h"

#include <gtest/gtest.h>

#include <string_view>

#include "ch12_experiments/made_grid.h"
#include "support/error.h"
#include "support/texts.h"

namespace ramoe {
namespace {

Estimate estimate(double low, double high) {
  return {.value = (low + high) / 2, .interval = {low, high}, .count = 8};
}
ClaimPart part(double low, double high, int sign = +1, bool deciding = true) {
  return {"", estimate(low, high), sign, deciding, "r"};
}

TEST(Verdicts, OfOneInterval) {
  EXPECT_EQ(part(0.1, 0.2).verdict(), ClaimVerdict::shown);
  EXPECT_EQ(part(-0.2, -0.1).verdict(), ClaimVerdict::contradicted);
  EXPECT_EQ(part(-0.1, 0.2).verdict(), ClaimVerdict::not_shown);
  EXPECT_EQ(part(0, 0.2).verdict(), ClaimVerdict::not_shown);
  EXPECT_EQ(part(-0.2, 0).verdict(), ClaimVerdict::not_shown);
  EXPECT_EQ(part(-0.2, -0.1, -1).verdict(), ClaimVerdict::shown);
  EXPECT_EQ(part(0.1, 0.2, -1).verdict(), ClaimVerdict::contradicted);
  EXPECT_EQ(ClaimPart{}.verdict(), ClaimVerdict::not_measured);
  ClaimPart no_interval;
  no_interval.estimate.value = 0.3;
  EXPECT_EQ(no_interval.verdict(), ClaimVerdict::not_measured);
}

TEST(Verdicts, OfPartsTogether) {
  const auto verdict = [](std::vector<ClaimPart> parts) {
    return Claim{"x", "", "", std::move(parts)}.verdict();
  };
  const ClaimPart yes = part(1, 2), no = part(-2, -1), open = part(-1, 1), unknown;
  EXPECT_EQ(verdict({yes, yes}), ClaimVerdict::shown);
  EXPECT_EQ(verdict({yes, open}), ClaimVerdict::not_shown);
  EXPECT_EQ(verdict({open, yes, no}), ClaimVerdict::contradicted);
  EXPECT_EQ(verdict({yes, unknown}), ClaimVerdict::not_shown);
  EXPECT_EQ(verdict({unknown, no}), ClaimVerdict::contradicted);
  EXPECT_EQ(verdict({unknown, unknown}), ClaimVerdict::not_measured);
  EXPECT_EQ(verdict({}), ClaimVerdict::not_measured);
  // What does not decide does not count.
  EXPECT_EQ(verdict({yes, part(-2, -1, 1, false)}), ClaimVerdict::shown);
  EXPECT_EQ(verdict({unknown, part(1, 2, 1, false)}), ClaimVerdict::not_measured);
}

TEST(Verdicts, HaveNames) {
  EXPECT_EQ(name_of(ClaimVerdict::shown), "shown");
  EXPECT_EQ(name_of(ClaimVerdict::not_shown), "not shown");
  EXPECT_EQ(name_of(ClaimVerdict::contradicted), "contradicted");
  EXPECT_EQ(name_of(ClaimVerdict::not_measured), "not measured");
}

/// Evidence in which every claim is shown.
Evidence good_evidence() {
  Evidence e;
  e.models = {"a", "b"};
  e.tasks = {"facts"};
  e.methods = {"sft", "ramoe", "rise", "sara", "steer-soft-base", "steer-hard-sft"};
  for (const std::string& model : e.models) {
    ModelCurves curves;
    curves.model = model;
    curves.zone = {1, 2};
    curves.general = {.5, .1, .1, .5};
    curves.early = curves.late = estimate(.1, .2);
    e.curves.push_back(curves);
  }
  for (const std::string& name : e.methods)
    if (name != "ramoe")
      e.comparisons.push_back({"ramoe", name, "all", estimate(.01, .02), estimate(.01, .03)});
  for (const char* scope : {"all", "a", "b", "facts"})
    for (const bool within : {false, true}) {
      e.gap.push_back({scope, within, estimate(.2, .6), estimate(0, .1), estimate(.1, .2)});
      e.ci_gain.push_back({scope, within, estimate(.3, .5)});
    }
  for (const char* scope : {"all", "a", "b"})
    e.routing.push_back(
        {scope, estimate(-.3, -.2), estimate(-.02, -.01), estimate(-.28, -.2), {}, {}});
  return e;
}

Comparison& compared(Evidence& e, const std::string& against) {
  for (Comparison& c : e.comparisons)
    if (c.method == "ramoe" && c.against == against) return c;
  throw Error("no comparison with " + against);
}
GapCorrelation& gap_of(Evidence& e, const std::string& scope, bool within) {
  for (GapCorrelation& g : e.gap)
    if (g.scope == scope && g.within == within) return g;
  throw Error("no gap of " + scope);
}
CellCorrelation& ci_of(Evidence& e, const std::string& scope, bool within) {
  for (CellCorrelation& c : e.ci_gain)
    if (c.scope == scope && c.within == within) return c;
  throw Error("no share of " + scope);
}

/// The verdicts of claims a to e, S shown, N not shown, C contradicted, - not measured, after a
/// change to the good evidence.
std::string verdicts(const std::function<void(Evidence&)>& change) {
  Evidence e = good_evidence();
  change(e);
  std::string text;
  for (const Claim& claim : weigh_claims(e)) text += "SNC-"[static_cast<int>(claim.verdict())];
  return text;
}

const Estimate against = estimate(-.2, -.1), open = estimate(-.1, .1);

TEST(Claims, EachRestsOnItsDecidingNumbers) {
  EXPECT_EQ(verdicts([](Evidence&) {}), "SSSSS");
  EXPECT_EQ(verdicts([](Evidence& e) { e.curves[1].early = open; }), "NSSSS");
  EXPECT_EQ(verdicts([](Evidence& e) { e.curves[0].late = against; }), "CSSSS");
  EXPECT_EQ(verdicts([](Evidence& e) { e.curves[0].late = {}; }), "NSSSS");
  EXPECT_EQ(verdicts([](Evidence& e) { gap_of(e, "all", true).zone = against; }), "SCSSS");
  EXPECT_EQ(verdicts([](Evidence& e) { gap_of(e, "all", true).difference = open; }), "SNSSS");
  for (const char* name : {"sft", "rise", "steer-soft-base", "steer-hard-sft"}) {
    EXPECT_EQ(verdicts([&](Evidence& e) { compared(e, name).accuracy = open; }), "SSNSS") << name;
    EXPECT_EQ(verdicts([&](Evidence& e) { compared(e, name).accuracy = against; }), "SSCSS");
  }
  EXPECT_EQ(verdicts([](Evidence& e) { ci_of(e, "all", false).r = against; }), "SSSCS");
  EXPECT_EQ(verdicts([](Evidence& e) { e.routing[0].zone = estimate(.1, .2); }), "SSSSC");
  EXPECT_EQ(verdicts([](Evidence& e) { e.routing[0].difference = open; }), "SSSSN");
}

TEST(Claims, WhatStandsBesideDoesNotDecide) {
  EXPECT_EQ(verdicts([](Evidence& e) {
              for (const bool within : {false, true})
                for (const char* scope : {"a", "b", "facts"})
                  gap_of(e, scope, within).zone = ci_of(e, scope, within).r = against;
              gap_of(e, "all", false).zone = gap_of(e, "all", false).difference = against;
              gap_of(e, "all", true).outside = against;
              ci_of(e, "all", true).r = against;
              compared(e, "sara").accuracy = against;
              for (Comparison& c : e.comparisons) c.given_english = against;
              for (const std::size_t r : {1u, 2u})
                e.routing[r].zone = e.routing[r].difference = estimate(.1, .2);
              e.routing[0].outside = estimate(.1, .2);
            }),
            "SSSSS");
}

TEST(Claims, WithoutAMethodOfTheAbstractTheClaimIsNotShown) {
  const auto without = [](const std::string& start) {
    return verdicts([&](Evidence& e) {
      std::erase_if(e.methods, [&](const std::string& m) { return m.starts_with(start); });
      std::erase_if(e.comparisons,
                    [&](const Comparison& c) { return c.against.starts_with(start); });
    });
  };
  EXPECT_EQ(without("rise"), "SSNSS");
  EXPECT_EQ(without("steer-"), "SSNSS");
  EXPECT_EQ(without("sara"), "SSSSS");
}

TEST(Claims, OfNoEvidenceNothingIsMeasured) {
  EXPECT_EQ(verdicts([](Evidence& e) { e = Evidence{}; }), "-----");
}

const ClaimPart& part_of(const Claim& claim, std::string_view what) {
  for (const ClaimPart& part : claim.parts)
    if (part.what == what) return part;
  fail(claim.id, " has no part \"", what, "\"");
}

TEST(Claims, PartsSayWhatTheyAre) {
  const std::vector<Claim> claims = weigh_claims(good_evidence());
  ASSERT_EQ(claims.size(), 5u);
  const std::string ids = "abcde";
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(claims[i].id, ids.substr(i, 1));
    EXPECT_TRUE(claims[i].statement.starts_with("The abstract says: ")) << claims[i].statement;
    EXPECT_TRUE(claims[i].how.starts_with("Our choice: ")) << claims[i].how;
    for (const ClaimPart& part : claims[i].parts)
      EXPECT_TRUE(part.unit == (i == 2 ? "points" : i == 1 || i == 3 ? "r" : "D")) << part.what;
  }
  EXPECT_TRUE(part_of(claims[0], "a: layer 0 minus the zone (layers 1 to 2 of 4)").deciding);
  part_of(claims[0], "b: layer 3 minus the zone (layers 1 to 2 of 4)");
  part_of(claims[2], "RA-MoE minus Routing Steering (soft) of the base model");
  part_of(claims[2], "RA-MoE minus Routing Steering (hard) of the SFT model");
  EXPECT_FALSE(part_of(claims[2], "RA-MoE minus SARA").deciding);
  EXPECT_FALSE(part_of(claims[2], "RA-MoE minus RISE, of what is known in English").deciding);
  part_of(claims[3], "b: share of ci and gain");
  EXPECT_EQ(part_of(claims[4], "change in the zone").claimed_sign, -1);
  EXPECT_FALSE(part_of(claims[4], "a: change in the zone").deciding);
}

// From records to verdicts: RA-MoE above SFT in every cell and seed, RISE and steering as SFT, its
// routing nearer in the zone; the curves have a U in model a, and model b's zone reaches the end.
TEST(Claims, OfAMadeGrid) {
  MadeGrid grid(MadeGrid::three_methods(), 2, true);
  for (const std::string& cell : MadeGrid::cells()) {
    grid.set_test(cell, "ramoe", {.55, .57});
    // Seeds and languages differ by .02 around these: what is all the same has no interval.
    grid.set_layers(cell + "/ramoe/1", "divergence", .19, .39);
    grid.set_layers(cell + "/ramoe/2", "divergence", .21, .39);
    const double side = cell.ends_with("es") ? -.01 : .01;
    Json curve = {.6 + side, .2, .2};
    if (cell[0] == 'a') curve.push_back(.5 + side);
    grid.curve(cell) = curve;
  }
  const std::vector<Claim> claims = weigh_claims(gather_evidence(grid.results()));
  EXPECT_EQ(claims[0].verdict(), ClaimVerdict::not_shown);
  const ClaimPart& before = part_of(claims[0], "a: layer 0 minus the zone (layers 1 to 2 of 4)");
  EXPECT_NEAR(before.estimate.value, 0.4, 1e-12);
  EXPECT_EQ(before.verdict(), ClaimVerdict::shown);
  EXPECT_EQ(part_of(claims[0], "b: no layer after minus the zone (layers 1 to 2 of 3)").verdict(),
            ClaimVerdict::not_measured);
  EXPECT_EQ(claims[1].verdict(), ClaimVerdict::not_measured);  // no gap differs
  EXPECT_EQ(claims[2].verdict(), ClaimVerdict::shown);
  const ClaimPart& sft = part_of(claims[2], "RA-MoE minus SFT");
  EXPECT_NEAR(sft.estimate.value, 0.06, 1e-12);
  EXPECT_GT(sft.estimate.p_adjusted, sft.estimate.p);
  EXPECT_EQ(claims[3].verdict(), ClaimVerdict::not_measured);  // no share of ci differs
  EXPECT_EQ(claims[4].verdict(), ClaimVerdict::shown);
  EXPECT_NEAR(part_of(claims[4], "change in the zone minus change outside").estimate.value, -0.19,
              1e-12);
}

}  // namespace
}  // namespace ramoe
