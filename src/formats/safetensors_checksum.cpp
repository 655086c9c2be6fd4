// The checksum of our own safetensors files.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "formats/safetensors.h"
#include "support/checksum.h"
#include "support/json.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

constexpr const char *checksum_key = "ramoe_checksum", *checksum_of_key = "ramoe_checksum_of";
constexpr std::string_view no_digits = "0000000000000000";
constexpr std::uint64_t kGroup = 16;  // blocks between two releases of the pages

}  // namespace

SafetensorsMetadata with_checksum(SafetensorsMetadata metadata) {
  metadata[checksum_key] = no_digits;
  metadata[checksum_of_key] = "file";
  return metadata;
}

std::string padded_header(std::string text) {
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

std::size_t digits_of_checksum(std::string_view header) {
  // Quotes inside a JSON text are escaped, so a match is a key.
  const std::string key = cat('"', checksum_key, "\":\"");
  const std::size_t at = header.find(key);
  return at == std::string_view::npos ? at : at + key.size();
}

namespace {

/// Length and header of a file as they were without a checksum.
std::string without_checksum(std::string_view header, const std::string& path) {
  Json json = json_or_discarded(header);
  check(json.is_object() && json.contains("__metadata__"), path, ": its header is damaged.");
  json["__metadata__"].erase(checksum_key);
  json["__metadata__"].erase(checksum_of_key);
  const std::string text = padded_header(json.dump());
  const std::uint64_t size = text.size();
  std::string length(sizeof size, '\0');
  std::memcpy(length.data(), &size, sizeof size);
  return length + text;
}

}  // namespace

std::string checksum_of_tensors(const std::string& path) {
  ByteChecksum sum;
  std::string begin;  // until the header is whole
  bool whole = false;
  read_in_pieces(path, [&](std::string_view piece) {
    if (whole) return sum.add(piece);
    begin += piece;
    std::uint64_t length = 0;
    if (begin.size() < sizeof length) return;
    std::memcpy(&length, begin.data(), sizeof length);
    if (length > begin.size() - sizeof length) return;
    whole = true;
    const std::string_view header = std::string_view(begin).substr(sizeof length, length);
    if (digits_of_checksum(header) == std::string_view::npos) return sum.add(begin);
    sum.add(without_checksum(header, path));
    sum.add(std::string_view(begin).substr(sizeof length + length));
  });
  check(whole, path, ": it is shorter than its header says; make or fetch it again.");
  return sum.text();
}

bool SafetensorsFile::check_whole() const {
  const auto noted = metadata_.find(checksum_key);
  if (noted == metadata_.end() && !metadata_.contains(checksum_of_key)) return false;
  constexpr const char* what_to_do =
      " The file is damaged, or another program changed it and kept its metadata; restore it from "
      "a copy or make it again.";
  const std::size_t digits = digits_of_checksum({reinterpret_cast<const char*>(map_), data_begin_});
  check(noted != metadata_.end() && metadata_.contains(checksum_of_key) &&
            digits != std::string_view::npos,
        path_, ": one of its metadata ", checksum_key, " and ", checksum_of_key,
        " cannot be found.", what_to_do);
  check(std::filesystem::file_size(path_) == size_, path_, ": the file had ", size_,
        " bytes when it was opened and has another size now.", what_to_do);

  const auto blocks = static_cast<std::size_t>((size_ + kChecksumBlock - 1) / kChecksumBlock);
  std::vector<std::uint64_t> sums(blocks);
  const auto sum_of = [&](std::size_t block) {
    const std::size_t begin = block * kChecksumBlock;
    const std::size_t count = std::min<std::size_t>(kChecksumBlock, size_ - begin);
    const std::size_t from = std::max(begin, digits);
    const std::size_t to = std::min(begin + count, digits + no_digits.size());
    if (from >= to) return xxh64(map_ + begin, count);
    std::string copy(reinterpret_cast<const char*>(map_) + begin, count);
    copy.replace(from - begin, to - from, to - from, '0');
    return xxh64(copy.data(), copy.size());
  };
  for (std::size_t first = 0; first < blocks; first += kGroup) {
    const int count = static_cast<int>(std::min<std::size_t>(kGroup, blocks - first));
    parallel_for(count, 1, [&](int block, int) {
      sums[first + std::size_t(block)] = sum_of(first + std::size_t(block));
    });
    ::madvise(const_cast<unsigned char*>(map_) + first * kChecksumBlock,
              std::min<std::size_t>(kGroup * kChecksumBlock, size_ - first * kChecksumBlock),
              MADV_DONTNEED);
  }
  const std::string sum = checksum_of_blocks(sums);
  check(sum == noted->second, path_, ": its checksum is ", sum, ", but ", noted->second,
        " was noted when it was written.", what_to_do);
  return true;
}

}  // namespace ramoe
