#include "engine/local_sources.hpp"

#include <memory>
#include <utility>

#include "engine/attribution.hpp"

namespace levee::engine {
namespace {

constexpr std::chrono::seconds kFirstPatience{2};
constexpr std::chrono::milliseconds kPatience{20};

}  // namespace

LocalSources::LocalSources(const sources::Root& root, const config::Config& config,
                           const std::vector<std::string>& gpu_helper)
    : host_(root),
      identifier_(root, {}, std::make_shared<sources::UserNames>(root)),
      gpus_({.helper = config.gpu.enabled ? gpu_helper : std::vector<std::string>{}}) {}

recorder::Readings LocalSources::read(Now now) {
  recorder::Readings readings;
  gpus_.begin(now.mono);
  readings.host = host_.read(readings.troubles);
  readings.gpus = std::exchange(is_first_, false)
                      ? gpus_.finish_all(now.mono, now.mono + kFirstPatience)
                      : gpus_.finish(now.mono, now.mono + kPatience);
  attribute(readings.gpus.gpus, identifier_, now.mono);
  return readings;
}

}  // namespace levee::engine
