// BalloonPost: one GPU's share of one balloon, held by a process of its own, with a thread that
// stands by it: starts it, has it hold what is wanted, and starts another one when it dies. A
// balloon that follows its owner does so by itself, in its process; the thread hears how far it is.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/balloon_port.hpp"
#include "balloon/holder.hpp"
#include "engine/balloon_order.hpp"
#include "sources/file.hpp"

namespace levee::engine {

class BalloonPost {
 public:
  struct Settings {
    std::vector<std::string> holder;           ///< The program, see balloon::Holder.
    std::chrono::milliseconds growth{60'000};  ///< For one growth.
    std::chrono::milliseconds answer{10'000};  ///< For anything else that is asked of the holder.
    /// One that follows by itself is asked so often whether the driver lets it.
    std::chrono::milliseconds check{30'000};
    /// Between two attempts: this, then twice as long, up to `most_pause`.
    std::chrono::milliseconds pause{500};
    std::chrono::milliseconds most_pause{15'000};
    /// What the owner used on this GPU before the balloon `lease` is known now, and worth keeping
    /// for a post after this one. Called on the post's thread; must not block.
    std::function<void(const std::string& lease, const ledger::DeviceShare& used)> began =
        [](const auto&, const auto&) {};
  };

  BalloonPost(Settings settings, const BalloonOrder& order, const ledger::DeviceShare& share);
  BalloonPost(const BalloonPost&) = delete;
  BalloonPost& operator=(const BalloonPost&) = delete;
  ~BalloonPost();  ///< Everything is given back.

  /// Lets everything go soon; the destructor waits for that.
  void end();
  /// So much is promised from now on.
  void promise(Bytes bytes);
  /// So much more of it, a share being one of what is promised, is the owner's; `done` is called,
  /// on the post's thread, once it is free, with how much that was.
  void pass_on(const Amount& amount, api::BalloonPort::Answer done);

  [[nodiscard]] api::Holding holding() const;
  [[nodiscard]] const std::string& uuid() const noexcept { return uuid_; }
  /// Of the lease: another one of the same id has another.
  [[nodiscard]] std::uint64_t ticket() const noexcept { return ticket_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    Bytes target;  ///< What is to be held when this is answered.
    Bytes passed_on;
    api::BalloonPort::Answer done;
  };

  void run(const std::stop_token& stop);
  [[nodiscard]] bool work(const std::stop_token& stop);
  [[nodiscard]] Result<void> start(const std::stop_token& stop);
  [[nodiscard]] Result<void> hold(const std::stop_token& stop);
  [[nodiscard]] Result<void> follow();
  [[nodiscard]] Result<void> check();
  void hear();
  void part();
  [[nodiscard]] Bytes promised() const;
  [[nodiscard]] Bytes target() const;
  void rest(const std::stop_token& stop, std::optional<Clock::duration> longest);
  void note(api::HoldingState state, const balloon::HolderState& held);
  void note(const Error& error);
  void answer_those_done();
  void yield_to_those_who_ask();

  const Settings settings_;
  const std::string uuid_;
  const std::uint64_t ticket_;
  /// How it follows its owner, if it does; the amounts of the moment are filled in.
  const std::optional<balloon::Following> following_;
  sources::Fd wake_;

  mutable std::mutex mutex_;
  api::Holding holding_;  // guarded by mutex_, as is what follows
  std::vector<Waiting> waiting_;

  // The thread's alone.
  std::optional<balloon::Holder> holder_;
  bool is_following_ = false;   ///< The holder has been told.
  balloon::BatonState baton_;   ///< As it was last heard of, also by a holder before this one.
  Bytes told_;                  ///< What is promised, as the holder knows it.
  Clock::time_point answered_;  ///< When it last answered, as far as is known.
  std::chrono::milliseconds pause_;

  std::jthread thread_;  // last: it uses the others
};

}  // namespace levee::engine
