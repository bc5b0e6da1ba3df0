// The words Levee judges with: Level (flow control), Severity (notification), Health (summary).
//
// The two axes are kept apart on purpose: a Level says how fast work should run, a Severity how
// loudly to tell somebody (contract F-06). All functions are pure and thread-safe.
#pragma once

#include <optional>
#include <string_view>

namespace levee {

/// State of one device or of the host's memory (contract G2); a worse state compares greater.
enum class Level { optimal, normal, throttled, critical, unavailable };

/// How serious a notification is (contract G3); a more serious one compares greater.
enum class Severity { warning, critical, emergency };

/// The machine in one word (contract G4).
enum class Health { healthy, moderate, critical, unknown };

[[nodiscard]] std::string_view to_string(Level level) noexcept;
[[nodiscard]] std::string_view to_string(Severity severity) noexcept;
[[nodiscard]] std::string_view to_string(Health health) noexcept;

/// "warning", "critical" or "emergency"; nothing for any other text.
[[nodiscard]] std::optional<Severity> parse_severity(std::string_view text) noexcept;

}  // namespace levee
