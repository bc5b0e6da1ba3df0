#include "balloon/holder_wire.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace levee::balloon::wire {
namespace {

// Both ends run on one machine: numbers lie as they do in memory.
constexpr std::uint32_t kMark = 0x484C564C;  // "LVLH"
constexpr std::uint32_t kMostBytes = 8192;
constexpr std::size_t kMostText = 2048;
constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();

struct Header {
  std::uint32_t mark = kMark;
  std::uint16_t version = kVersion;
  std::uint16_t kind = 0;
  std::uint32_t length = 0;
};
static_assert(sizeof(Header) == 12);

/// Writes what a message consists of, one after the other.
class Writer {
 public:
  template <std::integral Number>
  Writer& operator&(Number small) {
    const auto number = static_cast<std::uint64_t>(small);
    body_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  Writer& operator&(Bytes bytes) { return *this & bytes.count; }
  Writer& operator&(const std::optional<Bytes>& bytes) {
    return *this & (bytes ? bytes->count : kUnknown);
  }
  Writer& operator&(std::chrono::milliseconds time) {
    return *this & static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count()));
  }
  Writer& operator&(const ProcessId& id) {
    return *this & id.boot.high & id.boot.low & id.pid & id.start_ticks;
  }
  Writer& operator&(ErrorCode code) { return *this & static_cast<std::uint64_t>(code); }
  Writer& operator&(std::string_view text) {
    text = text.substr(0, kMostText);
    *this& text.size();
    body_.append(text);
    return *this;
  }

  [[nodiscard]] const std::string& body() const { return body_; }

 private:
  std::string body_;
};

/// Reads the same back; once something is wrong, everything is.
class Parser {
 public:
  explicit Parser(std::string_view body) : rest_(body) {}

  Parser& operator&(std::uint64_t& number) {
    if (rest_.size() < sizeof number) {
      is_good_ = false;
      return *this;
    }
    std::memcpy(&number, rest_.data(), sizeof number);
    rest_.remove_prefix(sizeof number);
    return *this;
  }
  Parser& operator&(Bytes& bytes) { return *this & bytes.count; }
  Parser& operator&(std::optional<Bytes>& bytes) {
    Bytes read;
    *this& read;
    bytes = read.count == kUnknown ? std::nullopt : std::optional(read);
    return *this;
  }
  Parser& operator&(std::chrono::milliseconds& time) {
    constexpr std::chrono::milliseconds kMost = std::chrono::hours{24 * 365};
    std::uint64_t count = 0;
    *this& count;
    is_good_ = is_good_ && std::cmp_less_equal(count, kMost.count());
    time = std::chrono::milliseconds{is_good_ ? static_cast<std::int64_t>(count) : 0};
    return *this;
  }
  Parser& operator&(ErrorCode& code) {
    std::uint64_t number = 0;
    *this& number;
    is_good_ = is_good_ && number <= static_cast<std::uint64_t>(ErrorCode::internal);
    code = is_good_ ? static_cast<ErrorCode>(number) : ErrorCode::internal;
    return *this;
  }
  Parser& operator&(bool& truth) {
    std::uint64_t number = 0;
    *this& number;
    is_good_ = is_good_ && number <= 1;
    truth = number == 1;
    return *this;
  }
  template <std::integral Number>
    requires(sizeof(Number) < sizeof(std::uint64_t))
  Parser& operator&(Number& small) {
    std::uint64_t number = 0;
    *this& number;
    is_good_ = is_good_ && std::in_range<Number>(number);
    small = is_good_ ? static_cast<Number>(number) : Number{};
    return *this;
  }
  Parser& operator&(ProcessId& id) {
    return *this & id.boot.high & id.boot.low & id.pid & id.start_ticks;
  }
  Parser& operator&(std::string& text) {
    std::uint64_t length = 0;
    *this& length;
    is_good_ = is_good_ && length <= std::min(rest_.size(), kMostText);
    if (is_good_) {
      text = rest_.substr(0, length);
      rest_.remove_prefix(length);
    }
    return *this;
  }

  [[nodiscard]] bool is_whole() const { return is_good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool is_good_ = true;
};

void following_fields(auto& stream, auto& how) {
  stream & how.account.account & how.account.owner & how.account.uid;
  stream & how.baton.promised & how.baton.step & how.baton.spare;
  stream & how.baseline & how.look & how.rest;
}

void baton_fields(auto& stream, auto& baton) {
  stream & baton.has_begun & baton.is_done;
  stream & baton.baseline & baton.use & baton.passed_on & baton.lost & baton.trouble;
}

template <class Stream>
void fields(Stream& stream, auto& message) {
  using Kind = std::remove_cvref_t<decltype(message)>;
  stream & message.number;
  if constexpr (std::is_same_v<Kind, Hold>) {
    stream & message.bytes & message.chunk_size & message.deadline;
  } else if constexpr (std::is_same_v<Kind, Growing>) {
    stream & message.held & message.wanted;
  } else if constexpr (std::is_same_v<Kind, Follow>) {
    following_fields(stream, message.how);
  } else if constexpr (std::is_same_v<Kind, Yield>) {
    stream & message.bytes;
  } else if constexpr (requires { message.state; }) {
    auto& state = message.state;
    stream & state.requested & state.held & state.chunks & state.free & state.total;
  }
  if constexpr (std::is_same_v<Kind, Passing>) {
    baton_fields(stream, message.baton);
  }
  if constexpr (std::is_same_v<Kind, Failed>) {
    stream & message.error.code & message.error.message & message.error.hint;
  }
}

template <std::size_t kind = 0>
std::optional<Message> parse(std::size_t wanted, std::string_view body) {
  if constexpr (kind < std::variant_size_v<Message>) {
    if (kind != wanted) {
      return parse<kind + 1>(wanted, body);
    }
    std::variant_alternative_t<kind, Message> message;
    Parser parser(body);
    fields(parser, message);
    return parser.is_whole() ? std::optional<Message>(std::move(message)) : std::nullopt;
  } else {
    return std::nullopt;
  }
}

}  // namespace

std::string encode(const Message& message) {
  Writer writer;
  std::visit([&](const auto& alternative) { fields(writer, alternative); }, message);
  Header header;
  header.kind = static_cast<std::uint16_t>(message.index());
  header.length = static_cast<std::uint32_t>(writer.body().size());
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + writer.body();
}

Result<std::optional<Message>> Reader::next() {
  Header header;
  if (text_.size() < sizeof header) {
    return std::nullopt;
  }
  std::memcpy(&header, text_.data(), sizeof header);
  if (header.mark != kMark || header.version != kVersion || header.length > kMostBytes) {
    return fail(
        ErrorCode::corrupt,
        header.mark == kMark && header.version != kVersion
            ? fmt::format("the other end speaks version {}, and not {}", header.version, kVersion)
            : std::string("what arrived is no message of a holder"),
        "both must be of the same build of levee: start the daemon anew");
  }
  if (text_.size() < sizeof header + header.length) {
    return std::nullopt;
  }
  auto message = parse(header.kind, std::string_view(text_).substr(sizeof header, header.length));
  if (!message) {
    return fail(ErrorCode::corrupt, fmt::format("a message of kind {} is damaged", header.kind));
  }
  text_.erase(0, sizeof header + header.length);
  return message;
}

}  // namespace levee::balloon::wire
