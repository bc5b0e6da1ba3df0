#include "engine/models.hpp"

#include <utility>
#include <variant>

namespace levee::engine {
namespace {

Result<api::Outcome> outcome_of(Result<void> done) {
  return done ? Result<api::Outcome>(api::ModelsChanged{})
              : std::unexpected(std::move(done.error()));
}

}  // namespace

Models::Models(const config::Config& config)
    : cache_(static_cast<std::size_t>(config.model_cache.size)) {
  configure(config);
}

void Models::configure(const config::Config& config) {
  registry_.set_configured(config.models);
  cache_.set_size(static_cast<std::size_t>(config.model_cache.size));
  shown_registry_.reset();
  shown_cache_.reset();
}

std::optional<Result<api::Outcome>> Models::execute(const api::Command& command, Now now) {
  if (const auto* one = std::get_if<api::RegisterModel>(&command)) {
    shown_registry_.reset();
    return outcome_of(registry_.put(one->id, one->requirements));
  }
  if (const auto* one = std::get_if<api::RemoveModel>(&command)) {
    shown_registry_.reset();
    return outcome_of(registry_.remove(one->id));
  }
  if (const auto* one = std::get_if<api::TrackModel>(&command)) {
    shown_cache_.reset();
    return track(*one, now);
  }
  if (const auto* one = std::get_if<api::ForgetModel>(&command)) {
    shown_cache_.reset();
    return forget(*one);
  }
  return std::nullopt;
}

Result<api::Outcome> Models::track(const api::TrackModel& command, Now now) {
  if (!command.size) {
    return api::ModelsChanged{.hit = cache_.touch(command.id, now)};
  }
  const std::uint64_t hits = cache_.hits();
  if (auto tracked = cache_.track(command.id, *command.size, now); !tracked) {
    return std::unexpected(std::move(tracked.error()));
  }
  return api::ModelsChanged{.hit = cache_.hits() > hits};
}

Result<api::Outcome> Models::forget(const api::ForgetModel& command) {
  if (!cache_.forget(command.id)) {
    return fail(ErrorCode::not_found, "this model is not known to be loaded",
                "`levee models` lists those that are");
  }
  return api::ModelsChanged{};
}

std::shared_ptr<const estimate::ModelRegistry> Models::registry() const {
  if (!shown_registry_) {
    shown_registry_ = std::make_shared<const estimate::ModelRegistry>(registry_);
  }
  return shown_registry_;
}

std::shared_ptr<const estimate::ModelCache> Models::cache() const {
  if (!shown_cache_) {
    shown_cache_ = std::make_shared<const estimate::ModelCache>(cache_);
  }
  return shown_cache_;
}

}  // namespace levee::engine
