// Our side of tests/bench/peers.py and cuda_steps.py: the training step and generation, on commands
//
//   our_peer FOLDER THREADS|cuda|cuda-bf16 [standard|large]
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

constexpr int kSequences = 32, kPrompt = 8, kNew = 48;
constexpr int kBatches[] = {1, 64};
constexpr std::uint64_t kSeed = 1;

/// The bench's standard model, or one of 104 M parameters.
struct Size {
  bool large;
  int tokens() const { return large ? 128 : 64; }
};

ModelConfig moe_config(Size size) {
  ModelConfig c = standard_config();
  if (size.large) {
    c.vocab_size = 8192;
    c.hidden_size = c.moe_intermediate_size = 512;
    c.num_hidden_layers = 7;
    c.num_attention_heads = c.num_key_value_heads = 8;
  }
  c.initializer_range = 0.1;  // large enough for every part of the model to be seen in the loss
  return c;
}

/// The dense model of the bench, in the form of a family whose layers may all be dense.
ModelConfig dense_config(Size size) {
  ModelConfig c = dense_counterpart(moe_config(size));
  c.model_type = Family::qwen3_moe;
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
  train.steps = 1 << 20;
  train.log_every = 10;
  return train;
}

template <class T>
class Stepper {
 public:
  Stepper(const ModelConfig& config, int tokens, Precision precision)
      : model_(config, kSeed),
        batch_(random_batch(config, kSequences, tokens, kSeed)),
        trainer_(model_, [&] {
          TrainConfig train = train_config(config);
          train.precision = precision;
          return train;
        }()) {}
  /// A step's loss; on a GPU, which is read now and then, that of a step before it.
  double step() {
    return trainer_.step([&](int) { return batch_; }).loss;
  }
  /// The loss of this step.
  double step_and_read() {
    step();
    return trainer_.settle().loss;
  }
  void settle() { trainer_.settle(); }
  std::size_t most_bytes() const { return trainer_.arena().most_bytes(); }

 private:
  Model<T> model_;
  TrainingBatch batch_;
  Trainer<T> trainer_;
};

template <class T>
class OurPeer {
 public:
  OurPeer(const std::string& folder, Size size, Precision precision)
      : still_(moe_config(size), kSeed),
        cached_(still_),
        moe_(moe_config(size), size.tokens(), precision),
        dense_(dense_config(size), size.tokens(), precision) {
    save_model(Model<float>(moe_config(size), kSeed), folder + "/moe");
    save_model(Model<float>(dense_config(size), kSeed), folder + "/dense");
    const ModelConfig& c = still_.config();
    const TrainConfig train = train_config(c);
    for (const int B : kBatches)
      prompts_[std::size_t(B)] = random_tokens(kSeed, B, kPrompt, c.vocab_size);
    write_json(folder + "/inputs.json",
               {{"tokens", random_tokens(kSeed, kSequences, size.tokens(), c.vocab_size)},
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
      Stepper<T>& model = which == "moe" ? moe_ : dense_;
      Json losses = Json::array();
      const double start = now_seconds();
      if (count <= 3) {
        for (int i = 0; i < count; ++i) losses.push_back(model.step_and_read());
      } else {
        for (int i = 0; i < count; ++i) losses.push_back(model.step());
        model.settle();
      }
      return {{"seconds", (now_seconds() - start) / count},
              {"losses", losses},
              {"arena_bytes", model.most_bytes()}};
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
  Model<T> still_;  // not trained: what generates
  CachedMoe<T> cached_;
  Stepper<T> moe_, dense_;
  std::map<std::size_t, std::vector<std::vector<int>>> prompts_;
};

template <class T>
int run(const std::string& folder, int threads, Size size, Precision precision) {
  ThreadPool pool(threads);
  const PoolScope scope(pool);
  OurPeer<T> peer(folder, size, precision);
  for (std::string line; std::getline(std::cin, line);)
    std::cout << peer.answer(line).dump() << std::endl;
  return 0;
}

int run(const std::string& folder, const std::string& device, Size size) {
  const Precision precision = device == "cuda-bf16" ? Precision::bf16 : Precision::fp32;
  if (device.starts_with("cuda")) {
#ifdef RAMOE_CUDA
    return run<GpuFloat>(folder, 2, size, precision);  // with two threads the wall's clock counts
#else
    fail("our_peer was built without CUDA.");
#endif
  }
  return run<float>(folder, std::stoi(device), size, precision);
}

}  // namespace
}  // namespace ramoe

int main(int count, char** values) {
  try {
    ramoe::check(count == 3 || count == 4,
                 "usage: our_peer FOLDER THREADS|cuda|cuda-bf16 [standard|large]");
    return ramoe::run(values[1], values[2], {count == 4 && std::string(values[3]) == "large"});
  } catch (const std::exception& error) {
    std::cerr << "our_peer: " << error.what() << "\n";
    return 1;
  }
}
