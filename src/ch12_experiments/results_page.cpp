#include "ch12_experiments/results_page.h"

#include <algorithm>
#include <cmath>

#include "report/report_figures.h"
#include "report/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

struct Unit {
  double factor;
  int decimals;
};

Unit unit_of(const ClaimPart& part) {
  return part.unit == "points" ? Unit{100, 2} : part.unit == "r" ? Unit{1, 2} : Unit{1, 3};
}

std::string part_text(const ClaimPart& part) {
  const Unit unit = unit_of(part);
  return estimate_text(part.estimate, unit.factor, unit.decimals);
}

/// How the deciding parts came out: "4 of 6 hold, 2 not shown".
std::string counts_of(const Claim& claim) {
  const auto count = [&](ClaimVerdict verdict) {
    return std::count_if(claim.parts.begin(), claim.parts.end(), [&](const ClaimPart& part) {
      return part.deciding && part.verdict() == verdict;
    });
  };
  const auto all = std::count_if(claim.parts.begin(), claim.parts.end(),
                                 [](const ClaimPart& part) { return part.deciding; });
  if (all == 0) return "no number decides";
  const auto shown = count(ClaimVerdict::shown);
  std::string text = cat(shown, " of ", all, shown == 1 ? " holds" : " hold");
  for (const ClaimVerdict verdict :
       {ClaimVerdict::not_shown, ClaimVerdict::contradicted, ClaimVerdict::not_measured})
    if (count(verdict) > 0) text += cat(", ", count(verdict), " ", verdict_text(verdict));
  return text;
}

/// Whether the models are those of data/models, which were chosen for their curve (docs/log.md).
bool models_were_chosen(const ResultsInput& input) {
  const auto& runs = input.grid.plan().model_runs;
  return std::any_of(runs.begin(), runs.end(), [](const auto& run) {
    return run.second.find("data/models/") != std::string::npos;
  });
}

/// The deciding numbers where they are few, else how they came out.
std::string numbers_of(const Claim& claim) {
  std::string text;
  int shown = 0;
  for (const ClaimPart& part : claim.parts)
    if (part.deciding && ++shown <= 3)
      text += cat(text.empty() ? "" : "; ", part.what, " ", part_text(part));
  return shown <= 3 && shown > 0 ? text : counts_of(claim);
}

TextTable parts_table(const Claim& claim, bool deciding) {
  TextTable table{
      deciding ? "Numbers that decide the verdict" : "Numbers that do not decide",
      {"Number", "Verdict", "Value", "95 % interval", "p", "p, Holm", "n", "Claimed", "Unit"},
      {},
      2};
  for (const ClaimPart& part : claim.parts) {
    if (part.deciding != deciding) continue;
    const Unit unit = unit_of(part);
    std::vector<std::string> row = {part.what, verdict_text(part.verdict())};
    for (const std::string& cell : estimate_cells(part.estimate, unit.factor, unit.decimals))
      row.push_back(cell);
    row.insert(row.end(), {cat(part.estimate.count), part.claimed_sign > 0 ? "above 0" : "below 0",
                           part.unit});
    table.rows.push_back(row);
  }
  return table;
}

void add_gap_tables(Manuscript& page, const Evidence& evidence) {
  TextTable table{
      "Correlation of divergence with the gap; the difference is zone minus outside",
      {"Cells", "Centred", "r in the zone", "r outside", "Difference", "p, Holm (zone)"},
      {},
      2};
  for (const GapCorrelation& one : evidence.gap)
    table.rows.push_back({scope_text(one.scope), one.within ? "within model and task" : "no",
                          estimate_text(one.zone, 1, 2), estimate_text(one.outside, 1, 2),
                          estimate_text(one.difference, 1, 2), p_text(one.zone.p_adjusted)});
  page.fold("By model and task");
  page.table(table);
  page.end_fold();
}

void add_ci_table(Manuscript& page, const Evidence& evidence) {
  TextTable table{"Correlation of the share of ci with the gain of RA-MoE over SFT",
                  {"Cells", "Centred", "r", "95 % interval", "p", "p, Holm"},
                  {},
                  2};
  for (const CellCorrelation& one : evidence.ci_gain) {
    table.rows.push_back({scope_text(one.scope), one.within ? "within model and task" : "no"});
    for (const std::string& cell : estimate_cells(one.r, 1, 2)) table.rows.back().push_back(cell);
  }
  page.fold("By model and task");
  page.table(table);
  page.end_fold();
}

void add_taxonomy(Manuscript& page, const ResultsInput& input, const LanguageNames& names) {
  page.paragraph(
      {"Stage 1 sorts the training pairs by whether the frozen base model answers them in "
       "English and in the language; ci, the violet part, is known in English only."});
  for (std::size_t i = 0; i < input.evidence.models.size(); ++i) {
    const std::string& model = input.evidence.models[i];
    if (i > 0) page.fold("Types of training pairs, " + model);
    page.figure({"taxonomy-" + model,
                 "Types of training pairs by language and task, " + model,
                 taxonomy_figure(input.grid, model, names),
                 {"Training pairs of ", code(model), " by type, in per cent of n."}});
    if (i > 0) page.end_fold();
  }
}

/// The traced pairs: whole on the page; in Markdown by layer only.
void add_routing_view(Manuscript& page, const ResultsInput& input) {
  if (input.routing.is_null()) {
    page.heading("Routing of one pair");
    page.paragraph({"No pair was traced: ", code("ramoe report FOLDER"),
                    " on the folder of the grid does it where its stages and base models are."});
    return;
  }
  const Results traced = parse_results({{"routing", input.routing.at("traces")},
                                        {"language_names", input.routing.at("language_names")}});
  page.page_only(routing_section(traced));  // with a heading of its own
  page.text_heading("Routing of one pair");
  page.text_only(
      {"report.html shows, token by token, which experts each layer sends a pair to, "
       "before and after RA-MoE. By layer (one pair illustrates and proves nothing):"});
  for (const RoutingResults& r : traced.routing) {
    TextTable table{cat(traced.name(r.lang), ", ", r.task, ": \"", r.before.question,
                        "\"; expected \"", r.before.answer, "\", base model \"", r.before.output,
                        "\", after ", method_label(r.method), " \"", r.after.output, "\""),
                    {"Layer", "Divergence before", "after", "Mass English", "before", "after"},
                    {}};
    for (std::size_t l = 0; l < r.task_experts.size(); ++l) {
      const bool zone = int(l) >= r.first && int(l) <= r.last;
      table.rows.push_back({cat(l, zone ? ", zone" : ""), fixed_number(r.before.divergence[l], 3),
                            fixed_number(r.after.divergence[l], 3),
                            fixed_number(r.english.mass[l], 3), fixed_number(r.before.mass[l], 3),
                            fixed_number(r.after.mass[l], 3)});
    }
    page.text_table(table);
  }
}

void add_routing(Manuscript& page, const ResultsInput& input, const LanguageNames& names) {
  page.figure(
      {"routing-change",
       "Change of divergence by layer, RA-MoE minus SFT",
       routing_change_figure(input.evidence),
       {"Below zero the routing of the language is nearer to English after RA-MoE than after "
        "SFT. A thin line is a task and language, the thick one the mean."}});
  TextTable table{
      "RA-MoE minus SFT: divergence from English, and mass of the task experts",
      {"Cells", "Divergence in the zone", "outside", "zone minus outside", "Mass in the zone"},
      {}};
  for (const RoutingChange& one : input.evidence.routing)
    table.rows.push_back({scope_text(one.scope), estimate_text(one.zone, 1, 3),
                          estimate_text(one.outside, 1, 3), estimate_text(one.difference, 1, 3),
                          estimate_text(one.mass_zone, 1, 3)});
  page.table(table);
  if (input.evidence.languages.empty()) return;
  const std::string& lang = input.evidence.languages[0];
  page.subheading("Experts before and after");
  page.paragraph({"Which expert gets how much of the routing, in the first language of the plan (",
                  language_name(names, lang),
                  ") and with seed 1: both were fixed before anything was "
                  "looked at."});
  for (std::size_t i = 0; i < input.evidence.models.size(); ++i) {
    const std::string& model = input.evidence.models[i];
    if (i > 0) page.fold("Experts, " + model);
    page.figure({"experts-" + model,
                 "Routing before and after RA-MoE beside English, " + model,
                 experts_figure(input.grid, model, lang, names),
                 {code(model),
                  ": the middle column should look more like the right one than the left "
                  "one does, where RA-MoE works; the bar at the side marks the zone."}});
    if (i > 0) page.end_fold();
  }
}

constexpr const char* least_squares =
    "Each point is a model, task and language; the dashed line is that of least squares over all.";

/// What belongs to a claim beside its numbers.
void add_claim_figures(Manuscript& page, const Claim& claim, const ResultsInput& input,
                       const LanguageNames& names) {
  const Evidence& evidence = input.evidence;
  if (claim.id == "a") {
    page.figure(
        {"divergence",
         "Routing divergence by layer and language",
         divergence_figure(evidence, names),
         {"D is 0 where parallel texts in English and the other language use the same experts "
          "alike, and 1 where they differ as much as can be. The zone was read off the general "
          "text on the left; the right shows other text, the prompts."}});
    if (!models_were_chosen(input)) return;
    page.paragraph(
        {strong("No independent evidence:"),
         " the base models in data/models were chosen among several because their curve on general "
         "text "
         "is a U (docs/log.md). That these curves have a valley is therefore no evidence "
         "that such models must have one; only the task prompts are text that nobody chose "
         "by."});
  } else if (claim.id == "b") {
    page.figure({"gap",
                 "Divergence in the zone against the gap to English",
                 gap_figure(evidence),
                 {least_squares, gap_words(evidence)}});
    add_gap_tables(page, evidence);
  } else if (claim.id == "c") {
    page.figure({"comparison",
                 "Methods against SFT with intervals",
                 comparison_figure(evidence),
                 {"Right of zero a method is better than SFT. An interval that touches zero shows "
                  "no difference."}});
    page.figure({"steering",
                 "Routing Steering against SFT with intervals",
                 steering_figure(evidence),
                 {"Steering changes no weights; of the base model it competes with training."}});
  } else if (claim.id == "d") {
    page.figure({"ci-gain",
                 "Share of ci pairs against the gain",
                 ci_gain_figure(evidence),
                 {least_squares, ci_words(evidence)}});
    add_ci_table(page, evidence);
    add_taxonomy(page, input, names);
  } else if (claim.id == "e") {
    add_routing(page, input, names);
  }
}

}  // namespace

std::string scope_text(const std::string& scope) {
  return scope == "all" ? "all cells" : scope;
}

std::string p_text(double p) {
  return std::isfinite(p) && p < 0.001 ? "<0.001" : fixed_number(p, 3);
}

std::string star(const Estimate& estimate) {
  return estimate.p_adjusted < 0.05 ? "*" : "";
}

std::vector<std::string> estimate_cells(const Estimate& e, double factor, int decimals) {
  return {signed_number(factor * e.value, decimals), interval_text(e.interval, factor, decimals),
          p_text(e.p), p_text(e.p_adjusted)};
}

void add_claims(Manuscript& page, const ResultsInput& input, const LanguageNames& names) {
  TextTable table{
      "", {"Claim", "Verdict", "The sentence, in our words", "Numbers that decide"}, {}, 4};
  for (const Claim& claim : input.claims) {
    const bool chosen = claim.id == "a" && models_were_chosen(input);
    table.rows.push_back({"(" + claim.id + ")", verdict_text(claim.verdict()), claim.statement,
                          numbers_of(claim) + (chosen ? "; the models were selected for it" : "")});
    table.anchors.push_back("claim-" + claim.id);
  }
  page.heading("The claims, weighed");
  page.table(table);
  page.paragraph({"A number is ", strong("shown"),
                  " if its 95 % interval lies on the claimed side of "
                  "zero, ",
                  strong("contradicted"), " if it lies on the other, and ", strong("not shown"),
                  " if it contains zero. A claim is shown if all of its deciding "
                  "numbers are, and contradicted if one of them is. Which numbers stand for a "
                  "sentence of the abstract is our choice, and so are models, tasks and sizes: "
                  "nothing here is said of the paper's own experiments."});
  page.paragraph(
      {"Intervals over cells are those of a hierarchical bootstrap (cells, then seeds), "
       "those of a correlation of a bootstrap over cells; p is that of two-sided sign flips. "
       "Several tests at once are adjusted by Holm's method, and a star marks an adjusted "
       "p under 0.05. The verdicts rest on the intervals, which are not adjusted."});
  if (models_were_chosen(input))
    page.paragraph(
        {"Claim (a) rests on least: the base models of data/models were selected for the curve "
         "that it describes."});
  for (const Claim& claim : input.claims) {
    page.heading("Claim (" + claim.id + "): " + verdict_text(claim.verdict()), "claim-" + claim.id);
    page.paragraph({claim.statement});
    page.paragraph({claim.how});
    page.paragraph({strong("Result:"), " the claim is ", strong(verdict_text(claim.verdict())),
                    " here (", counts_of(claim), ")."});
    page.table(parts_table(claim, true));
    add_claim_figures(page, claim, input, names);
    const TextTable others = parts_table(claim, false);
    if (others.rows.empty()) continue;
    page.fold("Further numbers, not deciding");
    page.table(others);
    page.end_fold();
  }
}

ResultsInput results_input(GridResults grid, std::optional<GridResults> ablations,
                           std::optional<GridResults> mixture, Json routing) {
  Evidence evidence = gather_evidence(grid);
  std::vector<Claim> claims = weigh_claims(evidence);
  ResultsInput input{std::move(grid),   std::move(evidence), std::move(claims), {}, {}, {}, {},
                     std::move(routing)};
  const auto ablates = [](const GridVariant& variant) { return !variant.is_main(); };
  const std::vector<GridVariant>& variants = input.grid.plan().variants;
  if (ablations)
    input.ablations = gather_ablations(*ablations);
  else if (std::any_of(variants.begin(), variants.end(), ablates))
    input.ablations = gather_ablations(input.grid);
  input.ablations_grid = std::move(ablations);
  if (mixture) {
    for (const std::string& model : mixture->plan().models)
      check(std::isfinite(mixture_exponent(model)), mixture->where(), ": a base model is called \"",
            model,
            "\"; expected names of the form exponent=0.3, after the exponent of the mixture.");
    input.mixture = gather_evidence(*mixture);
  }
  input.mixture_grid = std::move(mixture);
  return input;
}

Manuscript results_manuscript(const ResultsInput& input) {
  LanguageNames names;
  if (!input.routing.is_null())
    for (const auto& [lang, name] : input.routing.at("language_names").items())
      names[lang] = name.get<std::string>();
  const Evidence& evidence = input.evidence;
  Manuscript page("What the grid of runs shows");
  page.paragraph(
      {"After ",
       strong("Routing-Aligned Fine-Tuning for Multilingual Downstream Tasks in "
              "Mixture-of-Experts Models"),
       " (arXiv 2605.28306), of which only the abstract is public to us: tiny models, "
       "handwritten code, real names and numbers of Unicode CLDR. This page is made by a "
       "command from recorded runs; no number is typed by hand."});
  page.paragraph({cat("Models: ", evidence.models.size(), ", tasks: ", evidence.tasks.size(),
                      ", target languages: ", evidence.languages.size(), ", so ",
                      range_text({double(evidence.cells.size())}, "cell", "cells"),
                      "; seeds of each method in each cell: ", evidence.seeds, ".")});
  page.page_only("<p>All numbers, machine-readable: " +
                 file_link("evidence.json", "evidence.json") + ".</p>\n");
  add_claims(page, input, names);
  add_routing_view(page, input);
  add_cells(page, input, names);
  add_comparisons(page, input);
  add_ablations(page, input);
  add_mixture(page, input, names);
  add_making(page, input);
  return page;
}

Json results_json(const ResultsInput& input) {
  Json json = {{"code", input.grid.facts().value("code", "")}, {"claims", Json::array()}};
  for (const Claim& claim : input.claims) {
    Json parts = Json::array();
    for (const ClaimPart& part : claim.parts)
      parts.push_back({{"what", part.what},
                       {"unit", part.unit},
                       {"deciding", part.deciding},
                       {"claimed_sign", part.claimed_sign},
                       {"verdict", verdict_text(part.verdict())},
                       {"value", number_or_null(part.estimate.value)},
                       {"low", number_or_null(part.estimate.interval.low)},
                       {"high", number_or_null(part.estimate.interval.high)},
                       {"p", number_or_null(part.estimate.p)},
                       {"p_adjusted", number_or_null(part.estimate.p_adjusted)},
                       {"count", part.estimate.count}});
    json["claims"].push_back({{"id", claim.id},
                              {"statement", claim.statement},
                              {"how", claim.how},
                              {"verdict", verdict_text(claim.verdict())},
                              {"parts", parts}});
  }
  json["evidence"] = to_json(input.evidence);
  json["ablations"] = input.ablations ? to_json(*input.ablations) : Json();
  json["mixture"] = input.mixture ? to_json(*input.mixture) : Json();
  return json;
}

}  // namespace ramoe
