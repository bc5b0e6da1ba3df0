#include "cli/sd_notify.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>

namespace levee::cli {
namespace {

/// The service manager's end: a bound datagram socket. '@' begins an abstract name.
class Manager {
 public:
  explicit Manager(std::string name) : name_(std::move(name)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (name_.front() == '@') {
      address.sun_path[0] = '\0';
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), length), 0) << name_;
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager() {
    ::close(fd_);
    if (name_.front() == '/') {
      std::filesystem::remove(name_);
    }
  }

  [[nodiscard]] std::string received() const {
    std::array<char, 256> buffer{};
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    return size < 0 ? "(nothing)" : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

 private:
  std::string name_;
  int fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

std::string unique_name(std::string_view prefix) {
  return std::string(prefix) + "levee-notify-" + std::to_string(::getpid());
}

TEST(SdNotify, ReachesASocketFile) {
  const std::string name = unique_name("/tmp/");
  const Manager manager(name);
  EXPECT_TRUE(sd_notify(name, "READY=1").has_value());
  EXPECT_EQ(manager.received(), "READY=1");
}

TEST(SdNotify, ReachesAnAbstractSocket) {
  const std::string name = unique_name("@");
  const Manager manager(name);
  EXPECT_TRUE(sd_notify(name, "RELOADING=1\nMONOTONIC_USEC=5").has_value());
  EXPECT_EQ(manager.received(), "RELOADING=1\nMONOTONIC_USEC=5");
}

TEST(SdNotify, IsSilentWithoutAServiceManager) {
  EXPECT_TRUE(sd_notify("", "READY=1").has_value());
}

TEST(SdNotify, RefusesAddressesThatAreNone) {
  for (const std::string& name :
       {std::string("levee.sock"), std::string("vsock:2:1234"), std::string(200, '/')}) {
    const auto told = sd_notify(name, "READY=1");
    ASSERT_FALSE(told.has_value()) << name;
    EXPECT_EQ(told.error().code, ErrorCode::invalid_argument);
  }
}

TEST(SdNotify, ReportsAManagerThatIsGone) {
  const auto told = sd_notify("/nonexistent/notify", "READY=1");
  ASSERT_FALSE(told.has_value());
  EXPECT_EQ(told.error().code, ErrorCode::unavailable);
}

Surroundings with(std::map<std::string, std::string> environment) {
  return {.environment = std::move(environment), .uid = 0, .out = {}};
}

TEST(WatchdogPeriod, IsHalfOfWhatIsAsked) {
  EXPECT_EQ(watchdog_period(with({{"WATCHDOG_USEC", "30000000"}}), 7), std::chrono::seconds{15});
  EXPECT_EQ(watchdog_period(with({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", "7"}}), 7),
            std::chrono::seconds{15});
}

TEST(WatchdogPeriod, IsNoneForAnotherProcessOrNonsense) {
  EXPECT_EQ(watchdog_period(with({}), 7), std::nullopt);
  EXPECT_EQ(watchdog_period(with({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", "8"}}), 7),
            std::nullopt);
  for (const char* text : {"", "0", "-1", "30s", "1e6", "99999999999999999999"}) {
    EXPECT_EQ(watchdog_period(with({{"WATCHDOG_USEC", text}}), 7), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace levee::cli
