#include "api/authorize.hpp"

#include <gmock/gmock.h>

namespace levee::api {
namespace {

using testing::HasSubstr;

constexpr Authority kAuthority{.daemon_uid = 990};
constexpr std::optional<uid_t> kUnknown;

struct Row {
  Action action;
  std::optional<uid_t> uid;
  bool allowed;
};

TEST(Authorize, FollowsTheTableForEveryActionAndPeer) {
  constexpr uid_t kRoot = 0;
  constexpr uid_t kDaemon = 990;
  constexpr uid_t kOther = 1000;
  const Row rows[] = {
      {Action::read, kRoot, true},         {Action::read, kDaemon, true},
      {Action::read, kOther, true},        {Action::read, kUnknown, true},
      {Action::book_own, kRoot, true},     {Action::book_own, kDaemon, true},
      {Action::book_own, kOther, true},    {Action::book_own, kUnknown, false},
      {Action::manage_own, kRoot, true},   {Action::manage_own, kDaemon, true},
      {Action::manage_own, kOther, true},  {Action::manage_own, kUnknown, false},
      {Action::administer, kRoot, true},   {Action::administer, kDaemon, true},
      {Action::administer, kOther, false}, {Action::administer, kUnknown, false},
  };
  for (const Row& row : rows) {
    for (const auto via : {Peer::Via::unix_socket, Peer::Via::loopback}) {
      const auto result = authorize(kAuthority, Peer{.via = via, .uid = row.uid}, row.action);
      EXPECT_EQ(result.has_value(), row.allowed)
          << "action " << static_cast<int>(row.action) << " uid "
          << (row.uid ? static_cast<int>(*row.uid) : -1);
      if (!result) {
        EXPECT_EQ(result.error().code, ErrorCode::permission_denied);
        EXPECT_FALSE(result.error().hint.empty());
      }
    }
  }
}

TEST(Authorize, SaysWhoAskedAndWhoMay) {
  const auto result =
      authorize(kAuthority, Peer{.via = Peer::Via::loopback, .uid = 1000}, Action::administer);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("1000"));
  EXPECT_THAT(result.error().hint, HasSubstr("990"));
}

TEST(Authorize, LetsAUserActOnTheirOwnAndAdministratorsOnAll) {
  const auto allows = [](std::optional<uid_t> uid) {
    return authorize(kAuthority, Peer{.via = Peer::Via::unix_socket, .uid = uid}, uid_t{1000})
        .has_value();
  };
  EXPECT_TRUE(allows(1000));
  EXPECT_TRUE(allows(0));
  EXPECT_TRUE(allows(990));
  EXPECT_FALSE(allows(1001));
  EXPECT_FALSE(allows(kUnknown));
}

bool accepts(std::string_view host, std::string_view origin = {}) {
  return check_origin(Peer::Via::loopback, host, origin).has_value();
}

TEST(CheckOrigin, AcceptsTheNamesOfLoopback) {
  for (const char* host :
       {"localhost", "localhost:8000", "LocalHost:8000", "127.0.0.1", "127.0.0.1:8000",
        "127.0.0.53:1", "127.255.255.254:65535", "[::1]", "[::1]:8000"}) {
    EXPECT_TRUE(accepts(host)) << host;
  }
}

TEST(CheckOrigin, RefusesEveryOtherName) {
  for (const char* host : {"",
                           " ",
                           "evil.example",
                           "evil.example:8000",
                           "localhost.evil.example",
                           "evil.localhost",
                           "127.0.0.1.evil.example",
                           "127.0.0.1.",
                           "127.0.0",
                           "127.0.0.256",
                           "127.0.0.1.1",
                           "128.0.0.1",
                           "0.0.0.0",
                           "10.0.0.1",
                           "0127.0.0.1",
                           "127.0.0.+1",
                           "127..0.1",
                           "::1",
                           "[::1",
                           "[::2]",
                           "[::ffff:127.0.0.1]",
                           "localhost:",
                           "localhost:0",
                           "localhost:65536",
                           "localhost:80a",
                           "localhost:-1",
                           "localhost:80:80",
                           "user@localhost",
                           "localhost/",
                           "localhost,evil.example",
                           "2130706433",
                           "0x7f.0.0.1",
                           "[::1]x",
                           "[::1]:80x",
                           "127.0.0.1\t"}) {
    EXPECT_FALSE(accepts(host)) << host;
  }
}

TEST(CheckOrigin, AcceptsThePageOfTheSamePlace) {
  EXPECT_TRUE(accepts("localhost:8000", "http://localhost:8000"));
  EXPECT_TRUE(accepts("localhost:8000", "http://LOCALHOST:8000"));
  EXPECT_TRUE(accepts("[::1]:8000", "http://[::1]:8000"));
  EXPECT_TRUE(accepts("localhost:80", "http://localhost"));
  EXPECT_TRUE(accepts("localhost", "http://localhost:80"));
}

TEST(CheckOrigin, RefusesPagesOfAnyOtherPlace) {
  for (const char* origin :
       {"null", "http://evil.example", "http://evil.example:8000", "https://localhost:8000",
        "http://localhost", "http://localhost:3000", "http://127.0.0.1:8000", "localhost:8000",
        "http://localhost:8000.evil.example", "http://localhost:8000/", "file://",
        "http://localhost:8000@evil.example", "http://localhost:8000 http://evil.example",
        "HTTP:"}) {
    EXPECT_FALSE(accepts("localhost:8000", origin)) << origin;
  }
}

TEST(CheckOrigin, AsksNothingOfAUnixSocket) {
  EXPECT_TRUE(check_origin(Peer::Via::unix_socket, "", "").has_value());
  EXPECT_TRUE(check_origin(Peer::Via::unix_socket, "whatever", "null").has_value());
}

TEST(CheckOrigin, QuotesNoMoreOfALongHostThanAMessageNeeds) {
  const auto result = check_origin(Peer::Via::loopback, std::string(10'000, 'x'), "");
  ASSERT_FALSE(result.has_value());
  EXPECT_LT(result.error().message.size(), 400U);
}

}  // namespace
}  // namespace levee::api
