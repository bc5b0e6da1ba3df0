#include "ledger/lease.hpp"

#include <array>

namespace levee::ledger {
namespace {

template <class Value, std::size_t N>
std::optional<Value> parse(std::string_view text, const std::array<Value, N>& values) noexcept {
  for (const Value value : values) {
    if (text == to_string(value)) {
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(LeaseKind kind) noexcept {
  switch (kind) {
    case LeaseKind::booking:
      return "booking";
    case LeaseKind::balloon:
      return "balloon";
    case LeaseKind::model:
      return "model";
    case LeaseKind::worker:
      return "worker";
  }
  return "booking";
}

std::string_view to_string(Placement placement) noexcept {
  switch (placement) {
    case Placement::best_fit:
      return "best_fit";
    case Placement::spread:
      return "spread";
    case Placement::pack:
      return "pack";
  }
  return "best_fit";
}

std::string_view to_string(LeaseState state) noexcept {
  return state == LeaseState::granted ? "granted" : "waiting";
}

std::optional<LeaseKind> parse_lease_kind(std::string_view text) noexcept {
  return parse(text, std::array{LeaseKind::booking, LeaseKind::balloon, LeaseKind::model,
                                LeaseKind::worker});
}

std::optional<Placement> parse_placement(std::string_view text) noexcept {
  return parse(text, std::array{Placement::best_fit, Placement::spread, Placement::pack});
}

}  // namespace levee::ledger
