#include "server/socket_file.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <optional>

#include "harness.hpp"

namespace levee::server {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::TempDir;
using testing::Wire;

const sources::Root kRoot;

mode_t mode_of(const fs::path& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

/// A socket file whose owner is gone without removing it.
void leave_stale_socket(const fs::path& path) {
  const sources::Fd fd{::socket(AF_UNIX, SOCK_STREAM, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

std::string our_pid() { return "(pid " + std::to_string(::getpid()) + ")"; }

TEST(SocketFile, IsOpenToEverybodyWhateverTheUmask) {
  const TempDir dir;
  const mode_t old = ::umask(077);
  const auto file = SocketFile::make(dir / "a/b/levee.sock", kRoot);
  ::umask(old);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(mode_of(dir / "a/b/levee.sock"), 0666U);
  EXPECT_EQ(mode_of(dir / "a/b"), 0755U);
  EXPECT_EQ(mode_of(dir / "a"), 0755U);
  Wire::unix_socket(dir / "a/b/levee.sock");
}

TEST(SocketFile, LeavesTheModeOfAnExistingDirectory) {
  const TempDir dir;
  fs::create_directory(dir / "private");
  fs::permissions(dir / "private", fs::perms::owner_all);
  ASSERT_TRUE(SocketFile::make(dir / "private/levee.sock", kRoot));
  EXPECT_EQ(mode_of(dir / "private"), 0700U);
}

TEST(SocketFile, IsRemovedAtTheEndButItsLockStays) {
  const TempDir dir;
  {
    ASSERT_TRUE(SocketFile::make(dir / "levee.sock", kRoot));
  }
  EXPECT_FALSE(fs::exists(fs::symlink_status(dir / "levee.sock")));
  EXPECT_TRUE(fs::exists(dir / "levee.sock.lock"));
  EXPECT_TRUE(SocketFile::make(dir / "levee.sock", kRoot)) << "the lock must not outlive its owner";
}

TEST(SocketFile, LeavesAFileThatIsNotItsOwnAnyMore) {
  const TempDir dir;
  {
    ASSERT_TRUE(SocketFile::make(dir / "levee.sock", kRoot).has_value());
    auto file = SocketFile::make(dir / "levee.sock", kRoot);
    ASSERT_TRUE(file);
    fs::remove(dir / "levee.sock");
    leave_stale_socket(dir / "levee.sock");
  }
  EXPECT_TRUE(fs::exists(fs::symlink_status(dir / "levee.sock")));
}

TEST(SocketFile, ReplacesASocketNobodyAnswersOn) {
  const TempDir dir;
  leave_stale_socket(dir / "levee.sock");
  const auto file = SocketFile::make(dir / "levee.sock", kRoot);
  ASSERT_TRUE(file) << file.error().message;
  Wire::unix_socket(dir / "levee.sock");
}

TEST(SocketFile, RefusesASecondDaemonAndNamesTheFirst) {
  const TempDir dir;
  const auto first = SocketFile::make(dir / "levee.sock", kRoot);
  ASSERT_TRUE(first);
  const auto second = SocketFile::make(dir / "levee.sock", kRoot);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
  EXPECT_THAT(second.error().message, HasSubstr("is held by"));
  EXPECT_THAT(second.error().message, EndsWith(our_pid()));
  EXPECT_THAT(second.error().hint, HasSubstr("--socket"));
}

TEST(SocketFile, RefusesASocketThatAnswersThoughNobodyHoldsTheLock) {
  const TempDir dir;
  const auto first = SocketFile::make(dir / "levee.sock", kRoot);
  ASSERT_TRUE(first);
  fs::remove(dir / "levee.sock.lock");
  const auto second = SocketFile::make(dir / "levee.sock", kRoot);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
  EXPECT_THAT(second.error().message, EndsWith(our_pid()));
  EXPECT_TRUE(fs::exists(fs::symlink_status(dir / "levee.sock")));
}

TEST(SocketFile, RefusesASocketWhoseQueueIsFull) {
  const TempDir dir;
  const sources::Fd busy{::socket(AF_UNIX, SOCK_STREAM, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = dir / "levee.sock";
  std::memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(::bind(busy.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(busy.get(), 0), 0);
  const auto in_line = Wire::unix_socket(path);
  const auto second = SocketFile::make(path, kRoot);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
}

TEST(SocketFile, NeverTouchesAFileThatIsNoSocket) {
  const TempDir dir;
  std::ofstream{dir / "file"} << "precious";
  fs::create_directory(dir / "folder");
  leave_stale_socket(dir / "real.sock");
  fs::create_symlink(dir / "real.sock", dir / "link");
  fs::create_symlink(dir / "nowhere", dir / "dangling");
  for (const auto* name : {"file", "folder", "link", "dangling"}) {
    const auto made = SocketFile::make(dir / name, kRoot);
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code, ErrorCode::already_exists) << name;
    EXPECT_THAT(made.error().message, HasSubstr("is not a socket"));
    EXPECT_TRUE(fs::exists(fs::symlink_status(dir / name))) << name;
  }
  EXPECT_EQ(fs::file_size(dir / "file"), 8U);
}

TEST(SocketFile, RefusesPathsTheKernelCannotHold) {
  const TempDir dir;
  const auto fits = dir / std::string(107 - (dir / "").native().size(), 'a');
  ASSERT_EQ(fits.native().size(), 107U);
  EXPECT_TRUE(SocketFile::make(fits, kRoot));
  const auto longer = SocketFile::make(fits.native() + "a", kRoot);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(longer.error().message, HasSubstr("108 bytes long, the kernel takes at most 107"));
}

TEST(SocketFile, RefusesPathsThatAreNoFile) {
  const TempDir dir;
  for (const auto& path : {std::string{}, (dir / "").native(), std::string("/tmp/a\0b", 8)}) {
    const auto made = SocketFile::make(path, kRoot);
    ASSERT_FALSE(made) << path;
    EXPECT_EQ(made.error().code, ErrorCode::invalid_argument) << path;
  }
}

TEST(SocketFile, SaysWhichDirectoryCannotBeMade) {
  const TempDir dir;
  std::ofstream{dir / "file"} << "in the way";
  const auto made = SocketFile::make(dir / "file/levee.sock", kRoot);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr((dir / "file").native()));
}

TEST(SocketFile, DoesNotFollowALockThatIsALink) {
  const TempDir dir;
  std::ofstream{dir / "victim"} << "precious";
  fs::create_symlink(dir / "victim", dir / "levee.sock.lock");
  EXPECT_FALSE(SocketFile::make(dir / "levee.sock", kRoot));
  EXPECT_EQ(fs::file_size(dir / "victim"), 8U);
}

}  // namespace
}  // namespace levee::server
