#include "ch06_languages/prompts.h"

#include <algorithm>

#include "support/error.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

constexpr const char* kQuestion = "{question}";

PromptFormat plain_format(const Tokenizer& tokenizer) {
  PromptFormat format;
  format.bos = tokenizer.parts().bos;
  if (tokenizer.parts().eos >= 0) format.eos = {tokenizer.parts().eos};
  return format;
}

/// The longest special token that the text spells at byte `at`, or -1.
int special_at(const Tokenizer& tokenizer, std::string_view text, std::size_t at) {
  int best = -1;
  for (const AddedToken& added : tokenizer.parts().added) {
    const std::string& spelled = tokenizer.token(added.id);
    if (added.special && text.substr(at).starts_with(spelled) &&
        (best < 0 || spelled.size() > tokenizer.token(best).size()))
      best = added.id;
  }
  return best;
}

void append(std::vector<int>& tokens, const std::vector<int>& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

/// The bytes of an output up to the stop text, or to its end. The stop text may have special
/// tokens; the result has none.
std::string up_to_stop(const Tokenizer& tokenizer, const std::string& stop,
                       const std::vector<int>& output) {
  if (stop.empty()) return tokenizer.decode_text(output);
  const std::size_t end = tokenizer.decode(output).find(stop);
  std::string text;
  std::size_t at = 0;
  for (const int id : output) {
    const std::string& token = tokenizer.token(id);
    if (at >= end) break;
    if (!tokenizer.is_special(id)) text += token.substr(0, end - at);
    at += token.size();
  }
  return text;
}

}  // namespace

std::string unescaped(const std::string& key, const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    const char next = i + 1 < text.size() ? text[++i] : '\0';
    check(next == 'n' || next == 't' || next == '\\', key, " = \"", text,
          "\": after a backslash n, t or another backslash was expected.");
    plain += next == 'n' ? '\n' : next == 't' ? '\t' : '\\';
  }
  return plain;
}

void set_stop(PromptFormat& format, const Tokenizer& tokenizer, const std::string& typed) {
  format.stop = unescaped("stop", typed);
  if (format.stop.empty()) return;
  const int special = special_at(tokenizer, format.stop, 0);
  if (special < 0 || tokenizer.token(special) != format.stop) return;
  add_once(format.eos, special);
}

Prompts::Prompts(const Tokenizer& tokenizer) : Prompts(tokenizer, plain_format(tokenizer)) {}

Prompts::Prompts(const Tokenizer& tokenizer, PromptFormat format)
    : tokenizer_(&tokenizer), format_(std::move(format)) {
  check(format_.bos < tokenizer.vocab_size(), "BOS = ", format_.bos, " is outside the tokenizer's ",
        tokenizer.vocab_size(), " tokens.");
  check(!format_.eos.empty() || !format_.stop.empty(),
        "neither tokenizer nor model has an EOS token, so nothing would end an answer; give a stop "
        "text such as --stop='\\n'.");
  if (!format_.eos.empty())
    check(format_.eos[0] < tokenizer.vocab_size(), "EOS = ", format_.eos[0],
          " is outside the tokenizer's ", tokenizer.vocab_size(), " tokens.");
  parse_template();
}

void Prompts::parse_template() {
  const std::string& text = format_.prompt;
  const std::size_t question = text.find(kQuestion);
  check(question != std::string::npos && text.find(kQuestion, question + 1) == std::string::npos,
        "the prompt template \"", text,
        "\" must contain {question} exactly once, such as \"Question: {question}\\nAnswer:\".");
  parts_.emplace_back();
  for (std::size_t at = 0; at < text.size();) {
    const int special = special_at(*tokenizer_, text, at);
    Part& part = parts_.back();
    if (at == question) {
      part.has_question = true;
      at += std::string_view(kQuestion).size();
    } else if (special >= 0) {
      parts_.push_back({special, {}, {}, false});
      parts_.emplace_back();
      at += tokenizer_->token(special).size();
    } else {
      (part.has_question ? part.after : part.before) += text[at++];
    }
  }
}

std::vector<int> Prompts::text(CachedEncoder& encoder, const std::string& text) const {
  std::vector<int> tokens;
  if (format_.bos >= 0) tokens.push_back(format_.bos);
  append(tokens, encoder.encode(text));
  return tokens;
}

std::vector<int> Prompts::prompt(CachedEncoder& encoder, const std::string& question) const {
  std::vector<int> tokens = text(encoder, "");
  for (const Part& part : parts_) {
    if (part.token >= 0)
      tokens.push_back(part.token);
    else
      append(tokens,
             encoder.encode(part.before + (part.has_question ? question : "") + part.after));
  }
  check(!tokens.empty(), "a prompt has no token: the question is empty and there is no BOS.");
  return tokens;
}

TrainingSequence Prompts::example(CachedEncoder& encoder, const std::string& question,
                                  const std::string& answer) const {
  TrainingSequence sequence;
  sequence.tokens = question.empty() ? text(encoder, "") : prompt(encoder, question);
  sequence.prompt = static_cast<int>(sequence.tokens.size());
  // The prefix belongs to the first piece of the answer, so the prompt ends at the end of a piece.
  const std::string end = format_.eos.empty() ? format_.stop : "";
  append(sequence.tokens,
         encoder.encode((question.empty() ? answer : format_.answer_prefix + answer) + end));
  if (!format_.eos.empty()) sequence.tokens.push_back(format_.eos[0]);
  return sequence;
}

bool Prompts::has_stopped(const std::vector<int>& output) const {
  return !format_.stop.empty() &&
         tokenizer_->decode(output).find(format_.stop) != std::string::npos;
}

std::string Prompts::answer_text(const std::vector<int>& output) const {
  return encode_utf8(decode_utf8(up_to_stop(*tokenizer_, format_.stop, output)));
}

}  // namespace ramoe
