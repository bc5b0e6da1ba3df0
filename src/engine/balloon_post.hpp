// BalloonPost: one GPU's share of one balloon, held by a process of its own, with a thread that
// stands by it: starts it, has it hold what is wanted, and starts another one when it dies.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/balloon_port.hpp"
#include "balloon/holder.hpp"
#include "sources/file.hpp"

namespace levee::engine {

class BalloonPost {
 public:
  struct Settings {
    std::vector<std::string> holder;           ///< The program, see balloon::Holder.
    std::chrono::milliseconds growth{60'000};  ///< For one growth.
    /// Between two attempts: this, then twice as long, up to `most_pause`.
    std::chrono::milliseconds pause{500};
    std::chrono::milliseconds most_pause{15'000};
    /// Something has changed. Called on the post's thread; must not block.
    std::function<void()> changed = [] {};
  };

  BalloonPost(Settings settings, std::string lease, std::string account, std::string uuid,
              Bytes promised);
  BalloonPost(const BalloonPost&) = delete;
  BalloonPost& operator=(const BalloonPost&) = delete;
  ~BalloonPost();  ///< Everything is given back.

  /// So much is promised from now on.
  void promise(Bytes bytes);
  /// So much more of it is the owner's; `done` is called, on the post's thread, once it is free,
  /// with how much that was.
  void pass_on(Bytes bytes, api::BalloonPort::Answer done);

  [[nodiscard]] api::Holding holding() const;
  [[nodiscard]] const std::string& uuid() const noexcept { return uuid_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    Bytes target;  ///< What is to be held when this is answered.
    Bytes passed_on;
    api::BalloonPort::Answer done;
  };

  void run(const std::stop_token& stop);
  [[nodiscard]] bool work(const std::stop_token& stop);
  [[nodiscard]] Bytes target() const;
  void rest(const std::stop_token& stop, std::optional<Clock::duration> longest);
  void note(api::HoldingState state, const balloon::HolderState& held);
  void note(const Error& error);
  void answer_those_done();

  const Settings settings_;
  const std::string uuid_;
  sources::Fd wake_;

  mutable std::mutex mutex_;
  api::Holding holding_;  // guarded by mutex_, as is what follows
  std::vector<Waiting> waiting_;

  // The thread's alone.
  std::optional<balloon::Holder> holder_;
  std::chrono::milliseconds pause_;

  std::jthread thread_;  // last: it uses the others
};

}  // namespace levee::engine
