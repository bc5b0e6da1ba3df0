#include "sources/identifier.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "sources/process_walk.hpp"
#include "sources/processes.hpp"

namespace levee::sources {
namespace {

bool is_gpu_device(std::string_view path) {
  return path.starts_with("/dev/nvidia") || path.starts_with("/dev/dri/") || path == "/dev/kfd";
}

bool is_gpu_mapping(std::string_view path, std::string_view simulated) {
  return path.find("libcuda") != std::string_view::npos ||
         path.find("libnvidia") != std::string_view::npos || is_gpu_device(path) ||
         (!simulated.empty() && path == simulated);
}

}  // namespace

bool looks_like_gpu_user(int proc, pid_t pid, const std::string& simulated) {
  bool found = false;
  const auto by_descriptor = each_descriptor(proc, pid, [&](int, std::string_view target) {
    found = is_gpu_device(target);
    return !found;
  });
  if (by_descriptor && found) {
    return true;
  }
  const auto by_mapping = each_mapping(proc, pid, [&](std::string_view path) {
    found = is_gpu_mapping(path, simulated);
    return !found;
  });
  return by_mapping && found;
}

std::string Identifier::simulated_gpus_file() {
  const char* const file = std::getenv("LEVEE_SIM");
  return file == nullptr ? std::string{} : std::string(file);
}

Identifier::Identifier(Root root, Options options, std::shared_ptr<UserNames> users)
    : root_(std::move(root)),
      options_(std::move(options)),
      users_(std::move(users)),
      boot_(read_boot_id(root_)),
      trusts_all_(in_initial_pid_namespace(root_)) {}

std::optional<Identified> Identifier::find(pid_t pid, MonoTime now) {
  if (!proc_) {
    proc_ = open_proc(root_);
  }
  const auto files = ProcessFiles::open(proc_.get(), pid);
  const auto stat = files ? files->stat() : std::unexpected(files.error());
  if (!stat || stat->kernel_thread) {
    known_.erase(pid);
    return std::nullopt;
  }
  auto entry = known_.find(pid);
  if (entry != known_.end() && entry->second.start_ticks != stat->start_ticks) {
    known_.erase(entry);  // another life under the same number
    entry = known_.end();
  }
  if (entry == known_.end()) {
    make_room();
    entry = known_.emplace(pid, Known{}).first;
    entry->second.start_ticks = stat->start_ticks;
  }
  Known& known = entry->second;
  known.asked_at = now;
  if (!is_trusted(pid, known, now)) {
    return std::nullopt;
  }
  const bool is_old = now - known.identity_read_at >= options_.identity_lasts;
  if (!known.identity || is_old || known.comm != stat->comm) {
    known.identity = std::make_shared<const ProcessIdentity>(
        files->identity(*stat, boot_, *users_, known.identity.get()));
    known.identity_read_at = now;
    known.comm = stat->comm;
  }
  note(known, *stat, now);
  return Identified{.identity = known.identity, .rss = known.rss, .cpu_percent = known.cpu_percent};
}

/// Who has looked like a user of GPUs is believed for life: libraries are seldom unloaded.
bool Identifier::is_trusted(pid_t pid, Known& known, MonoTime now) const {
  const bool is_settled = trusts_all_ || known.uses_gpu.value_or(false);
  const bool is_doubted = known.uses_gpu == false && now - known.doubted_at < options_.doubt_lasts;
  if (is_settled || is_doubted) {
    return is_settled;
  }
  known.uses_gpu = looks_like_gpu_user(proc_.get(), pid, options_.simulated_gpus);
  known.doubted_at = now;
  return *known.uses_gpu;
}

/// A process on several GPUs is asked for several times at one instant.
void Identifier::note(Known& known, const PidStat& stat, MonoTime now) const {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  static const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  known.rss = Bytes{stat.rss_pages * page};
  const bool is_first = known.read_at == MonoTime{};
  const Seconds passed = now - known.read_at;
  if (!is_first && passed.count() <= 0) {
    return;
  }
  if (!is_first && stat.cpu_ticks >= known.cpu_ticks) {
    const auto used = static_cast<double>(stat.cpu_ticks - known.cpu_ticks) / ticks_per_second;
    known.cpu_percent = 100 * used / passed.count();
  }
  known.cpu_ticks = stat.cpu_ticks;
  known.read_at = now;
}

/// Forgets who was not asked for the longest, when all places are taken.
void Identifier::make_room() {
  if (known_.size() < std::max<std::size_t>(options_.most, 1)) {
    return;
  }
  known_.erase(std::ranges::min_element(known_, {},
                                        [](const auto& entry) { return entry.second.asked_at; }));
}

}  // namespace levee::sources
