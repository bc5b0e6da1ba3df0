#include "sinks/log_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "unit/sinks/sink_fixture.hpp"

namespace levee::sinks {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(LogFile, AppendsLinesToWhatIsThere) {
  const TempDir dir;
  put(dir / "main.log", "before\n");
  auto log = LogFile::open(dir / "main.log", {}).value();
  ASSERT_TRUE(log.append("one"));
  ASSERT_TRUE(log.append("two"));
  EXPECT_EQ(contents(dir / "main.log"), "before\none\ntwo\n");
}

TEST(LogFile, MakesItsDirectoryAndAFileThatOthersCannotRead) {
  const TempDir dir;
  auto log = LogFile::open(dir / "logs/deep/main.log", {}).value();
  const auto mode = fs::status(dir / "logs/deep/main.log").permissions();
  EXPECT_EQ(mode & fs::perms::others_all, fs::perms::none);
}

TEST(LogFile, RotatesBySizeAndKeepsSoManyOldFiles) {
  const TempDir dir;
  auto log = LogFile::open(dir / "main.log", {.bytes = 10, .old_files = 2}).value();
  for (const char* line : {"1111", "2222", "3333", "4444", "5555", "6666", "7777"}) {
    ASSERT_TRUE(log.append(line));
  }
  EXPECT_EQ(contents(dir / "main.log"), "7777\n");
  EXPECT_EQ(contents(dir / "main.log.1"), "5555\n6666\n");
  EXPECT_EQ(contents(dir / "main.log.2"), "3333\n4444\n");
  EXPECT_FALSE(fs::exists(dir / "main.log.3"));
}

TEST(LogFile, RotatesAFileThatWasTooLargeAtTheStart) {
  const TempDir dir;
  put(dir / "main.log", std::string(100, 'x'));
  auto log = LogFile::open(dir / "main.log", {.bytes = 10, .old_files = 1}).value();
  ASSERT_TRUE(log.append("new"));
  EXPECT_EQ(contents(dir / "main.log"), "new\n");
  EXPECT_EQ(contents(dir / "main.log.1"), std::string(100, 'x'));
}

TEST(LogFile, WritesALineThatIsLongerThanTheLimit) {
  const TempDir dir;
  auto log = LogFile::open(dir / "main.log", {.bytes = 10, .old_files = 1}).value();
  ASSERT_TRUE(log.append(std::string(50, 'x')));
  EXPECT_EQ(contents(dir / "main.log").size(), 51U);
  EXPECT_FALSE(fs::exists(dir / "main.log.1"));
}

TEST(LogFile, BeginsAnewWhenItsDirectoryWasRemoved) {
  const TempDir dir;
  auto log = LogFile::open(dir / "logs/main.log", {}).value();
  ASSERT_TRUE(log.append("lost"));
  fs::remove_all(dir / "logs");
  ASSERT_TRUE(log.append("kept"));
  EXPECT_EQ(contents(dir / "logs/main.log"), "kept\n");
}

TEST(LogFile, FollowsWhenSomebodyElseRotates) {
  const TempDir dir;
  auto log = LogFile::open(dir / "main.log", {}).value();
  ASSERT_TRUE(log.append("old"));
  fs::rename(dir / "main.log", dir / "main.log-20260131");
  ASSERT_TRUE(log.append("new"));
  EXPECT_EQ(contents(dir / "main.log"), "new\n");
}

TEST(LogFile, RefusesPlacesThatCannotBeWritten) {
  const TempDir dir;
  put(dir / "file", "");
  fs::create_directory(dir / "directory");
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  for (const std::string name : {"file/main.log", "file/deep/main.log", "directory", "pipe"}) {
    const auto log = LogFile::open(dir / name, {});
    ASSERT_FALSE(log) << name;
    EXPECT_EQ(log.error().code, ErrorCode::permission_denied);
    EXPECT_THAT(log.error().message, HasSubstr(name));
    EXPECT_FALSE(log.error().hint.empty());
  }
}

TEST(LogFile, TellsAndWritesOnWhenItCannotRotate) {
  const TempDir dir;
  auto log = LogFile::open(dir / "main.log", {.bytes = 10, .old_files = 1}).value();
  ASSERT_TRUE(log.append("11111111"));
  fs::create_directories(dir / "main.log.1/in the way");
  EXPECT_FALSE(log.append("2222"));
  EXPECT_EQ(contents(dir / "main.log"), "11111111\n2222\n");
}

TEST(LogFile, LeavesNoTornLineOnAFullDiskAndGoesOnWhenThereIsRoom) {
  const SmallDisk disk("64k");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "mounting a small disk needs root";
  }
  auto log = LogFile::open(disk / "main.log", {}).value();
  ASSERT_TRUE(log.append("before"));
  disk.fill();
  const auto refused = log.append(std::string(10'000, 'x'));  // A part still fits into its page.
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(contents(disk / "main.log"), "before\n");
  disk.free_up();
  ASSERT_TRUE(log.append("after"));
  EXPECT_EQ(contents(disk / "main.log"), "before\nafter\n");
}

}  // namespace
}  // namespace levee::sinks
