// App - the tables of `ramoe explain`, from numbers to text
#pragma once

#include <string>
#include <vector>

#include "ch08_taxonomy/taxonomy.h"
#include "report/explanation.h"

namespace ramoe {

/// The pair that is explained, and what stage 1 found on the way to it.
struct ExplainedPair {
  ExamplePair pair;
  ClassifiedPair classified;
  TypeCounts looked_at;  // pairs of its task up to and including it, in the order of the data
};

/// A side of the pair as the model reads it.
struct ExplainedTokens {
  std::vector<int> ids;
  std::vector<std::string> text;  // in visible form
};

/// Which pair this is, and how it was found.
std::string pair_line(const ExplainedPair& explained);
/// "0 <bos>  1 Ken  2 ia" over as many lines as needed.
std::string token_lines(const std::string& name, const ExplainedTokens& tokens);
std::string taxonomy_table(const ExplainedPair& explained, const ExplainedTokens& in_english,
                           const ExplainedTokens& in_target);
std::string router_table(const RouterNumbers& numbers, bool renormalised);
/// The first `shown` of the HS components of each vector.
std::string attention_table(const AttentionNumbers& numbers, const ExplainedTokens& tokens,
                            int shown);
std::string alignment_table(const AlignmentNumbers& numbers, double lambda);

}  // namespace ramoe
