#include "recorder/frames.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <new>

namespace levee::recorder {
namespace {

/// The fastest level: the figures of the next tick lie within the window and compress anyway.
constexpr int kLevel = 1;
constexpr std::size_t kStep = std::size_t{64} << 10U;

constexpr std::array kKinds{FrameKind::opening, FrameKind::tick,    FrameKind::settings,
                            FrameKind::event,   FrameKind::command, FrameKind::gap,
                            FrameKind::incident};

bool begins_stream(FrameKind kind) {
  return kind == FrameKind::opening || kind == FrameKind::incident;
}

void put_number(std::string& text, std::uint32_t number) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    text.push_back(static_cast<char>((number >> shift) & 0xffU));
  }
}

std::uint32_t number_at(std::string_view bytes, std::size_t place) {
  std::uint32_t number = 0;
  for (unsigned i = 0; i < 4; ++i) {
    number |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[place + i])) << (8 * i);
  }
  return number;
}

std::uint32_t checksum(FrameKind kind, std::string_view payload) {
  const auto first = static_cast<Bytef>(kind);
  const uLong begun = ::crc32(0, &first, 1);
  return static_cast<std::uint32_t>(::crc32(begun, reinterpret_cast<const Bytef*>(payload.data()),
                                            static_cast<uInt>(payload.size())));
}

/// zlib reads through a pointer that is not const.
Bytef* bytes_of(std::string_view text) {
  return const_cast<Bytef*>(  // NOLINT(cppcoreguidelines-pro-type-const-cast)
      reinterpret_cast<const Bytef*>(text.data()));
}

std::unexpected<Error> damaged(std::string what) {
  return fail(ErrorCode::corrupt, std::move(what));
}

}  // namespace

std::string file_head() { return fmt::format("{}{}\n", kMagic, kFormat); }

Result<std::size_t> check_head(std::string_view text) {
  if (!text.starts_with(kMagic)) {
    return fail(ErrorCode::invalid_argument, "this is no recording of Levee",
                "recordings are made with `levee serve --record FILE`; incidents lie in the state "
                "directory below incidents/");
  }
  constexpr std::size_t kLongest = 32;
  const std::string_view line = text.substr(0, std::min(text.find('\n'), kLongest));
  const std::string_view number = line.substr(kMagic.size());
  int format = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), format);
  if (error != std::errc{} || end != number.data() + number.size() || format != kFormat ||
      text.size() <= line.size()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("this recording has the format \"{}\"; this Levee reads {}",
                            number.substr(0, 8), kFormat),
                "read it with the version of Levee that wrote it");
  }
  return line.size() + 1;
}

struct FrameWriter::Stream {
  z_stream zlib{};

  Stream() {
    if (::deflateInit(&zlib, kLevel) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { ::deflateEnd(&zlib); }
};

FrameWriter::FrameWriter() : stream_(std::make_unique<Stream>()) {}
FrameWriter::~FrameWriter() = default;
FrameWriter::FrameWriter(FrameWriter&&) noexcept = default;
FrameWriter& FrameWriter::operator=(FrameWriter&&) noexcept = default;

std::string FrameWriter::frame(FrameKind kind, std::string_view content) {
  z_stream& zlib = stream_->zlib;
  if (begins_stream(kind)) {
    ::deflateReset(&zlib);
  }
  zlib.next_in = bytes_of(content);
  zlib.avail_in = static_cast<uInt>(content.size());
  std::string payload;
  do {
    const std::size_t before = payload.size();
    payload.resize(before + kStep);
    zlib.next_out = reinterpret_cast<Bytef*>(payload.data() + before);
    zlib.avail_out = static_cast<uInt>(kStep);
    ::deflate(&zlib, Z_SYNC_FLUSH);  // Cannot fail on a stream that was made well.
    payload.resize(before + kStep - zlib.avail_out);
  } while (zlib.avail_out == 0);

  std::string frame;
  frame.reserve(kFrameHead + payload.size());
  frame.push_back(static_cast<char>(kind));
  put_number(frame, static_cast<std::uint32_t>(payload.size()));
  put_number(frame, checksum(kind, payload));
  return frame += payload;
}

struct FrameReader::Stream {
  z_stream zlib{};
  bool has_begun = false;

  Stream() {
    if (::inflateInit(&zlib) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { ::inflateEnd(&zlib); }
};

FrameReader::FrameReader() : stream_(std::make_unique<Stream>()) {}
FrameReader::~FrameReader() = default;
FrameReader::FrameReader(FrameReader&&) noexcept = default;
FrameReader& FrameReader::operator=(FrameReader&&) noexcept = default;

Result<std::size_t> FrameReader::length_of(std::string_view bytes) {
  if (bytes.empty()) {
    return kFrameHead;
  }
  if (std::ranges::find(kKinds, static_cast<FrameKind>(bytes.front())) == kKinds.end()) {
    return damaged("there is no frame");
  }
  if (bytes.size() < kFrameHead) {
    return kFrameHead;
  }
  const std::size_t length = number_at(bytes, 1);
  if (length > kLongestPayload) {
    return damaged("a frame is too long");
  }
  return kFrameHead + length;
}

Result<Frame> FrameReader::read(std::string_view bytes) {
  const auto length = length_of(bytes);
  if (!length) {
    return std::unexpected(length.error());
  }
  if (bytes.size() < *length) {
    return damaged("a frame is cut");
  }
  Frame frame{.kind = static_cast<FrameKind>(bytes.front()), .content = {}, .length = *length};
  const std::string_view payload = bytes.substr(kFrameHead, *length - kFrameHead);
  if (checksum(frame.kind, payload) != number_at(bytes, 1 + sizeof(std::uint32_t))) {
    return damaged("a frame's checksum is wrong");
  }
  z_stream& zlib = stream_->zlib;
  if (begins_stream(frame.kind)) {
    ::inflateReset(&zlib);
    stream_->has_begun = true;
  } else if (!stream_->has_begun) {
    return damaged("a frame stands before any opening");
  }
  zlib.next_in = bytes_of(payload);
  zlib.avail_in = static_cast<uInt>(payload.size());
  int status = Z_OK;
  do {
    const std::size_t before = frame.content.size();
    if (before >= kLongestContent) {
      return damaged("a frame holds too much");
    }
    frame.content.resize(before + kStep);
    zlib.next_out = reinterpret_cast<Bytef*>(frame.content.data() + before);
    zlib.avail_out = static_cast<uInt>(kStep);
    status = ::inflate(&zlib, Z_SYNC_FLUSH);
    frame.content.resize(before + kStep - zlib.avail_out);
  } while (status == Z_OK && zlib.avail_out == 0);
  // Z_BUF_ERROR: all of it was read with the last step.
  if ((status != Z_OK && status != Z_BUF_ERROR) || zlib.avail_in != 0) {
    stream_->has_begun = false;
    return damaged("a frame is not deflated as it should be");
  }
  return frame;
}

}  // namespace levee::recorder
