#include "engine/reclaim_office.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/clock.hpp"
#include "engine/ledger_sample.hpp"
#include "reclaim/wire.hpp"
#include "sources/file.hpp"
#include "sources/proc_text.hpp"
#include "sources/processes.hpp"

namespace levee::engine {
namespace {

using reclaim::Asked;
using reclaim::Happening;
using reclaim::Outcome;
using reclaim::Registry;
using reclaim::Verdict;
using reclaim::Weight;

/// A connection that has left HTTP, as the registry knows it.
class RegistryDialogue final : public api::Dialogue {
 public:
  RegistryDialogue(std::shared_ptr<Registry> registry, std::uint64_t connection)
      : registry_(std::move(registry)), connection_(connection) {}
  RegistryDialogue(const RegistryDialogue&) = delete;
  RegistryDialogue& operator=(const RegistryDialogue&) = delete;
  ~RegistryDialogue() override { registry_->end(connection_); }  // It may never have begun.

  [[nodiscard]] std::string protocol() const override {
    return std::string(reclaim::wire::kProtocol);
  }
  [[nodiscard]] std::size_t longest_line() const override { return reclaim::wire::kLongestLine; }

  void begin(std::shared_ptr<Outlet> outlet) override {
    registry_->begin(connection_,
                     {.send = [outlet](std::string line) { outlet->send(std::move(line)); },
                      .close = [outlet] { outlet->close(); }});
  }
  void heard(std::string_view line) override { registry_->hear(connection_, line); }
  void heard_too_much() override {
    registry_->refuse(connection_,
                      {ErrorCode::invalid_argument,
                       fmt::format("a line is longer than {} bytes", reclaim::wire::kLongestLine),
                       "send less at once"});
  }
  void heard_nothing() override {
    registry_->refuse(connection_,
                      {ErrorCode::timed_out, "a message did not come, or only a part of it",
                       "say register at once, and send every line whole"});
  }
  void ended() override { registry_->end(connection_); }

 private:
  const std::shared_ptr<Registry> registry_;
  const std::uint64_t connection_;
};

/// Resident memory, read now: the scan of all processes reads small ones only in turn.
std::optional<Bytes> resident(const sources::Root& root, pid_t pid) {
  static const auto kPage = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto text = root.read(fmt::format("/proc/{}/statm", pid));
  const auto pages = text ? sources::parse_statm_resident(*text) : std::nullopt;
  return pages ? std::optional(Bytes{*pages * kPage}) : std::nullopt;
}

/// How fast it grew lately, as far as the scan of all processes knows.
std::optional<double> growth_of(const Snapshot& snapshot, const ProcessId& process) {
  const auto found = std::ranges::find_if(
      snapshot.processes, [&](const ProcessReading& each) { return each.identity->id == process; });
  return found == snapshot.processes.end() ? std::nullopt : found->growth_per_second;
}

/// Null where the driver does not tell: one that names other pids than we see is no proof that a
/// process uses nothing.
const GpuProcess* process_on(const GpuReading& gpu, const ProcessId& process) {
  if (gpu.processes) {
    for (const GpuProcess& each : *gpu.processes) {
      if (each.identity ? each.identity->id == process : each.pid == process.pid) {
        return &each;
      }
    }
  }
  return nullptr;
}

std::optional<Weight> weigh_host(const api::View& view, const sources::Root& root,
                                 const ProcessId& process, MonoTime since) {
  const auto& host = view.snapshot->host;
  if (view.snapshot->at.mono < since) {
    return std::nullopt;
  }
  return Weight{
      .process = resident(root, process.pid),
      .used = host && host->read_at >= since ? std::optional(host->value.used()) : std::nullopt,
      .read_at = view.snapshot->at.mono,
      .growth_per_second = growth_of(*view.snapshot, process)};
}

std::optional<Weight> weigh_gpu(const api::View& view, const ProcessId& process,
                                std::string_view uuid, MonoTime since) {
  for (const api::GpuView& each : view.gpus) {
    const GpuReading& gpu = *each.reading;
    if (gpu.identity->uuid != uuid) {
      continue;
    }
    if (gpu.read_at < since) {
      return std::nullopt;
    }
    const GpuProcess* const on = process_on(gpu, process);
    return Weight{.process = on != nullptr ? on->memory : std::nullopt,
                  .used = gpu.memory ? std::optional(gpu.memory->used) : std::nullopt,
                  .read_at = gpu.read_at,
                  .growth_per_second = on != nullptr ? on->growth_per_second : std::nullopt};
  }
  return std::nullopt;  // It may come back within the time that weighing may take.
}

Event event_of(EventKind kind, std::string message, std::optional<Severity> severity,
               std::vector<std::pair<std::string, std::string>> details) {
  return {.id = 0,
          .at = {},
          .kind = kind,
          .severity = severity,
          .message = std::move(message),
          .alert = {},
          .details = std::move(details)};
}

std::string name_of(const reclaim::Client& client) {
  return fmt::format("{} (pid {}, {} of {})", client.id, client.caller.process.pid, client.name,
                     client.caller.user);
}

std::string what_came(const Asked& asked) {
  switch (asked.outcome) {
    case Outcome::done: {
      const auto measured = asked.measured();
      return fmt::format(
          "it says that it freed {}, and {}", format_bytes(asked.said),
          !measured ? std::string("that could not be measured")
          : *measured >= 0
              ? fmt::format("its use fell by {}",
                            format_bytes(Bytes{static_cast<std::uint64_t>(*measured)}))
              : fmt::format("its use rose by {}",
                            format_bytes(Bytes{static_cast<std::uint64_t>(-*measured)})));
    }
    case Outcome::refused:
      return "it refused";
    case Outcome::failed:
      return "it failed";
    case Outcome::timed_out:
      return fmt::format("it did not answer within {} ms", asked.ask.deadline.count());
    case Outcome::gone:
      return "it is gone";
  }
  return {};
}

}  // namespace

ReclaimOffice::ReclaimOffice(Options options)
    : options_(std::move(options)),
      boot_(sources::read_boot_id(options_.root)),
      users_(options_.root),
      registry_(std::make_shared<Registry>(Registry::Options{
          .limits = {.per_user = options_.most_per_user, .in_all = options_.most_in_all},
          .tolerance = {},
          .wake = options_.look_again,
          .clock = read_clock})) {}

void ReclaimOffice::observe(const api::View& view) {
  registry_->step(
      [&](const ProcessId& process, const std::string& device, MonoTime since) {
        return device == kReclaimHost ? weigh_host(view, options_.root, process, since)
                                      : weigh_gpu(view, process, device, since);
      },
      [&](const ProcessId& process) {
        return is_alive(options_.root, boot_, process) ? std::optional(options_.account_of(process))
                                                       : std::nullopt;
      });
}

std::vector<Event> ReclaimOffice::events(WallTime now) {
  auto [happenings, lost] = registry_->collect();
  std::vector<Event> events;
  for (const Happening& each : happenings) {
    const bool came = each.kind == Happening::Kind::joined;
    events.push_back(
        event_of(came ? EventKind::reclaim_joined : EventKind::reclaim_left,
                 came ? fmt::format("{} can be asked for memory", name_of(each.client))
                      : fmt::format("{} can be asked no more: {}", name_of(each.client), each.why),
                 {}, {{"client", each.client.id}, {"user", each.client.caller.user}}));
  }
  if (lost > 0) {
    events.push_back(event_of(EventKind::reclaim_left,
                              fmt::format("{} further clients came or went", lost), {}, {}));
  }
  std::ranges::move(std::exchange(events_, {}), std::back_inserter(events));
  for (Event& event : events) {
    event.at = now;
  }
  return events;
}

void ReclaimOffice::note(const Asked& asked) {
  const bool is_fault = asked.passed_over_until.has_value() || asked.outcome == Outcome::gone;
  std::string message = fmt::format(
      "{} was asked for {} of {} by {}: {}", name_of(asked.client), format_bytes(asked.ask.bytes),
      asked.ask.device == kReclaimHost ? "host memory" : asked.ask.device,
      to_string(asked.ask.strategy), what_came(asked));
  if (!asked.message.empty() && asked.outcome != Outcome::gone) {
    message += fmt::format(" (\"{}\")", asked.message);
  }
  if (asked.passed_over_until) {
    message += fmt::format("; it is passed over for {}",
                           format_duration(std::chrono::round<std::chrono::seconds>(
                               *asked.passed_over_until - read_clock().mono)));
  }
  events_.push_back(event_of(EventKind::reclaim_asked, std::move(message),
                             is_fault ? std::optional(Severity::warning) : std::nullopt,
                             {{"client", asked.client.id},
                              {"user", asked.client.caller.user},
                              {"strategy", std::string(to_string(asked.ask.strategy))},
                              {"device", asked.ask.device},
                              {"result", std::string(to_string(asked.outcome))},
                              {"verdict", std::string(to_string(asked.verdict))},
                              {"reason", asked.ask.reason}}));
}

Result<std::shared_ptr<api::Dialogue>> ReclaimOffice::converse(pid_t pid, uid_t uid,
                                                               bool is_administrator) {
  const auto process = find_process(options_.root, boot_, pid);
  if (!process) {
    return fail(ErrorCode::permission_denied,
                fmt::format("process {} cannot be seen in /proc", pid),
                "it must be one that the daemon can measure");
  }
  const auto connection = registry_->admit({.process = process->id,
                                            .uid = uid,
                                            .user = users_.name(uid),
                                            .is_administrator = is_administrator});
  if (!connection) {
    return std::unexpected(connection.error());
  }
  return std::make_shared<RegistryDialogue>(registry_, *connection);
}

api::ReclaimPort ReclaimOffice::port() {
  return {
      .converse = [this](pid_t pid, uid_t uid,
                         bool is_administrator) { return converse(pid, uid, is_administrator); },
      .roster = [this] { return roster(); },
      .ask =
          [this](const std::string& client, reclaim::Ask ask, auto answer) {
            registry_->ask(client, std::move(ask),
                           [this, answer = std::move(answer)](Result<Asked> asked) {
                             if (asked) {  // Only ever on the engine thread.
                               note(*asked);
                             }
                             answer(std::move(asked));
                           });
          }};
}

}  // namespace levee::engine
