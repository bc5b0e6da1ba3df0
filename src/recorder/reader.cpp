#include "recorder/reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sources/regular_file.hpp"

namespace levee::recorder {
namespace {

constexpr std::size_t kStep = std::size_t{256} << 10U;
constexpr std::size_t kLongestHead = 64;

/// The name of the run whose piece stands first in `file`; empty when that cannot be read.
std::string recording_of(const std::filesystem::path& file) {
  const auto text = [&file]() -> std::string {
    const auto opened = sources::open_regular_file(file);
    std::string start(kStep, '\0');
    const ssize_t count = opened ? ::pread(opened->fd.get(), start.data(), start.size(), 0) : 0;
    start.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return start;
  }();
  auto reader = Reader::of(text);
  const auto first = reader ? reader->next() : std::nullopt;
  const auto* const opening = first ? std::get_if<Opening>(&*first) : nullptr;
  return opening != nullptr ? opening->recording : std::string();
}

}  // namespace

Result<Reader::Source> Reader::open_source(const std::filesystem::path& file) {
  auto opened = sources::open_regular_file(file);
  if (!opened) {
    return std::unexpected(std::move(opened.error()));
  }
  return Source{.name = file.string(), .fd = std::move(opened->fd), .size = opened->size};
}

Result<Reader> Reader::open(const std::filesystem::path& file) {
  Reader reader;
  const std::filesystem::path older = file.string() + ".1";
  const std::string recording = recording_of(file);
  if (!recording.empty() && recording_of(older) == recording) {
    if (auto source = open_source(older)) {
      reader.bytes_in_all_ += source->size;
      reader.sources_.push_back(std::move(*source));
    }
  }
  auto source = open_source(file);
  if (!source) {
    return std::unexpected(std::move(source.error()));
  }
  reader.bytes_in_all_ += source->size;
  reader.sources_.push_back(std::move(*source));
  if (auto begun = reader.begin_source(); !begun) {
    return std::unexpected(begun.error().within(reader.sources_.front().name));
  }
  return reader;
}

Result<Reader> Reader::of(std::string bytes) {
  Reader reader;
  reader.bytes_in_all_ = bytes.size();
  reader.bytes_read_ = bytes.size();
  reader.buffer_ = std::move(bytes);
  reader.sources_.emplace_back();
  if (auto begun = reader.begin_source(); !begun) {
    return std::unexpected(begun.error());
  }
  return reader;
}

Result<void> Reader::begin_source() {
  static_cast<void>(fill(kLongestHead));
  const auto head = check_head(waiting());
  if (!head) {
    return std::unexpected(head.error());
  }
  taken_ += *head;
  return {};
}

std::string_view Reader::waiting() const { return std::string_view(buffer_).substr(taken_); }

bool Reader::fill(std::size_t wanted) {
  Source& source = sources_.front();
  while (waiting().size() < wanted) {
    if (!source.fd) {
      return false;
    }
    buffer_.erase(0, std::exchange(taken_, 0));
    const std::size_t before = buffer_.size();
    buffer_.resize(before + std::max(kStep, wanted - before));
    ssize_t count = 0;
    do {
      count = ::read(source.fd.get(), buffer_.data() + before, buffer_.size() - before);
    } while (count < 0 && errno == EINTR);
    buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    bytes_read_ += static_cast<std::uint64_t>(std::max<ssize_t>(count, 0));
    if (count <= 0) {
      return false;
    }
  }
  return true;
}

std::optional<Frame> Reader::next_frame() {
  static_cast<void>(fill(kFrameHead));
  if (waiting().empty()) {
    return std::nullopt;
  }
  const auto length = FrameReader::length_of(waiting());
  if (length) {
    static_cast<void>(fill(*length));
  }
  auto frame = length ? frames_.read(waiting()) : Result<Frame>(std::unexpected(length.error()));
  if (!frame) {
    const std::string& name = sources_.front().name;
    damage_ = fmt::format("{}{}{}: what follows is left out", name, name.empty() ? "" : ": ",
                          frame.error().message);
    return std::nullopt;
  }
  taken_ += frame->length;
  return std::move(*frame);
}

std::optional<Item> Reader::check_order(const Opening& opening) {
  const bool follows =
      !last_ || (last_->recording == opening.recording && last_->number + 1 == opening.number);
  last_ = opening;
  return follows ? std::nullopt : std::optional<Item>(GapItem{});
}

std::optional<Item> Reader::next() {
  if (held_back_) {
    return std::exchange(held_back_, std::nullopt);
  }
  while (!sources_.empty()) {
    auto frame = next_frame();
    if (!frame) {
      // A cut end of the older part is a gap like any other; the newer part is read on.
      sources_.pop_front();
      buffer_.clear();
      taken_ = 0;
      if (sources_.empty() || !begin_source()) {
        sources_.clear();
        return std::nullopt;
      }
      continue;
    }
    auto item = decoder_.decode(*frame);
    if (!item) {
      damage_ = fmt::format("{}: what follows is left out", item.error().message);
      sources_.clear();
      return std::nullopt;
    }
    if (const auto* opening = std::get_if<Opening>(&*item)) {
      if (auto gap = check_order(*opening)) {
        held_back_ = std::move(*item);
        return gap;
      }
    }
    return std::move(*item);
  }
  return std::nullopt;
}

Result<Incident> read_incident(const std::filesystem::path& file) {
  auto reader = Reader::open(file);
  if (!reader) {
    return std::unexpected(std::move(reader.error()));
  }
  auto first = reader->next();
  auto* const incident = first ? std::get_if<Incident>(&*first) : nullptr;
  if (incident == nullptr) {
    return fail(
        ErrorCode::corrupt, fmt::format("{} is no incident", file.string()),
        reader->damage().empty() ? "it is a recording; `levee replay` reads it" : reader->damage());
  }
  return std::move(*incident);
}

std::vector<Item> read_all(Reader& reader) {
  std::vector<Item> items;
  while (auto item = reader.next()) {
    items.push_back(std::move(*item));
  }
  return items;
}

}  // namespace levee::recorder
