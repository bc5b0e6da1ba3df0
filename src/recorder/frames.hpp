// Frames: how a recording lies in a file or in memory.
//
//   "levee-recording 1\n"                       once, at the beginning of a file
//   frame: kind (1 byte), length, CRC-32 of kind and payload (4 bytes each, least first), payload
//
// The payload is CBOR, deflated. A piece begins with an `opening` frame, which starts the deflate
// stream anew, so that pieces can be read without those before them; every frame ends on a flushed
// byte, so that a file can be cut anywhere and read up to there. Pure; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "levee/result.hpp"

namespace levee::recorder {

inline constexpr std::string_view kMagic = "levee-recording ";
inline constexpr int kFormat = 1;

/// The first line of a file.
[[nodiscard]] std::string file_head();

/// The length of that line at the beginning of `text`; invalid_argument for what is no recording,
/// or one of another format.
[[nodiscard]] Result<std::size_t> check_head(std::string_view text);

enum class FrameKind : std::uint8_t {
  opening = 'O',
  tick = 'T',
  settings = 'S',
  event = 'E',
  command = 'C',
  gap = 'G',
  incident = 'I',  ///< Stands alone: deflated with no stream before it.
};

inline constexpr std::size_t kFrameHead = 9;
/// The longest payload that is read, and the most that it may become.
inline constexpr std::size_t kLongestPayload = std::size_t{16} << 20U;
inline constexpr std::size_t kLongestContent = std::size_t{64} << 20U;

class FrameWriter {
 public:
  FrameWriter();
  ~FrameWriter();
  FrameWriter(FrameWriter&&) noexcept;
  FrameWriter& operator=(FrameWriter&&) noexcept;

  /// `content` as a frame; `opening` starts a piece.
  [[nodiscard]] std::string frame(FrameKind kind, std::string_view content);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

/// What stands at the beginning of `bytes`.
struct Frame {
  FrameKind kind{};
  std::string content;
  std::size_t length = 0;  ///< Of the whole frame in the file.
};

class FrameReader {
 public:
  FrameReader();
  ~FrameReader();
  FrameReader(FrameReader&&) noexcept;
  FrameReader& operator=(FrameReader&&) noexcept;

  /// How many bytes from the beginning of `bytes` a reader needs for the next frame: at least
  /// kFrameHead. `corrupt` when no frame begins so.
  [[nodiscard]] static Result<std::size_t> length_of(std::string_view bytes);

  /// The frame at the beginning of `bytes`, which holds all of it; `corrupt` when it is damaged.
  [[nodiscard]] Result<Frame> read(std::string_view bytes);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace levee::recorder
