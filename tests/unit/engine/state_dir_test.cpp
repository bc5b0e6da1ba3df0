#include "engine/state_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "support/child.hpp"
#include "support/temp_dir.hpp"

namespace levee::engine {
namespace {

using testing::HasSubstr;

constexpr uid_t kNobody = 65534;

std::string content(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::string attempt(const std::filesystem::path& directory) {
  const auto lock = StateDirLock::acquire(directory);
  return lock ? "acquired"
              : std::string(to_string(lock.error().code)) + ": " + lock.error().message;
}

TEST(StateDirLock, MakesTheDirectoryAndNamesItsHolder) {
  const test::TempDir temp;
  const auto lock = StateDirLock::acquire(temp / "a/b/state");
  ASSERT_TRUE(lock) << lock.error().message;
  EXPECT_EQ(content(temp / "a/b/state/levee.lock"), std::to_string(::getpid()) + "\n");
  struct stat info{};
  ASSERT_EQ(::stat((temp / "a/b/state").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07U, 0U) << "not for others";
}

TEST(StateDirLock, SecondDaemonIsRefusedWithThePidOfTheFirst) {
  const test::TempDir temp;
  const test::Child holder([&] {
    static auto lock = StateDirLock::acquire(temp / "state");
    return lock ? std::string("holds") : lock.error().message;
  });
  ASSERT_EQ(holder.said(), "holds");
  const auto second = StateDirLock::acquire(temp / "state");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
  EXPECT_THAT(second.error().message, HasSubstr("pid " + std::to_string(holder.pid())));
  EXPECT_THAT(second.error().message, HasSubstr((temp / "state").string()));
  EXPECT_FALSE(second.error().hint.empty());
}

TEST(PrivateDirectory, IsMadeForThisUserAloneAndTakenAgain) {
  const test::TempDir temp;
  ASSERT_TRUE(make_private_directory(temp / "mine"));
  EXPECT_EQ(std::filesystem::status(temp / "mine").permissions(),
            std::filesystem::perms::owner_all);
  EXPECT_TRUE(make_private_directory(temp / "mine"));
}

TEST(PrivateDirectory, RefusesWhatOthersMayHavePutThere) {
  using std::filesystem::perms;
  const test::TempDir temp;
  std::filesystem::create_directory(temp / "target");
  std::filesystem::permissions(temp / "target", perms::owner_all);
  std::filesystem::create_directory_symlink(temp / "target", temp / "link");
  temp.write("file", "");
  for (const perms others : {perms::group_read, perms::others_write, perms::others_exec}) {
    const auto open = temp / ("open" + std::to_string(static_cast<unsigned>(others)));
    std::filesystem::create_directory(open);
    std::filesystem::permissions(open, perms::owner_all | others);
    EXPECT_FALSE(make_private_directory(open)) << open;
  }
  for (const char* name : {"link", "file", "not/there"}) {
    const auto made = make_private_directory(temp / name);
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code, ErrorCode::permission_denied);
    EXPECT_THAT(made.error().hint, HasSubstr("--socket"));
  }
  if (::geteuid() == 0) {
    std::filesystem::create_directory(temp / "theirs");
    std::filesystem::permissions(temp / "theirs", perms::owner_all);
    ASSERT_EQ(::chown((temp / "theirs").c_str(), 65534, 65534), 0);
    EXPECT_FALSE(make_private_directory(temp / "theirs"));
  }
}

TEST(StateDirLock, DeathOfTheHolderLeavesOnlyAStaleFile) {
  const test::TempDir temp;
  test::Child holder([&] {
    static auto lock = StateDirLock::acquire(temp / "state");
    return std::string(lock ? "holds" : "refused");
  });
  ASSERT_EQ(attempt(temp / "state").substr(0, 14), "already_exists");
  holder.end();
  EXPECT_EQ(attempt(temp / "state"), "acquired");
}

TEST(StateDirLock, StaleFileIsWrittenAnew) {
  const test::TempDir temp;
  temp.write("state/levee.lock", "99999999999 some longer text of another program\n");
  const auto lock = StateDirLock::acquire(temp / "state");
  ASSERT_TRUE(lock);
  EXPECT_EQ(content(temp / "state/levee.lock"), std::to_string(::getpid()) + "\n");
}

TEST(StateDirLock, IsFreeAgainWhenLetGoAndMovesWithItsOwner) {
  const test::TempDir temp;
  {
    auto lock = StateDirLock::acquire(temp / "state");
    ASSERT_TRUE(lock);
    StateDirLock moved = std::move(*lock);
    EXPECT_EQ(attempt(temp / "state").substr(0, 14), "already_exists");
    auto other = StateDirLock::acquire(temp / "other");
    ASSERT_TRUE(other);
    *other = std::move(moved);
    EXPECT_EQ(attempt(temp / "state").substr(0, 14), "already_exists");
  }
  EXPECT_EQ(attempt(temp / "state"), "acquired");
  EXPECT_EQ(attempt(temp / "other"), "acquired");
}

TEST(StateDirLock, HolderThatWroteNothingIsStillNamed) {
  const test::TempDir temp;
  const auto lock = StateDirLock::acquire(temp / "state");
  ASSERT_TRUE(lock);
  ASSERT_EQ(::truncate((temp / "state/levee.lock").c_str(), 0), 0);
  EXPECT_THAT(attempt(temp / "state"), HasSubstr("another process"));
}

TEST(StateDirLock, PathThatIsNoDirectoryIsRefused) {
  const test::TempDir temp;
  temp.write("file", "x");
  std::filesystem::create_symlink(temp / "nowhere", temp / "dangling");
  std::filesystem::create_symlink(temp / "loop", temp / "loop");
  temp.write("linked/target", "precious");
  std::filesystem::create_symlink(temp / "linked/target", temp / "linked/levee.lock");
  std::filesystem::create_directories(temp / "odd/levee.lock");
  for (const std::filesystem::path& bad :
       {temp / "file", temp / "file/below", temp / "dangling", temp / "loop",
        temp / std::string(300, 'x'), std::filesystem::path(), temp / "linked", temp / "odd"}) {
    const auto lock = StateDirLock::acquire(bad);
    ASSERT_FALSE(lock) << bad;
    EXPECT_EQ(lock.error().code, ErrorCode::invalid_argument) << lock.error().message;
    EXPECT_THAT(lock.error().message, HasSubstr(bad.string()));
    EXPECT_FALSE(lock.error().hint.empty());
  }
  EXPECT_EQ(content(temp / "linked/target"), "precious") << "a link is not followed";
}

TEST(StateDirLock, UserWithoutPermissionIsToldSo) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to become another user";
  }
  const test::TempDir temp;
  std::filesystem::permissions(temp.path(), std::filesystem::perms{0755});
  std::filesystem::create_directory(temp / "roots");
  temp.write("locked/levee.lock", "1\n");
  std::filesystem::permissions(temp / "locked/levee.lock", std::filesystem::perms{0600});
  for (const char* name : {"new", "roots", "locked", "roots/below", "new/deep/er"}) {
    const test::Child other([&] { return attempt(temp / name); }, kNobody);
    EXPECT_THAT(other.said(), HasSubstr("permission_denied")) << name;
    EXPECT_THAT(other.said(), HasSubstr(name)) << name;
  }
}

}  // namespace
}  // namespace levee::engine
