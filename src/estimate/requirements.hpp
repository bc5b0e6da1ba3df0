// Requirements: what a model needs before it is loaded, and the registry that knows it by name.
//
// One registry, one entry per model (contract G7, F-36): what a model requires to be loaded and
// what it takes at work (profile.hpp) are two views of it.
// Gigabytes and capabilities become typed here; a number that makes no sense is refused with its
// value. Pure; not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/gpu.hpp"
#include "estimate/profile.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::estimate {

struct Requirements {
  Bytes host;
  Bytes gpu;  ///< Zero: it runs without a GPU.
  std::optional<ComputeCapability> min_compute;
  int recommended_batch = 1;
  std::string notes;

  bool operator==(const Requirements&) const = default;
};

/// Who said what a model needs. A later one hides an earlier one of the same name.
enum class Origin { builtin, config, api };

[[nodiscard]] std::string_view to_string(Origin origin) noexcept;

struct Model {
  std::string id;
  /// Of a model that has but a profile, what that says (requirements_of()).
  Requirements requirements;
  Origin origin = Origin::builtin;            ///< The latest that says anything of it.
  std::optional<MemoryProfile> profile = {};  ///< Absent: none was given.

  bool operator==(const Model&) const = default;
};

inline constexpr double kMostGigabytes = 65'536;  ///< 64 TiB.
inline constexpr std::size_t kLongestId = 512;
inline constexpr std::size_t kLongestNotes = 1'024;
inline constexpr std::size_t kMostModels = 4'096;  ///< Per origin.

/// `gigabytes` (binary) as bytes; from 0 to kMostGigabytes.
[[nodiscard]] Result<Bytes> bytes_of_gigabytes(double gigabytes);

/// 7.5 as compute capability 7.5; from 1.0 to 99.9 with one decimal.
[[nodiscard]] Result<ComputeCapability> capability_of(double number);

/// "7.5".
[[nodiscard]] std::string capability_text(ComputeCapability capability);

/// A batch size from 1 to kMostBatch.
[[nodiscard]] Result<int> batch_of(std::int64_t number);

/// Refuses names that are empty, longer than kLongestId bytes, or have control characters.
[[nodiscard]] Result<void> check_model_id(std::string_view id);

/// Refuses what no model can need, also where the parts are good each for itself.
[[nodiscard]] Result<void> check(const Requirements& requirements);

/// What one sequence of kUsualTokens requires by `profile`, on a GPU and at most as much as check()
/// lets pass. Of the host a profile says nothing.
[[nodiscard]] Requirements requirements_of(const MemoryProfile& profile);

/// The batch that fits into `host` and `gpu`, both of them usable memory: the recommended one where
/// the need is met, below it in proportion, 0 where even one does not fit. kAnyAmount where one of
/// them shall not matter.
[[nodiscard]] int optimal_batch(const Requirements& requirements, Bytes host, Bytes gpu);

inline constexpr Bytes kAnyAmount{std::numeric_limits<std::uint64_t>::max()};

/// How a model was found.
enum class Match {
  exact,    ///< It has an entry.
  by_size,  ///< Its name says small, medium or large: the generic entry of that size.
  unknown,  ///< Its name says nothing: the generic medium entry, with a warning.
};

[[nodiscard]] std::string_view to_string(Match match) noexcept;

struct Lookup {
  Model model;  ///< The entry that answers.
  Match match = Match::exact;
  std::string warning;  ///< Empty but for Match::unknown.
};

class ModelRegistry {
 public:
  using Entries = std::map<std::string, Requirements, std::less<>>;

  /// With the documented rows (contract S2-13 … S2-18).
  ModelRegistry();

  /// The entry of `id`, or the generic one for it. The size in a name is looked for without regard
  /// to case, in what follows the last slash, then in all of it; of several the largest counts,
  /// since too much asked for harms less than too little. `id` is case-sensitive.
  [[nodiscard]] Lookup find(std::string_view id) const;

  /// Adds or replaces what the API says of `id`.
  [[nodiscard]] Result<void> put(std::string_view id, Requirements requirements);

  /// Adds or replaces the profile of the model it names; what it requires stays as it is.
  [[nodiscard]] Result<void> put_profile(MemoryProfile profile);

  /// Adds `profiles` to what is built in: one that somebody gave hides them.
  void add_built_in(std::span<const MemoryProfile> profiles);

  /// The profile of `id`. No generic one stands in: a wrong size is worse than none.
  [[nodiscard]] std::optional<MemoryProfile> profile(std::string_view id) const;

  /// Takes back what put() and put_profile() said; what lies below it shows again. Entries of
  /// another origin are refused: they are not the API's to remove.
  [[nodiscard]] Result<void> remove(std::string_view id);

  /// Replaces all that the configuration requires. It must be checked.
  void set_configured(Entries entries);

  /// Every model, by name, with the entry in force.
  [[nodiscard]] std::map<std::string, Model, std::less<>> models() const;

 private:
  /// What one origin says of a model; at least one of the two.
  struct Entry {
    std::optional<Requirements> requirements;
    std::optional<MemoryProfile> profile;
  };
  using Layer = std::map<std::string, Entry, std::less<>>;

  [[nodiscard]] const Layer& layer(Origin origin) const {
    return layers_.at(static_cast<std::size_t>(origin));
  }
  Layer& layer(Origin origin) { return layers_.at(static_cast<std::size_t>(origin)); }
  [[nodiscard]] std::optional<Model> exact(std::string_view id) const;
  [[nodiscard]] Result<Entry*> api_entry(std::string_view id);

  std::array<Layer, 3> layers_;  ///< By Origin.
};

}  // namespace levee::estimate
