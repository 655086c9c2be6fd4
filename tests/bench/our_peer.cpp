// Our side of tests/bench/peers.py: the training step and generation, on commands
//
//   our_peer FOLDER THREADS
//
// Writes FOLDER/moe and FOLDER/dense, the models before the first step as Hugging Face's folders,
// and FOLDER/inputs.json: tokens, prompts and the optimiser's settings. Then reads commands from
// stdin, one a line, and answers each with a line of JSON:
//
//   ready                      {}
//   step moe|dense COUNT       {"seconds", "losses"}   COUNT training steps
//   generate BATCH COUNT       {"seconds", "tokens"}   COUNT times; the tokens of the last
//
// Seconds are of one step or generation, by now_seconds(). Between commands nothing runs.
#include <iostream>
#include <map>
#include <sstream>

#include "bench/bench.h"
#include "formats/model_files.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

constexpr int kSequences = 32, kTokens = 64, kPrompt = 8, kNew = 48;
constexpr int kBatches[] = {1, 64};
constexpr std::uint64_t kSeed = 1;

ModelConfig moe_config() {
  ModelConfig c = standard_config();
  c.initializer_range = 0.1;  // large enough for every part of the model to be seen in the loss
  return c;
}

/// The dense model of the bench, in the form of a family whose layers may all be dense.
ModelConfig dense_config() {
  ModelConfig c = dense_counterpart(moe_config());
  c.model_type = "qwen3_moe";
  return c;
}

/// A constant learning rate, and the balance loss as transformers has it.
TrainConfig train_config(const ModelConfig& model) {
  TrainConfig train;
  train.learning_rate = 1e-3;
  train.warmup_share = 0;
  train.least_rate = 1;
  train.balance = model.all_dense ? 0 : 0.01;
  train.balance_form = BalanceForm::pooled;
  train.z_loss = 0;
  return train;
}

class Stepper {
 public:
  explicit Stepper(const ModelConfig& config)
      : model_(config, kSeed),
        batch_(random_batch(config, kSequences, kTokens, kSeed)),
        trainer_(model_, train_config(config)) {}
  double step() {
    return trainer_.step([&](int) { return batch_; }).loss;
  }

 private:
  Model<float> model_;
  TrainingBatch batch_;
  Trainer<float> trainer_;
};

class OurPeer {
 public:
  explicit OurPeer(const std::string& folder)
      : still_(moe_config(), kSeed), cached_(still_), moe_(moe_config()), dense_(dense_config()) {
    save_model(still_, folder + "/moe");
    save_model(Model<float>(dense_config(), kSeed), folder + "/dense");
    const ModelConfig& c = still_.config();
    const TrainConfig train = train_config(c);
    for (const int B : kBatches)
      prompts_[std::size_t(B)] = random_tokens(kSeed, B, kPrompt, c.vocab_size);
    write_json(folder + "/inputs.json",
               {{"tokens", random_tokens(kSeed, kSequences, kTokens, c.vocab_size)},
                {"prompts", {{"1", prompts_[1]}, {"64", prompts_[64]}}},
                {"new_tokens", kNew},
                {"learning_rate", train.learning_rate},
                {"betas", {train.beta1, train.beta2}},
                {"eps", train.adam_eps},
                {"weight_decay", train.weight_decay},
                {"clip", train.clip},
                {"balance", train.balance}});
  }

  Json answer(const std::string& line) {
    std::istringstream words(line);
    std::string what, which;
    int count = 0;
    words >> what;
    if (what == "ready") return Json::object();
    words >> which >> count;
    check(count > 0, "\"", line, "\": expected a count of at least 1 at the end.");
    if (what == "step" && (which == "moe" || which == "dense")) {
      Stepper& model = which == "moe" ? moe_ : dense_;
      Json losses = Json::array();
      const double start = now_seconds();
      for (int i = 0; i < count; ++i) losses.push_back(model.step());
      return {{"seconds", (now_seconds() - start) / count}, {"losses", losses}};
    }
    if (what == "generate" && (which == "1" || which == "64")) {
      const auto& prompts = prompts_[std::stoul(which)];
      GenerateOptions options;
      options.max_new_tokens = kNew;
      options.batch = static_cast<int>(prompts.size());
      std::vector<std::vector<int>> tokens;
      const double start = now_seconds();
      for (int i = 0; i < count; ++i) tokens = generate(cached_, prompts, options);
      return {{"seconds", (now_seconds() - start) / count}, {"tokens", tokens}};
    }
    fail("\"", line, "\": expected ready, step moe|dense COUNT or generate 1|64 COUNT.");
  }

 private:
  Model<float> still_;  // not trained: what generates
  CachedMoe<float> cached_;
  Stepper moe_, dense_;
  std::map<std::size_t, std::vector<std::vector<int>>> prompts_;
};

int run(const std::string& folder, int threads) {
  ThreadPool pool(threads);
  const PoolScope scope(pool);
  OurPeer peer(folder);
  for (std::string line; std::getline(std::cin, line);)
    std::cout << peer.answer(line).dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace ramoe

int main(int count, char** values) {
  try {
    ramoe::check(count == 3, "usage: our_peer FOLDER THREADS");
    return ramoe::run(values[1], std::stoi(values[2]));
  } catch (const std::exception& error) {
    std::cerr << "our_peer: " << error.what() << "\n";
    return 1;
  }
}
