// The evidence on routing and on correlations against numbers worked out by hand.
#include <gtest/gtest.h>

#include <string_view>

#include "ch12_experiments/evidence_expect.h"
#include "support/error.h"

namespace ramoe {
namespace {

template <class Rows>
const auto& row_of(const Rows& rows, std::string_view scope, bool within) {
  for (const auto& row : rows)
    if (row.scope == scope && row.within == within) return row;
  fail("no row of ", scope);
}
const RoutingChange& routing_of(const Evidence& evidence, std::string_view scope) {
  for (const RoutingChange& r : evidence.routing)
    if (r.scope == scope) return r;
  fail("no routing of ", scope);
}

// Gap and divergence: es lies below and sw above the mean of its group, by .1 each.
//   group       a/facts  a/sums  b/facts  b/sums
//   zone  mean     .4      .4      .2       .2      es and sw as the gap, in b/sums the other way
//   outside        .3      .3      .3       .3      the other way, in b/sums as the gap
//   gap            .4      .4      .6       .6
// Within groups all are +-.1: r = (3 - 1) / 4 = .5 in the zone, -.5 outside. Raw, the groups' means
// add -.01 to the covariance .005 with the zone, and .01 to the variance .01 of zone and gap:
// r = -.005 / .02 = -.25; outside -.005 / sqrt(.01 * .02) = -.35355.
MadeGrid gap_grid() {
  MadeGrid grid(MadeGrid::three_methods());
  const std::vector<double> zone = {.4, .4, .2, .2}, gap = {.4, .4, .6, .6};
  const std::vector<std::string> cells = MadeGrid::cells();
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const std::size_t group = c / 2;
    const double side = c % 2 ? 0.1 : -0.1, turned = group == 3 ? -side : side;
    Json& base = grid.record(cells[c] + "/base");
    grid.set_layers(cells[c] + "/base", "divergence", zone[group] + turned, 0.3 - turned);
    base["english"]["accuracy"] = group < 2 ? 0.9 : 0.8;
    base["test"]["accuracy"] = (group < 2 ? 0.9 : 0.8) - gap[group] - side;
  }
  return grid;
}

TEST(Evidence, DivergenceAndGapByHand) {
  const Evidence evidence = gather_evidence(gap_grid().results());
  ASSERT_EQ(evidence.gap.size(), 10u);  // 5 scopes, both ways
  const GapCorrelation& raw = row_of(evidence.gap, "all", false);
  EXPECT_NEAR(raw.zone.value, -0.25, 1e-12);
  EXPECT_NEAR(raw.outside.value, -std::sqrt(0.125), 1e-12);
  EXPECT_NEAR(raw.difference.value, std::sqrt(0.125) - 0.25, 1e-12);
  EXPECT_EQ(raw.zone.count, 8);
  const GapCorrelation& within = row_of(evidence.gap, "all", true);
  EXPECT_NEAR(within.zone.value, 0.5, 1e-12);
  EXPECT_NEAR(within.outside.value, -0.5, 1e-12);
  EXPECT_NEAR(within.difference.value, 1, 1e-12);
  // A resample keeps or flattens each group of two, as likely. Of the 15 ways that leave one, one
  // has the turned group alone (-1, 6.7 %), seven have none of it (+1). Outside mirrors the zone.
  expect_estimate(within.zone, 0.5, -1, 1, 8);
  expect_estimate(within.difference, 1, -2, 2, 8);
  // Model a and facts have groups that all agree; b and sums one of each.
  // Four points of which every resample agrees are no evidence.
  EXPECT_NEAR(row_of(evidence.gap, "a", true).zone.value, 1, 1e-12);
  EXPECT_NEAR(row_of(evidence.gap, "facts", true).difference.value, 2, 1e-12);
  expect_unknown(row_of(evidence.gap, "a", true).zone, 4);
  expect_unknown(row_of(evidence.gap, "facts", true).difference, 4);
  EXPECT_NEAR(row_of(evidence.gap, "b", true).zone.value, 0, 1e-12);
  EXPECT_NEAR(row_of(evidence.gap, "sums", true).outside.value, 0, 1e-12);
}

// Gains .04 in a; -.02 and 0 in b. Shares of ci .6 in a, .3 in b: covariance .15 * .2 / 8,
// variances .0225 and .0054 / 8: r = .025 / sqrt(.000675). Within groups the gains do not differ.
TEST(Evidence, ShareOfCiAndGainByHand) {
  MadeGrid grid = gains_grid();
  for (const std::string& cell : MadeGrid::cells())
    grid.set_types(cell,
                   cell[0] == 'a' ? std::vector<int>{8, 12, 0, 0} : std::vector<int>{4, 6, 6, 4});
  const Evidence evidence = gather_evidence(grid.results());
  const CellCorrelation& raw = row_of(evidence.ci_gain, "all", false);
  EXPECT_NEAR(raw.r.value, 0.025 / std::sqrt(0.000675), 1e-9);
  EXPECT_EQ(raw.r.count, 8);
  EXPECT_TRUE(raw.r.interval.known());
  const CellCorrelation& within = row_of(evidence.ci_gain, "all", true);
  EXPECT_TRUE(std::isnan(within.r.value));
  EXPECT_FALSE(within.r.interval.known());
  // sw with a gain of .20, and .1 of ci: from es to sw, ci falls by .5 .5 .2 .2 and the gain rises
  // by .16 .16 .22 .20. Halves of these: r = -.061 / sqrt(.145 * .0349).
  for (const char* group : {"a/facts", "a/sums", "b/facts", "b/sums"}) {
    grid.set_test(group + std::string("/sw"), "ramoe", {0.70, 0.80});
    grid.set_types(group + std::string("/sw"), {8, 2, 5, 5});
  }
  const Evidence turned = gather_evidence(grid.results());
  EXPECT_NEAR(row_of(turned.ci_gain, "all", true).r.value, -0.061 / std::sqrt(0.145 * 0.0349),
              1e-9);
  EXPECT_TRUE(row_of(turned.ci_gain, "all", true).r.below_zero());
  EXPECT_LT(row_of(turned.ci_gain, "b", true).r.value, -0.9);
  expect_unknown(row_of(turned.ci_gain, "b", true).r, 4);  // too few
}

// Divergence of ramoe against sft's, which is .4, but in model a .42 of seed 1 and .38 of seed 2.
// Model a: zone .31 and .27, outside .38: changes twice -.11, and -.04 and 0. Model b: zone .39,
// outside .40. Mass in the zone of a .45 against .40.
MadeGrid routing_grid() {
  MadeGrid grid(MadeGrid::three_methods());
  for (const std::string& cell : MadeGrid::cells())
    for (const std::string seed : {"1", "2"}) {
      const std::string id = cell + "/ramoe/" + seed;
      const bool a = cell[0] == 'a', first = seed == "1";
      grid.set_layers(id, "divergence", a ? (first ? .31 : .27) : .39, a ? .38 : .40);
      if (!a) continue;
      grid.set_layers(cell + "/sft/" + seed, "divergence", first ? .42 : .38, first ? .42 : .38);
      grid.set_layers(id, "mass", .45, .40);
    }
  return grid;
}

TEST(Evidence, RoutingChangeByHand) {
  const Evidence evidence = gather_evidence(routing_grid().results());
  ASSERT_EQ(evidence.routing.size(), 3u);
  const RoutingChange &all = routing_of(evidence, "all"), &a = routing_of(evidence, "a");
  EXPECT_NEAR(a.zone.value, -0.11, 1e-12);  // paired, no seed differs, so there is no interval
  EXPECT_FALSE(a.zone.interval.known());
  EXPECT_EQ(a.zone.count, 4);
  EXPECT_NEAR(a.outside.value, -0.02, 1e-12);
  EXPECT_NEAR(a.difference.value, -0.09, 1e-12);
  EXPECT_NEAR(a.mass_zone.value, 0.05, 1e-12);
  expect_values(a.by_layer, {-0.02, -0.11, -0.11, -0.02});
  EXPECT_NEAR(all.zone.value, (-0.11 - 0.01) / 2, 1e-12);
  EXPECT_NEAR(all.difference.value, (-0.09 - 0.01) / 2, 1e-12);
  EXPECT_TRUE(all.by_layer.empty());
  EXPECT_TRUE(all.zone.below_zero());
  // In b the outside layers do not change: p = 1 there; the change in its zone has 2/16.
  const RoutingChange& b = routing_of(evidence, "b");
  EXPECT_DOUBLE_EQ(b.zone.p, 0.125);
  EXPECT_DOUBLE_EQ(b.zone.p_adjusted, 0.5);  // of four; the mass has p = 1 too
  EXPECT_DOUBLE_EQ(b.outside.p_adjusted, 1);
  const MethodInCell& ramoe = *evidence.cells[0].method("ramoe");
  expect_values(ramoe.divergence_change, {-0.02, -0.11, -0.11, -0.02});
  expect_values(ramoe.mass_change, {0, 0.05, 0.05, 0});
  expect_values(ramoe.divergence, {0.38, 0.29, 0.29, 0.38});
  expect_values(evidence.cells[7].method("rise")->divergence_change, {0, 0, 0});
}

// Model a, layers 0 to 3, zone 1 to 2:
//   es facts .5 .2 .4 .7: before .2, after .4     es sums .3 .2 .2 .3: .1, .1     mean .15, .25
//   sw facts .6 .1 .1 .2: before .5, after .1     sw sums .2 .1 .3 .2: 0, 0       mean .25, .05
MadeGrid curves_grid() {
  MadeGrid grid(MadeGrid::three_methods());
  grid.curve("a/facts/es") = {.5, .2, .4, .7};
  grid.curve("a/sums/es") = {.3, .2, .2, .3};
  grid.curve("a/facts/sw") = {.6, .1, .1, .2};
  grid.curve("a/sums/sw") = {.2, .1, .3, .2};
  return grid;
}

TEST(Evidence, ArmsOfTheCurvesByHand) {
  const Evidence evidence = gather_evidence(curves_grid().results());
  const ModelCurves& a = evidence.curves[0];
  EXPECT_EQ(a.model, "a");
  EXPECT_EQ(a.zone.first, 1);
  EXPECT_EQ(a.zone.last, 2);
  expect_estimate(a.early, 0.2, 0.15, 0.25, 2);
  expect_estimate(a.late, 0.15, 0.05, 0.25, 2);
  expect_values(a.prompts, {0.4, 0.15, 0.25, 0.35});
  expect_values(a.general, {0.4, 0.4, 0.4, 0.4});
  EXPECT_EQ(a.by_task.at("sums").at("sw").size(), 4u);
  const ModelCurves& b = evidence.curves[1];  // its zone reaches the last layer
  EXPECT_EQ(b.early.count, 2);
  expect_unknown(b.late);
}

TEST(Evidence, AZoneOfAllLayersHasNoOutside) {
  MadeGrid grid = gap_grid();
  grid.facts["stages"]["b"]["divergence"]["zone"] = {{"first", 0}, {"last", 2}};
  const Evidence evidence = gather_evidence(grid.results());
  EXPECT_TRUE(std::isnan(evidence.cells[4].divergence_outside));
  const GapCorrelation& all = row_of(evidence.gap, "all", true);
  EXPECT_EQ(all.zone.count, 8);
  EXPECT_EQ(all.outside.count, 4);
  EXPECT_NEAR(all.difference.value, 2, 1e-12);  // of model a alone
  expect_unknown(row_of(evidence.gap, "b", true).difference);
  EXPECT_EQ(routing_of(evidence, "all").outside.count, 4);
  EXPECT_EQ(routing_of(evidence, "all").zone.count, 8);
  expect_unknown(evidence.curves[1].early);
  EXPECT_TRUE(to_json(evidence)["cells"][4]["divergence_outside"].is_null());
}

}  // namespace
}  // namespace ramoe
