// Settings: a Config with the origin of each key. built-in < file < environment < command line <
// run time (contract G9). Immutable: a change makes a new Settings or an Error, never half of one.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/keys.hpp"
#include "levee/result.hpp"

namespace levee::config {

enum class Origin { builtin, file, environment, command_line, runtime };

[[nodiscard]] std::string_view to_string(Origin origin) noexcept;

/// Where a value came from, e.g. {file, "/etc/levee/levee.toml:12"} or {environment, "LEVEE_…"}.
struct Provenance {
  Origin origin = Origin::builtin;
  std::string where;
};

using Values = std::map<std::string, Value, std::less<>>;

/// What one origin says: a value and its place for each key.
struct Setting {
  Value value;
  std::string where;
};
using Layer = std::map<std::string, Setting, std::less<>>;

/// What a process was started with.
struct Inputs {
  std::optional<std::filesystem::path> file;  ///< Given with --config; must exist when given.
  std::vector<std::filesystem::path> default_files;  ///< The first that exists is read.
  /// The whole environment; only LEVEE_* is used, and with LEVEE_COMPAT=1 the compatibility names.
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> command_line;  ///< key → text.
};

/// The largest TOML document that is read, in bytes.
inline constexpr std::size_t kLongestDocument = std::size_t{1} << 20U;

/// A TOML document of at most kLongestDocument as flat keys ("[server] listen" → "server.listen");
/// errors carry line and column. Unknown keys pass, except tables that would vanish because they
/// hold none. `name` is the file name for messages. `lines` (optional) receives the line of each
/// key.
[[nodiscard]] Result<Values> parse_toml(std::string_view text, std::string_view name,
                                        std::map<std::string, int, std::less<>>* lines = nullptr);

class Settings {
 public:
  /// Reads all layers. Unknown keys, wrong types, values out of range and thresholds out of order
  /// are refused with the offending value, the accepted form and where it stands.
  [[nodiscard]] static Result<Settings> load(Inputs inputs);

  /// The same, with `changes` laid over the run-time layer; all of them or none. Keys that are not
  /// live are accepted too; the caller says that they wait for a restart (Key::live).
  [[nodiscard]] Result<Settings> with_runtime(const Values& changes) const;

  /// The same inputs read again from disk, run-time changes kept on top (SIGHUP).
  [[nodiscard]] Result<Settings> reloaded() const;

  /// What was laid over the built-in values, for of_layers() elsewhere.
  [[nodiscard]] const std::map<Origin, Layer>& layers() const noexcept { return layers_; }

  /// The settings that have these layers, wherever they came from; checked as load() checks.
  [[nodiscard]] static Result<Settings> of_layers(std::map<Origin, Layer> layers);

  [[nodiscard]] const Config& config() const noexcept { return config_; }
  [[nodiscard]] Provenance provenance(std::string_view key) const;
  [[nodiscard]] const std::optional<std::filesystem::path>& file() const noexcept { return file_; }

  /// Things worth one log line: compatibility names in use, LEVEE_* variables nobody reads.
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }

 private:
  Settings() = default;

  [[nodiscard]] Result<void> read_file();
  [[nodiscard]] Result<void> read_command_line();
  [[nodiscard]] Result<void> read_environment();
  [[nodiscard]] Result<Config> applied() const;
  [[nodiscard]] Result<void> resolve();
  [[nodiscard]] std::string origins_of_keys_in(std::string_view message) const;

  Inputs inputs_;
  std::optional<std::filesystem::path> file_;
  std::map<Origin, Layer> layers_;  // later origins lie over earlier ones
  Config config_;
  std::vector<std::string> notes_;
};

/// The keys whose value differs between two configurations, and "models" if those do.
[[nodiscard]] std::vector<std::string> changed_keys(const Config& before, const Config& after);

}  // namespace levee::config
