#include "support/checksum.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "support/error.h"
#include "support/stop.h"

namespace ramoe {
namespace {

static_assert(std::endian::native == std::endian::little, "sums are little-endian");

constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F,
                        kPrime3 = 0x165667B19E3779F9, kPrime4 = 0x85EBCA77C2B2AE63,
                        kPrime5 = 0x27D4EB2F165667C5;

template <class Word>
Word word_at(const unsigned char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

std::uint64_t round_of(std::uint64_t lane, std::uint64_t word) {
  return std::rotl(lane + word * kPrime2, 31) * kPrime1;
}
std::uint64_t merged(std::uint64_t hash, std::uint64_t lane) {
  return (hash ^ round_of(0, lane)) * kPrime1 + kPrime4;
}

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, 64> kSha = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using Sha = std::array<std::uint32_t, 8>;

void sha256_block(Sha& state, const unsigned char* block) {
  std::array<std::uint32_t, 64> w;
  for (std::size_t t = 0; t < 16; ++t)
    w[t] = __builtin_bswap32(word_at<std::uint32_t>(block + 4 * t));
  for (std::size_t t = 16; t < 64; ++t) {
    const std::uint32_t a = w[t - 15], b = w[t - 2];
    w[t] = w[t - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[t - 7] +
           (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t t = 0; t < 64; ++t) {
    const std::uint32_t big1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t big0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t t1 = h + big1 + ((e & f) ^ (~e & g)) + kSha[t] + w[t];
    const std::uint32_t t2 = big0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const Sha after = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += after[i];
}

}  // namespace

std::uint64_t xxh64(const void* data, std::size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(data);
  const unsigned char* const end = at + bytes;
  std::uint64_t hash = kPrime5;
  if (bytes >= 32) {
    std::uint64_t a = kPrime1 + kPrime2, b = kPrime2, c = 0, d = -kPrime1;
    for (; end - at >= 32; at += 32) {
      a = round_of(a, word_at<std::uint64_t>(at));
      b = round_of(b, word_at<std::uint64_t>(at + 8));
      c = round_of(c, word_at<std::uint64_t>(at + 16));
      d = round_of(d, word_at<std::uint64_t>(at + 24));
    }
    hash = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
    hash = merged(merged(merged(merged(hash, a), b), c), d);
  }
  hash += bytes;
  for (; end - at >= 8; at += 8)
    hash = std::rotl(hash ^ round_of(0, word_at<std::uint64_t>(at)), 27) * kPrime1 + kPrime4;
  if (end - at >= 4) {
    hash = std::rotl(hash ^ word_at<std::uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
    at += 4;
  }
  for (; at < end; ++at) hash = std::rotl(hash ^ *at * kPrime5, 11) * kPrime1;
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

std::string hex_text(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string checksum_of_blocks(const std::vector<std::uint64_t>& sums) {
  return hex_text(xxh64(sums.data(), sums.size() * sizeof(std::uint64_t)));
}

void BlockChecksum::add(const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const std::size_t part = std::min(bytes, kChecksumBlock - rest_.size());
    if (part == kChecksumBlock) {
      sums_.push_back(xxh64(at, part));
    } else {
      rest_.append(at, part);
      if (rest_.size() == kChecksumBlock) {
        sums_.push_back(xxh64(rest_.data(), rest_.size()));
        rest_.clear();
      }
    }
    at += part;
    bytes -= part;
  }
}

std::string BlockChecksum::text() const {
  std::vector<std::uint64_t> sums = sums_;
  if (!rest_.empty()) sums.push_back(xxh64(rest_.data(), rest_.size()));
  return checksum_of_blocks(sums);
}

void ByteChecksum::add(std::string_view bytes) {
  for (const char byte : bytes) {
    hash_ ^= static_cast<unsigned char>(byte);
    hash_ *= 1099511628211ull;
  }
}

void read_in_pieces(const std::string& path, const std::function<void(std::string_view)>& visit) {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  check(!error && file.good(), path, " cannot be read: ",
        error ? error.message() : "it cannot be opened", ".");
  std::string piece;
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    stop_point();
    piece.resize(std::min<std::uint64_t>(kChecksumBlock, size - at));
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    check(file.good(), path, " cannot be read at byte ", at, ".");
    visit(piece);
  }
}

std::string sha256(std::string_view bytes) {
  Sha state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  for (; left >= 64; at += 64, left -= 64) sha256_block(state, at);
  // The end: the remaining bytes, a 1 bit, zeros, and the length in bits, big-endian.
  std::array<unsigned char, 128> end{};
  if (left > 0) std::memcpy(end.data(), at, left);
  end[left] = 0x80;
  const std::size_t size = left < 56 ? 64 : 128;
  const std::uint64_t bits = __builtin_bswap64(std::uint64_t{bytes.size()} * 8);
  std::memcpy(end.data() + size - 8, &bits, 8);
  for (std::size_t i = 0; i < size; i += 64) sha256_block(state, end.data() + i);
  std::string text;
  for (const std::uint32_t word : state) text += hex_text(word).substr(8);
  return text;
}

}  // namespace ramoe
