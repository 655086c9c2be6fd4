// The evidence over many cells: comparisons, correlations, routing. Declared in evidence_parts.h.
#include <cmath>

#include "ch12_experiments/evidence_parts.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// The values by seed that a method or the base model has in a cell.
struct CellValues {
  std::vector<double> accuracy, given_english;
};
CellValues cell_values(const EvidenceCell& cell, const std::string& name) {
  if (name == "base") return {{cell.base}, {cell.base_given_english}};
  const MethodInCell& method = *cell.method(name);
  return {method.accuracy, method.given_english};
}

/// One method against another in every cell.
struct PairOfMethods {
  std::string method, against;
  std::vector<std::vector<double>> accuracy, given_english;  // differences by cell and seed
  std::vector<Estimate> by_cell;                             // of accuracy
};

PairOfMethods pair_of_methods(const Evidence& evidence, const std::string& method,
                              const std::string& against) {
  PairOfMethods pair{method, against, {}, {}, {}};
  for (const EvidenceCell& cell : evidence.cells) {
    const CellValues a = cell_values(cell, method), b = cell_values(cell, against);
    pair.accuracy.push_back(paired_differences(a.accuracy, b.accuracy));
    pair.given_english.push_back(paired_differences(a.given_english, b.given_english));
    pair.by_cell.push_back(estimate_over_seeds(pair.accuracy.back()));
  }
  return pair;
}

Comparison compare_in_scope(const Evidence& evidence, const PairOfMethods& pair,
                            const std::string& scope) {
  Comparison c{pair.method, pair.against, scope};
  std::vector<std::vector<double>> accuracy, given_english;
  for (std::size_t i = 0; i < evidence.cells.size(); ++i) {
    if (!in_scope(evidence.cells[i], scope)) continue;
    accuracy.push_back(pair.accuracy[i]);
    given_english.push_back(pair.given_english[i]);
    ++c.cells;
    c.above += pair.by_cell[i].above_zero();
    c.below += pair.by_cell[i].below_zero();
  }
  c.accuracy = estimate_over_cells(accuracy);
  c.given_english = estimate_over_cells(given_english);
  return c;
}

std::vector<PairOfMethods> all_pairs(const Evidence& evidence) {
  std::vector<PairOfMethods> pairs;
  const auto add = [&](const std::string& method, const std::string& against) {
    pairs.push_back(pair_of_methods(evidence, method, against));
  };
  for (const std::string& name : evidence.methods)
    if (name != "sft") add(name, "sft");
  for (const std::string& name : evidence.methods)
    if (name != "sft" && name != "ramoe") add("ramoe", name);
  for (std::size_t i = 0; i < evidence.methods.size(); ++i)
    for (std::size_t j = i + 1; j < evidence.methods.size(); ++j)
      if (is_extension(evidence.methods[i]) && is_extension(evidence.methods[j]))
        add(evidence.methods[i], evidence.methods[j]);
  add("sft", "base");
  add("ramoe", "base");
  for (const std::string& name : evidence.methods)
    if (name.starts_with("steer-") && name.ends_with("-base")) add(name, "base");
  return pairs;
}

/// For the cells of a scope: the values to correlate, and the group (model and task) of each.
struct ScopePoints {
  std::vector<double> zone, outside, gap, ci, gain;
  std::vector<int> groups;
};

ScopePoints points_of(const Evidence& evidence, const std::string& scope, bool within,
                      bool outside_known = false) {
  ScopePoints p;
  std::map<std::string, int> numbers;
  for (const EvidenceCell& cell : evidence.cells) {
    if (!in_scope(cell, scope)) continue;
    if (outside_known && !std::isfinite(cell.divergence_outside)) continue;
    p.zone.push_back(cell.divergence_zone);
    p.outside.push_back(cell.divergence_outside);
    p.gap.push_back(cell.gap());
    p.ci.push_back(cell.ci);
    p.gain.push_back(cell.method("ramoe")->gain.value);
    if (within) p.groups.push_back(group_of(cell, numbers));
  }
  return p;
}

Estimate from_correlation(const CorrelationEstimate& c) {
  return {.value = c.r, .interval = c.interval, .count = c.points};
}

/// RA-MoE minus SFT by cell and seed, for the cells of a scope.
struct RoutingDifferences {
  std::vector<std::vector<double>> zone, outside, difference, mass;
};

void add_cell(RoutingDifferences& all, const GridResults& results, const EvidenceCell& cell,
              Zone zone) {
  const std::string name = cell.model + "/" + cell.task + "/" + cell.lang;
  const auto ramoe = results.by_seed(name, "ramoe"), sft = results.by_seed(name, "sft");
  const std::size_t L = cell.divergence.size();
  for (auto* values : {&all.zone, &all.outside, &all.difference, &all.mass}) values->push_back({});
  for (std::size_t s = 0; s < ramoe.size(); ++s) {
    const auto change = [&](const char* key, auto mean_over) {
      return mean_over(layers_of(*ramoe[s], key, L), zone) -
             mean_over(layers_of(*sft[s], key, L), zone);
    };
    const double inside = change("divergence", mean_inside);
    const double outside = change("divergence", mean_outside);
    all.zone.back().push_back(inside);
    all.outside.back().push_back(outside);
    all.difference.back().push_back(inside - outside);
    all.mass.back().push_back(change("mass", mean_inside));
  }
}

}  // namespace

int group_of(const EvidenceCell& cell, std::map<std::string, int>& numbers) {
  const int next = static_cast<int>(numbers.size());
  return numbers.emplace(cell.model + "/" + cell.task, next).first->second;
}

bool is_extension(const std::string& name) {
  return name != "sft" && name != "ramoe" && name != "rise" && name != "sara" &&
         !name.starts_with("steer-");
}

Comparison compare_over_grids(const std::vector<const Evidence*>& grids, const std::string& method,
                              const std::string& against) {
  Evidence all;  // the cells alone
  for (const Evidence* grid : grids)
    for (const EvidenceCell& cell : grid->cells) {
      for (const std::string& name : {method, against})
        check(cell.method(name), "a grid lacks \"", name, "\" in ", cell.model, "/", cell.task, "/",
              cell.lang, "; expected both methods in all grids that are taken together.");
      all.cells.push_back(cell);
    }
  return compare_in_scope(all, pair_of_methods(all, method, against), "all");
}

std::vector<Comparison> gather_comparisons(const Evidence& evidence) {
  const std::vector<PairOfMethods> pairs = all_pairs(evidence);
  std::vector<Comparison> comparisons;
  for (const std::string& scope : scopes_of(evidence)) {
    const std::size_t first = comparisons.size();
    for (const PairOfMethods& pair : pairs)
      comparisons.push_back(compare_in_scope(evidence, pair, scope));
    std::vector<Estimate*> accuracy, given_english;
    for (std::size_t i = first; i < comparisons.size(); ++i) {
      accuracy.push_back(&comparisons[i].accuracy);
      given_english.push_back(&comparisons[i].given_english);
    }
    adjust_family(accuracy);
    adjust_family(given_english);
  }
  return comparisons;
}

std::vector<GapCorrelation> gather_gap(const Evidence& evidence) {
  std::vector<GapCorrelation> all;
  for (const std::string& scope : scopes_of(evidence))
    for (const bool within : {false, true}) {
      const ScopePoints p = points_of(evidence, scope, within);
      GapCorrelation g{scope, within, {}, {}, {}};
      g.zone = from_correlation(estimate_correlation(p.zone, p.gap, {}, p.groups));
      // A model whose zone holds all its layers has none outside to compare with.
      const ScopePoints both = points_of(evidence, scope, within, true);
      const CorrelationDifference d =
          compare_correlations(both.zone, both.outside, both.gap, {}, both.groups);
      g.outside = from_correlation(d.second);
      g.difference = {.value = d.value, .interval = d.interval, .count = d.second.points};
      all.push_back(g);
    }
  return all;
}

std::vector<CellCorrelation> gather_ci_gain(const Evidence& evidence) {
  std::vector<CellCorrelation> all;
  for (const std::string& scope : scopes_of(evidence))
    for (const bool within : {false, true}) {
      const ScopePoints p = points_of(evidence, scope, within);
      all.push_back(
          {scope, within, from_correlation(estimate_correlation(p.ci, p.gain, {}, p.groups))});
    }
  return all;
}

std::vector<RoutingChange> gather_routing(const GridResults& results, const Evidence& evidence) {
  std::vector<RoutingChange> all;
  std::vector<std::string> scopes = {"all"};
  scopes.insert(scopes.end(), evidence.models.begin(), evidence.models.end());
  for (const std::string& scope : scopes) {
    RoutingDifferences differences;
    std::vector<std::vector<double>> by_layer;
    for (const EvidenceCell& cell : evidence.cells) {
      if (!in_scope(cell, scope)) continue;
      for (const ModelCurves& curves : evidence.curves)
        if (curves.model == cell.model) add_cell(differences, results, cell, curves.zone);
      by_layer.push_back(cell.method("ramoe")->divergence_change);
    }
    RoutingChange change;
    change.scope = scope;
    change.zone = estimate_over_cells(differences.zone);
    change.outside = estimate_over_cells(differences.outside);
    change.difference = estimate_over_cells(differences.difference);
    change.mass_zone = estimate_over_cells(differences.mass);
    adjust_family({&change.zone, &change.outside, &change.difference, &change.mass_zone});
    if (scope != "all") change.by_layer = mean_by_layer(by_layer);
    all.push_back(std::move(change));
  }
  return all;
}

}  // namespace ramoe
