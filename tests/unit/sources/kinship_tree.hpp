// A small machine whose processes are kin by their parents, tags and cgroups.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "sources/kinship.hpp"
#include "sources/proc_text.hpp"
#include "unit/sources/tree.hpp"

namespace levee::sources {

using namespace std::chrono_literals;
using namespace std::string_literals;

inline constexpr auto kNobody = std::nullopt;
inline constexpr MonoTime kStart = MonoTime{} + 1000s;

/// A machine that has only just started.
struct Machine : Tree {
  Machine() {
    write("/proc/sys/kernel/random/boot_id", "4b1c6b66-7e01-4b52-9f0a-1c9d2a7f0e11\n");
    put({.pid = 1, .start = 1, .comm = "init", .uid = 0, .parent = 0});
    put({.pid = 2, .start = 1, .comm = "kthreadd", .uid = 0, .parent = 0, .kernel_thread = true});
  }
};

class KinshipTree : public testing::Test {
 protected:
  [[nodiscard]] ProcessId id(pid_t pid, std::uint64_t start) const {
    return {read_boot_id(tree.root()), pid, start};
  }
  /// Pids rise with time in this tree.
  [[nodiscard]] ProcessId id(pid_t pid) const {
    return id(pid, 1000 + static_cast<std::uint64_t>(pid));
  }
  [[nodiscard]] Kin kin(std::string account, pid_t owner, uid_t uid = 1000) const {
    return {
        .account = std::move(account), .owner = owner == 0 ? ProcessId{} : id(owner), .uid = uid};
  }

  struct Who {
    pid_t pid = 0;
    pid_t parent = 1;
    const char* tag = "";
    uid_t uid = 1000;
    std::uint64_t pages = 10;
    const char* comm = "worker";
  };
  void put(const Who& who) const {
    tree.put({.pid = who.pid,
              .pages = who.pages,
              .start = id(who.pid).start_ticks,
              .comm = who.comm,
              .uid = who.uid,
              .parent = who.parent});
    tag(who.pid, who.tag);
  }
  void tag(pid_t pid, const std::string& account) const {
    tree.write(fmt::format("/proc/{}/environ", pid),
               "PATH=/bin\0"s + (account.empty() ? "" : "LEVEE_LEASE=" + account + "\0"s));
  }

  /// A second later.
  void refresh() {
    now += 1s;
    ASSERT_TRUE(kinship.refresh(now));
  }
  std::optional<std::string> account_of(pid_t pid) { return kinship.account_of(id(pid), now); }
  /// Pages in use, by account.
  std::map<std::string, std::uint64_t> pages() {
    std::map<std::string, std::uint64_t> pages;
    for (const auto& [account, use] : kinship.host_use()) {
      pages[account] = use.rss.count / page_size();
    }
    return pages;
  }

  Machine tree;
  Kinship kinship{tree.root()};
  MonoTime now = kStart;
};

}  // namespace levee::sources
