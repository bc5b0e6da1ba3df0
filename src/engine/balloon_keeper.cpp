#include "engine/balloon_keeper.hpp"

#include <fmt/format.h>

#include <pthread.h>

#include <csignal>

namespace levee::engine {
namespace {

using api::BalloonPort;
using api::Holding;

/// Answers once all of several parts have: with the least that was passed on, or the first error.
class Together {
 public:
  Together(std::size_t parts, BalloonPort::Answer done) : left_(parts), done_(std::move(done)) {}

  void take(const Result<Bytes>& part) {
    bool is_last = false;
    {
      const std::scoped_lock lock(mutex_);
      const bool is_least = result_ && (!has_part_ || (part && *part < *result_));
      if (!part || is_least) {
        result_ = part;
      }
      has_part_ = true;
      is_last = --left_ == 0;
    }
    if (is_last) {
      done_(std::move(result_));
    }
  }

 private:
  std::mutex mutex_;
  std::size_t left_;
  bool has_part_ = false;
  Result<Bytes> result_ = Bytes{};
  BalloonPort::Answer done_;
};

}  // namespace

BalloonKeeper::BalloonKeeper(BalloonPost::Settings settings)
    : settings_(std::move(settings)), thread_([this] { run(); }) {}

void BalloonKeeper::keep(const std::vector<BalloonOrder>& balloons) {
  const std::scoped_lock lock(mutex_);
  if (is_stopped_) {
    return;
  }
  Posts now;
  for (const BalloonOrder& order : balloons) {
    const ledger::Lease& lease = order.lease;
    for (const ledger::DeviceShare& share : lease.shares) {
      auto& post = now[{lease.id, share.uuid}];
      const auto known = posts_.find({lease.id, share.uuid});
      if (known == posts_.end()) {
        post = std::make_unique<BalloonPost>(settings_, order, share);
      } else {
        post = std::move(known->second);
        posts_.erase(known);
        post->promise(share.bytes);
      }
    }
  }
  over_.push_back(std::exchange(posts_, std::move(now)));
  wake_.notify_one();
}

/// Lets go what is over.
void BalloonKeeper::run() {
  // Signals are for the main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return is_stopped_ || !over_.empty(); });
    std::vector<Posts> over = std::exchange(over_, {});
    if (over.empty()) {
      return;
    }
    lock.unlock();
    over.clear();
    lock.lock();
  }
}

std::vector<Holding> BalloonKeeper::holdings() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Holding> all;
  all.reserve(posts_.size());
  for (const auto& [key, post] : posts_) {
    all.push_back(post->holding());
  }
  return all;
}

void BalloonKeeper::pass_on(const std::string& lease, Bytes bytes,
                            const BalloonPort::Answer& done) {
  std::unique_lock lock(mutex_);
  std::vector<BalloonPost*> parts;
  for (const auto& [key, post] : posts_) {
    if (key.first == lease) {
      parts.push_back(post.get());
    }
  }
  if (parts.empty()) {
    lock.unlock();
    done(fail(ErrorCode::not_found, fmt::format("no balloon \"{}\" is held", lease),
              "`levee balloon list` shows all of them"));
    return;
  }
  const auto together = std::make_shared<Together>(parts.size(), done);
  for (BalloonPost* part : parts) {
    part->pass_on(bytes, [together](const Result<Bytes>& result) { together->take(result); });
  }
}

BalloonPort BalloonKeeper::port() {
  return {.holdings = [this] { return holdings(); },
          .pass_on = [this](const std::string& lease, Bytes bytes,
                            const BalloonPort::Answer& done) { pass_on(lease, bytes, done); }};
}

void BalloonKeeper::stop() {
  {
    const std::scoped_lock lock(mutex_);
    is_stopped_ = true;
    over_.push_back(std::exchange(posts_, {}));
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

}  // namespace levee::engine
