// The grid of ablations and its learning curve. Declared in evidence.h.
#include <map>

#include "ch12_experiments/evidence_parts.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr const char* curve_group = "train_pairs";

/// The values of one variant, by cell and seed.
struct VariantValues {
  std::vector<std::vector<double>> test, valid, routing_zone;
};

VariantValues variant_values(const GridResults& results, const std::string& variant,
                             const std::map<std::string, ModelCurves>& curves) {
  VariantValues values;
  for (const GridRun& cell : cells_of(results.plan())) {
    const std::vector<const Json*> records = results.by_seed(cell.cell(), variant);
    values.test.push_back(values_of(records, "test", "accuracy"));
    values.valid.push_back(values_of(records, "valid", "accuracy"));
    const ModelCurves& model = curves.at(cell.model);
    values.routing_zone.push_back({});
    for (const Json* record : records)
      values.routing_zone.back().push_back(
          mean_inside(layers_of(*record, "divergence", model.general.size()), model.zone));
  }
  return values;
}

Estimate difference_over_cells(const std::vector<std::vector<double>>& a,
                               const std::vector<std::vector<double>>& b) {
  std::vector<std::vector<double>> differences;
  for (std::size_t c = 0; c < a.size(); ++c) differences.push_back(paired_differences(a[c], b[c]));
  return estimate_over_cells(differences);
}

double mean_over_cells(const std::vector<std::vector<double>>& cells) {
  std::vector<double> means;
  for (const std::vector<double>& cell : cells) means.push_back(mean(cell));
  return mean(means);
}

LearningPoint learning_point(int pairs, const VariantValues& sft, const VariantValues& ramoe) {
  return {pairs, mean_over_cells(sft.test), mean_over_cells(ramoe.test),
          difference_over_cells(ramoe.test, sft.test)};
}

/// The two variants for each number of pairs, by that number; a number that only one method has is
/// left out. Error: a variant of the group is not a point of the curve.
struct CurveVariants {
  std::string sft, ramoe;
};
std::map<int, CurveVariants> curve_variants(const GridResults& results) {
  std::map<int, CurveVariants> by_pairs;
  for (const GridVariant& v : results.plan().variants) {
    if (v.group != curve_group) continue;
    const Json pairs = v.keys.value("train_pairs", Json());
    check(pairs.is_number_integer() && pairs > 0 &&
              (v.method == Method::sft || v.method == Method::ramoe),
          results.where(), ": the variant ", v.name, " of the group ", curve_group,
          " is of the method ", name_of(v.method), " with train_pairs = ", excerpt(pairs),
          "; expected sft or ramoe with a number of pairs, or another group.");
    CurveVariants& both = by_pairs[pairs.get<int>()];
    std::string& name = v.method == Method::sft ? both.sft : both.ramoe;
    check(name.empty(), results.where(), ": the variants ", name, " and ", v.name, " of the group ",
          curve_group, " are the same point of the learning curve; give one another group.");
    name = v.name;
  }
  std::erase_if(by_pairs, [](const auto& entry) {
    return entry.second.sft.empty() || entry.second.ramoe.empty();
  });
  return by_pairs;
}

}  // namespace

Ablations gather_ablations(const GridResults& results) {
  check_sft_and_ramoe(results);
  const GridPlan& plan = results.plan();
  Ablations ablations{plan.models, plan.tasks, plan.languages, plan.seeds, {}, {}};
  std::map<std::string, ModelCurves> curves;
  for (const std::string& model : plan.models) curves[model] = curves_of_model(results, model);
  const auto values = [&](const std::string& variant) {
    return variant_values(results, variant, curves);
  };
  const VariantValues sft = values("sft"), ramoe = values("ramoe");
  for (const GridVariant& v : plan.variants) {
    const bool is_default = v.name == "ramoe";
    if (v.group == curve_group || (v.is_main() && !is_default)) continue;
    const VariantValues own = is_default ? ramoe : values(v.name);
    Ablation row;
    row.group = v.group;
    row.variant = v.name;
    row.keys = v.keys;
    row.against_sft = difference_over_cells(own.test, sft.test);
    row.routing_zone = difference_over_cells(own.routing_zone, sft.routing_zone);
    if (!is_default) {
      row.against_default = difference_over_cells(own.test, ramoe.test);
      row.valid_against_default = difference_over_cells(own.valid, ramoe.valid);
    }
    ablations.rows.push_back(std::move(row));
  }
  for (const auto& [pairs, names] : curve_variants(results))
    ablations.learning.push_back(learning_point(pairs, values(names.sft), values(names.ramoe)));
  if (!ablations.learning.empty()) ablations.learning.push_back(learning_point(0, sft, ramoe));
  for (Estimate Ablation::*member : {&Ablation::against_default, &Ablation::against_sft,
                                     &Ablation::valid_against_default, &Ablation::routing_zone}) {
    std::vector<Estimate*> family;
    for (Ablation& row : ablations.rows) family.push_back(&(row.*member));
    adjust_family(family);
  }
  std::vector<Estimate*> points;
  for (LearningPoint& point : ablations.learning) points.push_back(&point.difference);
  adjust_family(points);
  return ablations;
}

}  // namespace ramoe
