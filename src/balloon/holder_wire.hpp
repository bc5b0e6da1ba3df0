// What a holder and its parent say to each other: small frames over a socket, each with a mark, the
// version, its kind and the length of what follows, so that neither ever believes half a message or
// one of another version. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "balloon/follower.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::balloon {

/// What a holder holds.
struct HolderState {
  Bytes requested;  ///< What was asked for.
  Bytes held;       ///< What is taken: rounded up to the driver's blocks, with the context.
  std::uint64_t chunks = 0;
  std::optional<Bytes> free;   ///< By the driver, when this was said.
  std::optional<Bytes> total;  ///< By the driver.

  bool operator==(const HolderState&) const = default;
};

namespace wire {

inline constexpr std::uint16_t kVersion = 2;

/// Every question has a number, and every answer that of its question. 0 is nobody's: the holder's
/// first word, when it is ready or cannot be.

// To the holder.
struct Hold {
  std::uint64_t number = 0;
  Bytes bytes;  ///< In all; 0 gives everything back.
  Bytes chunk_size;
  std::chrono::milliseconds deadline{};  ///< After it the growth is undone.

  bool operator==(const Hold&) const = default;
};
struct Ask {
  std::uint64_t number = 0;

  bool operator==(const Ask&) const = default;
};
struct Stop {  ///< Ends the growth that Hold `number` began, as its deadline would.
  std::uint64_t number = 0;

  bool operator==(const Stop&) const = default;
};
struct Follow {  ///< From now on it gives way to its owner; Hold changes what is promised.
  std::uint64_t number = 0;
  Following how;

  bool operator==(const Follow&) const = default;
};
struct Yield {  ///< The owner takes so much next.
  std::uint64_t number = 0;
  Bytes bytes;

  bool operator==(const Yield&) const = default;
};

// From the holder.
struct Growing {
  std::uint64_t number = 0;
  Bytes held;
  Bytes wanted;

  bool operator==(const Growing&) const = default;
};
struct Done {
  std::uint64_t number = 0;
  HolderState state;

  bool operator==(const Done&) const = default;
};
struct Failed {
  std::uint64_t number = 0;
  HolderState state;
  Error error;

  bool operator==(const Failed&) const = default;
};

struct Passing {  ///< How far the baton is passed; said without being asked whenever it changes.
  std::uint64_t number = 0;  ///< 0.
  HolderState state;
  BatonState baton;

  bool operator==(const Passing&) const = default;
};

using Message = std::variant<Hold, Ask, Stop, Growing, Done, Failed, Follow, Yield, Passing>;

/// The frame of `message`. Texts longer than a frame has room for are cut.
[[nodiscard]] std::string encode(const Message& message);

/// Takes frames off the front of what has arrived.
class Reader {
 public:
  void add(std::string_view bytes) { text_.append(bytes); }

  /// The next message; nothing while it has not arrived whole. `corrupt` when it is none, and from
  /// then on.
  [[nodiscard]] Result<std::optional<Message>> next();

 private:
  std::string text_;
};

}  // namespace wire
}  // namespace levee::balloon
