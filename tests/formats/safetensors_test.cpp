#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "ch01_tensor/philox.h"
#include "support/read_tensor.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// A safetensors file by hand: any header text, any data, and a header length that may lie.
std::string by_hand(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

class Safetensors : public testing::Test {
 protected:
  /// The Error for opening a file of these bytes; empty if it opens and all of it reads.
  std::string opening(const std::string& bytes) {
    const std::string path = scratch_.file("bad.safetensors");
    std::ofstream(path, std::ios::binary)
        << bytes;  // not flushed to disk: this runs thousands of times
    try {
      const SafetensorsFile file(path);
      for (const std::string& name : file.names()) {
        const TensorInfo& info = file.info(name);
        std::string raw(info.bytes, '\0');
        read_raw(file, name, info.dtype, info.shape, raw.data());
      }
    } catch (const Error& error) {
      expect_contains(error.what(), path);
      return error.what();
    }
    return "";
  }
  void refuses(const std::string& header, const std::string& data, const std::string& part) {
    expect_contains(opening(by_hand(header, data)), part);
  }

  /// Two tensors and metadata.
  std::string good() {
    const std::vector<float> a = {1, -2, 3, 4, 5, 6};
    const std::vector<std::int64_t> b = {7, -8};
    write_safetensors(path_, {{"b", "I64", {2}, b.data()}, {"a", "F32", {2, 3}, a.data()}},
                      {{"step", "12"}});
    return read_file(path_);
  }

  ScratchFolder scratch_;
  std::string path_ = scratch_.file("good.safetensors");
};

const std::string f32 = R"("dtype":"F32")";

TEST_F(Safetensors, ReadsWhatItWrote) {
  good();
  const SafetensorsFile file(path_);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"step", "12"}}));
  EXPECT_TRUE(file.has("a"));
  EXPECT_FALSE(file.has("c"));
  EXPECT_EQ(file.info("a").bytes, 24u);
  std::vector<float> a(6);
  read_f32(file, "a", {2, 3}, a.data());
  EXPECT_EQ(a, (std::vector<float>{1, -2, 3, 4, 5, 6}));
  std::vector<std::int64_t> b(2);
  read_raw(file, "b", "I64", {2}, b.data());
  EXPECT_EQ(b, (std::vector<std::int64_t>{7, -8}));
}

TEST_F(Safetensors, LayoutIsTheFormats) {
  const std::string bytes = good();
  const std::string header =
      R"({"__metadata__":{"step":"12"},"b":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},)"
      R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[16,40]}})";
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  EXPECT_EQ(length, (header.size() + 7) / 8 * 8);
  EXPECT_EQ(bytes.substr(8, header.size()), header);
  EXPECT_EQ(bytes.substr(8 + header.size(), length - header.size()).find_first_not_of(' '),
            std::string::npos);
  EXPECT_EQ(bytes.size(), 8 + length + 40);
}

TEST_F(Safetensors, SavingTwiceGivesTheSameBytes) {
  EXPECT_EQ(good(), good());
}

TEST_F(Safetensors, ProducedScalarEmptyAndNanTensors) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto produce = [&](const WriteBytes& write) {
    for (int i = 0; i < 5; ++i) write(&nan, 4);
  };
  const float seven = 7;
  write_safetensors(path_, {{"empty", "F32", {0, 3}},
                            {"scalar", "F32", {}, &seven},
                            {"made", "F32", {5, 1}, nullptr, produce},
                            {"also empty", "F32", {0}}});
  const SafetensorsFile file(path_);
  float scalar = 0;
  read_f32(file, "scalar", {}, &scalar);
  EXPECT_EQ(scalar, 7);
  read_f32(file, "empty", {0, 3}, nullptr);
  std::vector<float> made(5, 0);
  read_f32(file, "made", {5, 1}, made.data());
  for (const float value : made) EXPECT_TRUE(std::isnan(value));
}

TEST_F(Safetensors, NoTensorsAtAll) {
  write_safetensors(path_, {});
  EXPECT_TRUE(SafetensorsFile(path_).names().empty());
}

TEST_F(Safetensors, EveryHalfAndBrainValue) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  write_safetensors(path_,
                    {{"h", "F16", {256, 256}, all.data()}, {"b", "BF16", {65536}, all.data()}});
  const SafetensorsFile file(path_);
  std::vector<float> half(65536), brain(65536);
  read_f32(file, "h", {256, 256}, half.data());
  read_f32(file, "b", {65536}, brain.data());
  for (int i = 0; i < 65536; ++i) {
    // The definition: sign, exponent, fraction; subnormal below, infinity and NaN above.
    const auto value = [&](int exponent_bits, int fraction_bits) {
      const int bias = (1 << (exponent_bits - 1)) - 1, all_ones = (1 << exponent_bits) - 1;
      const int exponent = (i >> fraction_bits) & all_ones,
                fraction = i & ((1 << fraction_bits) - 1);
      double size = std::ldexp(fraction, 1 - bias - fraction_bits);
      if (exponent > 0)
        size = std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
      if (exponent == all_ones) size = fraction == 0 ? HUGE_VAL : std::nan("");
      return i >= 32768 ? -size : size;
    };
    const auto same = [](double a, double b) {
      return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
    };
    const auto at = static_cast<std::size_t>(i);
    ASSERT_TRUE(same(half[at], value(5, 10))) << i;
    ASSERT_TRUE(same(brain[at], value(8, 7))) << i;
  }
}

TEST_F(Safetensors, ReadingNamesWhatDoesNotFit) {
  good();
  const SafetensorsFile file(path_);
  std::vector<float> out(6);
  std::string error = error_of([&] { read_f32(file, "a", {3, 2}, out.data()); });
  for (const char* part : {"tensor a", "(2,3)", "(3,2)"}) expect_contains(error, part);
  error = error_of([&] { read_f32(file, "b", {2}, out.data()); });
  expect_contains(error, "I64");
  error = error_of([&] { read_raw(file, "a", "I64", {2, 3}, out.data()); });
  expect_contains(error, "its dtype is F32");
  const float one = 1;
  write_safetensors(path_, {{"router.weight", "F32", {1}, &one}, {"x", "F32", {1}, &one}});
  const SafetensorsFile other(path_);
  error = error_of([&] { other.info("router.wieght"); });
  expect_contains(error, "the nearest name is router.weight");
}

TEST_F(Safetensors, ShrunkAfterOpening) {
  good();
  const SafetensorsFile file(path_);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  std::vector<float> out(6);
  expect_contains(error_of([&] { read_f32(file, "a", {2, 3}, out.data()); }), "ends too early");
}

TEST_F(Safetensors, NoSuchFileOrAFolder) {
  expect_contains(error_of([&] { SafetensorsFile f(scratch_.file("none")); }), "none");
  expect_contains(error_of([&] { SafetensorsFile f(scratch_.path()); }), "not a file");
}

TEST_F(Safetensors, WriterRefusesAndLeavesTheOldFile) {
  const std::string old = good();
  const float one[2] = {1, 1};
  const auto three_bytes = [&](const WriteBytes& write) { write(one, 3); };
  const auto five_bytes = [&](const WriteBytes& write) { write(one, 5); };
  const auto broken = [](const WriteBytes&) { fail("the producer broke"); };
  const auto error = [&](const std::vector<TensorToWrite>& tensors) {
    return error_of([&] { write_safetensors(path_, tensors); });
  };
  expect_contains(error({{"x", "F32", {1}, one}, {"x", "F32", {1}, one}}), "twice");
  expect_contains(error({{"__metadata__", "F32", {1}, one}}), "reserved");
  expect_contains(error({{"x", "F31", {1}, one}}), "unknown dtype \"F31\"");
  expect_contains(error({{"x", "F32", {-1}, one}}), "negative");
  expect_contains(error({{"x", "F32", {1ll << 40, 1ll << 40}, one}}), "2^64");
  expect_contains(error({{"x", "F32", {1}}}), "0 bytes were given");
  expect_contains(error({{"x", "F32", {1}, nullptr, three_bytes}}), "3 bytes were given");
  expect_contains(error({{"x", "F32", {1}, nullptr, five_bytes}}), "more than the 4 bytes");
  expect_contains(error({{"x", "F32", {1}, nullptr, broken}}), "the producer broke");
  expect_contains(error({{"\xff", "F32", {1}, one}}), "UTF-8");
  EXPECT_EQ(read_file(path_), old);
  EXPECT_FALSE(std::filesystem::exists(path_ + temporary_suffix));
}

TEST_F(Safetensors, HeaderLies) {
  const std::string data(8, 'x');
  const auto one = [](const std::string& entry) { return R"({"w":{)" + entry + "}}"; };
  const std::string at = R"(,"data_offsets":[0,8])";
  EXPECT_EQ(opening(by_hand(one(f32 + R"(,"shape":[2])" + at), data)), "");
  refuses("{", data, "not valid JSON");
  refuses("", data, "not valid JSON");
  refuses(R"({"w":1e999})", data, "not valid JSON");
  refuses("[1]", data, "not a JSON object");
  refuses("{}", data, "8 bytes after the last tensor");
  refuses(R"({"w":3})", "", "tensor w: its entry is not a JSON object");
  refuses(one(R"("shape":[2])" + at), data, "tensor w: \"dtype\" is missing");
  refuses(one(f32 + at), data, "tensor w: \"shape\" is missing");
  refuses(one(f32 + R"(,"shape":[2])"), data, "tensor w: \"data_offsets\" is missing");
  refuses(one(R"("dtype":"F13","shape":[2])" + at), data, "unknown dtype \"F13\"");
  refuses(one(R"("dtype":4,"shape":[2])" + at), data, "\"dtype\" is not text");
  refuses(one(f32 + R"(,"shape":2)" + at), data, "\"shape\" is not a list");
  for (const char* shape :
       {"[-2]", "[2.0]", "[\"2\"]", "[9223372036854775808]", "[null]", "[1e30]"})
    refuses(one(f32 + R"(,"shape":)" + shape + at), data, "not a list of whole numbers");
  refuses(one(f32 + R"(,"shape":[4611686018427387904,8])" + at), data, "more than 2^64 bytes");
  refuses(one(f32 + R"(,"shape":[3])" + at), data, "span 8 bytes, but F32 of shape (3) takes 12");
  for (const char* offsets : {"[0]", "[0,4,8]", "[-1,8]", "[0,8.5]", "3"})
    refuses(one(f32 + R"(,"shape":[2],"data_offsets":)" + offsets), data, "list of two whole");
  refuses(one(f32 + R"(,"shape":[2],"data_offsets":[8,0])"), data, "reversed");
  refuses(one(f32 + R"(,"shape":[3],"data_offsets":[0,12])"), data, "outside the file");
  refuses(one(f32 + R"(,"shape":[2],"data_offsets":[18446744073709551608,18446744073709551615])"),
          data, "outside the file");
  refuses(R"({"__metadata__":3})", "", "__metadata__ is not a JSON object");
  refuses(R"({"__metadata__":{"a":3}})", "", "\"a\" is not text");
  refuses(R"({"w":)" + std::string(100000, '[') + "}", "", "nested deeper");
}

TEST_F(Safetensors, OverlapsHolesAndDuplicates) {
  const auto entry = [](const std::string& name, int begin, int end) {
    return cat("\"", name, "\":{", f32, ",\"shape\":[", (end - begin) / 4, "],\"data_offsets\":[",
               begin, ",", end, "]}");
  };
  const std::string data(16, 'x');
  refuses("{" + entry("v", 0, 8) + "," + entry("w", 4, 16) + "}", data, "tensor w: overlaps");
  refuses("{" + entry("v", 0, 4) + "," + entry("w", 8, 16) + "}", data, "4 bytes before it");
  refuses("{" + entry("w", 4, 16) + "}", data, "tensor w: 4 bytes before it");
  refuses("{" + entry("v", 0, 12) + "}", data, "4 bytes after the last tensor");
  refuses("{" + entry("v", 0, 8) + "," + entry("v", 8, 16) + "}", data, "names \"v\" twice");
  refuses(R"({"v":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}})", data,
          "names \"dtype\" twice");
}

TEST_F(Safetensors, HeaderLengthLies) {
  const std::string bytes = good();
  for (const std::uint64_t length : {std::uint64_t{100'000'001}, std::uint64_t{99'999'999},
                                     ~std::uint64_t{0}, bytes.size() - 7}) {
    std::string bad = bytes;
    std::memcpy(bad.data(), &length, 8);
    expect_contains(opening(bad), "the header claims");
  }
}

TEST_F(Safetensors, EveryTruncationIsAnError) {
  const std::string bytes = good();
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_NE(opening(bytes.substr(0, length)), "") << length;
  EXPECT_NE(opening(bytes + "x"), "");
}

// A flipped header byte may still be a good file (a letter of a name); it must never do harm, which
// the sanitizer build watches.
TEST_F(Safetensors, FlippedHeaderBytesNeverCrash) {
  const std::string bytes = good();
  const auto data = static_cast<std::uint32_t>(bytes.size() - 40);
  Random random(1);
  int refused = 0;
  for (int trial = 0; trial < 1500; ++trial) {
    std::string bad = bytes;
    for (std::uint32_t flips = 1 + random.below(3); flips > 0; --flips)
      bad[random.below(data)] = static_cast<char>(random.below(256));
    refused += opening(bad).empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace ramoe
