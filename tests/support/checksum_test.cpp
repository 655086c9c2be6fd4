#include "support/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ramoe {
namespace {

/// Bytes that do not repeat.
std::string bytes_of(std::size_t count) {
  std::string bytes;
  std::uint32_t x = 1;
  while (bytes.size() < count) {
    x = x * 1664525u + 1013904223u;
    bytes += static_cast<char>(x >> 24);
  }
  return bytes;
}

std::string block_sum(const std::string& bytes, std::size_t piece) {
  BlockChecksum sum;
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    sum.add(bytes.data() + at, std::min(piece, bytes.size() - at));
  return sum.text();
}

// Values that other implementations (cespare/xxhash, xxh64sum) test with. The lengths lead through
// all parts of the code: 32 bytes at once, then 8, 4 and 1.
TEST(Checksum, XxhAsPublished) {
  const auto of = [](const std::string& text) { return hex_text(xxh64(text.data(), text.size())); };
  EXPECT_EQ(of(""), "ef46db3751d8e999");
  EXPECT_EQ(of("a"), "d24ec4f1a98c6e5b");
  EXPECT_EQ(of("abc"), "44bc2cf5ad770999");
  EXPECT_EQ(of("message digest"), "066ed728fceeb3be");
  EXPECT_EQ(of("abcdefghijklmnopqrstuvwxyz"), "cfe1f278fa89835c");
  EXPECT_EQ(of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
            "aaa46907d3047814");
  EXPECT_EQ(of("12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
            "e04a477f19ee145d");
}

TEST(Checksum, ShaAsPublished) {  // FIPS 180-4's examples
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Checksum, PiecesDoNotMatter) {
  const std::string bytes = bytes_of(2 * kChecksumBlock + 12345);
  const std::string whole = block_sum(bytes, bytes.size());
  for (const std::size_t piece : {1000u, 4096u, 65537u, 1u << 20, (1u << 20) + 1, 3u << 19})
    EXPECT_EQ(block_sum(bytes, piece), whole) << piece;
  std::vector<std::uint64_t> sums;
  for (std::size_t at = 0; at < bytes.size(); at += kChecksumBlock)
    sums.push_back(xxh64(bytes.data() + at, std::min(kChecksumBlock, bytes.size() - at)));
  EXPECT_EQ(checksum_of_blocks(sums), whole);
}

TEST(Checksum, EveryByteAndTheLengthCount) {
  std::string bytes = bytes_of(200);
  const std::uint64_t sum = xxh64(bytes.data(), bytes.size());
  for (char& byte : bytes)
    for (const char flip : {'\x01', '\x10', '\x80'}) {
      byte = static_cast<char>(byte ^ flip);
      EXPECT_NE(xxh64(bytes.data(), bytes.size()), sum);
      byte = static_cast<char>(byte ^ flip);
    }
  EXPECT_EQ(xxh64(bytes.data(), bytes.size()), sum);
  EXPECT_NE(block_sum(std::string(kChecksumBlock, '\0'), kChecksumBlock),
            block_sum(std::string(kChecksumBlock + 1, '\0'), kChecksumBlock));
  EXPECT_NE(block_sum(std::string(kChecksumBlock - 1, '\0'), kChecksumBlock),
            block_sum(std::string(kChecksumBlock, '\0'), kChecksumBlock));
}

}  // namespace
}  // namespace ramoe
