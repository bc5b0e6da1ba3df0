// Requests as a hostile client sends them: whatever the bytes, there is exactly one answer, and it
// is one an HTTP server can send.
//
// The first bytes choose method, way and peer; the rest is split at NUL bytes into target, body,
// and headers.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "unit/api/fixture.hpp"

namespace {

using namespace levee;
using namespace levee::api;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

/// Takes `data` apart.
class Pieces {
 public:
  explicit Pieces(std::string_view data) : rest_(data) {}

  std::size_t choice(std::size_t count) {
    const std::size_t chosen =
        rest_.empty() ? 0 : static_cast<unsigned char>(rest_.front()) % count;
    rest_.remove_prefix(rest_.empty() ? 0 : 1);
    return chosen;
  }

  std::string text() {
    const std::string_view part = rest_.substr(0, rest_.find('\0'));
    rest_.remove_prefix(std::min(rest_.size(), part.size() + 1));
    return std::string(part);
  }

 private:
  std::string_view rest_;
};

/// A View with something in every list, so that each handler has work to do.
std::shared_ptr<View> furnished_view() {
  auto view = example_view();
  const Alert alert = example_alert(1, Severity::warning, example_now());
  view->recent = std::make_shared<const std::vector<Alert>>(std::vector{alert});
  view->active = view->recent;
  view->events = std::make_shared<const std::vector<StreamedEvent>>(
      std::vector<StreamedEvent>{{5, "alert", "{}"}, {6, "resolved", "{}"}});
  return view;
}

/// What the command port answers: the right outcome, and a refusal now and then.
Result<Outcome> carry_out(const Command& command) {
  if (const auto* cleanup = std::get_if<Cleanup>(&command)) {
    return cleanup->force ? Result<Outcome>(CleanedUp{})
                          : fail(ErrorCode::unavailable, "the queue is full");
  }
  return ConfigUpdated{.changed = {}, .needs_restart = {}};
}

Api& fixed_api() {
  static const auto kView = furnished_view();
  static Api api(Ports{
      .view = [] { return kView; },
      .command = [](const Command& command,
                    const std::function<void(Result<Outcome>)>& done) { done(carry_out(command)); },
      .stored_history =
          [](const store::Query& query,
             const std::function<void(Result<std::vector<history::Bucket>>)>& done) {
            require(query.from < query.to && query.width > std::chrono::seconds{0});
            done(std::vector<history::Bucket>{});
          },
      .stored_events =
          [](const store::EventQuery& query,
             const std::function<void(Result<std::vector<store::StoredEvent>>)>& done) {
            require(query.since < example_now().wall && query.limit > 0);
            done(std::vector<store::StoredEvent>{});
          },
      .ledger = {},
      .now = [] { return example_now(); },
      .authority = Authority{.daemon_uid = kDaemonUid}});
  return api;
}

Request request_from(std::string_view data) {
  constexpr std::array kMethods{"GET", "PUT", "POST", "HEAD", "OPTIONS", "DELETE", ""};
  constexpr std::array<std::optional<uid_t>, 4> kUsers{kDaemonUid, 0, kOtherUid, std::nullopt};
  Pieces pieces(data);
  Request request;
  request.method = kMethods.at(pieces.choice(kMethods.size()));
  request.via = pieces.choice(4) == 3 ? Peer::Via::loopback : Peer::Via::unix_socket;
  request.peer_uid = [user = kUsers.at(pieces.choice(kUsers.size()))] { return user; };
  request.target = pieces.text();
  request.body = pieces.text();
  request.content_type = pieces.choice(4) == 3 ? pieces.text() : "application/json";
  request.host = pieces.choice(4) == 3 ? pieces.text() : "localhost";
  request.origin = pieces.text();
  request.accept = pieces.text();
  request.last_event_id = pieces.text();
  return request;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto target = parse_target(bytes)) {
    require(!target->path.empty() && target->path.find('\0') == std::string::npos);
  }
  int answers = 0;
  fixed_api().handle(request_from(bytes), [&](const Response& response) {
    ++answers;
    require(response.body != nullptr && response.status >= 200 && response.status < 600);
    require(response.status != 500);
    if (response.content_type == "application/json" && response.status >= 400) {
      require(nlohmann::json::accept(*response.body));
    }
  });
  require(answers == 1);
  return 0;
}
