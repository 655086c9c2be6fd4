// Headroom beside the gain: what is correlated, and when a claim could be decided.
#include "ch12_experiments/headroom_gain.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ch12_experiments/claims.h"

namespace ramoe {
namespace {

/// Two models with three languages each of one task; the gains of RA-MoE are given.
Evidence evidence_of(const std::vector<double>& gains) {
  Evidence e;
  e.models = {"a", "b"};
  e.tasks = {"facts"};
  e.languages = {"es", "sw", "zh"};
  for (const std::string& model : e.models)
    for (const std::string& lang : e.languages) {
      EvidenceCell cell;
      cell.model = model;
      cell.task = "facts";
      cell.lang = lang;
      MethodInCell ramoe;
      ramoe.name = "ramoe";
      ramoe.gain.value = gains.at(e.cells.size());
      cell.methods.push_back(ramoe);
      e.cells.push_back(cell);
    }
  return e;
}

GridPlan plan() {
  GridPlan plan;
  plan.model_runs = {{"a", "runs/a"}, {"b", "runs/b"}};
  return plan;
}

HeadroomResults run(const std::string& model, double low, double high,
                    const std::vector<double>& cells = {0, 0, 0}) {
  HeadroomResults r;
  r.model = model;
  r.form = "seq";
  r.layers = "zone";
  r.control = "other";
  r.headroom = (low + high) / 2;
  r.low = low;
  r.high = high;
  // Not in the order of the evidence: cells are found by task and language.
  for (const auto& [lang, at] : {std::pair{"zh", 2u}, {"es", 0u}, {"sw", 1u}})
    r.cells.push_back({.lang = lang, .task = "facts", .headroom = cells[at]});
  return r;
}

Decidable decided(const std::vector<HeadroomResults>& runs) {
  const Evidence e = evidence_of({1, 2, 3, 4, 5, 6});
  return decidable(e, gather_headroom(e, plan(), runs));
}

TEST(HeadroomGain, PairsCellsByHand) {
  // Deviations of x: -2.5 -1.5 -0.5 0.5 1.5 2.5; of y: -2 -1 -2 1 2 2 (mean 3, in thousandths).
  const Evidence e = evidence_of({.001, .002, .001, .004, .005, .005});
  const auto all = gather_headroom(e, plan(), {run("runs/a", 0, 1, {.01, .02, .03}),
                                               run("runs/b", 0, 1, {.04, .05, .06})});
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].by_cell, (std::vector<double>{.01, .02, .03, .04, .05, .06}));
  ASSERT_EQ(all[0].r[0].scope, "all");
  EXPECT_FALSE(all[0].r[0].within);
  // Sum xy = 5 + 1.5 + 1 + 0.5 + 3 + 5 = 16; sums of squares 17.5 and 18.
  EXPECT_NEAR(all[0].r[0].r.value, 16 / std::sqrt(17.5 * 18), 1e-12);
  EXPECT_EQ(all[0].r[0].r.count, 6);
  // Within models: x -1 0 1 twice; y -1/3 2/3 -1/3 and -2/3 1/3 1/3: sum xy 1, squares 4 and 4/3.
  EXPECT_NEAR(all[0].r[1].r.value, 1 / std::sqrt(4 * 4. / 3), 1e-12);
}

TEST(HeadroomGain, ExtensionsHaveTheirOwn) {
  Evidence e = evidence_of({.001, .002, .001, .004, .005, .005});
  e.methods = {"sft", "ramoe", "ramoe-last"};
  for (std::size_t i = 0; i < e.cells.size(); ++i) {
    MethodInCell last;
    last.name = "ramoe-last";
    last.gain.value = -2.0 * static_cast<double>(i);
    e.cells[i].methods.push_back(last);
  }
  const auto all = gather_headroom(e, plan(), {run("runs/a", 0, 1, {.01, .02, .03}),
                                               run("runs/b", 0, 1, {.04, .05, .06})});
  ASSERT_EQ(all.at(0).extensions.size(), 2u);
  EXPECT_EQ(all[0].extensions[0].method, "ramoe-last");
  EXPECT_NEAR(all[0].extensions[0].r.r.value, -1, 1e-12);
  EXPECT_TRUE(all[0].extensions[1].r.within);
}

TEST(HeadroomGain, OtherRunsDoNotCount) {
  HeadroomResults other = run("runs/c", .1, .2), outside = run("runs/a", .1, .2),
                  mean = run("runs/a", .1, .2);
  outside.layers = "outside";
  mean.control = "mean";
  const Evidence e = evidence_of({1, 2, 3, 4, 5, 6});
  EXPECT_TRUE(gather_headroom(e, plan(), {other, outside, mean}).empty());
  // A model that was not measured leaves holes.
  const auto some = gather_headroom(e, plan(), {run("runs/b", 0, 1)});
  EXPECT_TRUE(std::isnan(some.at(0).by_cell[0]));
  EXPECT_EQ(some[0].r[0].r.count, 3);
}

TEST(HeadroomGain, WhenAClaimCouldBeDecided) {
  EXPECT_EQ(decided({run("runs/a", .01, .03), run("runs/b", .02, .04)}), Decidable::yes);
  EXPECT_EQ(decided({run("runs/a", -.01, .009), run("runs/b", -.02, .005)}), Decidable::no);
  EXPECT_EQ(decided({run("runs/a", -.01, .03), run("runs/b", .02, .04)}), Decidable::open);
  EXPECT_EQ(decided({run("runs/a", -.01, .005), run("runs/b", .02, .04)}), Decidable::open);
  EXPECT_EQ(decided({run("runs/a", -.01, .03), run("runs/b", -.02, .005)}), Decidable::open);
  EXPECT_EQ(decided({run("runs/a", .01, .03)}), Decidable::not_asked);
  // Another form may find what the first did not.
  HeadroomResults tokens = run("runs/a", .01, .02);
  tokens.form = "tokens";
  EXPECT_EQ(decided({run("runs/a", -.01, .005), tokens, run("runs/b", .02, .04)}), Decidable::yes);
  EXPECT_EQ(name_of(Decidable::not_asked), "not asked");
}

TEST(HeadroomGain, StandsBesideTheClaimsAboutAGain) {
  const Evidence e = evidence_of({1, 2, 3, 4, 5, 6});
  const auto none = gather_headroom(
      e, plan(), {run("runs/a", -.01, .009, {0, .01, 0}), run("runs/b", -.02, .005)});
  const std::vector<Claim> claims = weigh_claims(e, none);
  ASSERT_EQ(claims.size(), 6u);
  EXPECT_EQ(claims[5].id, "f");
  EXPECT_EQ(claims[5].parts[0].estimate.value, none[0].r[0].r.value);
  EXPECT_TRUE(claims[5].parts[0].deciding);
  EXPECT_FALSE(claims[5].parts[1].deciding);
  for (const std::size_t i : {2u, 3u, 5u}) EXPECT_EQ(claims[i].decidable, Decidable::no) << i;
  for (const std::size_t i : {0u, 1u, 4u}) EXPECT_EQ(claims[i].decidable, Decidable::yes) << i;
  EXPECT_EQ(weigh_claims(e).size(), 5u);
  EXPECT_EQ(weigh_claims(e)[2].decidable, Decidable::not_asked);
}

}  // namespace
}  // namespace ramoe
