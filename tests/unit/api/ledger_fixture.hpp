// A ledger without threads: the real admission on a book of the test's own, asked through a port.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ledger/balance.hpp"
#include "unit/api/gpu_fixture.hpp"

namespace levee::api {

inline constexpr const char* kUuid = "GPU-00000000-aaaa";  ///< Of GPU 0.

/// A member that is a text; empty for others.
inline std::string text_of(const Json& json, const char* name) {
  return json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : "";
}

inline constexpr pid_t kOwnPid = 5204;       ///< Of kOtherUid, the usual one who asks.
inline constexpr pid_t kStrangersPid = 812;  ///< Of somebody else.

/// GPUs 0 and 1 of the example: 8192 MB, 3072 of them in use by nobody's account, 512 reserved.
class Ledger {
 public:
  Ledger() {
    for (const int index : {0, 1}) {
      ledger::DeviceSupply device;
      device.uuid = example_identity(index)->uuid;
      device.index = index;
      device.name = example_identity(index)->name;
      device.total = mib(8192);
      device.used = mib(3072);
      device.capability = ComputeCapability{8, 9};
      supply.devices.push_back(std::move(device));
    }
    supply.host = ledger::HostSupply{.total = gib(32), .available = gib(24)};
  }

  ledger::Book book;
  ledger::Supply supply;
  ledger::Rules rules;
  Now now = example_now();
  std::map<pid_t, LedgerPort::Owner> processes{
      {kOwnPid, {.id = {kBoot, kOwnPid, 77}, .uid = kOtherUid}},
      {kStrangersPid, {.id = {kBoot, kStrangersPid, 78}, .uid = 1001}}};
  std::map<std::string, std::string> why_over;  ///< What watch() says of those that are gone.
  std::vector<std::chrono::seconds> patience;   ///< Of each watch().
  std::optional<Error> failure;                 ///< Answered to everything.
  ledger::Request last_request;                 ///< As it arrived,
  ledger::Requester last_requester;             ///< and whose.
  std::vector<JobRecord> record;                ///< How jobs went.
  std::map<std::string, std::pair<Bytes, Bytes>> uses;  ///< On GPU 0 now, and the most so far.

  static constexpr BootId kBoot{.high = 1, .low = 2};

  [[nodiscard]] LedgerPort port() {
    return {.ask =
                [this](ledger::Request request, ledger::Requester requester, const auto& answer) {
                  last_request = request;
                  last_requester = requester;
                  reply(answer, [&] {
                    return ledger::ask(book, {supply, rules, now}, request, requester);
                  });
                },
            .release =
                [this](const std::string& id, ledger::Requester requester, const auto& answer) {
                  if (failure) {
                    answer(std::unexpected(*failure));
                    return;
                  }
                  const auto released = ledger::release(book, id, requester);
                  if (!released) {
                    answer(std::unexpected(released.error()));
                    return;
                  }
                  answer(report(released->front()));
                },
            .resize =
                [this](const std::string& id, Bytes each, ledger::Requester requester,
                       const auto& answer) {
                  reply(answer, [&] {
                    return ledger::resize(book, {supply, rules, now}, id, each, requester);
                  });
                },
            .watch =
                [this](const std::string& id, std::chrono::seconds seconds, const auto& answer) {
                  patience.push_back(seconds);
                  reply(answer, [&] { return standing(id); });
                },
            .show =
                [this](const auto& answer) {
                  reply(answer, [this] { return std::shared_ptr<const LedgerView>(view()); });
                },
            .forget =
                [this](const auto& answer) {
                  record.clear();
                  answer(Result<void>{});
                },
            .find_process = [this](pid_t pid) -> std::optional<LedgerPort::Owner> {
              const auto found = processes.find(pid);
              return found == processes.end() ? std::nullopt : std::optional(found->second);
            },
            .boot = [] { return kBoot; }};
  }

  /// A lease as if it had been asked for.
  void grant(std::string id, Bytes on_gpu_0, uid_t uid = kOtherUid, Bytes host = {}) {
    ledger::Lease lease;
    lease.id = std::move(id);
    lease.name = "train.py";
    lease.state = ledger::LeaseState::granted;
    lease.demand.named = {{supply.devices.at(0).uuid, on_gpu_0}};
    lease.shares = lease.demand.named;
    lease.demand.host = host;
    lease.uid = uid;
    lease.asked = now.wall;
    lease.granted = now.wall;
    book.add(std::move(lease));
  }

  [[nodiscard]] std::shared_ptr<const LedgerView> view() const {
    auto view = std::make_shared<LedgerView>();
    for (const auto& [id, lease] : book.leases()) {
      if (lease.is_granted()) {
        view->leases.push_back(report(lease));
      }
    }
    for (const ledger::Lease* waiting : book.queue()) {
      view->leases.push_back(report(*waiting));
    }
    const ledger::Balance balance = ledger::balance(book, supply, rules);
    view->devices = device_lines(balance);
    view->host_capacity = balance.host_capacity;
    view->host_available = balance.host_available;
    view->host_outstanding = balance.host_outstanding;
    view->record = std::make_shared<const std::vector<JobRecord>>(record);
    return view;
  }

 private:
  template <class Listener, class Make>
  void reply(const Listener& answer, Make make) const {
    if (failure) {
      answer(std::unexpected(*failure));
    } else {
      answer(make());
    }
  }

  [[nodiscard]] LeaseReport report(const ledger::Lease& lease) const {
    LeaseReport report{.lease = lease,
                       .place = ledger::place_in_line(book, lease.id),
                       .user = "user" + std::to_string(lease.uid),
                       .used = {},
                       .peak = {}};
    if (const auto use = uses.find(lease.id); use != uses.end()) {
      report.used.devices = {{supply.devices.at(0).uuid, use->second.first}};
      report.peak.devices = {{supply.devices.at(0).uuid, use->second.second}};
    }
    return report;
  }

  [[nodiscard]] LeaseStanding standing(const std::string& id) const {
    if (const ledger::Lease* const lease = book.find(id)) {
      return {.report = report(*lease), .why_over = {}};
    }
    const auto why = why_over.find(id);
    return {.report = {}, .why_over = why == why_over.end() ? "" : why->second};
  }
};

/// A House with two GPUs and a ledger, asked by somebody who is no administrator.
class LedgerHouse {
 public:
  Ledger ledger;
  std::vector<Holding> holdings;                          ///< Of balloons.
  std::vector<std::pair<std::string, Amount>> passed_on;  ///< Asked for.
  Result<Bytes> pass_on_answer = Bytes{};
  House house{
      ledger.port(),
      {.holdings = [this] { return holdings; },
       .pass_on =
           [this](std::string lease, const Amount& amount, const BalloonPort::Answer& answer) {
             passed_on.emplace_back(std::move(lease), amount);
             answer(pass_on_answer);
           }}};

  LedgerHouse() {
    house.view = view_with({example_gpu(0), example_gpu(1)});
    house.uid = kOtherUid;
  }

  [[nodiscard]] Response post(std::string body) {
    return house.ask("POST", "/api/v1/leases", std::move(body));
  }
  [[nodiscard]] Response release(const std::string& id) {
    return house.ask("DELETE", "/api/v1/leases?id=" + id);
  }
  [[nodiscard]] Response allocate(std::string body) {
    return house.ask("POST", "/api/gpu/memory/allocate", std::move(body));
  }
  [[nodiscard]] Response deallocate(std::string body) {
    return house.ask("POST", "/api/gpu/memory/deallocate", std::move(body));
  }
};

}  // namespace levee::api
