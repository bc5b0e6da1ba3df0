#include "engine/look.hpp"

#include <thread>
#include <utility>

#include "engine/attribution.hpp"
#include "engine/clock.hpp"
#include "engine/engine.hpp"
#include "gpus/gpu_source.hpp"
#include "sources/host.hpp"
#include "sources/processes.hpp"
#include "sources/self.hpp"

namespace levee::engine {
namespace {

/// A driver that was not in use takes up to seconds to come up.
constexpr std::chrono::seconds kGpuPatience{2};

}  // namespace

std::shared_ptr<const api::View> look_once(std::shared_ptr<const config::Settings> settings,
                                           const sources::Root& root,
                                           const std::vector<std::string>& gpu_helper) {
  sources::HostSource host(root);
  const auto users = std::make_shared<sources::UserNames>(root);
  sources::ProcessSource processes(
      root, {.top = static_cast<std::size_t>(settings->config().process_top)}, users);
  sources::Identifier identifier(root, {}, users);

  gpus::GpuSource gpus(
      {.helper = settings->config().gpu.enabled ? gpu_helper : std::vector<std::string>{}});
  gpus.begin(read_clock().mono);
  std::vector<SourceTrouble> first_troubles;
  static_cast<void>(host.read(first_troubles));
  std::this_thread::sleep_for(std::chrono::milliseconds{100});

  const Now now = read_clock();
  Readings readings;
  readings.host = host.read(readings.troubles);
  readings.processes = processes.scan(sources::Thoroughness::thorough, now.mono);
  readings.gpus = gpus.finish_all(now.mono, now.mono + kGpuPatience);
  attribute(readings.gpus.gpus, identifier, now.mono);
  api::DaemonView self;
  self.self = sources::read_self();
  self.started = now.wall;
  self.store.enabled = false;
  Engine engine(std::move(settings), sources::read_hostname());
  return engine.tick(std::move(readings), {}, self, now).view;
}

}  // namespace levee::engine
