#include "config/settings.hpp"

#include <fmt/format.h>

#include <utility>

#include "config/compat.hpp"
#include "config/environment.hpp"
#include "config/file.hpp"
#include "config/models.hpp"

namespace levee::config {
namespace {

constexpr std::string_view kCommandLine = "command line";
constexpr std::string_view kRunTime = "run time";

/// The file to read: the one given, else the first of the usual ones that is there.
std::optional<std::filesystem::path> file_to_read(const Inputs& inputs) {
  if (inputs.file) {
    return inputs.file;
  }
  for (const auto& candidate : inputs.default_files) {
    std::error_code error;
    // One that is there and cannot be looked at is not passed over: somebody wrote it for us.
    if (std::filesystem::status(candidate, error).type() != std::filesystem::file_type::not_found) {
      return candidate;
    }
  }
  return std::nullopt;
}

/// Writes `setting` into `config`; the error says where the setting stands.
Result<void> apply(const std::string& name, const Setting& setting, Origin origin, Config& config) {
  const auto key = find_key(name);
  const Result<void> applied =
      key ? (*key)->apply(config, setting.value) : std::unexpected(key.error());
  if (!applied && origin != Origin::runtime) {
    return std::unexpected(applied.error().within(setting.where));
  }
  return applied;
}

}  // namespace

std::string_view to_string(Origin origin) noexcept {
  switch (origin) {
    case Origin::builtin:
      return "built-in";
    case Origin::file:
      return "file";
    case Origin::environment:
      return "environment";
    case Origin::command_line:
      return kCommandLine;
    case Origin::runtime:
      return kRunTime;
  }
  return "built-in";
}

Result<Settings> Settings::load(Inputs inputs) {
  Settings settings;
  settings.inputs_ = std::move(inputs);
  // The environment comes last: a compatibility name may need what the others say.
  for (const auto step : {&Settings::read_file, &Settings::read_command_line,
                          &Settings::read_environment, &Settings::resolve}) {
    if (const auto done = (settings.*step)(); !done) {
      return std::unexpected(done.error());
    }
  }
  return settings;
}

Result<void> Settings::read_file() {
  file_ = file_to_read(inputs_);
  if (!file_) {
    return {};
  }
  const auto text = read_settings_file(*file_);
  if (!text) {
    return std::unexpected(text.error());
  }
  std::map<std::string, int, std::less<>> lines;
  auto values = parse_toml(*text, file_->string(), &lines);
  if (!values) {
    return std::unexpected(values.error());
  }
  for (auto& [name, value] : *values) {
    layers_[Origin::file].emplace(
        name, Setting{std::move(value), fmt::format("{}:{}", file_->string(), lines[name])});
  }
  return {};
}

Result<void> Settings::read_command_line() {
  for (const auto& [name, text] : inputs_.command_line) {
    const auto key = find_key(name);
    auto value = key ? value_from_text(**key, text) : std::unexpected(key.error());
    if (!value) {
      return std::unexpected(value.error().within(kCommandLine));
    }
    layers_[Origin::command_line].emplace(name,
                                          Setting{std::move(*value), std::string(kCommandLine)});
  }
  return {};
}

Result<void> Settings::read_environment() {
  auto read = config::read_environment(inputs_.environment);
  if (!read) {
    return std::unexpected(read.error());
  }
  layers_[Origin::environment] = read->layer;
  if (compat_enabled(inputs_.environment)) {
    for (const CompatName& compat : compat_names()) {
      const auto in_force = applied();
      if (!in_force) {
        return std::unexpected(in_force.error());
      }
      if (auto added = add_compat_name(compat, inputs_.environment, *in_force, *read); !added) {
        return added;
      }
      layers_[Origin::environment] = read->layer;
    }
  }
  notes_ = std::move(read->notes);
  return {};
}

Result<Settings> Settings::with_runtime(const Values& changes) const {
  Settings changed = *this;
  for (const auto& [name, value] : changes) {
    changed.layers_[Origin::runtime].insert_or_assign(name, Setting{value, std::string(kRunTime)});
  }
  if (const auto resolved = changed.resolve(); !resolved) {
    return std::unexpected(resolved.error());
  }
  return changed;
}

Result<Settings> Settings::reloaded() const {
  auto fresh = load(inputs_);
  if (!fresh) {
    return fresh;
  }
  if (const auto runtime = layers_.find(Origin::runtime); runtime != layers_.end()) {
    fresh->layers_.insert(*runtime);
  }
  if (const auto resolved = fresh->resolve(); !resolved) {
    return std::unexpected(resolved.error());
  }
  return fresh;
}

Result<Settings> Settings::of_layers(std::map<Origin, Layer> layers) {
  Settings settings;
  settings.layers_ = std::move(layers);
  if (const auto resolved = settings.resolve(); !resolved) {
    return std::unexpected(resolved.error());
  }
  return settings;
}

Provenance Settings::provenance(std::string_view key) const {
  for (const Origin origin :
       {Origin::runtime, Origin::command_line, Origin::environment, Origin::file}) {
    const auto layer = layers_.find(origin);
    if (layer == layers_.end()) {
      continue;
    }
    if (const auto setting = layer->second.find(key); setting != layer->second.end()) {
      return Provenance{origin, setting->second.where};
    }
  }
  return Provenance{Origin::builtin, std::string(to_string(Origin::builtin))};
}

/// The layers laid over each other, each value checked for itself, also where a later one hides it.
Result<Config> Settings::applied() const {
  Config config;
  for (const auto& [origin, layer] : layers_) {
    for (const auto& [name, setting] : layer) {
      if (origin == Origin::file && is_about_models(name)) {
        continue;  // below, all of them together
      }
      if (const auto done = apply(name, setting, origin, config); !done) {
        return std::unexpected(done.error());
      }
    }
  }
  if (const auto file = layers_.find(Origin::file); file != layers_.end()) {
    auto models = models_in(file->second);
    if (!models) {
      return std::unexpected(models.error());
    }
    config.models = std::move(*models);
  }
  return config;
}

Result<void> Settings::resolve() {
  auto config = applied();
  if (!config) {
    return std::unexpected(config.error());
  }
  if (const auto valid = validate(*config); !valid) {
    Error error = valid.error();
    error.message += origins_of_keys_in(error.message);
    return std::unexpected(std::move(error));
  }
  config_ = std::move(*config);
  return {};
}

/// " (memory_optimal: levee.toml:3; memory_normal: built-in)" for the keys that `message` names.
std::string Settings::origins_of_keys_in(std::string_view message) const {
  constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789_.";
  std::string origins;
  while (true) {
    message.remove_prefix(std::min(message.find_first_of(kNameCharacters), message.size()));
    if (message.empty()) {
      return origins.empty() ? origins : fmt::format(" ({})", origins);
    }
    const std::size_t length = std::min(message.find_first_not_of(kNameCharacters), message.size());
    const std::string_view word = message.substr(0, length);
    if (find_key(word)) {
      origins += fmt::format("{}{}: {}", origins.empty() ? "" : "; ", word, provenance(word).where);
    }
    message.remove_prefix(length);
  }
}

std::vector<std::string> changed_keys(const Config& before, const Config& after) {
  std::vector<std::string> changed;
  for (const Key& key : keys()) {
    if (key.show(before) != key.show(after)) {
      changed.emplace_back(key.name);
    }
  }
  if (before.models != after.models) {
    changed.emplace_back(kModelsTable);
  }
  return changed;
}

}  // namespace levee::config
