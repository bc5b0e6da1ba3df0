#include "formats/safetensors.hpp"

#include <gmock/gmock.h>

#include <random>

#include "support/temp_dir.hpp"
#include "support/weights.hpp"

using namespace levee;
using namespace levee::formats;
using testing::HasSubstr;

namespace {

constexpr std::string_view kSmall = R"({"__metadata__":{"format":"pt"},)"
                                    R"("b":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},)"
                                    R"("a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},)"
                                    R"("s":{"dtype":"U8","shape":[],"data_offsets":[28,29]}}   )";
constexpr std::uint64_t kSmallData = 29;

struct Bad {
  std::string_view json;
  std::uint64_t data_bytes;
  std::string_view says;  // a part of the message
};

TEST(ParseSafetensorsHeader, ReadsTensorsInTheOrderOfTheirData) {
  const auto list = parse_safetensors_header(kSmall, kSmallData);
  ASSERT_TRUE(list) << list.error().message;
  ASSERT_EQ(list->tensors.size(), 3U);
  EXPECT_EQ(list->tensors[0], (Tensor{"a", ElementType::bf16, {2}, 2, Bytes{4}}));
  EXPECT_EQ(list->tensors[1], (Tensor{"b", ElementType::f32, {2, 3}, 6, Bytes{24}}));
  EXPECT_EQ(list->tensors[2], (Tensor{"s", ElementType::u8, {}, 1, Bytes{1}}));
  EXPECT_EQ(list->values, 9U);
  EXPECT_EQ(list->bytes, Bytes{29});
}

TEST(ParseSafetensorsHeader, TakesNoTensorsAtAll) {
  EXPECT_TRUE(parse_safetensors_header("{}", 0));
  EXPECT_TRUE(parse_safetensors_header(R"({"__metadata__":{}}  )", 0));
}

TEST(ParseSafetensorsHeader, TakesEmptyTensorsBetweenOthers) {
  const auto list =
      parse_safetensors_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                               R"("none":{"dtype":"F32","shape":[0,7],"data_offsets":[2,2]},)"
                               R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                               4);
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->tensors.size(), 3U);
}

TEST(ParseSafetensorsHeader, PassesOverMembersItDoesNotKnow) {
  const auto list = parse_safetensors_header(
      R"({"a":{"x":[{"dtype":[1,[2]]}],"dtype":"U8","y":{"shape":0},"z":null,)"
      R"("shape":[2],"data_offsets":[0,2],"w":-1.5}})",
      2);
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->bytes, Bytes{2});
}

TEST(ParseSafetensorsHeader, TakesATensorOf2To63Bytes) {
  constexpr std::uint64_t kSize = std::uint64_t{1} << 63U;
  const auto list = parse_safetensors_header(
      R"({"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,9223372036854775808]}})",
      kSize);
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->bytes, Bytes{kSize});
}

constexpr Bad kBadHeaders[] = {
    {"", 0, "\"{\""},
    {"[]", 0, "\"{\""},
    {" {}", 0, "\"{\""},
    {"{", 0, "JSON"},
    {"{}}", 0, "JSON"},
    {"{} x", 0, "JSON"},
    {std::string_view("{}\0x", 4), 0, "JSON at byte 3"},
    {"{\"\xff\":1}", 0, "JSON"},
    {R"({"a":1})", 0, "\"a\""},
    {R"({"a":"b"})", 0, "no JSON object"},
    {R"({"a":[]})", 0, "no JSON object"},
    {R"({"a":null})", 0, "no JSON object"},
    {R"({"a":{}})", 0, "\"dtype\" is missing"},
    {R"({"a":{"dtype":"U8"}})", 0, "\"shape\" is missing"},
    {R"({"a":{"dtype":"U8","shape":[1]}})", 1, "\"data_offsets\" is missing"},
    {R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, "\"dtype\" is missing"},
    {R"({"a":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}})", 1, "\"u8\" is no known"},
    {R"({"a":{"dtype":"Q4_K","shape":[256],"data_offsets":[0,144]}})", 144, "no known"},
    {R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1, "must be a text"},
    {R"({"a":{"dtype":["U8"],"shape":[1],"data_offsets":[0,1]}})", 1, "must be a text"},
    {R"({"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1, "lists of whole numbers"},
    {R"({"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", 1, "lists of whole numbers"},
    {R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1, "lists of whole numbers"},
    {R"({"a":{"dtype":"U8","shape":{"x":1},"data_offsets":[0,1]}})", 1, "lists of whole numbers"},
    {R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "lists of whole numbers"},
    {R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, "lists of whole numbers"},
    {R"({"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}})", 1, "lists of whole numbers"},
    {R"({"a":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}})", 1, "lists of whole numbers"},
    {R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})", 1,
     "lists of whole numbers"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[]}})", 1, "data_offsets"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "data_offsets"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, "data_offsets"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1, "data_offsets"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,-1]}})", 1, "data_offsets"},
    {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})", 1, "takes 2 bytes"},
    {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2, "blocks"},
    {R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "64 bits"},
    {R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0, "64 bits"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, "begins at byte 1"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2, "holds 2 bytes"},
    {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1, "ends at byte 2"},
    {R"({"a":{"dtype":"U8","shape":[1],"dtype":"U8","data_offsets":[0,1]}})", 1, "twice"},
    {R"({"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1, "twice"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}})", 1, "twice"},
    {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
     R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
     2, "\"a\" is there twice"},
    {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
     R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
     3, "\"b\": its data begins at byte 1"},
    {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
     R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
     2, "begins at byte 0"},
    {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
     R"("b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
     5, "\"b\": its data begins at byte 3"},
    {R"({"__metadata__":{},"__metadata__":{}})", 0, "twice"},
};

TEST(ParseSafetensorsHeader, RefusesWhatIsNoHeader) {
  for (const Bad& bad : kBadHeaders) {
    const auto list = parse_safetensors_header(bad.json, bad.data_bytes);
    ASSERT_FALSE(list) << bad.json;
    EXPECT_EQ(list.error().code, ErrorCode::corrupt) << bad.json;
    EXPECT_THAT(list.error().message, HasSubstr(bad.says)) << bad.json;
    EXPECT_FALSE(list.error().hint.empty()) << bad.json;
  }
}

TEST(ParseSafetensorsHeader, RefusesDepth) {
  const std::string deep = R"({"__metadata__":)" + std::string(100'000, '[');
  const auto list = parse_safetensors_header(deep, 0);
  ASSERT_FALSE(list);
  EXPECT_THAT(list.error().message, HasSubstr("levels deep"));
}

TEST(ParseSafetensorsHeader, RefusesMoreDimensionsThanAnyTensorHas) {
  std::string ones = "1";
  for (int i = 1; i < 65; ++i) {
    ones += ",1";
  }
  EXPECT_FALSE(parse_safetensors_header(
      R"({"a":{"dtype":"U8","shape":[)" + ones + R"(],"data_offsets":[0,1]}})", 1));
  EXPECT_TRUE(parse_safetensors_header(
      R"({"a":{"dtype":"U8","shape":[)" + ones.substr(2) + R"(],"data_offsets":[0,1]}})", 1));
}

TEST(ParseSafetensorsHeader, RefusesEveryTruncation) {
  const std::size_t whole = kSmall.find_last_of('}') + 1;
  for (std::size_t length = 0; length < whole; ++length) {
    EXPECT_FALSE(parse_safetensors_header(kSmall.substr(0, length), kSmallData)) << length;
  }
  EXPECT_TRUE(parse_safetensors_header(kSmall.substr(0, whole), kSmallData));
}

TEST(ParseSafetensorsHeader, CountsNothingWrongWhenBytesChange) {
  std::mt19937 random(20);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same bytes each time
  for (int i = 0; i < 20'000; ++i) {
    std::string json(kSmall);
    for (std::size_t flips = 1 + random() % 3; flips > 0; --flips) {
      json[random() % json.size()] = static_cast<char>(random());
    }
    if (const auto list = parse_safetensors_header(json, kSmallData)) {
      EXPECT_EQ(list->bytes, Bytes{kSmallData}) << json;
    }
  }
}

// --- files

class SafetensorsFile : public testing::Test {
 protected:
  test::TempDir dir_;

  Result<TensorList> read(std::string_view bytes) {
    dir_.write("model.safetensors", bytes);
    return read_safetensors(dir_ / "model.safetensors");
  }
};

TEST_F(SafetensorsFile, IsReadWithoutItsData) {
  test::SafetensorsJson json;
  json.add("w", 1 << 20, 1 << 18);  // 512 GiB
  json.write(dir_ / "model.safetensors");
  const auto list = read_safetensors(dir_ / "model.safetensors");
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->bytes, gib(512));
}

TEST_F(SafetensorsFile, IsRefusedWhenCutAtAnyByte) {
  const std::string whole = test::safetensors_start(kSmall) + std::string(kSmallData, '\0');
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto list = read(whole.substr(0, length));
    ASSERT_FALSE(list) << length;
    EXPECT_THAT(list.error().message, HasSubstr("model.safetensors")) << length;
    EXPECT_FALSE(list.error().hint.empty()) << length;
  }
  EXPECT_TRUE(read(whole));
}

TEST_F(SafetensorsFile, IsRefusedWhenItsHeaderIsLongerThanItself) {
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{100'000'001},
                                     std::uint64_t{1} << 63U, UINT64_MAX, UINT64_MAX - 7}) {
    const auto list = read(test::little_endian(length) + "{}");
    ASSERT_FALSE(list) << length;
    EXPECT_THAT(list.error().message, HasSubstr(std::to_string(length)));
  }
}

TEST_F(SafetensorsFile, IsRefusedWhenItsHeaderIsBeyondTheFormatsLimit) {
  test::write_sparse(dir_ / "model.safetensors",
                     test::little_endian(kMostSafetensorsHeader + 1) + "{", 2 * kGiB);
  const auto list = read_safetensors(dir_ / "model.safetensors");
  ASSERT_FALSE(list);
  EXPECT_THAT(list.error().message, HasSubstr("100000001"));
}

TEST_F(SafetensorsFile, IsRefusedWithoutReadingALongHeaderThatIsNone) {
  test::write_sparse(dir_ / "model.safetensors", test::little_endian(kMostSafetensorsHeader),
                     2 * kGiB);
  const auto list = read_safetensors(dir_ / "model.safetensors");
  ASSERT_FALSE(list);
  EXPECT_THAT(list.error().message, HasSubstr("does not begin"));
}

// --- an index

constexpr std::string_view kIndex =
    R"({"metadata":{"total_size":[{"weight_map":1}]},)"
    R"("weight_map":{"b":"m-2.safetensors","a":"m-1.safetensors","c":"m-2.safetensors"}})";

TEST(ParseSafetensorsIndex, GroupsTensorsByFile) {
  const auto index = parse_safetensors_index(kIndex);
  ASSERT_TRUE(index) << index.error().message;
  ASSERT_EQ(index->shards.size(), 2U);
  EXPECT_THAT(index->shards.at("m-1.safetensors"), testing::ElementsAre("a"));
  EXPECT_THAT(index->shards.at("m-2.safetensors"), testing::ElementsAre("b", "c"));
}

TEST(ParseSafetensorsIndex, RefusesFilesOutsideOfItsFolder) {
  for (const std::string_view name :
       {"../m", "/etc/passwd", "a/../../m", "..", "a/..", "", "a/", "m\\u0000x", "m\\nx"}) {
    const std::string json = R"({"weight_map":{"a":")" + std::string(name) + R"("}})";
    const auto index = parse_safetensors_index(json);
    ASSERT_FALSE(index) << name;
    EXPECT_THAT(index.error().message, HasSubstr("folder of the index")) << name;
  }
  EXPECT_TRUE(parse_safetensors_index(R"({"weight_map":{"a":"sub/m..1.safetensors"}})"));
}

TEST(ParseSafetensorsIndex, RefusesWhatIsNoIndex) {
  for (const std::string_view json :
       {"", "1", "[]", "{", "{}", R"({"weight_map":{}})", R"({"weight_map":1})",
        R"({"weight_map":"m"})", R"({"weight_map":["m"]})", R"({"weight_map":{"a":1}})",
        R"({"weight_map":{"a":-1}})", R"({"weight_map":{"a":null}})",
        R"({"weight_map":{"a":["m"]}})", R"({"weight_map":{"a":{"b":"m"}}})",
        R"({"weight_map":{"a":"m"},"weight_map":{"b":"m"}})", R"({"weight_map":{"a":"m","a":"m"}})",
        R"({"metadata":{"weight_map":{"a":"m"}}})"}) {
    const auto index = parse_safetensors_index(json);
    ASSERT_FALSE(index) << json;
    EXPECT_EQ(index.error().code, ErrorCode::corrupt) << json;
    EXPECT_FALSE(index.error().hint.empty()) << json;
  }
}

class ShardedModel : public testing::Test {
 protected:
  ShardedModel() {
    dir_.write("model.safetensors.index.json", kIndex);
    test::SafetensorsJson().add("a", 2, 3).write(dir_ / "m-1.safetensors");
    test::SafetensorsJson().add("b", 4, 5).add("c", 1, 1).write(dir_ / "m-2.safetensors");
  }
  [[nodiscard]] Result<TensorList> read() const {
    return read_safetensors_index(dir_ / "model.safetensors.index.json");
  }
  void expect_refusal(std::string_view says) const {
    const auto list = read();
    ASSERT_FALSE(list);
    EXPECT_THAT(list.error().message, HasSubstr("model.safetensors.index.json"));
    EXPECT_THAT(list.error().message, HasSubstr(says));
    EXPECT_FALSE(list.error().hint.empty());
  }

  test::TempDir dir_;
};

TEST_F(ShardedModel, IsTheSumOfItsFiles) {
  const auto list = read();
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->tensors.size(), 3U);
  EXPECT_EQ(list->bytes, Bytes{2 * (6 + 20 + 1)});
}

TEST_F(ShardedModel, NamesTheFileThatIsMissing) {
  std::filesystem::remove(dir_ / "m-2.safetensors");
  expect_refusal("m-2.safetensors: is not there");
  EXPECT_EQ(read().error().code, ErrorCode::not_found);
}

TEST_F(ShardedModel, NamesTheFileThatIsALinkToNothing) {
  std::filesystem::remove(dir_ / "m-2.safetensors");
  std::filesystem::create_symlink("../blobs/0123", dir_ / "m-2.safetensors");
  expect_refusal("link to a file that is not there");
}

TEST_F(ShardedModel, NamesTheFileThatIsDamaged) {
  dir_.write("m-1.safetensors", "no");
  expect_refusal("m-1.safetensors: the file has 2 bytes");
}

TEST_F(ShardedModel, NamesATensorThatIsNotWhereTheIndexSays) {
  test::SafetensorsJson().add("b", 4, 5).write(dir_ / "m-2.safetensors");
  expect_refusal("tensor \"c\" is not in \"m-2.safetensors\"");
}

TEST_F(ShardedModel, NamesATensorTheIndexDoesNotKnow) {
  test::SafetensorsJson().add("a", 2, 3).add("a2", 1, 1).write(dir_ / "m-1.safetensors");
  expect_refusal("\"m-1.safetensors\" holds tensor \"a2\"");
}

TEST_F(ShardedModel, RefusesATensorThatTwoFilesHold) {
  dir_.write("model.safetensors.index.json",
             R"({"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors",)"
             R"("c":"m-2.safetensors","a":"m-2.safetensors"}})");
  test::SafetensorsJson().add("a", 1, 1).add("b", 4, 5).add("c", 1, 1).write(dir_ /
                                                                             "m-2.safetensors");
  expect_refusal("\"a\" is there twice");
}

}  // namespace
