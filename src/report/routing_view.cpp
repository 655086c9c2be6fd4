// The routing view of the report: tables of tokens and the experts that they visit. Tables and
// styles alone, so it works without a script, with a keyboard and read aloud.
#include <algorithm>

#include "ch12_experiments/sentences.h"
#include "report/report_figures.h"
#include "report/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// The number of an expert; it is filled if the expert is a task expert of the layer.
std::string chip(int expert, const std::vector<int>& task_experts) {
  const bool task = contains(task_experts, expert);
  return cat("<span class=\"", task ? "e s" : "e", "\">", expert, "</span>");
}

bool same_experts(std::vector<int> a, std::vector<int> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

constexpr std::size_t tokens_across = 12;  // tokens of one table: what fits on a sheet of paper

/// One row per layer, one column per token of [begin, end). Cells whose experts differ from those
/// of `before` are marked.
std::string visits_part(const std::string& caption, const RoutingTrace& routing,
                        const Passage& passage, const Passage* before, std::size_t begin,
                        std::size_t end) {
  std::string html = cat("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"",
                         caption, "\">\n<table class=\"visits\">\n<caption><span>", caption,
                         "</span></caption>\n<thead><tr><th scope=\"col\">Layer</th>");
  for (std::size_t t = begin; t < end; ++t)
    html += "<th scope=\"col\"><bdi>" + escape_markup(passage.tokens[t]) + "</bdi></th>";
  html += "</tr></thead>\n<tbody>\n";
  for (std::size_t l = 0; l < passage.chosen.size(); ++l) {
    const bool zone = routing.zone.contains(int(l));
    html += cat("<tr", zone ? " class=\"zone\"" : "", "><th scope=\"row\">", l, zone ? " zone" : "",
                "</th>");
    for (std::size_t t = begin; t < end; ++t) {
      const std::vector<int>& experts = passage.chosen[l][t];
      const bool moved = before && !same_experts(experts, before->chosen[l][t]);
      html += "<td>";
      for (const int expert : experts) html += chip(expert, routing.task_experts[l]);
      html += moved ? "<span class=\"mark\" title=\"changed\">*</span></td>" : "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n</div>\n";
}

std::string visits_table(const std::string& caption, const RoutingTrace& routing,
                         const Passage& passage, const Passage* before) {
  const std::size_t T = passage.tokens.size();
  std::string html;
  for (std::size_t t = 0; t < T; t += tokens_across) {
    const std::size_t end = std::min(T, t + tokens_across);
    const std::string tokens =
        T <= tokens_across ? "" : cat(", tokens ", t + 1, " to ", end, " of ", T);
    html += visits_part(caption + tokens, routing, passage, before, t, end);
  }
  return html;
}

std::string layers_table(const RoutingTrace& r) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t l = 0; l < r.task_experts.size(); ++l) {
    const bool zone = r.zone.contains(int(l));
    std::string experts = "<span class=\"chips\">";
    for (const int e : r.task_experts[l]) experts += chip(e, r.task_experts[l]);
    experts += "</span>";
    rows.push_back({cat(l, zone ? " zone" : ""), experts, fixed_number(r.before.divergence[l], 3),
                    fixed_number(r.after.divergence[l], 3),
                    signed_number(r.after.divergence[l] - r.before.divergence[l], 3),
                    fixed_number(r.english.mass[l], 3), fixed_number(r.before.mass[l], 3),
                    fixed_number(r.after.mass[l], 3)});
  }
  return html_table(
      "By layer: divergence D of this pair from the English side (0 to 1), and the share of the "
      "routing that goes to the task experts (mass, 0 to 1)",
      {"Layer", "Task experts", "Divergence before", "after", "change",
       "Task experts' mass, English", "before", "after"},
      rows, 2);
}

std::string text_cell(const std::string& words) {
  return "<bdi>" + escape_markup(words) + "</bdi>";
}

/// The answer, and whether it is correct.
std::string answer_cell(const Passage& passage) {
  const std::string text = passage.output.empty() ? "(nothing)" : text_cell(passage.output);
  if (!passage.correct) return text;
  return text + (*passage.correct ? " <small>✓ right</small>" : " <small>✗ wrong</small>");
}

/// A question with the expected answer and those of the models.
std::string words_table(const RoutingTrace& r, const std::string& language) {
  return html_table("The pair, and what the models answer",
                    {"", "English", escape_markup(language)},
                    {{"Question", text_cell(r.english.question), text_cell(r.before.question)},
                     {"Expected", text_cell(r.english.answer), text_cell(r.before.answer)},
                     {"Base model", answer_cell(r.english), answer_cell(r.before)},
                     {"After " + escape_markup(method_label(r.method)), "", answer_cell(r.after)}},
                    3);
}

constexpr const char* which_pair =
    "the first of the test split that the base model answers in English but not in the language, "
    "if there is one, else the first of all; fine-tuning had no part in the choice, and one pair "
    "illustrates and proves nothing";

}  // namespace

std::string answers_section(const RunResults& results) {
  if (results.routing.empty()) return "";
  const std::string& method = results.routing.front().method;
  std::vector<std::vector<std::string>> rows;
  for (const RoutingTrace& r : results.routing)
    rows.push_back({"<bdi>" + escape_markup(results.name(r.lang)) + "</bdi>", escape_markup(r.task),
                    text_cell(r.before.question), text_cell(r.before.answer), answer_cell(r.before),
                    answer_cell(r.after)});
  return cat("<section>\n", section_heading("A question before and after"), "<p>Of each task ",
             which_pair, ".</p>\n",
             html_table("What is answered in the language",
                        {"Language", "Task", "Question", "Expected", "Base model",
                         "After " + escape_markup(method_label(method))},
                        rows, 6),
             "</section>\n");
}

std::string routing_section(const std::vector<RoutingTrace>& traces,
                            const Named<std::string>& language_names) {
  if (traces.empty()) return "";
  std::string html = cat(
      "<section>\n", section_heading("Routing of one pair"),
      "<p>Each cell names the experts that a token visits in a layer, the likeliest first. A "
      "filled "
      "number is a task expert of the layer, * marks a cell whose experts differ from those before "
      "fine-tuning. The English side goes through the frozen base model. The pair is ",
      which_pair, ".</p>\n");
  for (const RoutingTrace& r : traces) {
    const std::string language = name_of(language_names, r.lang);
    const std::string name = escape_markup(language);
    html += folded(language + ", " + r.task,
                   words_table(r, language) + layers_table(r) +
                       visits_table("English, base model", r, r.english, nullptr) +
                       visits_table(name + ", base model", r, r.before, nullptr) +
                       visits_table(name + ", after " + escape_markup(method_label(r.method)), r,
                                    r.after, &r.before),
                   &r == &traces.front());
  }
  return html + "</section>\n";
}

}  // namespace ramoe
