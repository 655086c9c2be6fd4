// Plain tables of four significant digits, at most some forty lines each.
#include <algorithm>
#include <cstdio>
#include <numeric>

#include "app/explain.h"
#include "support/error.h"
#include "support/order.h"

namespace ramoe {
namespace {

constexpr int most_rows = 16;  // of a table; the largest are shown, and the text says so

constexpr std::size_t width = 11;  // of a number: "-0.0001234" and a blank

std::string digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value == 0 ? 0.0 : value);  // no -0
  return text;
}

/// The text at the right end of `wide` columns.
std::string right(const std::string& text, std::size_t wide = width) {
  return std::string(text.size() < wide ? wide - text.size() : 0, ' ') + text;
}

/// A number as a column of a table.
std::string number(double value) {
  return right(digits(value));
}

/// Names as the heads of such columns.
std::string heads(std::initializer_list<const char*> names) {
  std::string text;
  for (const char* name : names) text += right(name);
  return text;
}

std::string numbers(const std::vector<double>& values, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += number(values[std::size_t(i)]);
  return text;
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// The rows to show of `count`: all, or the `most_rows` of the largest weight, ascending.
std::vector<int> shown_rows(std::size_t count, const std::vector<double>& weight) {
  std::vector<int> rows = order_by(count, [&](int i) { return -weight[std::size_t(i)]; });
  if (count > std::size_t(most_rows)) rows.resize(std::size_t(most_rows));
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::string left_out(std::size_t count, const char* what, const char* weight) {
  if (count <= std::size_t(most_rows)) return "";
  return cat("(", most_rows, " of ", count, " ", what, " are shown, those with the largest ",
             weight, ")\n");
}

}  // namespace

std::string pair_line(const ExplainedPair& explained) {
  const ClassifiedPair& c = explained.classified;
  const TypeCounts& seen = explained.looked_at;
  std::string text = cat("example   ", c.id, " in ", c.lang, ", a training pair of ", c.task, ": ",
                         name_of(c.type), "\n");
  if (seen.total() > 0)
    text +=
        cat("          number ", seen.total(), " in the order of the data, the first that is ci",
            " (before it: ", seen.of(PairType::cc), " cc, ", seen.of(PairType::ic), " ic, ",
            seen.of(PairType::ii), " ii)\n");
  return text;
}

std::string token_lines(const std::string& name, const ExplainedTokens& tokens) {
  std::string text, line = padded(name, 10);
  for (std::size_t t = 0; t < tokens.text.size(); ++t) {
    const std::string one = cat(t, " ", tokens.text[t], "  ");
    if (line.size() + one.size() > 96 && line.size() > 10) {
      text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
      line = std::string(10, ' ');
    }
    line += one;
  }
  return text + line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

std::string taxonomy_table(const ExplainedPair& explained, const ExplainedTokens& in_english,
                           const ExplainedTokens& in_target) {
  std::string text;
  const ClassifiedPair& c = explained.classified;
  const auto side = [&](const Example& example, const ExplainedTokens& tokens,
                        const std::string& output) {
    const bool correct = example.is_answered_by(output);
    std::string ids;
    for (const int id : tokens.ids) ids += cat(id, " ");
    text += cat("\n", padded(example.lang, 10), example.question, "\n");
    text +=
        token_lines("tokens", tokens) + padded("ids", 10) + ids.substr(0, ids.size() - 1) + "\n";
    text += cat("expected ", " ", example.answer, "\nanswer    ",
                output.substr(std::min(output.size(), output.find_first_not_of(' '))), "\n",
                correct ? "          right" : "          wrong", "\n");
    return correct;
  };
  const bool english_right = side(explained.pair.english, in_english, c.english_output);
  const bool target_right = side(explained.pair.target, in_target, c.target_output);
  const auto cell = [&](bool e, bool t) {
    const std::string name = name_of(pair_type(e, t));
    return e == english_right && t == target_right ? "[" + name + "]" : " " + name + " ";
  };
  text += cat("\n                 ", c.lang, " right   ", c.lang, " wrong\nen right           ",
              cell(true, true), "       ", cell(true, false), "\nen wrong           ",
              cell(false, true), "       ", cell(false, false), "\n");
  return text;
}

std::string router_table(const RouterNumbers& n, bool renormalised) {
  std::string text = "    expert" + heads({"z", "p", "chosen", "gate"}) + "\n";
  const std::size_t E = n.p.size();
  for (const int e : shown_rows(E, n.p)) {
    const auto rank = std::find(n.chosen.begin(), n.chosen.end(), e) - n.chosen.begin();
    const bool taken = std::size_t(rank) < n.chosen.size();
    text +=
        cat(padded(cat("    ", e), 10), number(n.z[std::size_t(e)]), number(n.p[std::size_t(e)]),
            taken ? right(std::to_string(rank + 1)) + number(n.gate[std::size_t(rank)]) : "", "\n");
  }
  text += cat("    sum   ", right(""), number(sum(n.p)), right(""), number(sum(n.gate)), "\n");
  return text + left_out(E, "experts", "p") +
         (renormalised ? "gate = p / sum of the chosen p (norm_topk_prob)\n"
                       : "gate = p, not renormalised (norm_topk_prob is false)\n");
}

std::string attention_table(const AttentionNumbers& n, const ExplainedTokens& tokens, int shown) {
  const int HS = static_cast<int>(n.q.size()), count = std::min(HS, shown);
  const std::size_t wide = std::size_t(count) * width;
  std::string text =
      cat("the first ", count, " of HS = ", HS, " components of q, k, v and out\n\n");
  text += cat("    q     ", numbers(n.q, count), "\n\n    j     ", right("k[j]", wide),
              heads({"s", "p"}), right("v[j]", wide), "  token\n");
  for (const int j : shown_rows(n.p.size(), n.p)) {
    const std::size_t at = std::size_t(j);
    text += cat(padded(cat("    ", j), 10), numbers(n.k[at], count), number(n.s[at]),
                number(n.p[at]), numbers(n.v[at], count), "  ", tokens.text[at], "\n");
  }
  text += cat("    sum   ", right("", wide + width), number(sum(n.p)), "\n    out   ",
              right("", wide + 2 * width), numbers(n.out, count), "\n");
  return text + left_out(n.p.size(), "tokens", "p") +
         cat("s[j] = q . k[j] / sqrt(", HS, "),  p = softmax(s),  out = sum_j p[j] v[j]\n");
}

std::string alignment_table(const AlignmentNumbers& n, double lambda) {
  constexpr std::size_t most_layers = 2;
  std::string text;
  for (std::size_t i = 0; i < std::min(most_layers, n.layers.size()); ++i) {
    const AlignedLayerNumbers& l = n.layers[i];
    text += cat("layer ", l.layer, ", support {", joined(l.support, ","),
                "}:  m* = ", digits(l.m_star), "  m = ", digits(l.m), "  D = ", digits(l.D), "\n");
    text += "    expert" + heads({"q*", "q", "g", "p", "dz"}) + "\n";
    std::vector<double> weight(l.q.size());
    for (std::size_t e = 0; e < weight.size(); ++e) weight[e] = l.q[e] + l.q_star[e];
    for (const int e : shown_rows(l.q.size(), weight)) {
      const std::size_t at = std::size_t(e);
      text +=
          cat(padded(cat("  ", contains(l.support, e) ? "S " : "  ", e), 10), number(l.q_star[at]),
              number(l.q[at]), number(l.g[at]), number(l.p[at]), number(l.dz[at]), "\n");
    }
    text += cat("    sum   ", number(sum(l.q_star)), number(sum(l.q)), right(""), number(sum(l.p)),
                number(std::abs(sum(l.dz)) < 1e-12 ? 0 : sum(l.dz)), "\n");
    text += left_out(l.q.size(), "experts", "q* + q");
  }
  for (std::size_t i = most_layers; i < n.layers.size(); ++i)
    text += cat("layer ", n.layers[i].layer, ": D = ", digits(n.layers[i].D), "\n");
  text += cat("L_align = mean of D over ", n.layers.size(), " layers = ", digits(n.loss),
              ";  lambda L_align = ", digits(lambda * n.loss), "\n");
  return text + cat("finite differences: all ", n.checked, " values of dz (", n.layers.size(),
                    " layers), the largest ", digits(n.largest), ", agree within 1e-8\n");
}

}  // namespace ramoe
