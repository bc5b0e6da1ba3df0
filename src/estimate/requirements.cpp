#include "estimate/requirements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace levee::estimate {
namespace {

/// The latest word first.
constexpr std::array kOrigins{Origin::api, Origin::config, Origin::builtin};

constexpr std::string_view kUnknownSize = "medium";

Requirements row(std::uint64_t host_gb, std::uint64_t gpu_gb, ComputeCapability compute,
                 int batch) {
  return {.host = gib(host_gb),
          .gpu = gib(gpu_gb),
          .min_compute = compute,
          .recommended_batch = batch,
          .notes = {}};
}

ModelRegistry::Entries documented_rows() {
  return {{"facebook/musicgen-small", row(3, 6, {6, 0}, 2)},
          {"facebook/musicgen-medium", row(6, 12, {7, 0}, 1)},
          {"facebook/musicgen-large", row(12, 24, {8, 0}, 1)},
          {"small", row(2, 4, {6, 0}, 4)},
          {"medium", row(4, 8, {7, 0}, 2)},
          {"large", row(8, 16, {7, 5}, 1)}};
}

bool contains(std::string_view text, std::string_view lower_case_word) {
  const auto found = std::ranges::search(text, lower_case_word, {}, [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return !found.empty();
}

/// The largest size that `text` names.
std::optional<std::string_view> size_in(std::string_view text) {
  for (const std::string_view size : {"large", "medium", "small"}) {
    if (contains(text, size)) {
      return size;
    }
  }
  return std::nullopt;
}

/// How many of `recommended` fit into `room` where all of them need `whole`.
int fitting(int recommended, Bytes whole, Bytes room) {
  if (room >= whole) {
    return recommended;
  }
  const auto count = static_cast<std::uint64_t>(recommended);
  const std::uint64_t of_one = whole.count / count + (whole.count % count == 0 ? 0 : 1);
  return static_cast<int>(room.count / of_one);  // room < whole ≤ recommended × of_one
}

/// `id` for a message: an id may be long, and is somebody else's text.
std::string quoted(std::string_view id) {
  constexpr std::size_t kShown = 64;
  std::string result;
  for (const char c : id.substr(0, kShown)) {
    result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return fmt::format("\"{}{}\"", result, id.size() > kShown ? "…" : "");
}

}  // namespace

std::string_view to_string(Origin origin) noexcept {
  switch (origin) {
    case Origin::builtin:
      return "built-in";
    case Origin::config:
      return "config";
    case Origin::api:
      return "api";
  }
  return "built-in";
}

std::string_view to_string(Match match) noexcept {
  switch (match) {
    case Match::exact:
      return "exact";
    case Match::by_size:
      return "by_size";
    case Match::unknown:
      return "unknown";
  }
  return "unknown";
}

Result<Bytes> bytes_of_gigabytes(double gigabytes) {
  if (!(gigabytes >= 0 && gigabytes <= kMostGigabytes)) {  // NaN is refused, too.
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is not a number of GB from 0 to {}", gigabytes, kMostGigabytes),
                "give gigabytes, such as 6.0");
  }
  return Bytes{static_cast<std::uint64_t>(std::llround(gigabytes * kGiB))};
}

Result<ComputeCapability> capability_of(double number) {
  constexpr double kLeast = 1.0;
  constexpr double kMost = 99.9;
  constexpr double kNoise = 1e-6;  // 7.1 is no exact double.
  const double tenths = std::round(number * 10);
  if (!(number >= kLeast && number <= kMost && std::abs(number * 10 - tenths) < kNoise)) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("{} is not a compute capability from {:.1f} to {:.1f}", number, kLeast, kMost),
        "give major and minor version, such as 7.5");
  }
  const int whole = static_cast<int>(tenths);
  return ComputeCapability{.major = whole / 10, .minor = whole % 10};
}

std::string capability_text(ComputeCapability capability) {
  return fmt::format("{}.{}", capability.major, capability.minor);
}

Result<int> batch_of(std::int64_t number) {
  if (number < 1 || number > kMostBatch) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is not a batch size from 1 to {}", number, kMostBatch),
                "give 1 if in doubt");
  }
  return static_cast<int>(number);
}

Result<void> check_model_id(std::string_view id) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (id.empty()) {
    return fail(ErrorCode::invalid_argument, "the model's name is empty",
                "give a name such as facebook/musicgen-small");
  }
  if (id.size() > kLongestId) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the model's name {} has {} bytes", quoted(id), id.size()),
                fmt::format("a name has at most {}", kLongestId));
  }
  if (std::ranges::any_of(id, is_control)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the model's name {} has control characters", quoted(id)),
                "leave them out");
  }
  return {};
}

Result<void> check(const Requirements& requirements) {
  const Bytes most{static_cast<std::uint64_t>(kMostGigabytes) * kGiB};
  for (const Bytes bytes : {requirements.host, requirements.gpu}) {
    if (bytes > most) {
      return std::unexpected(bytes_of_gigabytes(to_gb(bytes)).error());
    }
  }
  if (requirements.host == Bytes{} && requirements.gpu == Bytes{}) {
    return fail(ErrorCode::invalid_argument, "it needs 0 GB of host memory and 0 GB of GPU memory",
                "give cpu_memory_gb, gpu_memory_gb or both");
  }
  if (requirements.min_compute) {
    const auto& [major, minor] = *requirements.min_compute;
    if (major < 1 || major > 99 || minor < 0 || minor > 9) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}.{} is not a compute capability", major, minor),
                  "give major and minor version, such as 7.5");
    }
  }
  if (const auto batch = batch_of(requirements.recommended_batch); !batch) {
    return std::unexpected(batch.error());
  }
  if (requirements.notes.size() > kLongestNotes) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the notes have {} bytes", requirements.notes.size()),
                fmt::format("write at most {}", kLongestNotes));
  }
  return {};
}

Requirements requirements_of(const MemoryProfile& profile) {
  const Bytes most{static_cast<std::uint64_t>(kMostGigabytes) * kGiB};
  Requirements requirements;
  requirements.gpu = std::min(need(profile, 1, kUsualTokens), most);
  return requirements;
}

int optimal_batch(const Requirements& requirements, Bytes host, Bytes gpu) {
  const int recommended = std::max(requirements.recommended_batch, 1);
  return std::min(fitting(recommended, requirements.host, host),
                  fitting(recommended, requirements.gpu, gpu));
}

ModelRegistry::ModelRegistry() {
  for (auto& [id, requirements] : documented_rows()) {
    layer(Origin::builtin)[id].requirements = std::move(requirements);
  }
}

std::optional<Model> ModelRegistry::exact(std::string_view id) const {
  std::optional<Model> model;
  std::optional<Requirements> requirements;
  for (const Origin origin : kOrigins) {
    const auto found = layer(origin).find(id);
    if (found == layer(origin).end()) {
      continue;
    }
    const auto& [name, entry] = *found;
    if (!model) {
      model = Model{.id = name, .requirements = {}, .origin = origin, .profile = {}};
    }
    if (!requirements) {
      requirements = entry.requirements;
    }
    if (!model->profile) {
      model->profile = entry.profile;
    }
  }
  if (requirements) {
    model->requirements = std::move(*requirements);
  } else if (model) {
    model->requirements = requirements_of(*model->profile);
  }
  return model;
}

Lookup ModelRegistry::find(std::string_view id) const {
  if (auto model = exact(id)) {
    return {.model = std::move(*model), .match = Match::exact, .warning = {}};
  }
  const std::size_t slash = id.rfind('/');
  auto size = size_in(slash == std::string_view::npos ? id : id.substr(slash + 1));
  if (!size) {
    size = size_in(id);
  }
  // The generic rows are built in, so that there is always one.
  Lookup lookup{.model = *exact(size.value_or(kUnknownSize)),
                .match = size ? Match::by_size : Match::unknown,
                .warning = {}};
  if (!size) {
    lookup.warning = fmt::format("{} is not known; it is taken for a medium model", quoted(id));
  }
  return lookup;
}

Result<void> ModelRegistry::put(std::string_view id, Requirements requirements) {
  if (const auto good = check_model_id(id); !good) {
    return good;
  }
  if (const auto good = check(requirements); !good) {
    return std::unexpected(good.error().within(quoted(id)));
  }
  const auto entry = api_entry(id);
  if (!entry) {
    return std::unexpected(entry.error());
  }
  (*entry)->requirements = std::move(requirements);
  return {};
}

Result<void> ModelRegistry::put_profile(MemoryProfile profile) {
  if (const auto good = check_model_id(profile.name); !good) {
    return good;
  }
  if (const auto good = check(profile); !good) {
    return std::unexpected(good.error().within(quoted(profile.name)));
  }
  const auto entry = api_entry(profile.name);
  if (!entry) {
    return std::unexpected(entry.error());
  }
  (*entry)->profile = std::move(profile);
  return {};
}

Result<ModelRegistry::Entry*> ModelRegistry::api_entry(std::string_view id) {
  Layer& entries = layer(Origin::api);
  if (const auto found = entries.find(id); found != entries.end()) {
    return &found->second;
  }
  if (entries.size() >= kMostModels) {
    return fail(ErrorCode::resource_exhausted,
                fmt::format("{} models are registered already", entries.size()),
                "remove some that are no longer used");
  }
  return &entries[std::string(id)];
}

void ModelRegistry::add_built_in(std::span<const MemoryProfile> profiles) {
  for (const MemoryProfile& profile : profiles) {
    layer(Origin::builtin)[profile.name].profile = profile;
  }
}

std::optional<MemoryProfile> ModelRegistry::profile(std::string_view id) const {
  auto model = exact(id);
  return model ? std::move(model->profile) : std::nullopt;
}

Result<void> ModelRegistry::remove(std::string_view id) {
  Layer& entries = layer(Origin::api);
  if (const auto found = entries.find(id); found != entries.end()) {
    entries.erase(found);
    return {};
  }
  if (const auto model = exact(id)) {
    return fail(ErrorCode::invalid_argument,
                model->origin == Origin::config
                    ? fmt::format("the model {} stands in the configuration file", quoted(id))
                    : fmt::format("the model {} is built in", quoted(id)),
                model->origin == Origin::config ? "remove it there and reload"
                                                : "register it anew to say something else of it");
  }
  return fail(ErrorCode::not_found, fmt::format("no model {} is registered", quoted(id)),
              "`levee models` lists them");
}

void ModelRegistry::set_configured(Entries entries) {
  Layer& configured = layer(Origin::config);
  configured.clear();
  for (auto& [id, requirements] : entries) {
    configured[id].requirements = std::move(requirements);
  }
}

std::map<std::string, Model, std::less<>> ModelRegistry::models() const {
  std::map<std::string, Model, std::less<>> all;
  for (const Layer& each : layers_) {
    for (const auto& [id, entry] : each) {
      if (!all.contains(id)) {
        all.emplace(id, *exact(id));
      }
    }
  }
  return all;
}

}  // namespace levee::estimate
