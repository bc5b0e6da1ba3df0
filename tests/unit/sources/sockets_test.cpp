#include "sources/sockets.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "sources/file.hpp"
#include "tree.hpp"

namespace levee::sources {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kHeader =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n";

std::string line(std::string_view local, std::string_view remote, std::string_view state, uid_t uid,
                 std::uint64_t inode) {
  return fmt::format(
      "   0: {} {} {} 00000000:00000000 00:00000000 00000000 {:5}        0 {} 1 0000 100 0 0 10 "
      "0\n",
      local, remote, state, uid, inode);
}

TEST(ParseNetTcp, ReadsAddressesOfBothFamilies) {
  const auto sockets =
      parse_net_tcp(std::string(kHeader) + line("0100007F:1F90", "0200000A:C350", "01", 1000, 77) +
                    line("00000000000000000000000001000000:0050",
                         "00000000000000000000000000000000:0000", "0A", 0, 5) +
                    line("0000000000000000FFFF00000100007F:0051",
                         "0000000000000000FFFF00000100007F:0052", "01", 3, 6));
  ASSERT_THAT(sockets, SizeIs(3));
  EXPECT_EQ(sockets[0].local, (TcpEndpoint{"127.0.0.1", 8080}));
  EXPECT_EQ(sockets[0].remote, (TcpEndpoint{"10.0.0.2", 50000}));
  EXPECT_EQ(sockets[0].state, 1);
  EXPECT_EQ(sockets[0].uid, 1000U);
  EXPECT_EQ(sockets[0].inode, 77U);
  EXPECT_EQ(sockets[1].local, (TcpEndpoint{"::1", 80}));
  EXPECT_EQ(sockets[1].state, 10);
  EXPECT_EQ(sockets[2].local, (TcpEndpoint{"127.0.0.1", 81}));
}

TEST(ParseNetTcp, SkipsLinesThatMakeNoSense) {
  for (const std::string& text :
       {std::string(), std::string(kHeader), std::string("\n\n"), std::string("0: 0100007F:1F90"),
        line("0100007F", "0200000A:C350", "01", 0, 1),
        line("0100007F:1F9", "0200000A:C350", "01", 0, 1),
        line("0100007F:1F90F", "0200000A:C350", "01", 0, 1),
        line("010007F:1F90", "0200000A:C350", "01", 0, 1),
        line("0100007G:1F90", "0200000A:C350", "01", 0, 1),
        line("0100007F0100007F:1F90", "0200000A:C350", "01", 0, 1),
        line("0100007F:1F90", "0200000A:C350", "zz", 0, 1),
        line("-100007F:1F90", "0200000A:C350", "01", 0, 1)}) {
    EXPECT_THAT(parse_net_tcp(text), IsEmpty()) << text;
  }
}

TEST(UserOfConnection, IsTheOwnerOfTheEstablishedSocket) {
  const Tree tree;
  tree.write("/proc/net/tcp", std::string(kHeader) +
                                  line("0100007F:1F90", "0100007F:C350", "01", 0, 7) +
                                  line("0100007F:C350", "0100007F:1F90", "01", 1000, 8));
  const TcpEndpoint client{"127.0.0.1", 50000};
  const TcpEndpoint server{"127.0.0.1", 8080};
  EXPECT_EQ(user_of_connection(tree.root(), client, server), 1000U);
  EXPECT_EQ(user_of_connection(tree.root(), server, client), 0U);
}

TEST(UserOfConnection, SeesThroughMappedAddresses) {
  const Tree tree;
  tree.write("/proc/net/tcp6",
             std::string(kHeader) + line("0000000000000000FFFF00000100007F:C350",
                                         "0000000000000000FFFF00000100007F:1F90", "01", 1001, 8));
  EXPECT_EQ(user_of_connection(tree.root(), {"127.0.0.1", 50000}, {"::ffff:127.0.0.1", 8080}),
            1001U);
}

TEST(UserOfConnection, NeverTakesAnOrphanForRoot) {
  const Tree tree;
  // A socket nobody holds any more is shown with uid 0 and inode 0.
  tree.write("/proc/net/tcp", line("0100007F:C350", "0100007F:1F90", "01", 0, 0) +
                                  line("0100007F:C351", "0100007F:1F90", "06", 0, 9));
  EXPECT_FALSE(user_of_connection(tree.root(), {"127.0.0.1", 50000}, {"127.0.0.1", 8080}));
  EXPECT_FALSE(user_of_connection(tree.root(), {"127.0.0.1", 50001}, {"127.0.0.1", 8080}));
}

TEST(UserOfConnection, IsUnknownWithoutTheFiles) {
  const Tree tree;
  EXPECT_FALSE(user_of_connection(tree.root(), {"127.0.0.1", 1}, {"127.0.0.1", 2}));
}

TEST(UserOfConnection, FindsTheLastOfManySockets) {
  const Tree tree;
  std::string text(kHeader);
  for (int i = 0; i < 2000; ++i) {
    text += line("0100007F:0001", "0100007F:0002", "01", 5, 6);
  }
  text += line("0100007F:C350", "0100007F:1F90", "01", 1000, 8);
  tree.write("/proc/net/tcp", text);
  EXPECT_EQ(user_of_connection(tree.root(), {"127.0.0.1", 50000}, {"127.0.0.1", 8080}), 1000U);
  tree.write("/proc/net/tcp", std::string(100000, 'x') + "\n" + text);
  EXPECT_EQ(user_of_connection(tree.root(), {"127.0.0.1", 50000}, {"127.0.0.1", 8080}), 1000U);
}

TEST(HolderOfPort, NamesTheProcessBehindTheListener) {
  const Tree tree;
  tree.write("/proc/net/tcp", line("00000000:1F90", "00000000:0000", "0A", 1000, 4321));
  tree.write("/proc/90/cmdline", std::string("python3\0serve.py\0", 17));
  tree.link("/proc/90/fd/0", "/dev/null");
  tree.link("/proc/90/fd/5", "socket:[4321]");
  tree.link("/proc/91/fd/5", "socket:[43210]");
  const auto holder = holder_of_port(tree.root(), 8080);
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->uid, 1000U);
  EXPECT_EQ(holder->pid, 90);
  EXPECT_EQ(holder->command, "python3 serve.py");
}

TEST(HolderOfPort, KnowsTheUserEvenIfTheProcessIsHidden) {
  const Tree tree;
  tree.write("/proc/net/tcp6", line("00000000000000000000000000000000:1F90",
                                    "00000000000000000000000000000000:0000", "0A", 33, 4321));
  const auto holder = holder_of_port(tree.root(), 8080);
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->uid, 33U);
  EXPECT_FALSE(holder->pid);
}

TEST(HolderOfPort, IsNobodyForAFreePortOrAMereConnection) {
  const Tree tree;
  tree.write("/proc/net/tcp", line("0100007F:1F90", "0100007F:C350", "01", 0, 7));
  EXPECT_FALSE(holder_of_port(tree.root(), 8080));
  EXPECT_FALSE(holder_of_port(tree.root(), 1));
}

/// A listener and a client on the real loopback interface.
TEST(RealSockets, AreTracedToThisProcess) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(listener.get(), raw, size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), raw, &size), 0);
  const std::uint16_t port = ntohs(address.sin_port);
  ASSERT_EQ(::connect(client.get(), raw, size), 0);
  ASSERT_EQ(::getsockname(client.get(), raw, &size), 0);

  const auto holder = holder_of_port(Root{}, port);
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->pid, ::getpid());
  EXPECT_EQ(holder->uid, ::geteuid());
  EXPECT_NE(holder->command.find("test_sources"), std::string::npos);
  EXPECT_EQ(user_of_connection(Root{}, {"127.0.0.1", ntohs(address.sin_port)}, {"127.0.0.1", port}),
            ::geteuid());
}

}  // namespace
}  // namespace levee::sources
