#include "server/listen_address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::server {
namespace {

using ::testing::HasSubstr;

ListenAddress parsed(std::string_view text) {
  const auto address = parse_listen(text);
  return address && *address ? **address : ListenAddress{};
}

TEST(ParseListen, TakesLoopbackAddresses) {
  EXPECT_EQ(parsed("127.0.0.1:8000"), (ListenAddress{false, "127.0.0.1", 8000}));
  EXPECT_EQ(parsed("127.8.9.10:1"), (ListenAddress{false, "127.8.9.10", 1}));
  EXPECT_EQ(parsed("[::1]:65535"), (ListenAddress{true, "::1", 65535}));
  EXPECT_EQ(parsed("[0:0:0:0:0:0:0:1]:80"), (ListenAddress{true, "::1", 80}));
  EXPECT_EQ(parsed("localhost:0"), (ListenAddress{false, "127.0.0.1", 0}));
}

TEST(ParseListen, OffIsNoAddress) {
  const auto address = parse_listen("off");
  ASSERT_TRUE(address);
  EXPECT_FALSE(*address);
}

TEST(ParseListen, RefusesWiderAddressesAndSaysWhatTheyWouldNeed) {
  for (const auto* text : {"0.0.0.0:8000", "192.168.1.4:8000", "128.0.0.1:80", "10.0.0.1:1",
                           "[::]:8000", "[fe80::1]:80", "[::ffff:127.0.0.1]:80", "[1::1]:80"}) {
    const auto address = parse_listen(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(address.error().message, HasSubstr("is not a loopback address"));
    EXPECT_THAT(address.error().hint, HasSubstr("token and TLS"));
  }
}

TEST(ParseListen, RefusesWhatIsNoAddress) {
  using namespace std::string_view_literals;
  for (const auto text : {""sv,
                          ":"sv,
                          "8000"sv,
                          ":8000"sv,
                          "127.0.0.1"sv,
                          "127.0.0.1:"sv,
                          "127.0.0.1:65536"sv,
                          "127.0.0.1:-1"sv,
                          "127.0.0.1:+80"sv,
                          "127.0.0.1: 80"sv,
                          "127.0.0.1:80 "sv,
                          "127.0.0.1:0x50"sv,
                          "127.0.0.1:99999999999999999999"sv,
                          "127.0.0.1:http"sv,
                          "127.1:80"sv,
                          "127.0.0.256:80"sv,
                          "::1:8000"sv,
                          "::1"sv,
                          "[::1]"sv,
                          "[::1]8000"sv,
                          "[::1:8000"sv,
                          "::1]:80"sv,
                          "[]:80"sv,
                          "[127.0.0.1]:80"sv,
                          "[fe80::1%lo]:80"sv,
                          "[localhost]:80"sv,
                          "example.com:80"sv,
                          "OFF"sv,
                          "off:80"sv,
                          "127.0.0.1\0:80"sv,
                          "127.0.0.1:80\0"sv}) {
    const auto address = parse_listen(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_THAT(address.error().hint, HasSubstr("127.0.0.1:8000")) << text;
  }
}

}  // namespace
}  // namespace levee::server
