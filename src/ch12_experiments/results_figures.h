// Chapter 12.12 - the figures of a grid's results, each from the evidence to an SVG
//
// A figure that has nothing to show is "". Accuracy is drawn in per cent, differences of it in
// percentage points. Tests: tests/ch12_experiments/results_figures_test.cpp
#pragma once

#include <map>
#include <string>

#include "ch12_experiments/evidence.h"
#include "report/charts.h"

namespace ramoe {

/// By code; a code that is not there is its own name.
using LanguageNames = std::map<std::string, std::string>;
std::string language_name(const LanguageNames& names, const std::string& lang);
/// How every figure draws a language; without points.
Series language_series(const Evidence& evidence, const std::string& lang,
                       const LanguageNames& names);

/// "value [low, high]" of an estimate times `factor`, with a sign; "n/a" where there is none.
std::string estimate_text(const Estimate& estimate, double factor, int decimals);
/// The correlations over all cells, raw and within models and tasks, in sentences.
std::string gap_words(const Evidence& evidence);
std::string ci_words(const Evidence& evidence);

/// Divergence by layer and language of each model on general text and on task prompts.
std::string divergence_figure(const Evidence& evidence, const LanguageNames& names);
/// Divergence in the zone against the gap to English, a point per cell.
std::string gap_figure(const Evidence& evidence);
/// The four types of training pairs of one model, from what its stage 1 found.
std::string taxonomy_figure(const GridResults& results, const std::string& model,
                            const LanguageNames& names);
/// Routing of the target language before and after RA-MoE (seed 1) beside English's, by task.
std::string experts_figure(const GridResults& results, const std::string& model,
                           const std::string& lang, const LanguageNames& names);
/// Change of divergence by layer, RA-MoE minus SFT: a thin line per cell and the mean.
std::string routing_change_figure(const Evidence& evidence);
/// Share of ci pairs against the gain of RA-MoE over SFT, a point per cell.
std::string ci_gain_figure(const Evidence& evidence);
/// Methods that train against SFT, over all cells, each model and each task.
std::string comparison_figure(const Evidence& evidence);
/// Routing Steering against SFT over all cells and each model.
std::string steering_figure(const Evidence& evidence);

/// Each choice of the alignment loss against the default one.
std::string ablations_figure(const Ablations& ablations);
/// Accuracy of SFT and RA-MoE against the number of training pairs.
std::string learning_figure(const Ablations& ablations);

/// The exponent of a mixture's model named "exponent=0.3"; NaN of another name.
double mixture_exponent(const std::string& model);
/// Base accuracy and gap by language against the exponent of the language mixture.
std::string mixture_figure(const Evidence& mixture, const LanguageNames& names);
/// Gain of RA-MoE over SFT at each exponent.
std::string mixture_gain_figure(const Evidence& mixture);

/// Of a mixture: mean over tasks by model of a cell's value in one language; NaN if there is none.
double mean_over_tasks(const Evidence& evidence, const std::string& model, const std::string& lang,
                       double (*value)(const EvidenceCell&));

}  // namespace ramoe
