// From the command line: the rows of a step cut into batches in any way are the same step.
#include <gtest/gtest.h>

#include <cmath>

#include "app/cli.h"
#include "formats/safetensors.h"
#include "runs/metrics.h"
#include "support/files.h"
#include "support/json.h"
#include "support/read_tensor.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

/// 32 items to train on, half with short and half with long answers, and two to test.
std::string uneven_items() {
  std::string text;
  for (int i = 0; i < 34; ++i)
    for (const std::string lang : {"en", "es"}) {
      std::string answer = cat(i);
      if (i % 2 == 0) answer = "uno dos tres cuatro cinco seis siete ocho uno dos tres " + answer;
      text += Json{{"task", "t"},      {"id", cat(i)},
                   {"lang", lang},     {"question", cat("n ", i, " ? ", lang)},
                   {"answer", answer}, {"split", i < 32 ? "adapt_train" : "test"}}
                  .dump() +
              "\n";
    }
  return text;
}

void expect_ok(const std::string& arguments) {
  const Outcome outcome = run_cli(arguments);
  ASSERT_EQ(outcome.code, 0) << arguments << "\n" << outcome.text;
}

/// The same numbers in every line, within rounding that three steps of AdamW have spread.
void expect_same_metrics(const std::string& cut, const std::string& whole) {
  const std::vector<Json> a = read_metrics(cut + "/metrics.jsonl"),
                          b = read_metrics(whole + "/metrics.jsonl");
  ASSERT_EQ(a.size(), 3u);
  ASSERT_EQ(b.size(), a.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    for (const auto& [key, value] : b[i].items()) {
      if (key == "tokens") continue;  // padding depends on the cut
      const double wanted = value.get<double>();
      EXPECT_NEAR(a[i][key].get<double>(), wanted, 1e-3 * std::abs(wanted)) << cut << " " << key;
    }
}

TEST(Accumulation, EveryCutOfTheRowsIsTheSameStep) {
  const ScratchFolder scratch;
  const auto run = [&](const std::string& name) { return scratch.file(name); };
  const std::string steps = " --steps=3 --log_every=1 --balance=0.1 --z_loss=0.05 --adam_eps=1e-5";
  expect_ok(tiny_pretrain(run("base"), steps));
  expect_ok(tiny_pretrain(run("base_cut"), steps + " --batch=2 --accumulate=4"));
  expect_same_metrics(run("base_cut"), run("base"));

  write_file(run("items.jsonl"), uneven_items());
  const std::string base = " --base=" + run("import"), few = " --max_new_tokens=2";
  expect_ok("import --model=" + run("base/model") + " --data=" + run("items.jsonl") +
            " --packs=" RAMOE_SOURCE_DIR "/data --run=" + run("import"));
  expect_ok("divergence" + base + few + " --run=" + run("divergence"));
  expect_ok("taxonomy" + base + few + " --run=" + run("taxonomy"));
  expect_ok("experts" + base + " --run=" + run("experts"));
  const auto finetune = [&](const std::string& name, const std::string& cut) {
    expect_ok(
        "finetune --method=ramoe --examples=all --language=es --train_pairs=30 --warmup_share=0" +
        base + few + steps + cut + " --divergence_run=" + run("divergence") + " --taxonomy_run=" +
        run("taxonomy") + " --experts_run=" + run("experts") + " --run=" + run(name));
  };
  // 30 examples: the second of the steps of 20 rows has 10, and the third begins another epoch.
  finetune("whole", " --batch=20");
  const SafetensorsFile whole(run("whole/model/model.safetensors"));
  for (const auto& [name, cut] :
       {std::pair{"two", " --batch=10 --accumulate=2"}, {"single", " --batch=1 --accumulate=20"}}) {
    finetune(name, cut);
    expect_same_metrics(run(name), run("whole"));
    const SafetensorsFile other(run(name) + "/model/model.safetensors");
    for (const std::string& tensor : whole.names()) {
      const TensorInfo& info = whole.info(tensor);
      std::vector<float> a(info.bytes / 4), b(a);
      read_f32(whole, tensor, info.shape, a.data());
      read_f32(other, tensor, info.shape, b.data());
      for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 2e-5) << name << tensor;
    }
  }
}

}  // namespace
}  // namespace ramoe
