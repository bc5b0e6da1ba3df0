// Follower: a balloon that gives way to its owner. It looks every few milliseconds while the owner
// grows, asks policy/baton.hpp what that means, and has the memory that is held shrink or grow.
// One thread.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "balloon/held_memory.hpp"
#include "balloon/owner_watch.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"
#include "policy/baton.hpp"
#include "sources/kinship.hpp"

namespace levee::balloon {

/// Whom a balloon follows, and how.
struct Following {
  sources::Kin account;  ///< Whose processes are the owner.
  Baton baton;
  /// What the owner used before any of this was promised; absent: what it uses at the first look.
  std::optional<Bytes> baseline;
  std::chrono::milliseconds look{5};   ///< Between two looks while the owner grows.
  std::chrono::milliseconds rest{50};  ///< The same while it does not.

  bool operator==(const Following&) const = default;
};

/// How far the baton is passed.
struct BatonState {
  bool has_begun = false;
  bool is_done = false;  ///< The owner has all that was promised; nothing is held any more.
  std::optional<Bytes> baseline;  ///< Once it is known.
  std::optional<Bytes> use;       ///< The owner's, beyond the baseline.
  Bytes passed_on;                ///< Of what was promised, so much is the owner's to take.
  Bytes lost;                     ///< Of that, so much has somebody else.
  std::string trouble;            ///< Why it holds still, if it must.

  bool operator==(const BatonState&) const = default;
};

class Follower {
 public:
  Follower(Following order, HeldMemory& held);

  /// A look, and what follows from it. Growth ends early when `go_on` says so.
  void look(MonoTime now, const Progress& go_on = {});

  /// When to look next; nothing once it is done.
  [[nodiscard]] std::optional<MonoTime> next_look() const noexcept { return next_look_; }

  /// The owner takes `bytes` next: so much is free at the following looks, until it has taken them
  /// or has not for some seconds. It has begun, if that was not known.
  void ask(Bytes bytes, MonoTime now);

  /// Another size, from the next look on.
  void promise(Bytes bytes, MonoTime now);

  [[nodiscard]] const BatonState& state() const noexcept { return state_; }

 private:
  [[nodiscard]] Bytes still_asked(MonoTime now) const noexcept;
  [[nodiscard]] std::optional<Bytes> most_lately(Bytes use, MonoTime now);
  void move(const BatonStep& step, MonoTime now, const Progress& go_on);
  void pace(MonoTime now) noexcept;

  Following order_;
  HeldMemory& held_;
  OwnerWatch watch_;
  BatonState state_;
  std::optional<MonoTime> next_look_ = MonoTime{};
  MonoTime grew_at_;
  std::chrono::milliseconds interval_;
  std::deque<std::pair<MonoTime, Bytes>> peaks_;  ///< Falling: the first is the most lately.
  Bytes lost_before_;  ///< At the look before, as far as it may be believed.

  struct Asked {
    Bytes bytes;
    Bytes use;  ///< The owner's when it asked.
    MonoTime until;
  };
  std::optional<Asked> asked_;
};

}  // namespace levee::balloon
