#include "ch12_experiments/headroom_gain.h"

#include <cmath>

#include "ch12_experiments/evidence_parts.h"
#include "support/error.h"

namespace ramoe {
namespace {

CellCorrelation correlation(const Evidence& evidence, const std::vector<double>& headroom,
                            const std::string& scope, bool within,
                            const std::string& method = "ramoe") {
  std::vector<double> x, gain;
  std::vector<int> groups;
  std::map<std::string, int> numbers;
  for (std::size_t i = 0; i < evidence.cells.size(); ++i) {
    const EvidenceCell& cell = evidence.cells[i];
    const double value = cell.method(method)->gain.value;
    if (!in_scope(cell, scope) || !std::isfinite(headroom[i]) || !std::isfinite(value)) continue;
    x.push_back(headroom[i]);
    gain.push_back(value);
    if (within) groups.push_back(group_of(cell, numbers));
  }
  const CorrelationEstimate c = estimate_correlation(x, gain, {}, groups);
  return {scope, within, {.value = c.r, .interval = c.interval, .count = c.points}};
}

}  // namespace

std::vector<HeadroomGain> gather_headroom(const Evidence& evidence, const GridPlan& plan,
                                          const std::vector<HeadroomResults>& runs) {
  std::vector<HeadroomGain> all;
  for (const char* form : {"seq", "last", "tokens"}) {
    HeadroomGain h{form, {}, std::vector<double>(evidence.cells.size(), std::nan("")), {}, {}};
    for (const HeadroomResults& run : runs)
      for (const auto& [model, folder] : plan.model_runs) {
        if (run.model != folder || run.form != form || run.layers != "zone" ||
            run.control != "other")
          continue;
        h.models.push_back({model,
                            {.value = run.headroom,
                             .interval = run.interval(),
                             .count = static_cast<int>(run.cells.size())}});
        for (std::size_t i = 0; i < evidence.cells.size(); ++i)
          if (const EvidenceCell& wanted = evidence.cells[i]; wanted.model == model)
            if (const HeadroomCell* cell = run.cell(wanted.lang, wanted.task))
              h.by_cell[i] = cell->headroom;
      }
    if (h.models.empty()) continue;
    for (const std::string& scope : scopes_of(evidence))
      for (const bool within : {false, true})
        h.r.push_back(correlation(evidence, h.by_cell, scope, within));
    for (const std::string& method : evidence.methods)
      for (const bool within : {false, true})
        if (is_extension(method))
          h.extensions.push_back({method, correlation(evidence, h.by_cell, "all", within, method)});
    all.push_back(std::move(h));
  }
  return all;
}

Decidable decidable(const Evidence& evidence, const std::vector<HeadroomGain>& headroom) {
  bool all_yes = true, all_no = true;
  for (const std::string& model : evidence.models) {
    bool measured = false, some = false, none = true;
    for (const HeadroomGain& h : headroom)
      for (const ModelHeadroom& m : h.models) {
        if (m.model != model) continue;
        measured = true;
        some |= m.mean.above_zero();
        none &= m.mean.interval.known() && m.mean.interval.low <= 0 &&
                m.mean.interval.high < small_headroom;
      }
    if (!measured) return Decidable::not_asked;
    all_yes &= some;
    all_no &= none;
  }
  return all_yes ? Decidable::yes : all_no ? Decidable::no : Decidable::open;
}

}  // namespace ramoe
