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

Json to_json(const GridEvidence& weighed) {
  Json json = {{"code", weighed.grid.facts().value("code", "")}, {"claims", Json::array()}};
  for (const Claim& claim : weighed.claims) {
    Json parts = Json::array();
    for (const ClaimPart& part : claim.parts) {
      parts.push_back({{"what", part.what},
                       {"unit", part.unit},
                       {"deciding", part.deciding},
                       {"claimed_sign", part.claimed_sign},
                       {"verdict", verdict_text(part.verdict())}});
      parts.back().update(to_json(part.estimate));
    }
    json["claims"].push_back({{"id", claim.id},
                              {"statement", claim.statement},
                              {"how", claim.how},
                              {"verdict", verdict_text(claim.verdict())},
                              {"decidable", decidable_text(claim.decidable)},
                              {"parts", parts}});
  }
  json["evidence"] = to_json(weighed.evidence);
  json["headroom"] = Json::array();
  for (const HeadroomGain& h : weighed.headroom) json["headroom"].push_back(to_json(h));
  json["ablations"] = weighed.ablations ? to_json(*weighed.ablations) : Json();
  json["mixture"] = weighed.mixture ? to_json(*weighed.mixture) : Json();
  return json;
}

}  // namespace ramoe
