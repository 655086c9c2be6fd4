// ramoe memory: what a model needs, computed from its config.json.
#include "ch05_training/memory.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "app/base_run.h"
#include "app/command.h"
#include "app/device.h"
#include "app/model_folder.h"
#include "support/error.h"

namespace ramoe {
namespace {

enum class MemoryFormat { text, markdown, json };
constexpr auto names(MemoryFormat) {
  return std::array{"text", "markdown", "json"};
}

struct MemoryKeys {
  std::string config;
  Device device = Device::cpu;
  MemoryFormat format = MemoryFormat::text;
  std::vector<double> sizes = {16, 24, 32, 64, 80, 128, 141, 256, 512};
  MemoryQuestion question;

  void list(FieldList& f) {
    f.add("config", &config, "config.json, model or run folder; may be the first argument");
    f.also("config", model_aliases());
    f.add("device", &device, "where it computes: on the host, or on one GPU",
          {.choices = {"cpu", "cuda"}});
    question.list(f);
    f.add("sizes", &sizes,
          "memories in GiB, ascending, of which the first that is enough is named; with "
          "device=cuda 80,141,192,288 if none are given",
          {0.001, 1e9});
    f.add("format", &format, "how it is printed");
  }
};

std::vector<MemoryNeed> needs_of(const MemoryKeys& keys, const ModelConfig& config) {
  return keys.device == Device::cuda ? gpu_memory_needs(config, keys.question)
                                     : memory_needs(config, keys.question);
}

/// "32 GiB": the first of the sizes that is large enough.
std::string enough(double bytes, const std::vector<double>& sizes) {
  for (const double size : sizes)
    if (bytes <= size * (1 << 30)) return cat(size, " GiB");
  return "none of these";
}

std::string billions(std::size_t parameters) {
  char text[32];
  const double count = static_cast<double>(parameters);
  std::snprintf(text, sizeof text, count < 1e9 ? "%.2f M" : "%.2f B",
                count / (count < 1e9 ? 1e6 : 1e9));
  return text;
}

void print_table(const MemoryKeys& keys, const ModelConfig& config) {
  const ParameterCount count = count_parameters(config);
  const MemoryQuestion& q = keys.question;
  const bool markdown = keys.format == MemoryFormat::markdown;
  std::printf("%s%s%s: %s, %s parameters, %s per token\n", markdown ? "## " : "",
              std::filesystem::path(keys.config).stem().c_str(),
              keys.device == Device::cuda ? " on one GPU" : "", name_of(config.model_type).c_str(),
              billions(count.total).c_str(), billions(count.active).c_str());
  std::printf("%s%d sequences of %d tokens, %d training pairs%s\n", markdown ? "\n" : "", q.batch,
              q.tokens, q.examples, markdown ? "\n" : "");
  if (markdown) std::printf("| what | here | memory | fits in |\n|---|---|---|---|\n");
  for (const MemoryNeed& need : needs_of(keys, config))
    std::printf(markdown ? "| %s | %s | %s | %s |\n" : "  %-65s %-8s %9s  fits in %s\n",
                need.what.c_str(), need.here ? "yes" : "not yet", size_text(need.bytes).c_str(),
                enough(need.bytes, keys.sizes).c_str());
}

}  // namespace

int run_memory(const Arguments& arguments) {
  MemoryKeys keys;
  FieldList fields = fields_of(keys);
  if (!read_arguments(fields, arguments, "memory", {"config", false})) return 0;
  check(!keys.config.empty(),
        "ramoe memory needs a config.json or a folder, as in ramoe memory runs/base.");
  const std::string path = std::filesystem::is_directory(keys.config)
                               ? find_model_folder(keys.config) + "/config.json"
                               : keys.config;
  const ModelConfig config = read_model_config(path);
  if (keys.device == Device::cuda && fields.given({"sizes"}).empty())
    keys.sizes = {80, 141, 192, 288};
  if (fields.given({"tokens"}).empty())
    keys.question.tokens = std::min(keys.question.tokens, config.max_position_embeddings);
  check(keys.question.tokens <= config.max_position_embeddings, "tokens = ", keys.question.tokens,
        " exceeds max_position_embeddings = ", config.max_position_embeddings, " of ", path,
        "; lower --tokens.");
  if (keys.format != MemoryFormat::json) {
    print_table(keys, config);
    return 0;
  }
  Json table = Json::array();
  for (const MemoryNeed& need : needs_of(keys, config))
    table.push_back({{"what", need.what}, {"here", need.here}, {"bytes", need.bytes}});
  std::cout << table.dump(1) << "\n";
  return 0;
}

}  // namespace ramoe
