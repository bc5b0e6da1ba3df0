// The table of settings: one row per key, from which parsing, `levee config show`, the API,
// docs/configuration.md and packaging/levee.toml are all made. Pure; thread-safe.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "config/value.hpp"
#include "levee/result.hpp"

namespace levee::config {

/// What the text of an environment variable or of `--set` stands for.
enum class Form {
  text,     ///< Itself.
  number,   ///< A number if it is one, else text ("2GB", "15m", "auto").
  boolean,  ///< true, yes, on, 1 or their opposites.
  list,     ///< ["a", "b"], or one element alone.
};

struct Key {
  std::string_view name;         ///< "memory_optimal", "server.listen".
  std::string_view type;         ///< A noun: "percent", "fraction", "duration", "size", "path", …
  std::string range;             ///< "a number from 1 to 100"; for messages and documentation.
  std::string_view description;  ///< What it does, in one or two sentences.
  Form form = Form::text;
  bool live = true;  ///< False: takes effect only at the next start.
  /// Holds addresses with secrets in their paths: the API, which every local user may read, shows
  /// public_value() of it.
  bool confidential = false;
  /// The compatibility name read with LEVEE_COMPAT=1 (contract F-41); may be empty.
  std::string_view compat_env;
  /// Checks `value` and writes it into `config`; the error names key, value, range and the mend.
  std::function<Result<void>(Config& config, const Value& value)> apply;
  /// The present value, such that apply(show()) changes nothing.
  std::function<Value(const Config& config)> show;
};

/// The value of `key` in `config` as anybody may see it: of confidential addresses only the scheme
/// and the host, as in "https://hooks.example.org/…".
[[nodiscard]] Value public_value(const Key& key, const Config& config);

/// All keys, in the order of documentation.
[[nodiscard]] std::span<const Key> keys();

/// The key called `name`, or an error that suggests the nearest name.
[[nodiscard]] Result<const Key*> find_key(std::string_view name);

/// "LEVEE_" + the upper-case name with dots as underscores: server.listen → LEVEE_SERVER_LISTEN.
[[nodiscard]] std::string env_name(std::string_view key);

/// Turns the text of an environment variable or of `--set key=text` into the value `key` expects.
/// The value is checked only by Key::apply.
[[nodiscard]] Result<Value> value_from_text(const Key& key, std::string_view text);

/// Refuses settings that contradict each other; the message names the keys. Each key's own range is
/// checked by Key::apply.
[[nodiscard]] Result<void> validate(const Config& config);

}  // namespace levee::config
