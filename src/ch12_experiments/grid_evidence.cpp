#include "ch12_experiments/grid_evidence.h"

#include <algorithm>
#include <cstdlib>

#include "support/error.h"

namespace ramoe {
namespace {

/// Whether a model of a mixture is named after its exponent, "exponent=0.3".
bool names_exponent(const std::string& model) {
  const std::string prefix = "exponent=";
  if (!model.starts_with(prefix)) return false;
  const char* begin = model.c_str() + prefix.size();
  char* end = nullptr;
  std::strtod(begin, &end);
  return end != begin && *end == '\0';
}

}  // namespace

GridEvidence weigh_grid(GridResults grid, const std::optional<GridResults>& ablations,
                        const std::optional<GridResults>& mixture,
                        const std::vector<HeadroomResults>& headroom) {
  GridEvidence weighed = {std::move(grid), {}, {}, {}, {}, {}};
  weighed.evidence = gather_evidence(weighed.grid);
  weighed.headroom = gather_headroom(weighed.evidence, weighed.grid.plan(), headroom);
  weighed.claims = weigh_claims(weighed.evidence, weighed.headroom);
  const std::vector<GridVariant>& variants = weighed.grid.plan().variants;
  if (ablations)
    weighed.ablations = gather_ablations(*ablations);
  else if (std::any_of(variants.begin(), variants.end(),
                       [](const GridVariant& variant) { return !variant.is_main(); }))
    weighed.ablations = gather_ablations(weighed.grid);
  if (mixture) {
    for (const std::string& model : mixture->plan().models)
      check(names_exponent(model), mixture->where(), ": a base model is called \"", model,
            "\"; wanted names of the form exponent=0.3, after the exponent of the mixture.");
    weighed.mixture = gather_evidence(*mixture);
  }
  return weighed;
}

}  // namespace ramoe
