// The evidence as JSON. Declared in evidence.h. What is unknown is null.
#include "ch12_experiments/evidence.h"

namespace ramoe {

Json to_json(const Estimate& e) {
  return {{"value", number_or_null(e.value)},           {"low", number_or_null(e.interval.low)},
          {"high", number_or_null(e.interval.high)},    {"p", number_or_null(e.p)},
          {"p_adjusted", number_or_null(e.p_adjusted)}, {"count", e.count}};
}

namespace {

Json numbers_json(const std::vector<double>& values) {
  Json json = Json::array();
  for (const double value : values) json.push_back(number_or_null(value));
  return json;
}

Json method_json(const MethodInCell& m) {
  return {{"name", m.name},
          {"setting", number_or_null(m.setting)},
          {"accuracy", numbers_json(m.accuracy)},
          {"given_english", numbers_json(m.given_english)},
          {"gain", to_json(m.gain)},
          {"gain_given_english", to_json(m.gain_given_english)},
          {"divergence", numbers_json(m.divergence)},
          {"divergence_change", numbers_json(m.divergence_change)},
          {"mass_change", numbers_json(m.mass_change)}};
}

Json cell_json(const EvidenceCell& c) {
  Json json = {{"model", c.model},
               {"task", c.task},
               {"lang", c.lang},
               {"n", c.n},
               {"n_english", c.n_english},
               {"english", number_or_null(c.english)},
               {"base", number_or_null(c.base)},
               {"base_given_english", number_or_null(c.base_given_english)},
               {"gap", number_or_null(c.gap())},
               {"cc", c.cc},
               {"ci", c.ci},
               {"ic", c.ic},
               {"ii", c.ii},
               {"divergence", numbers_json(c.divergence)},
               {"divergence_zone", number_or_null(c.divergence_zone)},
               {"divergence_outside", number_or_null(c.divergence_outside)},
               {"methods", Json::array()}};
  for (const MethodInCell& m : c.methods) json["methods"].push_back(method_json(m));
  return json;
}

Json curves_json(const ModelCurves& c) {
  Json json = {{"model", c.model},
               {"zone", {{"first", c.zone.first}, {"last", c.zone.last}}},
               {"general", numbers_json(c.general)},
               {"general_by_language", Json::object()},
               {"prompts", numbers_json(c.prompts)},
               {"by_task", Json::object()},
               {"early", to_json(c.early)},
               {"late", to_json(c.late)}};
  for (const auto& [lang, curve] : c.general_by_language)
    json["general_by_language"][lang] = numbers_json(curve);
  for (const auto& [task, by_language] : c.by_task)
    for (const auto& [lang, curve] : by_language) json["by_task"][task][lang] = numbers_json(curve);
  return json;
}

Json comparison_json(const Comparison& c) {
  return {{"method", c.method},
          {"against", c.against},
          {"scope", c.scope},
          {"accuracy", to_json(c.accuracy)},
          {"given_english", to_json(c.given_english)},
          {"cells", c.cells},
          {"above", c.above},
          {"below", c.below}};
}

Json routing_json(const RoutingChange& r) {
  return {{"scope", r.scope},
          {"zone", to_json(r.zone)},
          {"outside", to_json(r.outside)},
          {"difference", to_json(r.difference)},
          {"mass_zone", to_json(r.mass_zone)},
          {"by_layer", numbers_json(r.by_layer)}};
}

}  // namespace

Json to_json(const Evidence& evidence) {
  Json json = {{"models", evidence.models},
               {"tasks", evidence.tasks},
               {"languages", evidence.languages},
               {"methods", evidence.methods},
               {"seeds", evidence.seeds}};
  for (const char* list : {"cells", "curves", "comparisons", "gap", "ci_gain", "routing"})
    json[list] = Json::array();
  for (const EvidenceCell& c : evidence.cells) json["cells"].push_back(cell_json(c));
  for (const ModelCurves& c : evidence.curves) json["curves"].push_back(curves_json(c));
  for (const Comparison& c : evidence.comparisons)
    json["comparisons"].push_back(comparison_json(c));
  for (const GapCorrelation& g : evidence.gap)
    json["gap"].push_back({{"scope", g.scope},
                           {"within", g.within},
                           {"zone", to_json(g.zone)},
                           {"outside", to_json(g.outside)},
                           {"difference", to_json(g.difference)}});
  for (const CellCorrelation& c : evidence.ci_gain)
    json["ci_gain"].push_back({{"scope", c.scope}, {"within", c.within}, {"r", to_json(c.r)}});
  for (const RoutingChange& r : evidence.routing) json["routing"].push_back(routing_json(r));
  return json;
}

Json to_json(const Ablations& ablations) {
  Json json = {
      {"models", ablations.models}, {"tasks", ablations.tasks}, {"languages", ablations.languages},
      {"seeds", ablations.seeds},   {"rows", Json::array()},    {"learning", Json::array()}};
  for (const Ablation& a : ablations.rows)
    json["rows"].push_back({{"group", a.group},
                            {"variant", a.variant},
                            {"keys", a.keys},
                            {"against_default", to_json(a.against_default)},
                            {"against_sft", to_json(a.against_sft)},
                            {"valid_against_default", to_json(a.valid_against_default)},
                            {"routing_zone", to_json(a.routing_zone)}});
  for (const LearningPoint& p : ablations.learning)
    json["learning"].push_back({{"pairs", p.pairs},
                                {"sft", number_or_null(p.sft)},
                                {"ramoe", number_or_null(p.ramoe)},
                                {"difference", to_json(p.difference)}});
  return json;
}

}  // namespace ramoe
