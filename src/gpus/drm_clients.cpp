#include "gpus/drm_clients.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace levee::gpus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kSharedFor{500};
constexpr seconds kHolderWait{2};
constexpr seconds kFirstWait{1};
constexpr seconds kLongestWait{60};
/// A process with more DRM descriptors than this is counted by the first ones: it could make a
/// reading last as long as it likes otherwise.
constexpr std::size_t kMostNodes = 1024;

constexpr std::string_view kDevices = "/dev/dri/";

template <class Counter>
Counter greater(const Counter& a, const Counter& b) {
  return a && b ? std::max(a, b) : a ? a : b;
}

/// The greatest counters seen so far: a kernel may step back for a moment.
EngineUse without_steps_back(const EngineUse& before, EngineUse after) {
  after.busy_ns = greater(before.busy_ns, after.busy_ns);
  after.busy_cycles = greater(before.busy_cycles, after.busy_cycles);
  after.total_cycles = greater(before.total_cycles, after.total_cycles);
  return after;
}

std::optional<EngineUse> find_engine(const std::map<std::string, EngineUse, std::less<>>& engines,
                                     std::string_view name) {
  const auto found = engines.find(name);
  return found == engines.end() ? std::nullopt : std::optional(found->second);
}

void add(DrmClients::Percentages& sums, const std::string& name, double value) {
  double& sum = sums[name];
  sum = std::min(sum + value, 100.0);
}

}  // namespace

std::optional<double> engine_percent(const EngineUse& before, const EngineUse& after,
                                     Seconds passed) {
  const auto share = [&](double busy, double whole) -> std::optional<double> {
    if (whole <= 0) {
      return std::nullopt;
    }
    return std::clamp(100 * busy / whole / static_cast<double>(after.capacity), 0.0, 100.0);
  };
  const auto grown = [](std::uint64_t from, std::uint64_t to) {
    return to > from ? static_cast<double>(to - from) : 0.0;
  };
  if (before.busy_cycles && after.busy_cycles && before.total_cycles && after.total_cycles) {
    return share(grown(*before.busy_cycles, *after.busy_cycles),
                 grown(*before.total_cycles, *after.total_cycles));
  }
  if (before.busy_ns && after.busy_ns) {
    return share(grown(*before.busy_ns, *after.busy_ns), passed.count() * 1e9);
  }
  return std::nullopt;
}

DrmHolders::DrmHolders(sources::Root root) : root_(std::move(root)) {}

std::shared_ptr<const DrmHolders::View> DrmHolders::look(MonoTime now) {
  const std::scoped_lock lock(mutex_);
  if (view_ && looked_at_ && now - *looked_at_ < kSharedFor) {
    return view_;
  }
  if (!proc_) {
    proc_ = sources::open_proc(root_);
  }
  auto view = std::make_shared<View>();
  if (const auto listed = sources::list_processes(proc_.get())) {
    view->listed = true;
    refresh(*listed, now);
  } else {
    proc_ = {};
  }
  for (const auto& [pid, process] : processes_) {
    view->hidden += process.hidden ? 1U : 0U;
    if (!process.nodes.empty()) {
      view->holders.push_back({.pid = pid, .nodes = process.nodes});
    }
  }
  looked_at_ = now;
  view_ = std::move(view);
  return view_;
}

void DrmHolders::refresh(const std::vector<sources::ListedProcess>& listed, MonoTime now) {
  const bool is_first = !looked_at_;
  std::map<pid_t, Process> known;
  known.swap(processes_);
  for (const sources::ListedProcess& entry : listed) {
    auto node = known.extract(entry.pid);
    if (node.empty() || node.mapped().inode != entry.inode) {
      Process fresh;
      fresh.inode = entry.inode;
      fresh.next = now;
      // Who was there before us has mostly done what it came for. Its turns are spread over the
      // minute, so that they do not all fall into one second.
      fresh.wait = is_first ? kLongestWait : kFirstWait;
      examine(entry.pid, fresh, now);
      if (is_first && fresh.nodes.empty()) {
        fresh.next = now + kFirstWait + seconds{entry.pid % kLongestWait.count()};
      }
      processes_.emplace(entry.pid, std::move(fresh));
      continue;
    }
    if (node.mapped().next <= now) {
      examine(entry.pid, node.mapped(), now);
    }
    processes_.insert(std::move(node));
  }
}

void DrmHolders::examine(pid_t pid, Process& process, MonoTime now) const {
  process.nodes.clear();
  const auto told =
      sources::each_descriptor(proc_.get(), pid, [&](int fd, std::string_view target) {
        if (target.starts_with(kDevices)) {
          target.remove_prefix(kDevices.size());
          process.nodes.push_back({.fd = fd, .name = std::string(target)});
        }
        return process.nodes.size() < kMostNodes;
      });
  process.hidden = !told && (told.error() == EACCES || told.error() == EPERM);
  if (!process.nodes.empty()) {
    process.next = now + kHolderWait;
    return;
  }
  process.next = now + process.wait;
  process.wait = std::min(process.wait * 2, kLongestWait);
}

DrmClients::DrmClients(sources::Root root, std::shared_ptr<DrmHolders> holders, std::string pdev,
                       std::vector<std::string> nodes)
    : root_(std::move(root)),
      holders_(std::move(holders)),
      pdev_(std::move(pdev)),
      nodes_(std::move(nodes)) {}

std::optional<DrmClient> DrmClients::read_client(int proc, pid_t pid, int fd) const {
  std::array<char, std::size_t{16} * 1024> buffer{};
  const std::string path = fmt::format("{}/fdinfo/{}", pid, fd);
  const auto text = sources::read_start_at(proc, path.c_str(), buffer);
  auto client = text ? parse_fdinfo(*text) : std::nullopt;
  // The descriptor may lead elsewhere by now.
  return client && (client->pdev.empty() || client->pdev == pdev_) ? client : std::nullopt;
}

std::vector<DrmClients::Found> DrmClients::find_clients(int proc, const DrmHolder& holder,
                                                        const Counters& seen) const {
  std::vector<Found> found;
  for (const DrmHolder::Node& node : holder.nodes) {
    if (std::ranges::find(nodes_, node.name) == nodes_.end()) {
      continue;
    }
    auto client = read_client(proc, holder.pid, node.fd);
    if (!client) {
      continue;
    }
    const Key key{client->id.has_value(),
                  client->id.value_or(static_cast<std::uint64_t>(holder.pid))};
    const bool is_known = seen.contains(key) || std::ranges::any_of(found, [&](const Found& other) {
                            return other.first == key;
                          });
    if (!is_known) {  // else the same client through another descriptor
      found.emplace_back(key, std::move(*client));
    }
  }
  return found;
}

DrmClients::Engines DrmClients::count(const Found& found, Seconds passed, ProcessUse& use,
                                      Percentages& device) const {
  const auto& [key, client] = found;
  for (const auto& [name, region] : client.regions) {
    use.regions[name] += region.in_use().value_or(Bytes{});
  }
  const auto before = previous_.find(key);
  Engines kept;
  for (const auto& [name, engine] : client.engines) {
    const auto last = before == previous_.end() ? std::nullopt : find_engine(before->second, name);
    kept[name] = last ? without_steps_back(*last, engine) : engine;
    const auto percent = last ? engine_percent(*last, kept[name], passed) : std::nullopt;
    if (percent) {
      add(use.engines, name, *percent);
      add(device, name, *percent);
    }
  }
  return kept;
}

DrmClients::Reading DrmClients::read(MonoTime now) {
  const auto view = holders_->look(now);
  const sources::Fd proc = sources::open_proc(root_);
  const Seconds passed = previous_at_ ? now - *previous_at_ : Seconds{0};

  Reading reading;
  reading.listed = view->listed;
  reading.complete = view->complete();
  Percentages device;
  Counters current;
  for (const DrmHolder& holder : view->holders) {
    const auto clients = find_clients(proc.get(), holder, current);
    if (clients.empty()) {
      continue;
    }
    ProcessUse& use = reading.processes.emplace_back();
    use.pid = holder.pid;
    for (const Found& found : clients) {
      current.emplace(found.first, count(found, passed, use, device));
    }
  }
  if (passed.count() > 0) {
    reading.engines = std::move(device);
  }
  previous_ = std::move(current);
  previous_at_ = now;
  return reading;
}

}  // namespace levee::gpus
