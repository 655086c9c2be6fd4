// Support - checksums of files: XXH64 for our own, SHA-256 for lists
//
// XXH64 is as fast as the memory; sha256sum can read and write the lists. The checksums find damage
// and mix-ups, not attacks. Tests: tests/support/checksum_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ramoe {

/// XXH64 with seed 0: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
std::uint64_t xxh64(const void* data, std::size_t bytes);

/// As 16 hexadecimal digits.
std::string hex_text(std::uint64_t value);

inline constexpr std::size_t kChecksumBlock = 1 << 20;

/// The checksum of a whole file from those of its blocks: the XXH64 of the XXH64 values of all
/// blocks of 1 MiB (the last may be shorter), as 16 hexadecimal digits. Several threads may compute
/// the values of the blocks.
std::string checksum_of_blocks(const std::vector<std::uint64_t>& sums);

/// The same for bytes that arrive piece by piece.
class BlockChecksum {
 public:
  void add(const void* data, std::size_t bytes);
  std::string text() const;

 private:
  std::vector<std::uint64_t> sums_;
  std::string rest_;  // of an unfinished block
};

/// checksum() of files.h for bytes that arrive piece by piece: FNV-1a of 64 bits.
class ByteChecksum {
 public:
  void add(std::string_view bytes);
  std::string text() const { return hex_text(hash_); }

 private:
  std::uint64_t hash_ = 14695981039346656037ull;
};

/// Calls visit(piece) for the bytes of a file, at most kChecksumBlock at a time, so that a large
/// file needs little memory. Error: it cannot be read.
void read_in_pieces(const std::string& path, const std::function<void(std::string_view)>& visit);

/// SHA-256 (FIPS 180-4) as 64 hexadecimal digits.
std::string sha256(std::string_view bytes);

}  // namespace ramoe
