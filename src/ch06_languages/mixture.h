// Chapter 6.9 - the pre-training mixture: document i as a pure function of (seed, i)
//
//   qa       a question and its answer in one language      Kenya : currency ? Kenyan Shilling
//   lexicon  one concept in two languages, mostly English   Kenya = Kenia
//   names    a plain list of names in one language          lemon, mango, and pear
//
// Languages are drawn by weight (corpus.h) and lexicon concepts uniformly, so every name occurs in
// every language. No state is kept between documents: document i is the same after a resume.
// The mixture has no question of a test or adapt item of a target language, except its local facts.
// Tests: tests/ch06_languages/mixture_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ch06_languages/corpus.h"
#include "support/config.h"

namespace ramoe {

enum class DocumentKind { qa, lexicon, names };
constexpr auto names(DocumentKind) {
  return std::array{"qa", "lexicon", "names"};
}

/// A training text: question, one blank, answer; only the answer if the question is empty.
struct Document {
  std::string lang;  // of the answer
  DocumentKind kind = DocumentKind::qa;
  std::string id;  // qa: the item; otherwise the concepts, such as lexicon/territories/KE/en/sw
  std::string question, answer;

  std::string text() const { return question.empty() ? answer : question + " " + answer; }
};

struct MixtureConfig {
  std::uint64_t mixture_seed = 1;
  double qa_share = 0.6, lexicon_share = 0.3, names_share = 0.1;
  double sums_share = 2, facts_share = 1, follow_share = 1;
  double english_pairs = 0.8;
  int longest_names = 4;

  void list(FieldList& f);
};

/// Draws documents by number. Keeps its own copy of the data, so the corpus need not outlive it.
class Mixture {
 public:
  /// Error: all shares zero.
  Mixture(const Corpus& corpus, const MixtureConfig& config);

  /// Document number i, for any i.
  Document document(std::uint64_t i) const;

  /// Every qa document that can be drawn in a language.
  const std::vector<Document>& qa_documents(const std::string& lang, Task task) const;
  /// Every lexicon document that can be drawn, in both directions.
  std::vector<Document> lexicon_documents() const;

 private:
  struct Entry {
    std::string id;                  // kind/key
    std::vector<std::string> names;  // by language
  };
  class Draw;

  Document lexicon(const Entry& entry, std::size_t from, std::size_t to) const;
  Document draw_qa(Draw& draw) const;
  Document draw_lexicon(Draw& draw) const;
  Document draw_names(Draw& draw) const;

  MixtureConfig config_;
  std::uint64_t seed_;
  std::vector<std::string> codes_;
  std::vector<ListPattern> lists_;
  std::vector<double> weights_;  // by language; English has 1
  std::size_t english_ = 0;
  std::vector<Task> tasks_;
  std::vector<double> task_shares_;
  std::vector<std::map<Task, std::vector<Document>>> qa_;  // by language
  std::vector<Entry> entries_;                             // every concept
  std::vector<std::vector<std::size_t>> groups_;           // by group: the entries of its emoji
  std::vector<double> group_sizes_;
};

}  // namespace ramoe
