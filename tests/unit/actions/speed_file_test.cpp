#include "actions/speed_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "support/small_disk.hpp"
#include "support/temp_dir.hpp"

namespace levee::actions {
namespace {

using test::TempDir;
using testing::HasSubstr;
namespace fs = std::filesystem;

const std::vector<SpeedLine> kFast{{"host", 1.0, Level::optimal, ""},
                                   {"0", 0.8, Level::normal, "GPU-5c1e"}};
const std::vector<SpeedLine> kPaused{{"host", 1.0, Level::optimal, ""},
                                     {"0", 0.0, Level::critical, "GPU-5c1e"}};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator{}));
}

TEST(SpeedText, HasALinePerDeviceAndOneDecimal) {
  EXPECT_EQ(speed_text(kFast), "host 1.0 optimal\n0 0.8 normal GPU-5c1e\n");
  EXPECT_EQ(speed_text({}), "");
}

TEST(SpeedPath, LiesBesideTheSocket) {
  EXPECT_EQ(speed_path("/run/levee/levee.sock"), "/run/levee/levee.speed");
  EXPECT_EQ(speed_path("/tmp/odd"), "/tmp/odd.speed");
}

TEST(SpeedFile, SaysTheLatestToEverybody) {
  const TempDir dir;
  SpeedFile file(dir / "levee.speed");
  const mode_t before = ::umask(0077);
  const auto written = file.write(kFast);
  ::umask(before);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(read(file.path()), speed_text(kFast));
  EXPECT_EQ(fs::status(file.path()).permissions(), fs::perms{0644});
  ASSERT_TRUE(file.write(kPaused));
  EXPECT_EQ(read(file.path()), speed_text(kPaused));
  EXPECT_EQ(files_in(dir.path()), 1U);
}

TEST(SpeedFile, IsWrittenOnlyWhenItChanges) {
  const TempDir dir;
  SpeedFile file(dir / "levee.speed");
  ASSERT_TRUE(file.write(kFast));
  struct stat first{};
  ASSERT_EQ(::stat(file.path().c_str(), &first), 0);
  ASSERT_TRUE(file.write(kFast));
  struct stat second{};
  ASSERT_EQ(::stat(file.path().c_str(), &second), 0);
  EXPECT_EQ(first.st_ino, second.st_ino);
  ASSERT_TRUE(file.write(kPaused));
  ASSERT_EQ(::stat(file.path().c_str(), &second), 0);
  EXPECT_NE(first.st_ino, second.st_ino);
}

TEST(SpeedFile, IsNeverSeenHalfWritten) {
  const TempDir dir;
  SpeedFile file(dir / "levee.speed");
  ASSERT_TRUE(file.write(kFast));
  std::atomic<bool> done = false;
  std::atomic<int> odd = 0;
  std::thread reader([&] {
    while (!done) {
      const std::string text = read(file.path());
      odd += text != speed_text(kFast) && text != speed_text(kPaused) ? 1 : 0;
    }
  });
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(file.write(i % 2 == 0 ? kPaused : kFast));
  }
  done = true;
  reader.join();
  EXPECT_EQ(odd, 0);
}

TEST(SpeedFile, GoesWithItsOwner) {
  const TempDir dir;
  {
    SpeedFile file(dir / "levee.speed");
    ASSERT_TRUE(file.write(kFast));
  }
  EXPECT_EQ(files_in(dir.path()), 0U);
}

TEST(SpeedFile, LeavesAloneWhatItDidNotWrite) {
  const TempDir dir;
  dir.write("levee.speed", "another daemon's");
  {
    const SpeedFile file(dir / "levee.speed");
  }
  EXPECT_EQ(read(dir / "levee.speed"), "another daemon's");
}

// Whoever may write to the directory could lay links there; what they point to stays as it is.
TEST(SpeedFile, FollowsNoLink) {
  const TempDir dir;
  dir.write("precious", "untouched");
  fs::create_symlink(dir / "precious", dir / "levee.speed");
  fs::create_symlink(dir / "precious", dir / "levee.speed.new");
  {
    SpeedFile file(dir / "levee.speed");
    ASSERT_TRUE(file.write(kFast));
    EXPECT_FALSE(fs::is_symlink(file.path()));
    EXPECT_EQ(read(file.path()), speed_text(kFast));
  }
  EXPECT_EQ(read(dir / "precious"), "untouched");
}

TEST(SpeedFile, ReplacesWhatACrashLeft) {
  const TempDir dir;
  dir.write("levee.speed", "old");
  dir.write("levee.speed.new", "half");
  SpeedFile file(dir / "levee.speed");
  ASSERT_TRUE(file.write(kFast));
  EXPECT_EQ(read(file.path()), speed_text(kFast));
  EXPECT_EQ(files_in(dir.path()), 1U);
}

TEST(SpeedFile, NamesAPlaceItCannotWriteToAndTriesAgain) {
  const TempDir dir;
  SpeedFile file(dir / "missing/levee.speed");
  const auto refused = file.write(kFast);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("missing/levee.speed"));
  EXPECT_FALSE(refused.error().hint.empty());
  fs::create_directory(dir / "missing");
  ASSERT_TRUE(file.write(kFast));
  EXPECT_EQ(read(file.path()), speed_text(kFast));
}

TEST(SpeedFile, ADirectoryInItsPlaceIsNotRemoved) {
  const TempDir dir;
  dir.write("levee.speed/kept", "kept");
  SpeedFile file(dir / "levee.speed");
  EXPECT_FALSE(file.write(kFast));
  EXPECT_EQ(read(dir / "levee.speed/kept"), "kept");
  EXPECT_FALSE(fs::exists(dir / "levee.speed.new"));
}

TEST(SpeedFile, SaysThatItIsNotAllowedTo) {
  constexpr uid_t kNobody = 65'534;
  const TempDir dir;
  fs::permissions(dir.path(), fs::perms::owner_read | fs::perms::owner_exec);
  SpeedFile file(dir / "levee.speed");
  const uid_t user = ::geteuid();
  if (user == 0) {  // Who may do everything becomes somebody who may not.
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const auto refused = file.write(kFast);
  ASSERT_EQ(::seteuid(user), 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::permission_denied);
  fs::permissions(dir.path(), fs::perms::owner_all);
}

TEST(SpeedFile, KeepsTheOldTextOnAFullDisk) {
  const test::SmallDisk disk("64k");
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "this machine lets no test mount a tmpfs";
  }
  SpeedFile file(disk / "levee.speed");
  ASSERT_TRUE(file.write(kFast));
  disk.fill();
  const auto refused = file.write(kPaused);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(read(file.path()), speed_text(kFast));
  EXPECT_FALSE(fs::exists(disk / "levee.speed.new"));
  disk.free_up();
  ASSERT_TRUE(file.write(kPaused));
  EXPECT_EQ(read(file.path()), speed_text(kPaused));
}

}  // namespace
}  // namespace levee::actions
