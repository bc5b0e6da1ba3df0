// LocalSources: what a process that has no daemon looks at: the host, and the GPUs with those who
// use them. One owner thread: the helper that reads the GPUs dies with it.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "core/time.hpp"
#include "gpus/gpu_source.hpp"
#include "recorder/items.hpp"
#include "sources/host.hpp"
#include "sources/identifier.hpp"
#include "sources/root.hpp"

namespace levee::engine {

class LocalSources {
 public:
  /// `gpu_helper` is what to start for GPUs, empty for none.
  LocalSources(const sources::Root& root, const config::Config& config,
               const std::vector<std::string>& gpu_helper);

  /// The first look waits up to two seconds for a driver that was not in use; later ones take what
  /// is there.
  [[nodiscard]] recorder::Readings read(Now now);

 private:
  sources::HostSource host_;
  sources::Identifier identifier_;
  gpus::GpuSource gpus_;
  bool is_first_ = true;
};

}  // namespace levee::engine
