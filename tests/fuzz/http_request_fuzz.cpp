// Raw bytes from a client, through the parser the server uses, up to the path and query the API
// works on. The bytes must mean the same whether they come at once or in pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "api/authorize.hpp"
#include "api/http.hpp"
#include "fuzz/fuzz_check.hpp"
#include "server/request_parser.hpp"

namespace {

using levee::fuzz::check;
using levee::server::RequestParser;
using State = RequestParser::State;

// Small, so that the fuzzer reaches them.
constexpr std::size_t kHeader = 512;
constexpr std::size_t kBody = 256;

struct Outcome {
  std::vector<RequestParser::Message> messages;
  bool refused = false;
  bool unfinished = false;  ///< Ends in the middle of a request.
};

Outcome feed(std::string_view bytes, std::size_t step) {
  RequestParser parser{kHeader, kBody};
  Outcome outcome;
  while (!bytes.empty() && !outcome.refused) {
    const auto room = parser.prepare();
    check(!room.empty(), "there is room while more is wanted");
    const std::size_t size = std::min({step, bytes.size(), room.size()});
    std::memcpy(room.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    State state = parser.commit(size);
    while (state == State::complete) {
      outcome.messages.push_back(parser.take());
      state = parser.advance();
    }
    (void)parser.wants_continue();
    outcome.refused = state == State::refused;
  }
  check(!outcome.refused || parser.refusal().status >= 400, "a refusal has a status");
  outcome.unfinished = !outcome.refused && parser.started();
  return outcome;
}

void check_request(const levee::api::Request& request) {
  check(request.target.size() + request.method.size() <= kHeader, "headers keep their limit");
  check(request.body.size() <= kBody, "bodies keep their limit");
  for (const auto* text : {&request.method, &request.target, &request.host, &request.origin,
                           &request.accept, &request.content_type, &request.last_event_id}) {
    check(text->find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos,
          "headers are one line");
  }
  if (const auto target = levee::api::parse_target(request.target)) {
    check(target->path.starts_with('/'), "a path begins with a slash");
  }
  (void)levee::api::check_origin(levee::api::Peer::Via::loopback, request.host, request.origin);
}

bool same(const RequestParser::Message& a, const RequestParser::Message& b) {
  return a.request.method == b.request.method && a.request.target == b.request.target &&
         a.request.body == b.request.body && a.request.host == b.request.host &&
         a.request.origin == b.request.origin && a.keep_alive == b.keep_alive;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = levee::fuzz::as_text(data, size);
  const Outcome whole = feed(bytes, bytes.size());
  for (const auto& message : whole.messages) {
    check_request(message.request);
  }
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}}) {
    const Outcome pieces = feed(bytes, step);
    check(std::ranges::equal(whole.messages, pieces.messages, same), "pieces mean the same");
    // A fault may be seen later in pieces, where the end of the header must be there first, and
    // earlier in a chunk extension with a line break in quotes, which no valid request has.
    check(whole.refused || whole.unfinished || !pieces.refused,
          "pieces are no worse than the whole");
  }
  return 0;
}
