#include "sources/device_holders.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>

#include "sources/file.hpp"
#include "sources/process_files.hpp"
#include "sources/process_walk.hpp"
#include "sources/processes.hpp"

namespace levee::sources {
namespace {

bool is_refused(int error) { return error == EACCES || error == EPERM; }

/// The files of one process among those that are looked for.
class Finds {
 public:
  explicit Finds(const GpuFiles& files) : files_(&files) {}

  void note(std::string_view path) {
    if (std::ranges::find(files_->own, path) != files_->own.end()) {
      own_.emplace(path);
    } else if (std::ranges::find(files_->shared, path) != files_->shared.end()) {
      shared_.emplace(path);
    }
  }
  [[nodiscard]] bool empty() const { return own_.empty() && shared_.empty(); }
  [[nodiscard]] std::vector<std::string> own() const { return {own_.begin(), own_.end()}; }
  [[nodiscard]] std::vector<std::string> shared() const { return {shared_.begin(), shared_.end()}; }

 private:
  const GpuFiles* files_;
  std::set<std::string, std::less<>> own_;
  std::set<std::string, std::less<>> shared_;
};

class Search {
 public:
  Search(const Root& root, int proc, const GpuFiles& files, UserNames& users)
      : proc_(proc), files_(&files), users_(&users), boot_(read_boot_id(root)) {}

  void look_at(pid_t pid);
  [[nodiscard]] DeviceHolders take() { return std::move(found_); }

 private:
  /// The errno when its descriptors may not be looked at.
  [[nodiscard]] int collect(pid_t pid, bool is_zombie, Finds& finds, bool& open) const;
  void note_zombie(const PidStat& stat);

  int proc_;
  const GpuFiles* files_;
  UserNames* users_;
  BootId boot_;
  DeviceHolders found_;
};

int Search::collect(pid_t pid, bool is_zombie, Finds& finds, bool& open) const {
  const auto note = [&](int, std::string_view target) {
    finds.note(target);
    return true;
  };
  auto told = each_descriptor(proc_, pid, note);
  if (is_zombie) {
    // The first thread has let go of everything; the others share one table of descriptors.
    for (const pid_t thread : list_other_threads(proc_, pid)) {
      told = each_descriptor(proc_, pid, thread, note);
      if (told && !finds.empty()) {
        break;
      }
    }
  }
  open = !finds.empty();
  if (open) {
    return 0;
  }
  const auto mapped = each_mapping(proc_, pid, [&](std::string_view path) {
    finds.note(path);
    return true;
  });
  // Some processes hide their mappings even from root. That is no reason to distrust the search:
  // hardly anybody closes a device that he goes on using.
  return told || mapped ? 0 : told.error();
}

void Search::note_zombie(const PidStat& stat) {
  const auto parent = read_pid_stat(proc_, stat.parent);
  found_.zombies.push_back({.pid = stat.pid,
                            .comm = printable(stat.comm),
                            .parent = stat.parent,
                            .parent_comm = parent ? printable(parent->comm) : std::string{}});
}

void Search::look_at(pid_t pid) {
  const auto files = ProcessFiles::open(proc_, pid);
  const auto stat = files ? files->stat() : std::unexpected(files.error());
  if (!stat) {
    found_.hidden += is_refused(stat.error()) ? 1U : 0U;
    return;  // else it has ended in between
  }
  if (stat->kernel_thread) {
    return;
  }
  const bool is_zombie = stat->state == 'Z';
  Finds finds(*files_);
  bool open = false;
  const int error = collect(pid, is_zombie, finds, open);
  if (!finds.empty()) {
    found_.holders.push_back({.identity = files->identity(*stat, boot_, *users_),
                              .own = finds.own(),
                              .shared = finds.shared(),
                              .open = open,
                              .half_dead = is_zombie});
  } else if (is_zombie) {
    note_zombie(*stat);
  } else if (is_refused(error)) {
    ++found_.hidden;
  }
}

}  // namespace

GpuFiles gpu_files(const Root& root, const GpuIdentity& gpu) {
  if (!gpu.minor) {
    return {};
  }
  if (gpu.vendor == GpuVendor::nvidia) {
    return {.own = {fmt::format("/dev/nvidia{}", *gpu.minor)}, .shared = {"/dev/nvidia-uvm"}};
  }
  GpuFiles files{.own = {fmt::format("/dev/dri/card{}", *gpu.minor)}, .shared = {}};
  std::error_code error;
  const std::string nodes = fmt::format("/sys/class/drm/card{}/device/drm", *gpu.minor);
  std::filesystem::directory_iterator entry(root.at(nodes), error);
  while (!error && entry != std::filesystem::directory_iterator{}) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("renderD")) {
      files.own.push_back("/dev/dri/" + name);
    }
    entry.increment(error);
  }
  if (gpu.vendor == GpuVendor::amd) {
    files.shared.emplace_back("/dev/kfd");
  }
  return files;
}

Result<DeviceHolders> find_device_holders(const Root& root, const GpuFiles& files,
                                          UserNames& users) {
  const Fd proc = open_proc(root);
  const auto listed = proc ? list_processes(proc.get()) : std::unexpected(errno);
  if (!listed) {
    return std::unexpected(file_error("cannot list " + root.at("/proc"), listed.error()));
  }
  Search search(root, proc.get(), files, users);
  for (const ListedProcess& process : *listed) {
    search.look_at(process.pid);
  }
  DeviceHolders found = search.take();
  found.whole_machine = in_initial_pid_namespace(root);
  found.as_root = ::geteuid() == 0;
  return found;
}

}  // namespace levee::sources
