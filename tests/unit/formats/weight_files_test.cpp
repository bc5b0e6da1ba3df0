#include "formats/weight_files.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "formats/safetensors.hpp"
#include "formats/split_name.hpp"
#include "support/child.hpp"
#include "support/temp_dir.hpp"
#include "support/weights.hpp"

using namespace levee;
using namespace levee::formats;
using test::Child;
using test::GgufBytes;
using test::SafetensorsJson;
using testing::HasSubstr;
using testing::StartsWith;

namespace fs = std::filesystem;

namespace {

std::string gguf_with(std::string_view tensor) {
  return GgufBytes{}.string("general.architecture", "llama").tensor(tensor, {8}, 0, 0).file(32);
}

TEST(ParseSplitName, TakesNamesApart) {
  EXPECT_EQ(parse_split_name("a-b-00002-of-00030.safetensors"),
            (SplitName{"a-b", 2, 30, ".safetensors"}));
  EXPECT_EQ(parse_split_name("Q4_K_M.v1-00001-of-00001.gguf"),
            (SplitName{"Q4_K_M.v1", 1, 1, ".gguf"}));
  EXPECT_EQ(sibling_name({"a", 2, 30, ".gguf"}, 7), "a-00007-of-00030.gguf");
}

TEST(ParseSplitName, RefusesOtherNames) {
  for (const std::string_view name :
       {"", "model.gguf", "a-00002-of-00030", "-00001-of-00002.gguf", "a-0001-of-00002.gguf",
        "a-00000-of-00002.gguf", "a-00003-of-00002.gguf", "a-0000x-of-00002.gguf",
        "a-+0001-of-00002.gguf", "a-00001-in-00002.gguf", "a_00001-of-00002.gguf",
        "a-00001-of-000002.gguf", "a-00001-of-00002.gguf.part-x"}) {
    EXPECT_FALSE(parse_split_name(name)) << name;
  }
}

class WeightFiles : public testing::Test {
 protected:
  test::TempDir dir_;

  void expect_refusal(const fs::path& path, ErrorCode code, std::string_view says) {
    const auto weights = read_weights(path);
    ASSERT_FALSE(weights) << path;
    EXPECT_EQ(weights.error().code, code) << weights.error().message;
    EXPECT_THAT(weights.error().message, HasSubstr(says));
    EXPECT_FALSE(weights.error().hint.empty()) << weights.error().message;
  }
  void expect_bytes(const fs::path& path, std::uint64_t bytes, std::size_t files) {
    const auto weights = read_weights(path);
    ASSERT_TRUE(weights) << weights.error().message;
    EXPECT_EQ(weights->tensors.bytes, Bytes{bytes});
    EXPECT_EQ(weights->files.size(), files);
  }
  /// File `number` of `count`, with one tensor of 32 bytes.
  void write_part(std::uint16_t number, std::uint16_t count, std::int32_t tensors) {
    const SplitName name{"m", number, count, ".gguf"};
    dir_.write(sibling_name(name, number),
               GgufBytes{}
                   .u16("split.no", static_cast<std::uint16_t>(number - 1))
                   .u16("split.count", count)
                   .i32("split.tensors.count", tensors)
                   .tensor("t" + std::to_string(number), {8}, 0, 0)
                   .file(32));
  }
};

TEST_F(WeightFiles, AreReadByTheirNames) {
  SafetensorsJson().add("a", 2, 2).write(dir_ / "a.safetensors");
  dir_.write("b.gguf", gguf_with("t"));
  dir_.write("c.safetensors.index.json", R"({"weight_map":{"a":"a.safetensors"}})");
  expect_bytes(dir_ / "a.safetensors", 8, 1);
  expect_bytes(dir_ / "b.gguf", 32, 1);
  expect_bytes(dir_ / "c.safetensors.index.json", 8, 1);
}

TEST_F(WeightFiles, AreReadByTheirFirstBytesWhenTheNameDoesNotTell) {
  SafetensorsJson().add("a", 2, 2).write(dir_ / "0123456789");
  dir_.write("sha256-0123", gguf_with("t"));
  expect_bytes(dir_ / "0123456789", 8, 1);
  expect_bytes(dir_ / "sha256-0123", 32, 1);
}

TEST_F(WeightFiles, GiveTheMetadataOfGguf) {
  dir_.write("b.gguf", gguf_with("t"));
  const auto weights = read_weights(dir_ / "b.gguf");
  ASSERT_TRUE(weights);
  EXPECT_EQ(weights->format, FileFormat::gguf);
  EXPECT_EQ(weights->metadata.text("general.architecture"), "llama");
}

TEST_F(WeightFiles, AreFollowedThroughLinks) {
  fs::create_directories(dir_ / "blobs");
  fs::create_directories(dir_ / "snapshots/1");
  SafetensorsJson().add("a", 2, 2).write(dir_ / "blobs/0123");
  fs::create_symlink("../../blobs/0123", dir_ / "snapshots/1/model.safetensors");
  fs::create_directory_symlink("snapshots/1", dir_ / "model");
  expect_bytes(dir_ / "snapshots/1/model.safetensors", 8, 1);
  expect_bytes(dir_ / "model", 8, 1);
}

TEST_F(WeightFiles, AreRefusedWhenTheyAreNone) {
  dir_.write("pytorch_model.bin", "PK\x03\x04 and so on");
  dir_.write("empty", "");
  dir_.write("config.json", "{}");
  for (const std::string_view name : {"pytorch_model.bin", "empty", "config.json"}) {
    expect_refusal(dir_ / name, ErrorCode::invalid_argument, "neither a safetensors nor a GGUF");
  }
  dir_.write("empty.gguf", "");
  expect_refusal(dir_ / "empty.gguf", ErrorCode::corrupt, "ends after 0 bytes");
}

TEST_F(WeightFiles, AreRefusedWhenTheyAreNotThere) {
  expect_refusal(dir_ / "no.gguf", ErrorCode::not_found, "no.gguf: is not there");
  expect_refusal(dir_ / "no", ErrorCode::not_found, "is not there");
  dir_.write("file", "x");
  expect_refusal(dir_ / "file/no.gguf", ErrorCode::not_found, "is not there");
  fs::create_symlink("nowhere", dir_ / "link.gguf");
  expect_refusal(dir_ / "link.gguf", ErrorCode::not_found, "is a link to a file that is not there");
  fs::create_symlink("loop.gguf", dir_ / "loop.gguf");
  expect_refusal(dir_ / "loop.gguf", ErrorCode::invalid_argument, "loop.gguf");
  expect_refusal(dir_ / std::string(300, 'x'), ErrorCode::invalid_argument, "xxx");
  expect_refusal("", ErrorCode::not_found, "is not there");
}

TEST_F(WeightFiles, AreRefusedWithoutWaitingWhenTheyArePipesOrDevices) {
  ASSERT_EQ(::mkfifo((dir_ / "pipe.gguf").c_str(), 0600), 0);
  expect_refusal(dir_ / "pipe.gguf", ErrorCode::invalid_argument, "is a pipe");
  ASSERT_EQ(::mkfifo((dir_ / "model.safetensors").c_str(), 0600), 0);
  expect_refusal(dir_.path(), ErrorCode::invalid_argument, "model.safetensors: is a pipe");
  expect_refusal("/dev/zero", ErrorCode::invalid_argument, "is a device");
  fs::create_symlink("/dev/zero", dir_ / "zero.safetensors");
  expect_refusal(dir_ / "zero.safetensors", ErrorCode::invalid_argument, "is a device");
}

TEST_F(WeightFiles, AreRefusedWhenTheyAreSockets) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (dir_ / "s.gguf").string();
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(static_cast<char*>(address.sun_path), path.size());
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  expect_refusal(path, ErrorCode::invalid_argument, "is a socket");
  ::close(fd);
}

TEST_F(WeightFiles, AreRefusedWhenTheyAreFoldersNamedLikeFiles) {
  fs::create_directory(dir_ / "model.gguf");
  expect_refusal(dir_ / "model.gguf", ErrorCode::not_found, "holds no weights");
  const auto model = read_gguf(dir_ / "model.gguf");
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message, HasSubstr("is a folder"));
  fs::create_directory(dir_ / "model.safetensors");
  expect_refusal(dir_.path(), ErrorCode::invalid_argument, "model.safetensors: is a folder");
}

TEST_F(WeightFiles, AreRefusedWhenTheyMayNotBeRead) {
  dir_.write("a.gguf", gguf_with("t"));
  fs::permissions(dir_ / "a.gguf", fs::perms::none);
  fs::permissions(dir_.path(), fs::perms::all);
  constexpr uid_t kNobody = 65'534;  // Root may read everything.
  const Child reader(
      [this] {
        const auto refused = read_weights(dir_ / "a.gguf");
        return refused
                   ? ""
                   : std::string(to_string(refused.error().code)) + " " + refused.error().message;
      },
      ::geteuid() == 0 ? kNobody : 0);
  EXPECT_THAT(reader.said(), StartsWith("permission_denied "));
  EXPECT_THAT(reader.said(), HasSubstr("a.gguf"));
}

// --- folders

TEST_F(WeightFiles, OfAFolderAreThoseOfItsIndex) {
  SafetensorsJson().add("a", 2, 2).write(dir_ / "m-1.safetensors");
  SafetensorsJson().add("other", 9, 9).write(dir_ / "consolidated.safetensors");
  dir_.write("x.gguf", gguf_with("t"));
  dir_.write("model.safetensors.index.json", R"({"weight_map":{"a":"m-1.safetensors"}})");
  dir_.write("model.fp8.safetensors.index.json", R"({"weight_map":{"a":"no.safetensors"}})");
  expect_bytes(dir_.path(), 8, 1);
  expect_bytes(dir_.path() / "", 8, 1);
}

TEST_F(WeightFiles, OfAFolderAreThoseOfAnIndexOfAnotherName) {
  SafetensorsJson().add("a", 2, 2).write(dir_ / "m-1.safetensors");
  dir_.write("diffusion_pytorch_model.safetensors.index.json",
             R"({"weight_map":{"a":"m-1.safetensors"}})");
  expect_bytes(dir_.path(), 8, 1);
  dir_.write("other.safetensors.index.json", R"({"weight_map":{"a":"m-1.safetensors"}})");
  expect_refusal(dir_.path(), ErrorCode::invalid_argument, "holds 2 indexes");
}

TEST_F(WeightFiles, OfAFolderWithoutIndexAreAllSafetensors) {
  SafetensorsJson().add("a", 2, 2).write(dir_ / "part-00001-of-00002.safetensors");
  SafetensorsJson().add("b", 2, 2).write(dir_ / "part-00002-of-00002.safetensors");
  SafetensorsJson().add("c", 2, 2).write(dir_ / "extra.safetensors");
  expect_bytes(dir_.path(), 24, 3);
  fs::remove(dir_ / "part-00001-of-00002.safetensors");
  expect_refusal(dir_.path(), ErrorCode::not_found,
                 "part-00001-of-00002.safetensors: is not there");
}

TEST_F(WeightFiles, OfAFolderAreModelSafetensorsAloneWhereThereIsOne) {
  SafetensorsJson().add("a", 2, 2).write(dir_ / "model.safetensors");
  SafetensorsJson().add("layers.a", 2, 2).write(dir_ / "consolidated.safetensors");
  expect_bytes(dir_.path(), 8, 1);
}

TEST_F(WeightFiles, OfAFolderAreRefusedWhenTwoFilesHoldTheSame) {
  SafetensorsJson().add("a", 2, 2).write(dir_ / "x.fp16.safetensors");
  SafetensorsJson().add("a", 2, 2).write(dir_ / "x.safetensors");
  expect_refusal(dir_.path(), ErrorCode::corrupt, "\"a\" is there twice");
}

TEST_F(WeightFiles, OfAFolderAreItsOneGguf) {
  dir_.write("README.md", "x");
  dir_.write("a.gguf", gguf_with("t"));
  expect_bytes(dir_.path(), 32, 1);
  dir_.write("b.gguf", gguf_with("t"));
  expect_refusal(dir_.path(), ErrorCode::invalid_argument, "holds 2 GGUF models: a.gguf, b.gguf");
}

TEST_F(WeightFiles, OfAFolderMayBeASplitGguf) {
  write_part(1, 2, 2);
  write_part(2, 2, 2);
  expect_bytes(dir_.path(), 64, 2);
}

TEST_F(WeightFiles, OfAFolderOfManyModelsAreNotAllNamed) {
  for (int i = 0; i < 20; ++i) {
    dir_.write("model" + std::to_string(i) + ".gguf", gguf_with("t"));
  }
  expect_refusal(dir_.path(), ErrorCode::invalid_argument, "holds 20 GGUF models");
  EXPECT_LT(read_weights(dir_.path()).error().message.size(), 300U);
}

TEST_F(WeightFiles, OfAFolderWithoutAnyAreRefused) {
  expect_refusal(dir_.path(), ErrorCode::not_found, "holds no weights");
}

// --- split GGUF

TEST_F(WeightFiles, OfASplitGgufAreFoundFromAnyOfThem) {
  for (std::uint16_t number = 1; number <= 3; ++number) {
    write_part(number, 3, 3);
  }
  for (std::uint32_t number = 1; number <= 3; ++number) {
    expect_bytes(dir_ / sibling_name({"m", number, 3, ".gguf"}, number), 96, 3);
  }
}

TEST_F(WeightFiles, OfASplitGgufAreRefusedWhenOneIsMissing) {
  write_part(1, 3, 3);
  write_part(3, 3, 3);
  expect_refusal(dir_ / "m-00001-of-00003.gguf", ErrorCode::not_found,
                 "m-00002-of-00003.gguf: is not there");
}

TEST_F(WeightFiles, OfASplitGgufAreRefusedUnderOtherNames) {
  write_part(1, 2, 2);
  write_part(2, 2, 2);
  fs::copy_file(dir_ / "m-00001-of-00002.gguf", dir_ / "first.gguf");
  expect_refusal(dir_ / "first.gguf", ErrorCode::corrupt, "is one of 2 files");
  fs::copy_file(dir_ / "m-00001-of-00002.gguf", dir_ / "m-00001-of-00003.gguf");
  expect_refusal(dir_ / "m-00001-of-00003.gguf", ErrorCode::corrupt, "is one of 2 files");
  fs::copy_file(dir_ / "m-00001-of-00002.gguf", dir_ / "m-00002-of-00002.gguf",
                fs::copy_options::overwrite_existing);
  expect_refusal(dir_ / "m-00001-of-00002.gguf", ErrorCode::corrupt, "file 1 of 2, not 2 of 2");
}

TEST_F(WeightFiles, OfASplitGgufAreRefusedWhenTheyDoNotHoldAllTensors) {
  write_part(1, 2, 5);
  write_part(2, 2, 5);
  expect_refusal(dir_ / "m-00001-of-00002.gguf", ErrorCode::corrupt,
                 "its model has 5 tensors, but its 2 files hold 2");
}

TEST_F(WeightFiles, OfASplitGgufAreRefusedWhenAPartIsNoPart) {
  write_part(1, 2, 2);
  dir_.write("m-00002-of-00002.gguf", gguf_with("t"));
  expect_refusal(dir_ / "m-00001-of-00002.gguf", ErrorCode::corrupt, "file (unknown) of 1");
}

}  // namespace
