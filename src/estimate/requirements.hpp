// Requirements: what a model needs before it is loaded, and the registry that knows it by name.
//
// One registry, one entry per model (contract G7): what else is learnt about a model joins Model.
// Gigabytes and capabilities become typed here; a number that makes no sense is refused with its
// value. Pure; not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/gpu.hpp"
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
  Requirements requirements;
  Origin origin = Origin::builtin;

  bool operator==(const Model&) const = default;
};

inline constexpr double kMostGigabytes = 65'536;  ///< 64 TiB.
inline constexpr int kMostBatch = 1'000'000;
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

  /// Takes back what put() said; what lies below it shows again. Entries of another origin are
  /// refused: they are not put()'s to remove.
  [[nodiscard]] Result<void> remove(std::string_view id);

  /// Replaces all entries of the configuration. They must be checked.
  void set_configured(Entries entries);

  /// Every model, by name, with the entry in force.
  [[nodiscard]] std::map<std::string, Model, std::less<>> models() const;

 private:
  [[nodiscard]] const Entries& layer(Origin origin) const {
    return layers_.at(static_cast<std::size_t>(origin));
  }
  Entries& layer(Origin origin) { return layers_.at(static_cast<std::size_t>(origin)); }
  [[nodiscard]] std::optional<Model> exact(std::string_view id) const;

  std::array<Entries, 3> layers_;  ///< By Origin.
};

}  // namespace levee::estimate
