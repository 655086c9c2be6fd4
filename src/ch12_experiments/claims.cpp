#include "ch12_experiments/claims.h"

#include <algorithm>
#include <cmath>

#include "ch12_experiments/sentences.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr const char* all_cells = "all";

std::string layers_text(int first, int last) {
  return first == last ? cat("layer ", first) : cat("layers ", first, " to ", last);
}

Claim zone_claim(const Evidence& evidence) {
  Claim claim{
      .id = "a",
      .statement =
          "The abstract says: the middle layers are a zone that languages share; routing there is "
          "closer to English than in the layers before and after, in several MoE models and tasks.",
      .how =
          "Our choice: for each model the zone is read off general text; on task prompts, the mean "
          "divergence of the layers before the zone, and of those after it, must lie above the "
          "zone's (mean over tasks, 95 % interval over languages). Layers count from 0."};
  for (const ModelCurves& c : evidence.curves) {
    const int L = static_cast<int>(c.general.size());
    const std::string zone =
        cat(" minus the zone (", layers_text(c.zone.first, c.zone.last), " of ", L, ")");
    const std::string before =
        c.zone.first > 0 ? layers_text(0, c.zone.first - 1) : "no layer before";
    const std::string after =
        c.zone.last + 1 < L ? layers_text(c.zone.last + 1, L - 1) : "no layer after";
    claim.parts.push_back({c.model + ": " + before + zone, c.early, +1, true, "D"});
    claim.parts.push_back({c.model + ": " + after + zone, c.late, +1, true, "D"});
  }
  return claim;
}

Claim gap_claim(const Evidence& evidence) {
  Claim claim{
      .id = "b",
      .statement =
          "The abstract says: routing divergence in the middle layers strongly predicts by how "
          "much the performance of a language falls behind.",
      .how =
          "Our choice: over cells, the correlation of the base model's divergence from English "
          "with its gap to English accuracy, both on test; centred within model and task, so that "
          "only differences between languages count. It must be above zero in the zone, and higher "
          "there than in the other layers. How high \"strongly\" is, we leave to the reader."};
  const auto add = [&](const std::string& what, const Estimate& estimate, bool deciding) {
    claim.parts.push_back({what, estimate, +1, deciding, "r"});
  };
  for (const GapCorrelation& g : evidence.gap)
    if (g.scope == all_cells && g.within) {
      add("divergence in the zone and gap, within model and task", g.zone, true);
      add("the same minus that of the other layers", g.difference, true);
    }
  for (const GapCorrelation& g : evidence.gap) {
    const bool is_task = contains(evidence.tasks, g.scope);
    if (is_task || (g.scope == all_cells && g.within)) continue;
    const std::string cells = g.scope == all_cells ? "all cells" : g.scope;
    const std::string form = g.within ? ", within task" : ", raw";
    add(cells + ": zone" + form, g.zone, false);
    add(cells + ": zone minus other layers" + form, g.difference, false);
  }
  return claim;
}

Claim methods_claim(const Evidence& evidence) {
  Claim claim{
      .id = "c",
      .statement =
          "The abstract says: over three models, three tasks and six languages, RA-MoE does better "
          "than SFT, Routing Steering and RISE.",
      .how =
          "Our choice: the mean over all cells of the accuracy on test, RA-MoE minus the other, "
          "seed by seed, must be above zero against each of them and each form of steering. SARA "
          "is no part of the claim; nor is accuracy on the items that the base model knows in "
          "English."};
  const auto add = [&](const std::string& name, bool deciding) {
    const Comparison* c = evidence.comparison("ramoe", name, all_cells);
    claim.parts.push_back({"RA-MoE minus " + method_in_words(name), c ? c->accuracy : Estimate{},
                           +1, deciding, "points"});
  };
  std::vector<std::string> others = {"sft"};
  for (const std::string& name : evidence.methods)
    if (name.starts_with("steer-")) others.push_back(name);
  const bool steered = others.size() > 1;
  others.push_back("rise");
  for (const std::string& name : others) add(name, true);
  // If the plan has no steering, that part was not measured, and the claim cannot be shown.
  if (!steered)
    claim.parts.push_back({"RA-MoE minus Routing Steering", Estimate{}, +1, true, "points"});
  if (evidence.comparison("ramoe", "sara", all_cells)) add("sara", false);
  for (const std::string& name : others)
    if (const Comparison* c = evidence.comparison("ramoe", name, all_cells))
      claim.parts.push_back(
          {"RA-MoE minus " + method_in_words(name) + ", of what is known in English",
           c->given_english, +1, false, "points"});
  return claim;
}

Claim ci_claim(const Evidence& evidence) {
  Claim claim{
      .id = "d",
      .statement =
          "The abstract says: the share of ci examples (known in English, not in the target "
          "language) of a task-language pair predicts the gain.",
      .how =
          "Our choice: over cells, the correlation of the share of ci among the training pairs "
          "with the mean accuracy of RA-MoE minus SFT on test must be above zero. Beside it the "
          "same within model and task, and for each model."};
  const auto add = [&](const CellCorrelation& c, const std::string& what, bool deciding) {
    claim.parts.push_back({what, c.r, +1, deciding, "r"});
  };
  for (const CellCorrelation& c : evidence.ci_gain)
    if (c.scope == all_cells && !c.within) add(c, "share of ci and gain", true);
  for (const CellCorrelation& c : evidence.ci_gain)
    if (c.scope == all_cells && c.within) add(c, "the same within model and task", false);
  for (const std::string& model : evidence.models)
    for (const CellCorrelation& c : evidence.ci_gain)
      if (c.scope == model && !c.within) add(c, model + ": share of ci and gain", false);
  return claim;
}

Claim routing_claim(const Evidence& evidence) {
  Claim claim{
      .id = "e",
      .statement =
          "The abstract says: the alignment loss makes the target language's routing follow the "
          "English activation of the task experts in the middle layers.",
      .how =
          "Our choice: the divergence of target routing on test prompts from the frozen base "
          "model's English routing, RA-MoE minus SFT, must be below zero in the zone over all "
          "cells, and lower there than in the other layers. This is over all experts and test "
          "pairs, while the loss sees the task experts and ci examples of training."};
  const auto add = [&](const std::string& what, const Estimate& estimate, bool deciding) {
    claim.parts.push_back({what, estimate, -1, deciding, "D"});
  };
  for (const RoutingChange& r : evidence.routing) {
    const bool all = r.scope == all_cells;
    add((all ? "" : r.scope + ": ") + std::string("change in the zone"), r.zone, all);
    add((all ? "" : r.scope + ": ") + std::string("change in the zone minus change outside"),
        r.difference, all);
    if (all) add("change outside of the zone", r.outside, false);
  }
  return claim;
}

Claim headroom_claim(const std::vector<HeadroomGain>& headroom) {
  Claim claim{.id = "f",
              .statement =
                  "No claim of the paper, a question of ours: the headroom of a task-language "
                  "pair, measured on the base model before training, predicts the gain.",
              .how =
                  "Over cells, the correlation of headroom in form seq (own minus OTHER, the zone, "
                  "adapt_train) with the mean accuracy of RA-MoE minus SFT on test must be above "
                  "zero. Beside it the other forms, and the same within model and task."};
  bool first = true;
  for (const HeadroomGain& h : headroom) {
    for (const CellCorrelation& c : h.r)
      if (c.scope == all_cells)
        claim.parts.push_back(
            {cat("headroom (", h.form, ") and gain", c.within ? ", within model and task" : ""),
             c.r, +1, first && !c.within, "r"});
    first = false;
  }
  return claim;
}

}  // namespace

ClaimVerdict ClaimPart::verdict() const {
  if (!std::isfinite(estimate.value) || !estimate.interval.known())
    return ClaimVerdict::not_measured;
  const bool above = estimate.above_zero(), below = estimate.below_zero();
  if (claimed_sign > 0 ? above : below) return ClaimVerdict::shown;
  return above || below ? ClaimVerdict::contradicted : ClaimVerdict::not_shown;
}

ClaimVerdict Claim::verdict() const {
  bool all_shown = true, any_measured = false;
  for (const ClaimPart& part : parts) {
    if (!part.deciding) continue;
    const ClaimVerdict verdict = part.verdict();
    if (verdict == ClaimVerdict::contradicted) return verdict;
    all_shown &= verdict == ClaimVerdict::shown;
    any_measured |= verdict != ClaimVerdict::not_measured;
  }
  if (!any_measured) return ClaimVerdict::not_measured;
  return all_shown ? ClaimVerdict::shown : ClaimVerdict::not_shown;
}

std::vector<Claim> weigh_claims(const Evidence& evidence,
                                const std::vector<HeadroomGain>& headroom) {
  std::vector<Claim> claims = {zone_claim(evidence), gap_claim(evidence), methods_claim(evidence),
                               ci_claim(evidence), routing_claim(evidence)};
  if (!headroom.empty()) claims.push_back(headroom_claim(headroom));
  for (Claim& claim : claims)
    if (claim.id == "c" || claim.id == "d" || claim.id == "f")
      claim.decidable = decidable(evidence, headroom);
  return claims;
}

}  // namespace ramoe
