#include "formats/gguf.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "support/weights.hpp"

using namespace levee;
using namespace levee::formats;
using test::GgufBytes;
using test::little_endian;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ4K = 12;

Result<GgufHeader> parse(std::string_view bytes) {
  MemorySource source(bytes);
  return parse_gguf(source);
}

/// A file with a bit of everything, and 1312 bytes of data.
GgufBytes small() {
  GgufBytes file;
  file.string("general.architecture", "llama")
      .u32("llama.block_count", 2)
      .i32("llama.minus", -5)
      .key("llama.scale", 6, little_endian(0.5F))
      .key("llama.flag", 7, "\x01")
      .array("llama.attention.head_count_kv", 5, 2,
             little_endian(std::int32_t{8}) + little_endian(std::int32_t{4}))
      .array("llama.pattern", 7, 3, std::string_view("\x01\x00\x01", 3))
      .array("tokenizer.ggml.tokens", 8, 2, GgufBytes::text("<s>") + GgufBytes::text(""))
      .tensor("token_embd.weight", {256, 8}, kQ4K, 0)
      .tensor("norm.weight", {40}, kF32, 1152);
  return file;
}
constexpr std::size_t kSmallData = 1312;

void expect_refusal(std::string_view bytes, std::string_view says) {
  const auto header = parse(bytes);
  ASSERT_FALSE(header) << says;
  EXPECT_EQ(header.error().code, ErrorCode::corrupt) << header.error().message;
  EXPECT_THAT(header.error().message, HasSubstr(says));
  EXPECT_FALSE(header.error().hint.empty());
}

TEST(ParseGguf, ReadsTensorsWithTheirSizes) {
  const auto header = parse(small().file(kSmallData));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->version, 3U);
  EXPECT_EQ(header->alignment, 32U);
  EXPECT_EQ(header->data_begin, small().padded().size());
  ASSERT_EQ(header->tensors.tensors.size(), 2U);
  EXPECT_EQ(header->tensors.tensors[0],
            (Tensor{"token_embd.weight", ElementType::q4_k, {256, 8}, 2048, Bytes{1152}}));
  EXPECT_EQ(header->tensors.tensors[1],
            (Tensor{"norm.weight", ElementType::f32, {40}, 40, Bytes{160}}));
}

TEST(ParseGguf, KeepsMetadataByKind) {
  const auto header = parse(small().file(kSmallData));
  ASSERT_TRUE(header) << header.error().message;
  const GgufMetadata& metadata = header->metadata;
  EXPECT_EQ(metadata.text("general.architecture"), "llama");
  EXPECT_EQ(metadata.whole_number("llama.block_count"), 2U);
  EXPECT_EQ(metadata.number("llama.block_count"), 2.0);
  EXPECT_EQ(metadata.number("llama.minus"), -5.0);
  EXPECT_EQ(metadata.number("llama.scale"), 0.5);
  EXPECT_EQ(metadata.truth("llama.flag"), true);
  EXPECT_THAT(*metadata.whole_numbers("llama.attention.head_count_kv"), ElementsAre(8, 4));
  EXPECT_THAT(*metadata.whole_numbers("llama.pattern"), ElementsAre(1, 0, 1));
  EXPECT_EQ(metadata.array_length("tokenizer.ggml.tokens"), 2U);
}

TEST(ParseGguf, GivesNothingForValuesOfAnotherKind) {
  const auto header = parse(small().file(kSmallData));
  ASSERT_TRUE(header) << header.error().message;
  const GgufMetadata& metadata = header->metadata;
  EXPECT_FALSE(metadata.whole_number("llama.missing"));
  EXPECT_FALSE(metadata.whole_number("llama.minus"));
  EXPECT_FALSE(metadata.whole_number("llama.scale"));
  EXPECT_FALSE(metadata.whole_number("llama.pattern"));
  EXPECT_FALSE(metadata.number("llama.flag"));
  EXPECT_FALSE(metadata.truth("llama.block_count"));
  EXPECT_FALSE(metadata.text("llama.block_count"));
  EXPECT_FALSE(metadata.array_length("llama.block_count"));
  EXPECT_FALSE(metadata.whole_numbers("tokenizer.ggml.tokens"));
  EXPECT_FALSE(metadata.whole_numbers("llama.block_count"));
}

TEST(ParseGguf, ReadsVersion2TheSame) {
  GgufBytes file = small();
  file.version = 2;
  EXPECT_TRUE(parse(file.file(kSmallData)));
}

TEST(ParseGguf, KeepsArraysUpToALimitAndTheLengthOfLongerOnes) {
  GgufBytes file;
  file.array("kept", 0, kMostGgufKept, std::string(kMostGgufKept, '\x07'))
      .array("passed_over", 0, kMostGgufKept + 1, std::string(kMostGgufKept + 1, '\x07'))
      .u32("after", 9);
  const auto header = parse(file.file(0));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->metadata.whole_numbers("kept")->size(), kMostGgufKept);
  EXPECT_FALSE(header->metadata.whole_numbers("passed_over"));
  EXPECT_EQ(header->metadata.array_length("passed_over"), kMostGgufKept + 1);
  EXPECT_EQ(header->metadata.whole_number("after"), 9U);
}

TEST(ParseGguf, TakesAVocabularyOfMegabytes) {
  std::string tokens;
  constexpr std::uint64_t kTokens = 200'000;
  for (std::uint64_t i = 0; i < kTokens; ++i) {
    tokens += GgufBytes::text("token" + std::to_string(i));
  }
  GgufBytes file;
  file.array("tokenizer.ggml.tokens", 8, kTokens, tokens)
      .array("tokenizer.ggml.scores", 6, kTokens, std::string(4 * kTokens, '\0'))
      .tensor("a", {8}, kF32, 0);
  const auto header = parse(file.file(32));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->metadata.array_length("tokenizer.ggml.tokens"), kTokens);
  EXPECT_EQ(header->tensors.bytes, Bytes{32});
}

TEST(ParseGguf, TakesAnotherAlignment) {
  GgufBytes file;
  file.u32("general.alignment", 128).tensor("a", {1}, kF32, 0).tensor("b", {1}, kF32, 128);
  const auto header = parse(file.file(132, 128));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->alignment, 128U);
  EXPECT_EQ(header->data_begin % 128, 0U);
}

TEST(ParseGguf, TakesAVocabularyAlone) {
  GgufBytes file;
  file.u32("x", 1);
  const auto header = parse(file.header());  // not even padded
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->tensors.bytes, Bytes{});
}

TEST(ParseGguf, TakesTensorsInAnyOrderOfTheirData) {
  GgufBytes file;
  file.tensor("second", {8}, kF32, 32).tensor("first", {8}, kF32, 0).tensor("none", {0}, kF32, 32);
  const auto header = parse(file.file(64));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->tensors.tensors.front().name, "second");
}

// --- what is refused

TEST(ParseGguf, RefusesOtherFilesAndVersions) {
  GgufBytes file = small();
  file.magic = "ggjt";
  expect_refusal(file.file(kSmallData), "\"ggjt\"");
  for (const auto& [version, says] :
       std::vector<std::pair<std::uint32_t, std::string>>{{0, "version 0"},
                                                          {1, "version 1"},
                                                          {4, "version 4"},
                                                          {0x03000000, "big-endian"},
                                                          {0x02000000, "big-endian"}}) {
    GgufBytes other = small();
    other.version = version;
    expect_refusal(other.file(kSmallData), says);
  }
}

TEST(ParseGguf, RefusesClaimsBeyondItsLimitsAtOnce) {
  for (const std::uint64_t count : {kMostGgufTensors + 1, std::uint64_t{1} << 60U, UINT64_MAX}) {
    expect_refusal(small().claim_tensors(count).file(kSmallData), "number of tensors");
    expect_refusal(small().claim_keys(count).file(kSmallData), "number of metadata keys");
    expect_refusal(GgufBytes{}.key("a", 8, little_endian(count << 5U | 1U << 30U)).file(64),
                   "metadata \"a\"");
    expect_refusal(GgufBytes{}.array("a", 8, count, "").file(64), "metadata \"a\"");
    expect_refusal(GgufBytes{}.array("a", 12, count, "").file(64), "metadata \"a\"");
  }
  expect_refusal(GgufBytes{}.claim_tensors(kMostGgufTensors).file(64), "within");
  expect_refusal(GgufBytes{}.claim_keys(kMostGgufMetadata).header(), "within key 0");
}

TEST(ParseGguf, RefusesLongNames) {
  expect_refusal(GgufBytes{}.u32(std::string(kLongestGgufKey + 1, 'k'), 1).file(0), "65536");
  EXPECT_TRUE(parse(GgufBytes{}.u32(std::string(kLongestGgufKey, 'k'), 1).file(0)));
  const std::string name(kLongestGgufTensorName + 1, 't');
  expect_refusal(GgufBytes{}.tensor(name, {1}, kF32, 0).file(4), "1025");
  EXPECT_TRUE(parse(GgufBytes{}.tensor(name.substr(1), {1}, kF32, 0).file(4)));
  expect_refusal(GgufBytes{}.string("a", std::string(kLongestGgufText + 1, 't')).file(0),
                 "16777217");
}

TEST(ParseGguf, RefusesMetadataThatIsWrong) {
  expect_refusal(GgufBytes{}.u32("", 1).file(0), "key 0 of the metadata is empty");
  expect_refusal(GgufBytes{}.u32("a", 1).u32("a", 2).file(0), "\"a\" is there twice");
  expect_refusal(GgufBytes{}.key("a", 13, "xxxx").file(0), "type 13");
  expect_refusal(GgufBytes{}.key("a", 7, "\x02").file(0), "boolean of value 2");
  expect_refusal(GgufBytes{}.array("a", 7, 1, "\x02").file(0), "boolean of value 2");
  expect_refusal(GgufBytes{}.array("a", 13, 1, "x").file(0), "type 13");
  expect_refusal(GgufBytes{}.array("a", 9, 1, std::string(12, '\0')).file(0), "array of arrays");
}

TEST(ParseGguf, RefusesAlignmentsThatAreNoPowerOfTwo) {
  for (const std::uint32_t alignment : {0U, 3U, 48U, 0x80000000U}) {
    expect_refusal(GgufBytes{}.u32("general.alignment", alignment).file(0),
                   std::to_string(alignment));
  }
  expect_refusal(GgufBytes{}.string("general.alignment", "32").file(0), "power of two");
}

TEST(ParseGguf, RefusesTensorsThatAreWrong) {
  expect_refusal(GgufBytes{}.tensor("t", {1, 1, 1, 1, 1}, kF32, 0).file(64), "5 dimensions");
  expect_refusal(GgufBytes{}.tensor("t", {1}, 999, 0).file(64), "type 999");
  expect_refusal(GgufBytes{}.tensor("t", {32}, 31, 0).file(64), "taken out");
  expect_refusal(GgufBytes{}.tensor("t", {128, 2}, kQ4K, 0).file(144), "rows of 128 values");
  expect_refusal(GgufBytes{}.tensor("t", {}, kQ4K, 0).file(144), "rows of 1 values");
  expect_refusal(GgufBytes{}.tensor("t", {1ULL << 32U, 1ULL << 32U}, kF32, 0).file(64), "64 bits");
  expect_refusal(GgufBytes{}.tensor("t", {1ULL << 63U}, kF32, 0).file(64), "64 bits");
  expect_refusal(GgufBytes{}.tensor("t", {8}, kF32, 0).tensor("t", {8}, kF32, 32).file(64),
                 "\"t\" is there twice");
}

TEST(ParseGguf, RefusesDataThatIsNotWhereItCanBe) {
  expect_refusal(GgufBytes{}.tensor("t", {8}, kF32, 16).file(64), "no multiple of 32");
  expect_refusal(GgufBytes{}.tensor("t", {8}, kF32, 64).file(64), "beyond the 64 bytes");
  expect_refusal(GgufBytes{}.tensor("t", {17}, kF32, 0).file(64), "beyond the 64 bytes");
  expect_refusal(GgufBytes{}.tensor("t", {8}, kF32, UINT64_MAX - 31).file(64), "beyond");
  expect_refusal(GgufBytes{}.tensor("t", {16}, kF32, 0).tensor("u", {8}, kF32, 32).file(64),
                 "within that of another");
}

/// A source that does not know its size, such as one that is still being received.
class Stream final : public ByteSource {
 public:
  explicit Stream(std::string bytes, std::size_t piece = 3)
      : bytes_(std::move(bytes)), piece_(piece) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> buffer) override {
    if (offset >= bytes_.size()) {
      return 0;
    }
    const std::size_t count = bytes_.copy(buffer.data(), std::min(buffer.size(), piece_), offset);
    bytes_read += count;
    return count;
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return std::nullopt; }

  std::size_t bytes_read = 0;

 private:
  std::string bytes_;
  std::size_t piece_;
};

TEST(ParseGguf, ReadsInPiecesFromASourceOfUnknownSize) {
  Stream whole(small().padded());
  const auto header = parse_gguf(whole);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->tensors.bytes, Bytes{1312});
  Stream cut(small().header().substr(0, 200));
  const auto none = parse_gguf(cut);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("ends after 200 bytes"));
}

TEST(ParseGguf, DoesNotReadTheNumbersItPassesOver) {
  constexpr std::uint64_t kLength = 16 * kMiB;
  GgufBytes file;
  file.array("scores", 0, kLength, std::string(kLength, '\x01')).tensor("a", {8}, kF32, 0);
  Stream stream(file.padded(), kMiB);
  const auto header = parse_gguf(stream);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->tensors.bytes, Bytes{32});
  EXPECT_LT(stream.bytes_read, kMiB);
}

TEST(ParseGguf, EndsAtItsLimitWhenTheSizeIsNotKnown) {
  Stream stream(GgufBytes{}.array("a", 0, std::uint64_t{1} << 60U, "xx").header());
  const auto header = parse_gguf(stream);
  ASSERT_FALSE(header);
  EXPECT_THAT(header.error().message, HasSubstr("more than 268435456 bytes"));
}

TEST(ParseGguf, RefusesEveryTruncation) {
  const std::string whole = small().file(kSmallData);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto header = parse(std::string_view(whole).substr(0, length));
    ASSERT_FALSE(header) << length;
    EXPECT_FALSE(header.error().hint.empty()) << length;
  }
  EXPECT_TRUE(parse(whole));
}

TEST(ParseGguf, CountsNothingWrongWhenBytesChange) {
  std::mt19937 random(20);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same bytes each time
  const std::string whole = small().file(kSmallData);
  const std::size_t header_size = small().header().size();
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = whole;
    for (std::size_t flips = 1 + random() % 3; flips > 0; --flips) {
      bytes[random() % header_size] = static_cast<char>(random());
    }
    if (const auto header = parse(bytes)) {
      EXPECT_LE(header->tensors.bytes.count, bytes.size() - header->data_begin);
    }
  }
}

}  // namespace
