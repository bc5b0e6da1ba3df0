// Models: the registry of what models need and the account of those that jobs keep loaded, and the
// commands that change them. Kept in memory only. One owner thread; what it hands out is immutable.
#pragma once

#include <memory>
#include <optional>

#include "api/api.hpp"
#include "config/config.hpp"
#include "core/time.hpp"
#include "estimate/model_cache.hpp"
#include "estimate/requirements.hpp"

namespace levee::engine {

class Models {
 public:
  explicit Models(const config::Config& config);

  /// Takes over the configured models and the size of the cache; what came by command stays.
  void configure(const config::Config& config);

  /// What came of `command`; nothing when it is about something else.
  [[nodiscard]] std::optional<Result<api::Outcome>> execute(const api::Command& command, Now now);

  /// As they are now; the same object until something changes.
  [[nodiscard]] std::shared_ptr<const estimate::ModelRegistry> registry() const;
  [[nodiscard]] std::shared_ptr<const estimate::ModelCache> cache() const;

 private:
  [[nodiscard]] Result<api::Outcome> track(const api::TrackModel& command, Now now);
  [[nodiscard]] Result<api::Outcome> forget(const api::ForgetModel& command);

  estimate::ModelRegistry registry_;
  estimate::ModelCache cache_;
  // Copied when asked for, not at each of many commands. Null: to be made.
  mutable std::shared_ptr<const estimate::ModelRegistry> shown_registry_;
  mutable std::shared_ptr<const estimate::ModelCache> shown_cache_;
};

}  // namespace levee::engine
