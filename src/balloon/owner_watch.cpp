#include "balloon/owner_watch.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "sources/process_files.hpp"
#include "sources/process_walk.hpp"
#include "sources/processes.hpp"

namespace levee::balloon {
namespace {

/// Who is on the GPU is asked anew whenever that has changed, and so often in any case.
constexpr std::chrono::milliseconds kKnownFor{500};

/// "levee", and "levee-holder" (run_holder).
bool is_levee(std::string_view comm) { return comm == "levee" || comm == "levee-holder"; }

}  // namespace

OwnerWatch::OwnerWatch(std::shared_ptr<const Driver> driver, Gpu gpu, const sources::Kin& account,
                       const sources::Root& root)
    : driver_(std::move(driver)),
      gpu_(std::move(gpu)),
      account_(account.account),
      boot_(sources::read_boot_id(root)),
      proc_(sources::open_proc(root)),
      kinship_(root) {
  kinship_.set_accounts({account});
}

OwnerLook OwnerWatch::look(MonoTime now) {
  OwnerLook seen;
  const auto before = free_now();
  const auto processes = driver_->processes(gpu_);
  const auto after = free_now();
  // What came free or was taken in between must not look like a loss.
  seen.free = before && after ? std::optional(std::max(*before, *after)) : std::nullopt;
  if (!processes || !*processes) {
    seen.trouble = processes ? "the driver does not tell which processes use the GPU"
                             : processes.error().message;
    return seen;
  }
  meet(**processes, now);
  seen.use = Bytes{};
  for (std::size_t i = 0; i < known_.size(); ++i) {
    if (!known_[i].is_kin) {
      continue;
    }
    seen.has_begun = true;
    const auto& memory = (**processes)[i].memory;
    if (!memory) {
      seen.use.reset();
      seen.trouble = "the driver does not tell how much each process uses";
      return seen;
    }
    *seen.use += *memory;
  }
  seen.has_begun = seen.has_begun || has_members_at_work();
  return seen;
}

std::optional<Bytes> OwnerWatch::free_now() const {
  const auto memory = driver_->memory(gpu_);
  return memory && *memory ? std::optional((*memory)->free) : std::nullopt;
}

/// Learns who is who among `processes`, if they are others than before.
void OwnerWatch::meet(const std::vector<GpuProcess>& processes, MonoTime now) {
  const auto is_same = [](const Known& known, const GpuProcess& process) {
    return known.pid == process.pid;
  };
  const bool is_fresh = refreshed_at_ != MonoTime{} && now - refreshed_at_ < kKnownFor;
  if (is_fresh && std::ranges::equal(known_, processes, is_same)) {
    return;
  }
  refreshed_at_ = now;
  static_cast<void>(kinship_.refresh(now));  // A failure leaves what is known.
  known_.clear();
  for (const GpuProcess& process : processes) {
    known_.push_back({process.pid, is_kin(process.pid, now)});
  }
}

bool OwnerWatch::is_kin(pid_t pid, MonoTime now) {
  const auto stat = sources::read_pid_stat(proc_.get(), pid);
  return pid != ::getpid() && stat && !is_levee(stat->comm) &&
         kinship_.account_of({boot_, pid, stat->start_ticks}, now) == account_;
}

bool OwnerWatch::has_members_at_work() const {
  return std::ranges::any_of(kinship_.members_of(account_), [this](pid_t pid) {
    const auto stat = sources::read_pid_stat(proc_.get(), pid);
    return stat && stat->state != 'Z' && !is_levee(stat->comm);
  });
}

}  // namespace levee::balloon
