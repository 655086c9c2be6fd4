// Chapter 12.13 - the results of a grid as a text: docs/results.md, and the report of its folder
//
// Every number and every sentence that states a result comes from the evidence; what the abstract
// says and what we chose are kept apart. Tests: tests/ch12_experiments/results_page_test.cpp
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ch12_experiments/claims.h"
#include "ch12_experiments/manuscript.h"
#include "ch12_experiments/results_figures.h"

namespace ramoe {

/// All that the page shows. What is not there is said to be missing, with what makes it.
struct ResultsInput {
  GridResults grid;
  Evidence evidence;
  std::vector<Claim> claims;
  std::optional<GridResults> ablations_grid, mixture_grid;  // of plans of their own
  std::optional<Ablations> ablations;
  std::optional<Evidence> mixture;  // a model per exponent, named "exponent=0.3"
  // Routing of one pair per task before and after RA-MoE: {"language_names", "traces"}; or null.
  Json routing;
};

/// Weighs and gathers. Ablations of the grid's own plan are shown where it has any. Error: as
/// gather_evidence, or a mixture whose models are not named after exponents.
ResultsInput results_input(GridResults grid, std::optional<GridResults> ablations,
                           std::optional<GridResults> mixture, Json routing);

Manuscript results_manuscript(const ResultsInput& input);

/// Evidence, claims with their verdicts, ablations and mixture, machine-readable: the page links to
/// it as evidence.json beside it.
Json results_json(const ResultsInput& input);

/// Parts of the page, in its order.
void add_claims(Manuscript& page, const ResultsInput& input, const LanguageNames& names);
void add_cells(Manuscript& page, const ResultsInput& input, const LanguageNames& names);
void add_comparisons(Manuscript& page, const ResultsInput& input);
void add_ablations(Manuscript& page, const ResultsInput& input);
void add_mixture(Manuscript& page, const ResultsInput& input, const LanguageNames& names);
void add_making(Manuscript& page, const ResultsInput& input);

/// "all cells" for all, else the scope's name.
std::string scope_text(const std::string& scope);
/// "0.012", "<0.001", "n/a".
std::string p_text(double p);
/// A star where the Holm-adjusted p is under 0.05.
std::string star(const Estimate& estimate);
/// The cells of a table: value, interval, p, Holm-adjusted p.
std::vector<std::string> estimate_cells(const Estimate& estimate, double factor, int decimals);

}  // namespace ramoe
