// The baton: how a balloon that keeps a place for its owner hands it over. The owner's use and the
// balloon together make up what was promised, but for one step that is free ahead of the owner: it
// grows into that, the balloon follows, and so on, and a neighbour never finds more than one step.
//
// What no balloon can do: an owner that takes more than a step at once, and does not ask before,
// finds only the step. Nor can it keep a neighbour from the step itself. What one takes is made
// good out of the balloon up to a limit, so that the owner survives a neighbour that takes what it
// needs and stops; one that takes everything it finds does not get the whole balloon that way.
//
// Pure: a decision from figures; who samples and who inflates is not its concern.
#pragma once

#include <optional>

#include "levee/bytes.hpp"

namespace levee {

/// What was agreed on.
struct Baton {
  Bytes promised;  ///< For the owner, in all.
  /// Free ahead of the owner: at least its CUDA context (up to 600 MiB) and its largest single
  /// allocation between two samples.
  Bytes step = gib(1);
  Bytes spare = {};  ///< Of what neighbours take of the steps, so much is made good.

  bool operator==(const Baton&) const = default;
};

/// How things are.
struct BatonSample {
  Bytes balloon;
  bool has_begun = false;             ///< The owner's processes are there.
  std::optional<Bytes> owner_now;     ///< What they use; absent where the driver does not tell.
  std::optional<Bytes> owner_before;  ///< The most it used lately; absent at the first sample.
  Bytes asked;                ///< What the owner said it takes next; 0 when it does not say.
  std::optional<Bytes> free;  ///< On the whole GPU, by the driver.
  Bytes lost_before = {};     ///< BatonStep::lost of the sample before, if it may be believed.

  bool operator==(const BatonSample&) const = default;
};

enum class BatonMove {
  hold,       ///< The balloon stays as it is.
  yield,      ///< It shrinks for the owner.
  take_back,  ///< It grows again: the owner uses less than it did.
  passed,     ///< The owner has all that was promised: the balloon is done.
};

struct BatonStep {
  BatonMove move = BatonMove::hold;
  Bytes balloon;  ///< Its next size.
  Bytes lost;     ///< What others took of the memory that was free ahead of the owner.

  bool operator==(const BatonStep&) const = default;
};

/// Yields as soon as the owner has grown. Takes back only what the owner has not used lately,
/// because programs free memory in order to use it otherwise a moment later. Makes good only what
/// is lost at two samples in a row: figures of a driver are not all of one instant. Of an owner
/// whose use is unknown nothing is known: the balloon stays.
[[nodiscard]] BatonStep pass_baton(const Baton& baton, const BatonSample& sample) noexcept;

}  // namespace levee
