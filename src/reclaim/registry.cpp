#include "reclaim/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace levee::reclaim {
namespace {

using namespace std::chrono_literals;

/// How long a measurement may take to come; then the request goes on without it.
constexpr auto kWeighTime = 3s;
/// Between two looks for one that is due: a GPU's figures may take a moment.
constexpr auto kWeighPause = 50ms;

constexpr double kMostGrowth = 1e15;  ///< Bytes; beyond what any machine has.
constexpr std::size_t kMostNews = 64;
constexpr std::size_t kMostRemembered = 256;
constexpr std::size_t kLooksAtOnce = 8;

std::string offers_of(const Client& client) {
  std::string text;
  for (const Offer& offer : client.offers) {
    text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", to_string(offer.strategy),
                        offer.device);
  }
  return text.empty() ? "it offers nothing" : "it offers " + text;
}

std::chrono::seconds whole_seconds(MonoTime::duration duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration);
}

/// A process whose use was growing anyway may have freed what it says, and grown again meanwhile:
/// then its word stands against a guess.
Verdict verdict_on(const Asked& asked, Tolerance tolerance) {
  const Verdict verdict = judge(asked.said, asked.measured(), tolerance);
  if (verdict != Verdict::lied) {
    return verdict;
  }
  const double growth = std::max(0.0, asked.before->growth_per_second.value_or(0)) *
                        Seconds(asked.after->read_at - asked.before->read_at).count();
  tolerance.least += Bytes{static_cast<std::uint64_t>(std::clamp(growth, 0.0, kMostGrowth))};
  return judge(asked.said, asked.measured(), tolerance) == Verdict::lied ? Verdict::lied
                                                                         : Verdict::unclear;
}

}  // namespace

Registry::Registry(Options options)
    : options_(std::move(options)), most_per_user_(options_.limits.per_user) {}

// --- who comes and goes

Result<void> Registry::may_join(const Caller& caller) const {
  std::size_t of_user = 0;
  for (const auto& [number, connection] : connections_) {
    const Client& client = connection.client;
    if (client.caller.process == caller.process && connection.why_closing.empty()) {
      return fail(ErrorCode::already_exists,
                  fmt::format("process {} is here already, as {}", caller.process.pid, client.id),
                  "a process has one connection, and all it offers goes through that");
    }
    of_user += client.caller.uid == caller.uid ? 1 : 0;
  }
  if (of_user >= most_per_user_) {
    return fail(ErrorCode::resource_exhausted,
                fmt::format("{} processes of user {} are here already", of_user, caller.user),
                "end some, or raise reclaim.user_clients");
  }
  if (connections_.size() >= options_.limits.in_all) {
    return fail(ErrorCode::resource_exhausted,
                fmt::format("all {} places are taken", connections_.size()),
                "try again later, or raise server.max_connections");
  }
  return {};
}

Result<std::uint64_t> Registry::admit(Caller caller) {
  const std::lock_guard lock(mutex_);
  if (is_stopped_) {
    return fail(ErrorCode::unavailable, "the daemon stops", "connect to the next one");
  }
  if (auto allowed = may_join(caller); !allowed) {
    ++turned_away_;
    roster_.reset();
    return std::unexpected(std::move(allowed.error()));
  }
  const std::uint64_t number = next_connection_++;
  Connection connection;
  connection.client.id = fmt::format("r{}", number);
  const auto known =
      std::ranges::find(remembered_, caller.process, &std::pair<ProcessId, Record>::first);
  if (known != remembered_.end()) {
    connection.client.record = known->second;  // To come back makes nobody honest.
    remembered_.erase(known);
  }
  connection.client.caller = std::move(caller);
  connections_.emplace(number, std::move(connection));
  return number;
}

void Registry::begin(std::uint64_t connection, Line line) {
  const std::lock_guard lock(mutex_);
  if (Connection* const known = find(connection)) {
    known->line = std::move(line);
  }
}

void Registry::hear(std::uint64_t connection, std::string_view line) {
  auto message = wire::decode(line);
  const Now now = options_.clock();
  bool is_awaited = false;
  {
    const std::lock_guard lock(mutex_);
    Connection* const from = find(connection);
    if (from == nullptr || !from->why_closing.empty()) {
      return;
    }
    is_awaited = message && std::holds_alternative<wire::Answer>(*message);
    const Result<void> taken = message ? take(*from, std::move(*message), now)
                                       : std::unexpected(std::move(message.error()));
    if (!taken) {
      hang_up(*from, taken.error());
    }
  }
  if (is_awaited) {
    options_.wake();
  }
}

Result<void> Registry::take(Connection& connection, wire::Message message, Now now) {
  Client& client = connection.client;
  if (auto* hello = std::get_if<wire::Register>(&message)) {
    if (connection.is_registered) {
      return fail(ErrorCode::invalid_argument, "register came twice",
                  "say update when the offers change");
    }
    connection.is_registered = true;
    client.name = hello->name.empty() ? fmt::format("pid {}", client.caller.process.pid)
                                      : std::move(hello->name);
    // To be asked after others than one's own is not one's own decision.
    client.priority =
        client.caller.is_administrator ? hello->priority : std::min(hello->priority, 0);
    client.offers = std::move(hello->offers);
    client.since = now.wall;
    roster_.reset();
    connection.line.send(wire::encode(wire::Welcome{client.id}));
    tell({Happening::Kind::joined, client, {}});
    return {};
  }
  if (std::holds_alternative<wire::Goodbye>(message)) {
    connection.why_closing = "it said goodbye";
    roster_.reset();
    connection.line.close();
    return {};
  }
  if (!connection.is_registered) {
    return fail(ErrorCode::invalid_argument, "the first message is not register",
                R"(begin with {"type":"register","name":…,"offers":[…]})");
  }
  if (auto* update = std::get_if<wire::Update>(&message)) {
    client.offers = std::move(update->offers);
    roster_.reset();
    return {};
  }
  if (const auto* answer = std::get_if<wire::Answer>(&message)) {
    return take_answer(connection, *answer, now.mono);
  }
  return fail(ErrorCode::invalid_argument, "only the daemon says that",
              "a process may say register, update, answer and goodbye");
}

Result<void> Registry::take_answer(Connection& connection, const wire::Answer& answer,
                                   MonoTime now) {
  if (connection.owes == 0 || connection.owes != answer.id) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("answer: request {} is not open", answer.id),
                connection.owes == 0 ? std::string("nothing was asked, or it was answered already")
                                     : fmt::format("request {} is", connection.owes));
  }
  connection.owes = 0;
  const auto request = std::ranges::find(requests_, answer.id, &Request::number);
  if (request == requests_.end()) {  // Nobody waits for it any more.
    ++connection.client.record.late;
    connection.client.busy = false;
    roster_.reset();
    return {};
  }
  request->asked.outcome = answer.result;
  request->asked.said = answer.result == Outcome::done ? answer.freed : Bytes{};
  request->asked.message = answer.message;
  request->asked.took = std::chrono::ceil<std::chrono::milliseconds>(now - request->sent_at);
  request->phase = Phase::weighed_after;
  request->phase_began = now;
  return {};
}

void Registry::refuse(std::uint64_t connection, const Error& error) {
  const std::lock_guard lock(mutex_);
  Connection* const from = find(connection);
  if (from != nullptr && from->why_closing.empty()) {
    hang_up(*from, error);
  }
}

void Registry::hang_up(Connection& connection, const Error& error) {
  ++turned_away_;
  roster_.reset();
  connection.why_closing = fmt::format("it broke the protocol: {}", error.message);
  connection.line.send(wire::encode(wire::Fault{error}));
  connection.line.close();
}

void Registry::end(std::uint64_t connection) {
  {
    const std::lock_guard lock(mutex_);
    const auto where = connections_.find(connection);
    if (where == connections_.end()) {
      return;
    }
    Connection& left = where->second;
    const std::string why =
        left.why_closing.empty() ? "its connection ended" : std::move(left.why_closing);
    for (Request& request : requests_) {
      // One that was answered is only still to be weighed.
      if (request.connection == connection && request.phase != Phase::weighed_after) {
        request.asked.outcome = Outcome::gone;
        request.asked.message = why;
        request.connection = 0;
      }
    }
    if (left.is_registered) {
      remember(left.client.caller.process, left.client.record);
      tell({Happening::Kind::left, std::move(left.client), why});
    }
    connections_.erase(where);
    roster_.reset();
  }
  options_.wake();
}

Record& Registry::remember(const ProcessId& process, const Record& record) {
  if (remembered_.size() >= kMostRemembered) {
    remembered_.pop_front();
  }
  return remembered_.emplace_back(process, record).second;
}

Record& Registry::record_of(const ProcessId& process) {
  for (auto& [number, connection] : connections_) {
    if (connection.client.caller.process == process) {
      return connection.client.record;
    }
  }
  const auto known = std::ranges::find(remembered_, process, &std::pair<ProcessId, Record>::first);
  return known != remembered_.end() ? known->second : remember(process, {});
}

// --- asking

Result<void> Registry::may_ask(const Connection& connection, const Ask& ask, MonoTime now) const {
  const Client& client = connection.client;
  if (client.offer(ask.strategy, ask.device) == nullptr) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("{} does not offer {} on {}", client.id, to_string(ask.strategy), ask.device),
        offers_of(client));
  }
  if (ask.bytes == Bytes{}) {
    return fail(ErrorCode::invalid_argument, "nothing is asked for", "ask for at least one byte");
  }
  if (ask.deadline < kShortestDeadline || ask.deadline > kLongestDeadline) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the deadline is {} ms", ask.deadline.count()),
                "it must be from 10 milliseconds to 10 minutes");
  }
  if (client.busy) {
    return fail(ErrorCode::already_exists,
                fmt::format("{} was asked before and has not answered", client.id),
                "ask another one, or wait");
  }
  if (client.record.is_passed_over(now) && !ask.despite_record) {
    return fail(
        ErrorCode::unavailable,
        fmt::format("{} is passed over for another {}: it lied or did not answer", client.id,
                    format_duration(whole_seconds(*client.record.passed_over_until - now))),
        "ask another one");
  }
  return {};
}

void Registry::ask(std::string_view client, Ask ask, Done done) {
  std::optional<Error> refusal;
  {
    const std::lock_guard lock(mutex_);
    const MonoTime now = options_.clock().mono;
    const auto found = std::ranges::find_if(connections_, [&](const auto& entry) {
      return entry.second.client.id == client && entry.second.is_registered &&
             entry.second.why_closing.empty();
    });
    if (is_stopped_) {
      refusal = Error{ErrorCode::unavailable, "the daemon stops", "ask the next one"};
    } else if (found == connections_.end()) {
      refusal = Error{ErrorCode::not_found, fmt::format("there is no client \"{}\"", client),
                      "`levee reclaim list` shows all of them"};
    } else if (auto allowed = may_ask(found->second, ask, now); !allowed) {
      refusal = std::move(allowed.error());
    } else {
      Request request{.number = next_request_++,
                      .connection = found->first,
                      .done = std::move(done),
                      .phase = Phase::weighed_before,
                      .phase_began = now,
                      .sent_at = now,
                      .asked = {}};
      request.asked.number = request.number;
      request.asked.client = found->second.client;
      request.asked.ask = std::move(ask);
      found->second.client.busy = true;
      roster_.reset();
      requests_.push_back(std::move(request));
    }
  }
  if (refusal) {
    done(std::unexpected(std::move(*refusal)));
  } else {
    options_.wake();
  }
}

void Registry::weigh_before(Request& request, const Scale& scale, MonoTime now) {
  request.asked.before =
      scale(request.asked.client.caller.process, request.asked.ask.device, request.phase_began);
  if (request.asked.before || now - request.phase_began >= kWeighTime) {
    send_request(request, now);
  }
}

void Registry::send_request(Request& request, MonoTime now) {
  Connection& to = connections_.at(request.connection);
  const Ask& ask = request.asked.ask;
  request.phase = Phase::on_its_way;
  request.sent_at = request.phase_began = now;
  to.owes = request.number;
  to.line.send(wire::encode(wire::Request{.id = request.number,
                                          .strategy = ask.strategy,
                                          .device = ask.device,
                                          .bytes = ask.bytes,
                                          .deadline = ask.deadline,
                                          .reason = ask.reason}));
}

bool Registry::is_over(Request& request, const Scale& scale, MonoTime now) {
  if (request.connection == 0) {
    return true;  // Gone.
  }
  switch (request.phase) {
    case Phase::weighed_before:
      weigh_before(request, scale, now);
      return false;
    case Phase::on_its_way:
      if (now - request.sent_at < request.asked.ask.deadline) {
        return false;
      }
      request.asked.outcome = Outcome::timed_out;
      request.asked.took = std::chrono::ceil<std::chrono::milliseconds>(now - request.sent_at);
      return true;
    case Phase::weighed_after:
      request.asked.after =
          scale(request.asked.client.caller.process, request.asked.ask.device, request.phase_began);
      return request.asked.after || now - request.phase_began >= kWeighTime;
  }
  return true;
}

void Registry::finish(Request& request, MonoTime now, Finished& finished) {
  Asked& asked = request.asked;
  const auto measured = asked.measured();
  if (asked.outcome == Outcome::done) {
    asked.verdict = verdict_on(asked, options_.tolerance);
  }
  switch (asked.outcome) {
    case Outcome::done:
      ++totals_.done;
      totals_.lied += asked.verdict == Verdict::lied ? 1 : 0;
      totals_.freed +=
          Bytes{static_cast<std::uint64_t>(std::max<std::int64_t>(measured.value_or(0), 0))};
      break;
    case Outcome::refused:
      ++totals_.refused;
      break;
    case Outcome::failed:
      ++totals_.failed;
      break;
    case Outcome::timed_out:
      ++totals_.timed_out;
      break;
    case Outcome::gone:
      ++totals_.gone;
      break;
  }
  // It may have left since it answered: its record stays.
  Record& record = record_of(asked.client.caller.process);
  const auto faults = record.faults_in_a_row;
  note(record, asked.outcome, asked.said, measured, asked.verdict, now);
  if (record.faults_in_a_row > faults) {
    asked.passed_over_until = record.passed_over_until;
  }
  if (Connection* const from = find(request.connection)) {
    from->client.busy = from->owes != 0;
  }
  roster_.reset();
  finished.emplace_back(std::move(request.done), std::move(asked));
}

// --- what the engine brings

void Registry::step(const Scale& scale, const Look& look) {
  Finished finished;
  {
    const std::lock_guard lock(mutex_);
    const MonoTime now = options_.clock().mono;
    look_in_turn(look);
    std::erase_if(requests_, [&](Request& request) {
      const bool over = is_over(request, scale, now);
      if (over) {
        finish(request, now, finished);
      }
      return over;
    });
  }
  for (auto& [done, asked] : finished) {
    done(std::move(asked));
  }
}

void Registry::look_in_turn(const Look& look) {
  auto turn = connections_.lower_bound(next_look_);
  for (std::size_t i = std::min(kLooksAtOnce, connections_.size()); i > 0; --i) {
    if (turn == connections_.end()) {
      turn = connections_.begin();
    }
    Connection& connection = turn->second;
    auto account = look(connection.client.caller.process);
    if (!account && connection.why_closing.empty()) {
      // A child has inherited the connection: it would stay open as long as that lives.
      connection.why_closing = "its process has ended";
      connection.line.close();
      roster_.reset();
    } else if (account && *account != connection.client.account) {
      connection.client.account = std::move(*account);
      roster_.reset();
    }
    ++turn;
  }
  next_look_ = turn == connections_.end() ? 0 : turn->first;
}

MonoTime Registry::next_due() const {
  const std::lock_guard lock(mutex_);
  MonoTime due = MonoTime::max();
  for (const Request& request : requests_) {
    due = std::min(due, request.phase == Phase::on_its_way
                            ? request.sent_at + request.asked.ask.deadline
                            : options_.clock().mono + kWeighPause);
  }
  return due;
}

std::shared_ptr<const Roster> Registry::roster() {
  const std::lock_guard lock(mutex_);
  if (roster_ == nullptr) {
    auto roster = std::make_shared<Roster>();
    std::multimap<int, const Client*> by_priority;  // Equals in the order in which they come.
    for (const auto& [number, connection] : connections_) {
      if (connection.is_registered && connection.why_closing.empty()) {
        by_priority.emplace(connection.client.priority, &connection.client);
      }
    }
    for (const auto& [priority, client] : by_priority) {
      roster->clients.push_back(*client);
    }
    roster->totals = totals_;
    roster->turned_away = turned_away_;
    roster_ = std::move(roster);
  }
  return roster_;
}

void Registry::set_limit_per_user(std::size_t most) {
  const std::lock_guard lock(mutex_);
  most_per_user_ = most;
}

Registry::News Registry::collect() {
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, {});
}

void Registry::tell(Happening happening) {
  if (news_.happenings.size() < kMostNews) {
    news_.happenings.push_back(std::move(happening));
  } else {
    ++news_.lost;
  }
}

void Registry::stop() {
  std::vector<Request> open;
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
    open.swap(requests_);
  }
  for (const Request& request : open) {
    request.done(fail(ErrorCode::unavailable, "the daemon stops", "ask the next one"));
  }
}

Registry::Connection* Registry::find(std::uint64_t number) {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : &found->second;
}

}  // namespace levee::reclaim
