#include "report/routing_trace.h"

#include <cstdio>

#include "ch09_task_experts/task_experts.h"
#include "support/error.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

std::vector<double> divergence_of(const PerLayer& english, const PerLayer& target) {
  std::vector<double> divergence;
  for (std::size_t l = 0; l < english.size(); ++l)
    divergence.push_back(routing_divergence(english[l], target[l]));
  return divergence;
}

std::vector<std::string> tokens_of(const Tokenizer& tokenizer, const PassageRouting& routing) {
  std::vector<std::string> tokens;
  for (const int id : routing.ids) tokens.push_back(visible_token(tokenizer, id));
  return tokens;
}

}  // namespace

PassageRouting passage_routing(Model<float>& model, const std::vector<int>& sequence) {
  Arena arena;
  Tape<float> tape(arena);
  const Tape<float>::NoGrad no_grad(tape);
  const ModelConfig& config = model.config();
  const TokenBatch batch = make_batch({sequence}, config.pad_token_id, config.bos_token_id);
  const ForwardResult<float> forward = model.forward(tape, batch, {.routing_only = true});
  PassageRouting result;
  for (int t = 0; t < batch.T; ++t)
    if (batch.scored[std::size_t(t)]) result.ids.push_back(sequence[std::size_t(t)]);
  for (const Routing<float>& routing : forward.routing) {
    std::vector<double> q;
    check(mean_routing(q, FetchedRouting(routing), batch, 0, {}) > 0,
          "a passage has no token besides BOS.");
    result.q.push_back(q);
    result.chosen.emplace_back();
    for (int t = 0; t < batch.T; ++t) {
      const int* expert = row(routing.chosen.expert, t, routing.K);
      if (batch.scored[std::size_t(t)])
        result.chosen.back().push_back(std::vector<int>(expert, expert + routing.K));
    }
  }
  return result;
}

std::string visible_token(const Tokenizer& tokenizer, int id) {
  const std::string& bytes = tokenizer.token(id);
  std::string text;
  for (std::size_t i = 0; i < bytes.size();) {
    const CodePoint c = read_utf8(bytes, i);
    if (!c.valid) {
      char hex[8];
      for (std::size_t k = 0; k < c.bytes; ++k) {
        std::snprintf(hex, sizeof hex, "<%02X>", static_cast<unsigned char>(bytes[i + k]));
        text += hex;
      }
    } else if (c.value == U' ') {
      append_utf8(text, U'\u2423');
    } else {
      append_utf8(text, c.value);
    }
    i += c.bytes;
  }
  return text;
}

ExamplePair pair_to_show(Model<float>& base, const Prompts& prompts,
                         const std::vector<ExamplePair>& pairs, const AnswerOptions& options) {
  check(!pairs.empty(), "there is no pair of which the routing could be shown.");
  std::vector<Example> english_side, target_side;
  for (const ExamplePair& pair : pairs) {
    english_side.push_back(pair.english);
    target_side.push_back(pair.target);
  }
  const std::vector<Answer> in_english = answer_questions(base, prompts, english_side, options);
  const std::vector<Answer> in_target = answer_questions(base, prompts, target_side, options);
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (in_english[i].correct && !in_target[i].correct) return pairs[i];
  return pairs[0];
}

RoutingTrace trace_pair(Model<float>& base, Model<float>& tuned, const ExamplePair& pair,
                        const TraceContext& context) {
  CachedEncoder encoder(context.prompts.tokenizer());
  PerLayer english_q;
  const auto passage = [&](Model<float>& model, const Example& example) {
    const PassageRouting routing =
        passage_routing(model, context.prompts.prompt(encoder, example.question));
    check(context.experts.size() == routing.q.size(), "a routing trace of ", routing.q.size(),
          " layers was given task experts of ", context.experts.size(), ".");
    const Answer answer = answer_questions(model, context.prompts, {example}, context.answers)[0];
    Passage seen;
    seen.question = example.question;
    seen.answer = example.answer;
    seen.output = answer.output;
    seen.correct = answer.correct;
    seen.tokens = tokens_of(context.prompts.tokenizer(), routing);
    seen.chosen = routing.chosen;
    seen.mass = mass_of(routing.q, context.experts);
    if (english_q.empty())
      english_q = routing.q;
    else
      seen.divergence = divergence_of(english_q, routing.q);
    return seen;
  };
  RoutingTrace trace;
  trace.lang = pair.target.lang;
  trace.task = pair.target.task;
  trace.method = context.method;
  trace.id = pair.target.id;
  trace.zone = context.zone;
  trace.task_experts = context.experts;
  trace.english = passage(base, pair.english);
  trace.before = passage(base, pair.target);
  trace.after = passage(tuned, pair.target);
  trace.experts = static_cast<int>(english_q[0].size());
  return trace;
}

}  // namespace ramoe
