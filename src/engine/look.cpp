#include "engine/look.hpp"

#include <unistd.h>

#include <array>
#include <thread>
#include <utility>

#include "engine/clock.hpp"
#include "engine/engine.hpp"
#include "sources/host.hpp"
#include "sources/processes.hpp"
#include "sources/self.hpp"

namespace levee::engine {

std::shared_ptr<const api::View> look_once(std::shared_ptr<const config::Settings> settings,
                                           const sources::Root& root) {
  std::array<char, 256> hostname{"localhost"};
  ::gethostname(hostname.data(), hostname.size() - 1);
  sources::HostSource host(root);
  sources::ProcessSource processes(
      root, {.top = static_cast<std::size_t>(settings->config().process_top)},
      std::make_shared<sources::UserNames>(root));

  std::vector<SourceTrouble> first_troubles;
  static_cast<void>(host.read(first_troubles));
  std::this_thread::sleep_for(std::chrono::milliseconds{100});

  const Now now = read_clock();
  Readings readings;
  readings.host = host.read(readings.troubles);
  readings.processes = processes.scan(sources::Thoroughness::thorough, now.mono);
  api::DaemonView self;
  self.self = sources::read_self();
  self.started = now.wall;
  self.store.enabled = false;
  Engine engine(std::move(settings), hostname.data());
  return engine.tick(std::move(readings), {}, self, now).view;
}

}  // namespace levee::engine
