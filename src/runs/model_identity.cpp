#include "runs/model_identity.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include "support/checksum.h"
#include "support/error.h"
#include "support/json.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSmall = 1 << 20;    // up to this size: checksum() of the file
constexpr std::uint64_t kWhole = 1 << 30;    // up to this size: the checksum of its blocks
constexpr std::uint64_t kHeader = 16 << 20;  // max bytes of a header that are read
constexpr std::uint64_t kSamples = 256, kSample = 4096;

constexpr std::array kSmallFiles = {
    "config.json",           "generation_config.json",  "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "model.safetensors.index.json"};

/// Size, header and evenly spaced samples of a file.
std::string sampled(const std::string& path) {
  const std::uint64_t size = fs::file_size(path);
  if (size <= kSmall) return read_file(path);
  std::ifstream file(path, std::ios::binary);
  std::string bytes = cat(size, ";");
  const auto add = [&](std::uint64_t from, std::uint64_t count) {
    const std::size_t old = bytes.size();
    count = std::min(count, size - from);
    bytes.resize(old + count);
    file.seekg(static_cast<std::streamoff>(from));
    file.read(bytes.data() + old, static_cast<std::streamsize>(count));
    check(file.good(), path, " cannot be read at byte ", from, ".");
  };
  add(0, 8);  // the length of the header, little-endian
  std::uint64_t header = 0;
  for (int i = 7; i >= 0; --i)
    header = header << 8 | static_cast<unsigned char>(bytes[bytes.size() - 8 + std::size_t(i)]);
  add(8, std::min(header, kHeader));
  for (std::uint64_t i = 0; i < kSamples; ++i) add((size - kSample) / (kSamples - 1) * i, kSample);
  add(size - kSample, kSample);
  return bytes;
}

/// The checksum noted for a file. `by_samples`: the one of huge files, which earlier versions used
/// from 1 MiB on.
std::string noted_of(const std::string& path, bool by_samples = false) {
  const std::uint64_t size = fs::file_size(path);
  if (size <= kSmall || size > kWhole || by_samples) return checksum(sampled(path));
  BlockChecksum sum;
  read_in_pieces(path, [&](std::string_view piece) { sum.add(piece.data(), piece.size()); });
  return "whole:" + sum.text();
}

}  // namespace

Json model_identity(const std::string& folder) {
  check(fs::is_directory(folder), "there is no folder ", folder,
        " with a model; give one with config.json, tokenizer.json and *.safetensors.");
  check(fs::exists(folder + "/config.json"), folder,
        " holds no config.json; download the whole model folder.");
  std::vector<std::string> names, weights;
  for (const char* name : kSmallFiles)
    if (fs::exists(folder + "/" + name)) names.push_back(name);
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") weights.push_back(entry.path().filename());
  check(!weights.empty(), folder, " holds no weights; expected model.safetensors, or shards ",
        "model-00001-of-....safetensors with their index.");
  names.insert(names.end(), weights.begin(), weights.end());
  std::sort(names.begin(), names.end());
  Json identity = Json::object();
  for (const std::string& name : names) identity[name] = noted_of(folder + "/" + name);
  return identity;
}

std::string identity_method(const std::string& folder) {
  std::uint64_t huge = 0, bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors" && entry.file_size() > kWhole) {
      ++huge;
      bytes += entry.file_size();
    }
  if (huge == 0) return "every byte of its files is checked whenever it is used";
  const double share =
      100.0 * static_cast<double>(huge * kSamples * kSample) / static_cast<double>(bytes);
  char percent[16];
  std::snprintf(percent, sizeof percent, "%.2g", share);
  return cat("of ", huge, " weight file(s) over 1 GiB, size, header and ", kSamples,
             " samples of 4 KiB (", percent,
             " % of the data) are checked whenever it is used, of all others every byte; a change "
             "between the samples may pass");
}

void check_identity(const std::string& folder, const Json& noted) {
  const Json now = model_identity(folder);
  for (const auto& [name, sum] : noted.items()) {
    check(sum.is_string(), "the import of ", folder, " notes no checksum of ", name,
          "; run `ramoe import` again.");
    check(now.contains(name), folder, "/", name, " was there at the import and is missing now.");
    const std::string path = folder + "/" + name;
    check(now[name] == sum || noted_of(path, true) == sum.get<std::string>(), path,
          " has changed since the import (checksum ", sum.get<std::string>(), ", now ",
          now[name].get<std::string>(), "); restore it, or run `ramoe import` again.");
  }
  for (const auto& [name, sum] : now.items())
    check(noted.contains(name), folder, "/", name,
          " was not there at the import; remove it, or run `ramoe import` again.");
}

}  // namespace ramoe
