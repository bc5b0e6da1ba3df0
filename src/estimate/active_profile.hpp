// ActiveProfile: the profile that estimates go by where none is named (contract S0-26).
//
// It keeps the name, not the figures, so that a profile which is registered anew counts at once.
// Pure; not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "estimate/requirements.hpp"
#include "levee/result.hpp"

namespace levee::estimate {

class ActiveProfile {
 public:
  /// Refuses names of which `registry` has no profile; what was active stays so.
  [[nodiscard]] Result<void> set(std::string_view name, const ModelRegistry& registry);

  void clear() noexcept { name_.reset(); }

  [[nodiscard]] const std::optional<std::string>& name() const noexcept { return name_; }

  struct Found {
    std::optional<MemoryProfile> profile;
    std::string warning;  ///< Why there is none, and what to do about it; empty where there is one.
  };
  [[nodiscard]] Found find(const ModelRegistry& registry) const;

 private:
  std::optional<std::string> name_;
};

}  // namespace levee::estimate
