// Reader: a recording from its beginning to its end, or to where it is cut or damaged; that is told
// by damage(), and is no error: what stands before it is good. One owner thread.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recorder/encoder.hpp"
#include "recorder/frames.hpp"
#include "recorder/items.hpp"
#include "sources/file.hpp"

namespace levee::recorder {

class Reader {
 public:
  /// The recording in `file`, with the older part of it in `file`.1 where there is one. Refuses
  /// what is no recording, and other formats.
  [[nodiscard]] static Result<Reader> open(const std::filesystem::path& file);
  /// A recording in memory.
  [[nodiscard]] static Result<Reader> of(std::string bytes);

  /// The next item; nothing at the end. A GapItem stands where pieces are missing.
  [[nodiscard]] std::optional<Item> next();

  /// Where and why reading ended before the end of a file; empty: it did not.
  [[nodiscard]] const std::string& damage() const noexcept { return damage_; }

  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }
  [[nodiscard]] std::uint64_t bytes_in_all() const noexcept { return bytes_in_all_; }

 private:
  struct Source {
    std::string name;  ///< For people; empty: in memory.
    sources::Fd fd;
    std::uint64_t size = 0;
  };

  Reader() = default;
  [[nodiscard]] static Result<Source> open_source(const std::filesystem::path& file);
  [[nodiscard]] Result<void> begin_source();
  /// Reads on until `wanted` bytes wait; false at the end of the file.
  [[nodiscard]] bool fill(std::size_t wanted);
  [[nodiscard]] std::string_view waiting() const;
  /// The next frame of the present source; nothing at its end, or where it is damaged.
  [[nodiscard]] std::optional<Frame> next_frame();
  [[nodiscard]] std::optional<Item> check_order(const Opening& opening);

  std::deque<Source> sources_;  ///< The first is being read.
  std::string buffer_;
  std::size_t taken_ = 0;  ///< Of the buffer.
  std::uint64_t bytes_read_ = 0;
  std::uint64_t bytes_in_all_ = 0;
  std::string damage_;
  FrameReader frames_;
  Decoder decoder_;
  std::optional<Opening> last_;
  std::optional<Item> held_back_;  ///< Comes after the gap that was told before it.
};

/// The incident that the bundle `file` is about, without reading the rest.
[[nodiscard]] Result<Incident> read_incident(const std::filesystem::path& file);

/// All items of `reader`.
[[nodiscard]] std::vector<Item> read_all(Reader& reader);

}  // namespace levee::recorder
