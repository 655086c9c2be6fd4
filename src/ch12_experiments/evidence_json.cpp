// A weighed grid as JSON: each struct's keys. Declared in grid_evidence.h, evidence.h and
// headroom_gain.h. What is unknown is null.
#include "ch12_experiments/grid_evidence.h"
#include "support/json_keys.h"

namespace ramoe {

template <class Keys>
static void list(Keys& keys, const Estimate& e) {
  keys("value", e.value, "low", e.interval.low, "high", e.interval.high, "p", e.p, "p_adjusted",
       e.p_adjusted, "count", e.count);
}

template <class Keys>
static void list(Keys& keys, const MethodInCell& m) {
  keys("name", m.name, "setting", m.setting, "accuracy", m.accuracy, "given_english",
       m.given_english, "gain", m.gain, "gain_given_english", m.gain_given_english, "divergence",
       m.divergence, "divergence_change", m.divergence_change, "mass_change", m.mass_change);
}

template <class Keys>
static void list(Keys& keys, const EvidenceCell& c) {
  keys("model", c.model, "task", c.task, "lang", c.lang, "n", c.n, "n_english", c.n_english,
       "english", c.english, "base", c.base, "base_given_english", c.base_given_english, "gap",
       c.gap(), "cc", c.cc, "ci", c.ci, "ic", c.ic, "ii", c.ii, "divergence", c.divergence,
       "divergence_zone", c.divergence_zone, "divergence_outside", c.divergence_outside, "methods",
       c.methods);
}

template <class Keys>
static void list(Keys& keys, const ModelCurves& c) {
  keys("model", c.model);
  keys.object("zone", [&](auto&& zone) { zone("first", c.zone.first, "last", c.zone.last); });
  keys("general", c.general, "general_by_language", c.general_by_language, "prompts", c.prompts,
       "by_task", c.by_task, "early", c.early, "late", c.late);
}

template <class Keys>
static void list(Keys& keys, const Comparison& c) {
  keys("method", c.method, "against", c.against, "scope", c.scope, "accuracy", c.accuracy,
       "given_english", c.given_english, "cells", c.cells, "above", c.above, "below", c.below);
}

template <class Keys>
static void list(Keys& keys, const CellCorrelation& c) {
  keys("scope", c.scope, "within", c.within, "r", c.r);
}

template <class Keys>
static void list(Keys& keys, const GapCorrelation& g) {
  keys("scope", g.scope, "within", g.within, "zone", g.zone, "outside", g.outside, "difference",
       g.difference);
}

template <class Keys>
static void list(Keys& keys, const RoutingChange& r) {
  keys("scope", r.scope, "zone", r.zone, "outside", r.outside, "difference", r.difference,
       "mass_zone", r.mass_zone, "by_layer", r.by_layer);
}

template <class Keys>
static void list(Keys& keys, const Evidence& e) {
  keys("models", e.models, "tasks", e.tasks, "languages", e.languages, "methods", e.methods,
       "seeds", e.seeds, "cells", e.cells, "curves", e.curves, "comparisons", e.comparisons, "gap",
       e.gap, "ci_gain", e.ci_gain, "routing", e.routing);
}

template <class Keys>
static void list(Keys& keys, const Ablation& a) {
  keys("group", a.group, "variant", a.variant, "keys", a.keys, "against_default", a.against_default,
       "against_sft", a.against_sft, "valid_against_default", a.valid_against_default,
       "routing_zone", a.routing_zone);
}

template <class Keys>
static void list(Keys& keys, const LearningPoint& p) {
  keys("pairs", p.pairs, "sft", p.sft, "ramoe", p.ramoe, "difference", p.difference);
}

template <class Keys>
static void list(Keys& keys, const Ablations& a) {
  keys("models", a.models, "tasks", a.tasks, "languages", a.languages, "seeds", a.seeds, "rows",
       a.rows, "learning", a.learning);
}

template <class Keys>
static void list(Keys& keys, const ModelHeadroom& m) {
  list(keys, m.mean);
  keys("model", m.model);
}

template <class Keys>
static void list(Keys& keys, const ExtensionCorrelation& e) {
  keys("method", e.method, "within", e.r.within, "r", e.r.r);
}

template <class Keys>
static void list(Keys& keys, const HeadroomGain& h) {
  keys("form", h.form, "models", h.models, "by_cell", h.by_cell, "r", h.r, "extensions",
       h.extensions);
}

template <class Keys>
static void list(Keys& keys, const ClaimPart& p) {
  keys("what", p.what, "unit", p.unit, "deciding", p.deciding, "claimed_sign", p.claimed_sign,
       "verdict", name_of(p.verdict()));
  list(keys, p.estimate);
}

template <class Keys>
static void list(Keys& keys, const Claim& c) {
  keys("id", c.id, "statement", c.statement, "how", c.how, "verdict", name_of(c.verdict()),
       "decidable", name_of(c.decidable), "parts", c.parts);
}

Json to_json(const Evidence& evidence) {
  return JsonKeyWriter::written(evidence);
}

Json to_json(const Ablations& ablations) {
  return JsonKeyWriter::written(ablations);
}

Json to_json(const Comparison& comparison) {
  return JsonKeyWriter::written(comparison);
}

Json comparisons_to_json(const GridEvidence& weighed) {
  const Evidence& e = weighed.evidence;
  Json json;
  JsonKeyWriter keys(json);
  keys("code", weighed.grid.facts().value("code", ""), "models", e.models, "tasks", e.tasks,
       "languages", e.languages, "methods", e.methods, "seeds", e.seeds, "comparisons",
       e.comparisons, "headroom", weighed.headroom);
  return json;
}

Json to_json(const GridEvidence& weighed) {
  Json json;
  JsonKeyWriter keys(json);
  keys("code", weighed.grid.facts().value("code", ""), "claims", weighed.claims, "evidence",
       weighed.evidence, "headroom", weighed.headroom);
  json["ablations"] = weighed.ablations ? to_json(*weighed.ablations) : Json();
  json["mixture"] = weighed.mixture ? to_json(*weighed.mixture) : Json();
  return json;
}

}  // namespace ramoe
