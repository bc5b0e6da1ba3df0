#include "engine/ledger_office.hpp"

#include <fmt/format.h>

#include <chrono>
#include <future>
#include <utility>

#include "engine/clock.hpp"
#include "engine/ledger_sample.hpp"
#include "sources/processes.hpp"
#include "store/ledger_file.hpp"

namespace levee::engine {
namespace {

using ledger::Happening;

std::string amounts(const ledger::Lease& lease) {
  std::string text;
  for (const ledger::DeviceShare& share : lease.shares) {
    text +=
        fmt::format("{}{} of {}", text.empty() ? "" : ", ", format_bytes(share.bytes), share.uuid);
  }
  if (lease.demand.host.count > 0) {
    text += fmt::format("{}{} of host memory", text.empty() ? "" : ", ",
                        format_bytes(lease.demand.host));
  }
  return text;
}

std::string message_of(const Happening& happening, const std::string& user) {
  const ledger::Lease& lease = happening.lease;
  switch (happening.kind) {
    case Happening::Kind::granted:
      return fmt::format("{} was promised {} (lease {})", user, amounts(lease), lease.id);
    case Happening::Kind::released:
      return fmt::format("{} gave lease {} back", user, lease.id);
    case Happening::Kind::owner_ended:
      return fmt::format("lease {} of {} is over: its process {} has ended", lease.id, user,
                         lease.owner.pid);
    case Happening::Kind::expired:
      return fmt::format("lease {} of {} is over: its time is up", lease.id, user);
    case Happening::Kind::gave_up:
      return fmt::format("request {} of {} left the line: it waited too long", lease.id, user);
  }
  return {};
}

/// The leases that are there already; null when the file does not answer soon.
std::shared_ptr<const api::LedgerView> look_into(LedgerDesk& desk) {
  constexpr std::chrono::seconds kPatience{1};
  const auto shown = std::make_shared<std::promise<std::shared_ptr<const api::LedgerView>>>();
  auto answer = shown->get_future();
  desk.show([shown](const Result<std::shared_ptr<const api::LedgerView>>& view) {
    shown->set_value(view.value_or(nullptr));
  });
  return answer.wait_for(kPatience) == std::future_status::ready ? answer.get() : nullptr;
}

}  // namespace

LedgerOffice::LedgerOffice(Options options)
    : root_(std::move(options.root)),
      boot_(sources::read_boot_id(root_)),
      users_(root_),
      kinship_(root_) {
  desk_ = std::make_unique<LedgerDesk>(LedgerDesk::Options{
      .store = std::move(options.store),
      .is_alive = [this](const ProcessId& id) { return is_alive(root_, boot_, id); },
      .user_name = [this](uid_t uid) { return users_.name(uid); },
      .look_again = std::move(options.look_again),
      .clock = read_clock,
      .balloons = std::move(options.balloons)});
  found_ = look_into(*desk_);
}

void LedgerOffice::observe(const api::View& view, const std::vector<api::Holding>& holdings) {
  const auto known = desk_->view();
  desk_->observe(ledger_sample(view, (known ? known : found_).get(), kinship_, holdings));
}

std::vector<Event> LedgerOffice::events(WallTime now) {
  std::vector<Event> events;
  auto [happened, unheard] = desk_->collect();
  for (const Happening& each : happened) {
    const bool is_grant = each.kind == Happening::Kind::granted;
    const std::string user = users_.name(each.lease.uid);
    events.push_back({.id = 0,
                      .at = now,
                      .kind = is_grant ? EventKind::lease_granted : EventKind::lease_released,
                      .severity = {},
                      .message = message_of(each, user),
                      .alert = {},
                      .details = {{"lease", each.lease.id},
                                  {"user", user},
                                  {"reason", std::string(to_string(each.kind))}}});
  }
  if (unheard > 0) {
    events.push_back({.id = 0,
                      .at = now,
                      .kind = EventKind::lease_released,
                      .severity = {},
                      .message = fmt::format("{} further leases came and went", unheard),
                      .alert = {},
                      .details = {{"reason", "many"}}});
  }
  return events;
}

api::LedgerPort LedgerOffice::port() {
  return {
      .ask = [this](auto request, auto requester,
                    const auto& answer) { desk_->ask(std::move(request), requester, answer); },
      .release = [this](auto id, auto requester,
                        const auto& answer) { desk_->release(std::move(id), requester, answer); },
      .resize = [this](
                    auto id, auto each, auto requester,
                    const auto& answer) { desk_->resize(std::move(id), each, requester, answer); },
      .watch = [this](auto id, auto patience,
                      auto answer) { desk_->watch(std::move(id), patience, std::move(answer)); },
      .show = [this](const auto& answer) { desk_->show(answer); },
      .forget = [this](const auto& answer) { desk_->forget(answer); },
      .find_process = [this](pid_t pid) { return find_process(root_, boot_, pid); },
      .boot = [this] { return boot_; }};
}

std::unique_ptr<ledger::Store> open_ledger(const std::optional<std::filesystem::path>& file,
                                           std::string why_not) {
  if (file) {
    auto opened = store::LedgerFile::open(*file, read_clock().wall);
    if (opened) {
      return std::move(*opened);
    }
    why_not = fmt::format("{}; {}", opened.error().message, opened.error().hint);
  }
  return std::make_unique<ledger::MemoryStore>(
      fmt::format("promises are kept in memory only, and end with the daemon: {}", why_not));
}

}  // namespace levee::engine
