// A machine and requests of round figures for tests of the ledger: gigabytes, GPUs of 80 GB without
// reserves, users 1000 and 1001.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ledger/admission.hpp"
#include "support/values.hpp"

namespace levee::test {

using namespace ledger;  // NOLINT(google-build-using-namespace): the tests are about nothing else.

inline constexpr Requester kMarie{.uid = 1000, .is_administrator = false};
inline constexpr Requester kNoor{.uid = 1001, .is_administrator = false};
inline constexpr Requester kRoot{.uid = 0, .is_administrator = true};

inline std::string uuid_of(int index) { return "GPU-" + std::to_string(index); }

inline DeviceSupply gpu(int index, std::uint64_t total_gb = 80) {
  DeviceSupply device;
  device.uuid = uuid_of(index);
  device.index = index;
  device.name = "Sim A100";
  device.total = gib(total_gb);
  device.capability = ComputeCapability{8, 0};
  return device;
}

inline Supply machine(std::vector<DeviceSupply> devices, std::uint64_t host_gb = 100) {
  return {.devices = std::move(devices),
          .devices_known = true,
          .host = HostSupply{.total = gib(host_gb), .available = gib(host_gb)},
          .uses = {}};
}

inline Rules no_reserves() {
  Rules rules;
  rules.device_reserve = Bytes{};
  rules.host_reserve = Bytes{};
  return rules;
}

inline ProcessId process(pid_t pid) {
  return {BootId{1, 2}, pid, 100U + static_cast<unsigned>(pid)};
}

/// So many GB on any GPU.
inline Request any_gpu(std::string id, std::uint64_t gb, pid_t owner = 1) {
  Request request;
  request.id = std::move(id);
  request.demand.any_devices = 1;
  request.demand.bytes_each = gib(gb);
  request.owner = process(owner);
  return request;
}

inline Request on_gpu(std::string id, int index, std::uint64_t gb) {
  Request request;
  request.id = std::move(id);
  request.demand.named = {{uuid_of(index), gib(gb)}};
  request.owner = process(1);
  return request;
}

inline Request of_host(std::string id, std::uint64_t gb) {
  Request request;
  request.id = std::move(id);
  request.demand.host = gib(gb);
  request.owner = process(1);
  return request;
}

inline Request waiting(Request request, std::chrono::seconds wait = std::chrono::minutes{10}) {
  request.wait = wait;
  return request;
}

/// A book, and the machine it is about.
struct Office {
  explicit Office(Supply has) : supply(std::move(has)) {}

  Supply supply;
  Rules rules = no_reserves();
  Book book;
  Now now = at(0s);
  std::set<pid_t> dead;

  [[nodiscard]] Scene scene() const { return {supply, rules, now}; }
  Answer ask(const Request& request, const Requester& who = kMarie) {
    return ledger::ask(book, scene(), request, who);
  }
  bool grants(const Request& request, const Requester& who = kMarie) {
    return ask(request, who).outcome == Outcome::granted;
  }
  Result<std::vector<Lease>> release(std::string_view id, const Requester& who = kMarie) {
    return ledger::release(book, id, who);
  }
  Answer resize(std::string_view id, Bytes each, const Requester& who = kMarie) {
    return ledger::resize(book, scene(), id, each, who);
  }
  /// A sample: what is over ends, and the line is served. "granted a", "owner_ended b".
  std::vector<std::string> settle() {
    std::vector<std::string> told;
    const auto tell = [&](const std::vector<Happening>& happened) {
      for (const Happening& each : happened) {
        told.push_back(std::string(to_string(each.kind)) + " " + each.lease.id);
      }
    };
    tell(expire(book, now, [this](const ProcessId& owner) { return !dead.contains(owner.pid); }));
    tell(serve(book, scene()));
    return told;
  }
  [[nodiscard]] Balance balance() const { return ledger::balance(book, supply, rules); }
  [[nodiscard]] Bytes available(int index) const {
    return balance().find(uuid_of(index))->available;
  }
};

}  // namespace levee::test
