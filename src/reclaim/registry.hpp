// Registry: who can give memory back, and the requests on their way. Connections bring it what
// processes say; whoever wants memory asks; the engine, once a tick, brings what it measured, and
// what became of the requests comes out. Nothing here waits.
//
// A request goes through three phases: weighed before, on its way, weighed after. A process has at
// most one, also one that nobody waits for any more because its time was up: until it has answered
// that, it is busy.
//
// Thread-safe. Sends under its lock, so that lines leave in the order in which things happened;
// what it calls to send neither blocks nor calls back. Answers to requests are called outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"
#include "levee/result.hpp"
#include "reclaim/roster.hpp"
#include "reclaim/wire.hpp"

namespace levee::reclaim {

/// The way to a process that is connected.
struct Line {
  std::function<void(std::string line)> send = [](const auto&) {};
  std::function<void()> close = [] {};  ///< Once all that was sent is on its way.
};

/// What happened, for the log.
struct Happening {
  enum class Kind { joined, left };
  Kind kind = Kind::joined;
  Client client;
  std::string why;  ///< Why it left.
};

class Registry {
 public:
  struct Limits {
    std::size_t per_user = 64;
    std::size_t in_all = 512;
  };
  struct Options {
    Limits limits;
    Tolerance tolerance;
    /// Asks for a step() soon. Must not call back.
    std::function<void()> wake = [] {};
    std::function<Now()> clock;
  };

  explicit Registry(Options options);

  // --- what connections bring

  /// Lets a process in, which is yet to say what it offers. Its connection's number; why it is
  /// turned away: its user has too many, or it is here already.
  [[nodiscard]] Result<std::uint64_t> admit(Caller caller);
  void begin(std::uint64_t connection, Line line);
  /// One line of it, or why there is none. Whatever is wrong with it is told, and the connection
  /// closed.
  void hear(std::uint64_t connection, std::string_view line);
  void refuse(std::uint64_t connection, const Error& error);
  /// The connection is gone.
  void end(std::uint64_t connection);

  // --- what those bring who want memory

  using Done = std::function<void(Result<Asked>)>;
  /// As api::ReclaimPort::ask. An error is told at once, the rest by a step().
  void ask(std::string_view client, Ask ask, Done done);

  [[nodiscard]] std::shared_ptr<const Roster> roster();
  void set_limit_per_user(std::size_t most);

  // --- what the engine brings

  /// Figures of a process and a device that were read at `since` or later; nothing where there are
  /// none yet. Called under the lock.
  using Scale = std::function<std::optional<Weight>(const ProcessId& process,
                                                    const std::string& device, MonoTime since)>;
  /// Whether a process is there still, and the lease it belongs to.
  using Look = std::function<std::optional<std::string>(const ProcessId& process)>;

  /// Moves every request on as far as it goes, and answers those that are over. A few clients are
  /// looked at each time, the others in turn; one whose process has ended is hung up on: a child of
  /// it may hold the connection open.
  void step(const Scale& scale, const Look& look);

  /// When a step() would do something, if nothing happens before.
  [[nodiscard]] MonoTime next_due() const;

  /// What has happened since the last call; `lost` counts what there was no room for.
  struct News {
    std::vector<Happening> happenings;
    std::size_t lost = 0;
  };
  [[nodiscard]] News collect();

  /// Tells everybody who waits that nothing comes any more. What is asked later is told the same.
  void stop();

 private:
  enum class Phase { weighed_before, on_its_way, weighed_after };

  struct Request {
    std::uint64_t number = 0;
    std::uint64_t connection = 0;
    Done done;
    Phase phase = Phase::weighed_before;
    MonoTime phase_began;
    MonoTime sent_at;
    Asked asked;
  };
  struct Connection {
    Client client;
    Line line;
    bool is_registered = false;
    std::string why_closing;  ///< Not empty: it is being hung up on.
    std::uint64_t owes = 0;   ///< The request that it has not answered; 0: none.
  };
  using Table = std::map<std::uint64_t, Connection>;
  using Finished = std::vector<std::pair<Done, Asked>>;

  [[nodiscard]] Result<void> may_join(const Caller& caller) const;
  [[nodiscard]] Result<void> may_ask(const Connection& connection, const Ask& ask,
                                     MonoTime now) const;
  [[nodiscard]] Connection* find(std::uint64_t number);
  [[nodiscard]] Record& record_of(const ProcessId& process);

  [[nodiscard]] Result<void> take(Connection& connection, wire::Message message, Now now);
  [[nodiscard]] Result<void> take_answer(Connection& connection, const wire::Answer& answer,
                                         MonoTime now);
  void hang_up(Connection& connection, const Error& error);

  void weigh_before(Request& request, const Scale& scale, MonoTime now);
  void send_request(Request& request, MonoTime now);
  [[nodiscard]] bool is_over(Request& request, const Scale& scale, MonoTime now);
  void finish(Request& request, MonoTime now, Finished& finished);
  void look_in_turn(const Look& look);
  void tell(Happening happening);
  Record& remember(const ProcessId& process, const Record& record);

  const Options options_;

  mutable std::mutex mutex_;  // guards the members below
  std::size_t most_per_user_;
  Table connections_;
  std::vector<Request> requests_;
  std::uint64_t next_connection_ = 1;
  std::uint64_t next_request_ = 1;
  std::uint64_t next_look_ = 0;                          ///< The connection whose turn it is.
  std::deque<std::pair<ProcessId, Record>> remembered_;  ///< Of those who left; the newest last.
  Totals totals_;
  std::uint64_t turned_away_ = 0;
  std::shared_ptr<const Roster> roster_;  ///< Null when it must be made anew.
  News news_;
  bool is_stopped_ = false;
};

}  // namespace levee::reclaim
