// A random day at the ledger: requests, releases, deaths, expiries and readings in any order, over
// any store. After each step the book is recounted by other means than its own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "ledger/store.hpp"
#include "unit/ledger/ledger_values.hpp"

namespace levee::test {

class RandomDay {
 public:
  RandomDay(Store& store, std::uint32_t seed)
      : store_(store), random_(seed), office_(machine({gpu(0), gpu(1, 40), gpu(2, 40)}, 64)) {
    office_.rules.device_reserve = gib(1);
    office_.rules.host_reserve = gib(2);
    office_.rules.most_leases_per_user = 12;
  }

  /// One step; what was answered is added to the transcript.
  void step() {
    const auto decided = store_.transact([this](Book& book) {
      std::swap(office_.book, book);
      act();
      recount();
      std::swap(office_.book, book);
    });
    ASSERT_TRUE(decided) << decided.error().message;
  }

  /// Everybody goes home: nothing may be left.
  void close() {
    const auto decided = store_.transact([this](Book& book) {
      std::swap(office_.book, book);
      for (pid_t pid = 1; pid <= kOwners; ++pid) {
        office_.dead.insert(pid);
      }
      tell("close", office_.settle());
      office_.supply.uses.clear();
      for (DeviceSupply& device : office_.supply.devices) {
        device.used = Bytes{};
      }
      EXPECT_TRUE(office_.book.leases().empty());
      for (const DeviceBalance& each : office_.balance().devices) {
        EXPECT_EQ(each.available, each.capacity);
      }
      std::swap(office_.book, book);
    });
    ASSERT_TRUE(decided) << decided.error().message;
  }

  [[nodiscard]] const std::string& transcript() const { return transcript_; }

 private:
  static constexpr pid_t kOwners = 6;
  static constexpr int kIds = 20;

  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  std::string any_id() { return "lease-" + std::to_string(pick(kIds)); }

  void tell(std::string_view what, const std::vector<std::string>& more) {
    transcript_ += what;
    for (const std::string& each : more) {
      transcript_ += "; " + each;
    }
    transcript_ += '\n';
  }

  void act() {
    office_.now.mono += std::chrono::milliseconds{1 + pick(3000)};
    office_.now.wall += std::chrono::milliseconds{1};
    switch (pick(9)) {
      case 0:
      case 1:
      case 2:
        return ask();
      case 3:
      case 4:
        return release();
      case 5:
        return die();
      case 6:
        return read();
      case 7:
        return resize();
      default:
        return tell("settle", settle());
    }
  }

  /// Serves the line, as everything that changes the book does.
  std::vector<std::string> settle() {
    const auto told = office_.settle();
    for (const std::string& each : told) {
      if (each.starts_with("granted ")) {
        check_grant(each.substr(8));
      }
    }
    return told;
  }

  void ask() {
    Request request = any_gpu(any_id(), static_cast<unsigned>(1 + pick(45)),
                              static_cast<pid_t>(1 + pick(kOwners)));
    switch (pick(6)) {
      case 0:
        request.demand.any_devices = 2;
        break;
      case 1:
        request.demand.any_devices = 0;
        request.demand.named = {{uuid_of(pick(3)), gib(static_cast<unsigned>(1 + pick(50)))}};
        break;
      case 2:
        request.demand.host = gib(static_cast<unsigned>(1 + pick(40)));
        break;
      case 3:
        request.demand.within = any_id();
        request.demand.any_devices = 0;
        request.demand.named = {{uuid_of(pick(3)), gib(static_cast<unsigned>(1 + pick(10)))}};
        break;
      default:
        break;
    }
    request.demand.priority = -pick(3);
    request.demand.placement =
        std::array{Placement::best_fit, Placement::spread, Placement::pack}.at(
            static_cast<unsigned>(pick(3)));
    if (pick(2) == 0) {
      request.wait = std::chrono::seconds{pick(60)};
    }
    if (pick(4) == 0) {
      request.ttl = std::chrono::seconds{1 + pick(30)};
    }
    office_.dead.erase(request.owner.pid);
    const bool was_there = office_.book.find(request.id) != nullptr;
    const Answer answer = office_.ask(request, pick(2) == 0 ? kMarie : kNoor);
    if (was_there) {
      EXPECT_EQ(answer.outcome, Outcome::denied) << request.id << " exists";
    }
    std::ostringstream line;
    line << "ask " << request.id << ' ' << static_cast<int>(answer.outcome) << ' ' << answer.place
         << ' ' << answer.denial.error.message;
    for (const DeviceShare& share : answer.lease.shares) {
      line << ' ' << share.uuid << '=' << share.bytes.count;
    }
    tell(line.str(), {});
    if (answer.outcome == Outcome::granted) {
      check_grant(request.id);
    }
  }

  void release() {
    const std::string id = any_id();
    const auto released = office_.release(id, pick(2) == 0 ? kMarie : kNoor);
    office_.supply.uses.erase(id);  // Its use is nobody's from now on.
    tell("release " + id + (released ? " ok" : " " + released.error().message), settle());
  }

  void resize() {
    const std::string id = any_id();
    // No request asks for such an amount, so that none is overtaken.
    const Bytes each = gib(static_cast<unsigned>(pick(40))) + mib(1);
    const Lease before = office_.book.find(id) != nullptr ? *office_.book.find(id) : Lease{};
    const Answer answer = office_.resize(id, each, pick(2) == 0 ? kMarie : kNoor);
    if (answer.outcome != Outcome::granted && office_.book.find(id) != nullptr) {
      EXPECT_EQ(*office_.book.find(id), before) << "a refusal changes nothing";
    }
    tell("resize " + id + " " + answer.denial.error.message, settle());
    const bool has_grown = std::ranges::any_of(
        before.shares, [each](const DeviceShare& share) { return share.bytes < each; });
    if (answer.outcome == Outcome::granted && has_grown && office_.book.find(id) != nullptr) {
      check_grant(id);
    }
  }

  void die() {
    const auto pid = static_cast<pid_t>(1 + pick(kOwners));
    office_.dead.insert(pid);
    tell("die " + std::to_string(pid), settle());
  }

  /// A new reading: jobs use some of their promise or more, others come and go.
  void read() {
    office_.supply.uses.clear();
    for (DeviceSupply& device : office_.supply.devices) {
      device.used = gib(static_cast<unsigned>(pick(3) == 0 ? pick(20) : 0));
    }
    for (const auto& [id, lease] : office_.book.leases()) {
      if (!lease.is_granted() || !lease.demand.within.empty() || pick(2) == 0) {
        continue;
      }
      Use& use = office_.supply.uses[id];
      for (const DeviceShare& share : lease.shares) {
        const Bytes used{share.bytes.count / 4 * static_cast<unsigned>(pick(6))};
        use.devices.push_back({share.uuid, used});
        for (DeviceSupply& device : office_.supply.devices) {
          if (device.uuid == share.uuid) {
            device.used += used;
          }
        }
      }
    }
    tell("read", settle());
  }

  using Sums = std::map<std::pair<std::string, std::string>, Bytes>;  ///< By account and device.

  /// Leases of one process are one account.
  static std::string account_of(const Lease& lease) {
    return "process " + std::to_string(lease.owner.pid);
  }

  /// What each account is promised on each device, counted lease by lease.
  [[nodiscard]] Sums promised() const {
    Sums own;
    Sums inner;
    for (const auto& [id, lease] : office_.book.leases()) {
      for (const DeviceShare& share : lease.shares) {
        (lease.demand.within.empty() ? own : inner)[{lease.account(), share.uuid}] += share.bytes;
      }
    }
    for (const auto& [key, bytes] : inner) {
      own[key] = std::max(own[key], bytes);
    }
    Sums sums;
    for (const auto& [key, bytes] : own) {
      sums[{account_of(*office_.book.find(key.first)), key.second}] += bytes;
    }
    return sums;
  }

  [[nodiscard]] Sums used() const {
    Sums sums;
    for (const auto& [id, use] : office_.supply.uses) {
      const Lease* const lease = office_.book.find(id);
      for (const DeviceShare& share : use.devices) {
        if (lease != nullptr && lease->is_granted() && lease->demand.within.empty()) {
          sums[{account_of(*lease), share.uuid}] += share.bytes;
        }
      }
    }
    return sums;
  }

  void recount() {
    const auto sums = promised();
    for (const DeviceSupply& device : office_.supply.devices) {
      Bytes total;
      for (const auto& [key, bytes] : sums) {
        total += key.second == device.uuid ? bytes : Bytes{};
      }
      EXPECT_LE(total, device.total - gib(1)) << device.uuid << " is promised twice";
      EXPECT_EQ(total, office_.balance().find(device.uuid)->promised);
    }
    Bytes host;
    for (const auto& [id, lease] : office_.book.leases()) {
      if (lease.is_granted()) {
        host += lease.demand.host;
        EXPECT_FALSE(lease.shares.empty() && lease.demand.host.count == 0) << id;
      } else {
        EXPECT_TRUE(lease.shares.empty()) << id;
      }
    }
    EXPECT_LE(host, gib(62));
    check_order();
  }

  /// Just granted: what is promised and what is used besides fit together.
  void check_grant(const std::string& id) {
    const Lease& lease = *office_.book.find(id);
    const Sums promises = promised();
    Sums uses = used();
    for (const DeviceShare& share : lease.shares) {
      Bytes committed;
      Bytes used_by_accounts;
      for (const auto& [key, bytes] : promises) {
        if (key.second == share.uuid) {
          committed += std::max(bytes, uses[key]);
          used_by_accounts += uses[key];
        }
      }
      const auto device =
          std::ranges::find(office_.supply.devices, share.uuid, &DeviceSupply::uuid);
      committed += device->used - used_by_accounts;
      // A lease within another that fits into it is granted whatever the device has.
      if (lease.demand.within.empty()) {
        EXPECT_LE(committed, device->total - gib(1)) << id << " on " << share.uuid;
      }
    }
  }

  /// Nobody waits behind an equal request that came later.
  void check_order() const {
    for (const Lease* waits : office_.book.queue()) {
      for (const auto& [id, lease] : office_.book.leases()) {
        const bool is_later = lease.ticket > waits->ticket && lease.is_granted();
        EXPECT_FALSE(is_later && lease.demand == waits->demand) << id << " overtook " << waits->id;
      }
    }
  }

  Store& store_;
  std::mt19937 random_;
  Office office_;
  std::string transcript_;
};

}  // namespace levee::test
