#include <errno.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "client/callback_worker.hpp"
#include "client/endpoint.hpp"
#include "client/find_daemon.hpp"
#include "client/fork_watch.hpp"
#include "client/reclaim_link.hpp"
#include "levee/reclaim.hpp"
#include "reclaim/wire.hpp"

namespace levee {
namespace {

namespace wire = reclaim::wire;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kHandshakeTime = 1000ms;   ///< For leaving HTTP, and again for the welcome.
constexpr auto kFirstPause = 100ms;       ///< Between two attempts; doubles
constexpr auto kLongestPause = 10'000ms;  ///< up to this.
/// A connection that ends sooner is one more failed attempt.
constexpr auto kLastingTime = 1000ms;
constexpr auto kPatienceOfStart = 2500ms;

Error forked() {
  return {ErrorCode::unavailable, "this process is a fork of the one that made the client",
          "make a client of its own in the child"};
}

reclaim::Outcome outcome_of(ReclaimAnswer::Kind kind) {
  switch (kind) {
    case ReclaimAnswer::Kind::done:
      return reclaim::Outcome::done;
    case ReclaimAnswer::Kind::refused:
      return reclaim::Outcome::refused;
    case ReclaimAnswer::Kind::failed:
      return reclaim::Outcome::failed;
  }
  return reclaim::Outcome::failed;
}

ReclaimAnswer call(const ReclaimClient::Callback& callback, const ReclaimRequest& request) {
  try {
    return callback(request);
  } catch (const std::exception& exception) {
    return ReclaimAnswer::failed(exception.what());
  } catch (...) {
    return ReclaimAnswer::failed("the callback threw something that is no exception");
  }
}

Result<void> check_device(std::string_view device) {
  const bool is_clean = std::ranges::all_of(device, [](char c) { return c > ' ' && c < 0x7f; });
  if (device.empty() || device.size() > wire::kLongestDevice || !is_clean) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is no device", device.substr(0, 64)),
                "name a GPU by its UUID, or \"host\"");
  }
  return {};
}

/// Grows with every attempt; differs between processes, so that not all come back at once.
class BackOff {
 public:
  void reset() { pause_ = kFirstPause; }
  std::chrono::milliseconds next() {
    const auto now =
        std::exchange(pause_, std::min<std::chrono::milliseconds>(2 * pause_, kLongestPause));
    return now + now * (::getpid() % 16) / 64;
  }

 private:
  std::chrono::milliseconds pause_ = kFirstPause;
};

}  // namespace

/// Shared by the client, its I/O thread and, while it lasts, a callback.
class ReclaimClient::Core : public std::enable_shared_from_this<Core> {
 public:
  explicit Core(ReclaimOptions options)
      : options_(std::move(options)), wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_fd_ < 0) {
      throw std::system_error(errno, std::generic_category(), "eventfd");
    }
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core() { ::close(wake_fd_); }

  [[nodiscard]] bool is_in_child() const noexcept { return fork_.is_in_child(); }

  Result<void> offer(reclaim::Offer offer, Callback callback);
  void take_back(ReclaimStrategy strategy, std::string_view device);
  Result<void> estimate(ReclaimStrategy strategy, std::string_view device,
                        std::optional<Bytes> bytes);
  Result<ReclaimStatus> start(const std::optional<std::filesystem::path>& socket);
  ReclaimStatus status();
  void stop();

 private:
  struct Offered {
    reclaim::Offer offer;
    std::shared_ptr<const Callback> callback;
  };
  /// An answer belongs to the connection over which was asked: another daemon knows nothing of it.
  struct Ready {
    std::uint64_t connection = 0;
    wire::Answer answer;
  };

  // The I/O thread.
  void run();
  [[nodiscard]] Result<client::ReclaimLink> connect();
  [[nodiscard]] Result<void> talk(client::ReclaimLink& link);
  [[nodiscard]] Result<void> say_what_is_new(client::ReclaimLink& link);
  [[nodiscard]] Result<void> listen(client::ReclaimLink& link);
  [[nodiscard]] Result<void> take(client::ReclaimLink& link, wire::Message message);
  [[nodiscard]] Result<void> take_request(client::ReclaimLink& link, wire::Request request);
  void wait_for_wake(int fd, std::chrono::milliseconds patience) const;

  // Any thread.
  void wake() const;
  [[nodiscard]] bool is_stopping();
  [[nodiscard]] std::vector<reclaim::Offer> offers_now();
  [[nodiscard]] Offered* find(ReclaimStrategy strategy, std::string_view device);
  void note_trouble(Error error);
  void take_answer(std::uint64_t connection, std::uint64_t id, ReclaimAnswer answer);

  const ReclaimOptions options_;
  const int wake_fd_;
  client::ForkWatch fork_;
  client::CallbackWorker worker_;  ///< The I/O thread's, then stop()'s.
  std::thread io_;
  sigset_t signals_{};  ///< Of whoever started it; callbacks run with the same.
  std::optional<std::filesystem::path> socket_;
  std::uint64_t connection_ = 0;  ///< The I/O thread's.

  std::mutex mutex_;  // guards the members below
  std::condition_variable settled_;
  std::vector<Offered> offers_;
  bool offers_changed_ = false;
  std::vector<Ready> ready_;
  ReclaimStatus status_;
  bool is_settled_ = false;  ///< The first attempt is over.
  bool is_started_ = false;
  bool is_stopping_ = false;
};

// --- offers

ReclaimClient::Core::Offered* ReclaimClient::Core::find(ReclaimStrategy strategy,
                                                        std::string_view device) {
  const auto found = std::ranges::find_if(offers_, [&](const Offered& each) {
    return each.offer.strategy == strategy && each.offer.device == device;
  });
  return found == offers_.end() ? nullptr : &*found;
}

Result<void> ReclaimClient::Core::offer(reclaim::Offer offer, Callback callback) {
  {
    const std::lock_guard lock(mutex_);
    auto shared = std::make_shared<const Callback>(std::move(callback));
    if (Offered* const known = find(offer.strategy, offer.device)) {
      *known = {std::move(offer), std::move(shared)};
    } else if (offers_.size() >= wire::kMostOffers) {
      return fail(ErrorCode::resource_exhausted,
                  fmt::format("{} offers are made already", offers_.size()), "take some back");
    } else {
      offers_.push_back({std::move(offer), std::move(shared)});
    }
    offers_changed_ = true;
  }
  wake();
  return {};
}

void ReclaimClient::Core::take_back(ReclaimStrategy strategy, std::string_view device) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(offers_, [&](const Offered& each) {
      return each.offer.strategy == strategy && each.offer.device == device;
    });
    offers_changed_ = true;
  }
  wake();
}

Result<void> ReclaimClient::Core::estimate(ReclaimStrategy strategy, std::string_view device,
                                           std::optional<Bytes> bytes) {
  {
    const std::lock_guard lock(mutex_);
    Offered* const known = find(strategy, device);
    if (known == nullptr) {
      return fail(ErrorCode::not_found,
                  fmt::format("{} on {} is not offered", to_string(strategy), device),
                  "offer it with on()");
    }
    if (known->offer.estimate == bytes) {
      return {};
    }
    known->offer.estimate = bytes;
    offers_changed_ = true;
  }
  wake();
  return {};
}

std::vector<reclaim::Offer> ReclaimClient::Core::offers_now() {
  std::vector<reclaim::Offer> offers;
  const std::lock_guard lock(mutex_);
  for (const Offered& each : offers_) {
    offers.push_back(each.offer);
  }
  offers_changed_ = false;
  return offers;
}

// --- the life of it

Result<ReclaimStatus> ReclaimClient::Core::start(
    const std::optional<std::filesystem::path>& socket) {
  std::unique_lock lock(mutex_);
  if (is_started_) {
    return fail(ErrorCode::already_exists, "the client was started already", "start it once");
  }
  socket_ = socket;
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &signals_);  // The program's signals are not for its thread.
  bool made = true;
  try {
    io_ = std::thread([self = shared_from_this()] { self->run(); });
  } catch (const std::system_error&) {
    made = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
  if (!made) {
    return fail(ErrorCode::resource_exhausted, "no thread could be started",
                "raise the limit of processes (ulimit -u)");
  }
  is_started_ = true;
  settled_.wait_for(lock, kPatienceOfStart, [&] { return is_settled_; });
  return status_;
}

ReclaimStatus ReclaimClient::Core::status() {
  const std::lock_guard lock(mutex_);
  return status_;
}

void ReclaimClient::Core::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake();
  if (io_.joinable()) {
    io_.join();
  }
  worker_.stop(options_.stop_patience);
}

bool ReclaimClient::Core::is_stopping() {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void ReclaimClient::Core::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

void ReclaimClient::Core::note_trouble(Error error) {
  const std::lock_guard lock(mutex_);
  status_.is_registered = false;
  status_.client.clear();
  status_.trouble = std::move(error);
  is_settled_ = true;
  settled_.notify_all();
}

// --- the I/O thread

void ReclaimClient::Core::run() {
  BackOff back_off;
  while (!is_stopping()) {
    const auto began = Clock::now();
    auto link = connect();
    Result<void> over;
    if (link) {
      fork_.keep(link->fd());
      over = talk(*link);
      fork_.keep(-1);
    } else {
      over = std::unexpected(std::move(link.error()));
    }
    if (status().is_registered && Clock::now() - began > kLastingTime) {
      back_off.reset();
    }
    if (over) {
      return;  // It said goodbye.
    }
    note_trouble(std::move(over.error()));
    const auto until = Clock::now() + back_off.next();
    while (!is_stopping() && Clock::now() < until) {
      wait_for_wake(-1, std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()));
    }
  }
}

void ReclaimClient::Core::wait_for_wake(int fd, std::chrono::milliseconds patience) const {
  std::array<pollfd, 2> fds{pollfd{wake_fd_, POLLIN, 0}, pollfd{fd, POLLIN, 0}};
  ::poll(fds.data(), fds.size(), static_cast<int>(patience.count()));
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t drained = ::read(wake_fd_, &count, sizeof count);
}

Result<client::ReclaimLink> ReclaimClient::Core::connect() {
  using client::Trust;
  ++connection_;
  const auto env = client::process_environment();
  const bool named = socket_.has_value() || env("LEVEE_SOCKET").has_value();
  const Trust trust = named ? Trust::anybody : Trust::root_and_me;
  const auto found = client::find_daemon(
      socket_ ? std::vector{*socket_} : client::socket_candidates(env, ::getuid()), trust,
      ::getuid());
  if (!found) {
    return std::unexpected(found.error());
  }
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t drained = ::read(wake_fd_, &count, sizeof count);
  if (is_stopping()) {
    return fail(ErrorCode::unavailable, "the client stops");
  }
  return client::ReclaimLink::open(*found, trust, wake_fd_, kHandshakeTime);
}

Result<void> ReclaimClient::Core::talk(client::ReclaimLink& link) {
  std::string name = options_.name.empty() ? program_invocation_short_name : options_.name;
  if (auto sent = link.send(wire::Register{
          .name = std::move(name),
          .priority = std::clamp(options_.priority, -wire::kMostPriority, wire::kMostPriority),
          .offers = offers_now()});
      !sent) {
    return sent;
  }
  const auto welcome_by = Clock::now() + kHandshakeTime;
  for (;;) {
    if (auto heard = listen(link); !heard) {
      return heard;
    }
    const bool is_registered = status().is_registered;
    if (is_stopping()) {
      static_cast<void>(say_what_is_new(link));
      static_cast<void>(link.send(wire::Goodbye{}));
      return {};
    }
    if (!is_registered && Clock::now() >= welcome_by) {
      return fail(ErrorCode::timed_out, "the daemon does not welcome this process",
                  "it may be busy");
    }
    if (is_registered) {
      if (auto said = say_what_is_new(link); !said) {
        return said;
      }
    }
    wait_for_wake(link.fd(), is_registered ? 60s : kHandshakeTime);
    if (auto received = link.receive(); !received) {
      return received;
    }
  }
}

/// What other threads have brought since the last time.
Result<void> ReclaimClient::Core::say_what_is_new(client::ReclaimLink& link) {
  std::vector<Ready> ready;
  bool offers_changed = false;
  {
    const std::lock_guard lock(mutex_);
    ready.swap(ready_);
    offers_changed = offers_changed_;
  }
  for (const Ready& each : ready) {
    if (each.connection != connection_) {
      continue;
    }
    if (auto sent = link.send(each.answer); !sent) {
      return sent;
    }
  }
  return offers_changed ? link.send(wire::Update{offers_now()}) : Result<void>{};
}

Result<void> ReclaimClient::Core::listen(client::ReclaimLink& link) {
  for (;;) {
    auto message = link.next();
    if (!message) {
      return std::unexpected(std::move(message.error()));
    }
    if (!*message) {
      return {};
    }
    if (auto taken = take(link, std::move(**message)); !taken) {
      return taken;
    }
  }
}

Result<void> ReclaimClient::Core::take(client::ReclaimLink& link, wire::Message message) {
  if (auto* welcome = std::get_if<wire::Welcome>(&message)) {
    const std::lock_guard lock(mutex_);
    status_.is_registered = true;
    status_.client = std::move(welcome->client);
    status_.trouble.reset();
    is_settled_ = true;
    settled_.notify_all();
    return {};
  }
  if (auto* request = std::get_if<wire::Request>(&message)) {
    return take_request(link, std::move(*request));
  }
  if (auto* fault = std::get_if<wire::Fault>(&message)) {
    return std::unexpected(std::move(fault->error));
  }
  return fail(ErrorCode::corrupt, "the daemon says what only a process says",
              "use a library and a daemon of the same release");
}

Result<void> ReclaimClient::Core::take_request(client::ReclaimLink& link, wire::Request request) {
  std::shared_ptr<const Callback> callback;
  {
    const std::lock_guard lock(mutex_);
    ++status_.asked;
    if (const Offered* const offered = find(request.strategy, request.device)) {
      callback = offered->callback;
    }
  }
  const auto refuse = [&](std::string why) {
    const std::lock_guard lock(mutex_);
    ++status_.answered;
    return link.send(wire::Answer{request.id, reclaim::Outcome::refused, {}, std::move(why)});
  };
  if (callback == nullptr) {
    return refuse("that is not offered any more");
  }
  ReclaimRequest asked{.id = request.id,
                       .strategy = request.strategy,
                       .device = std::move(request.device),
                       .bytes = request.bytes,
                       .deadline = Clock::now() + request.deadline,
                       .reason = std::move(request.reason)};
  const bool is_running = worker_.run(
      [weak = weak_from_this(), callback = std::move(callback), connection = connection_,
       asked = std::move(asked)] {
        return [weak, connection, id = asked.id, answer = call(*callback, asked)] {
          if (const auto core = weak.lock()) {
            core->take_answer(connection, id, answer);
          }
        };
      },
      signals_);
  return is_running ? Result<void>{} : refuse("an earlier request is still being worked on");
}

void ReclaimClient::Core::take_answer(std::uint64_t connection, std::uint64_t id,
                                      ReclaimAnswer answer) {
  {
    const std::lock_guard lock(mutex_);
    ++status_.answered;
    ready_.push_back({connection,
                      {id, outcome_of(answer.kind),
                       answer.kind == ReclaimAnswer::Kind::done ? answer.bytes : Bytes{},
                       std::move(answer.message)}});
  }
  wake();
}

// --- what programs see

ReclaimClient::ReclaimClient(ReclaimOptions options)
    : core_(std::make_shared<Core>(std::move(options))) {}

ReclaimClient::~ReclaimClient() {
  if (core_->is_in_child()) {
    // Its threads are not there, and its locks may be held by them: it is left as it is.
    static_cast<void>(new std::shared_ptr<Core>(std::move(core_)));
    return;
  }
  core_->stop();
}

Result<void> ReclaimClient::on(ReclaimStrategy strategy, std::string_view device, Callback callback,
                               std::optional<Bytes> estimate) {
  if (core_->is_in_child()) {
    return std::unexpected(forked());
  }
  if (auto good = check_device(device); !good) {
    return good;
  }
  if (!callback) {
    return fail(ErrorCode::invalid_argument, "there is no callback", "pass a function");
  }
  return core_->offer({strategy, std::string(device), estimate}, std::move(callback));
}

void ReclaimClient::off(ReclaimStrategy strategy, std::string_view device) {
  if (!core_->is_in_child()) {
    core_->take_back(strategy, device);
  }
}

Result<void> ReclaimClient::estimate(ReclaimStrategy strategy, std::string_view device,
                                     std::optional<Bytes> bytes) {
  return core_->is_in_child() ? std::unexpected(forked())
                              : core_->estimate(strategy, device, bytes);
}

Result<ReclaimStatus> ReclaimClient::start(const std::optional<std::filesystem::path>& socket) {
  return core_->is_in_child() ? std::unexpected(forked()) : core_->start(socket);
}

ReclaimStatus ReclaimClient::status() const {
  if (core_->is_in_child()) {
    ReclaimStatus status;
    status.trouble = forked();
    return status;
  }
  return core_->status();
}

}  // namespace levee
