// Words that a reader may not know. Declared in page.h.

#include <algorithm>
#include <cctype>

#include "report/page.h"
#include "report/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// Whether `name` stands in the text as a word of its own, or with a plural s; capitals are equal.
bool is_used(const std::string& text, const std::string& name) {
  const auto letter = [&](std::size_t i) {
    return i < text.size() && std::isalpha(static_cast<unsigned char>(text[i])) != 0;
  };
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  for (auto at = text.begin();; ++at) {
    at = std::search(at, text.end(), name.begin(), name.end(), same);
    if (at == text.end()) return false;
    const std::size_t first = static_cast<std::size_t>(at - text.begin());
    std::size_t behind = first + name.size();
    if (behind < text.size() && text[behind] == 's') ++behind;
    if ((first == 0 || !letter(first - 1)) && !letter(behind)) return true;
  }
}

/// What a reader sees of HTML, nearly: without what stands in tags.
std::string without_tags(const std::string& html) {
  std::string text;
  bool tag = false;
  for (const char c : html) {
    if (c == '<') tag = true;
    if (!tag) text += c;
    if (c == '>') tag = false, text += ' ';
  }
  return text;
}

}  // namespace

const std::vector<Word>& words() {
  static const std::vector<Word> all = {
      {"alignment loss",
       "The loss of stage 3: how far the routing of a target prompt is from that of its "
       "English twin, over the task experts and the layers of the zone."},
      {"alignment zone",
       "The layers in which languages are routed most alike: the longest run of layers whose "
       "mean divergence is at most the mid-point between the smallest and the largest."},
      {"bootstrap",
       "Draws the values again with replacement, many times, to see how far their mean "
       "strays by chance."},
      {"cell",
       "One model, one task and one target language. Differences are taken within a cell, "
       "seed by seed."},
      {"ci",
       "A pair that the base model answers correctly in English and wrongly in the target "
       "language. The other types are cc, ic and ii; the first letter is English."},
      {"divergence",
       "How far apart two routings are, from 0 (the same) to 1. Between languages it is "
       "averaged over parallel texts."},
      {"expert",
       "One of the E small networks of a layer. A token passes through K of them."},
      {"gain",
       "Accuracy of a method minus that of SFT with the same seed."},
      {"gap",
       "Accuracy in English minus accuracy in the language, on the same items."},
      {"interval",
       "A range around a mean, made so that in 95 of 100 repetitions of the whole experiment "
       "it would contain the true value."},
      {"mass",
       "How much of the routing goes to a set of experts: the sum of q over the set."},
      {"RISE",
       "A published method that trains a few experts chosen by how languages use them, and "
       "freezes the rest."},
      {"router",
       "The matrix that gives each token a number for each expert. The K largest decide "
       "which experts the token visits."},
      {"routing",
       "The mean over the tokens of a text of the router's probabilities, in one layer. It "
       "sums to 1 over the experts."},
      {"Routing Steering",
       "Pushes the router towards the task experts while the model answers. Nothing is "
       "trained."},
      {"SARA",
       "A relative of RA-MoE: aligns the whole routing of all examples by the Jensen-Shannon "
       "divergence."},
      {"SFT",
       "Supervised fine-tuning: training on questions and right answers, without the "
       "alignment loss."},
      {"task experts",
       "The experts of a layer that English prompts of a task use more than English text in "
       "general does."},
      {"usage",
       "The share of a text's tokens that visit an expert. It sums to K over the experts."},
      {"verdict",
       "What the interval of a number says of a claim: shown, not shown, contradicted, or "
       "not measured."},
  };
  return all;
}

std::string words_html(const std::string& body) {
  const std::string text = without_tags(body);
  std::string list;
  for (const Word& word : words())
    if (is_used(text, word.name))
      list += cat("<dt>", escape_markup(word.name), "</dt>\n<dd>", escape_markup(word.meaning),
                  "</dd>\n");
  return list.empty() ? "" : folded("Words used on this page", "<dl>\n" + list + "</dl>\n");
}

}  // namespace ramoe
