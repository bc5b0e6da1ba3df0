#include "engine/balloon_keeper.hpp"

#include <fmt/format.h>

#include <pthread.h>

#include <csignal>
#include <system_error>

namespace levee::engine {
namespace {

using api::BalloonPort;
using api::Holding;

/// Each is a process, threads and descriptors; a daemon keeps enough of those for the rest.
constexpr std::size_t kMostPosts = 256;

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

/// What stands for a balloon that nobody can hold.
std::expected<std::unique_ptr<BalloonPost>, Holding> BalloonKeeper::make_post(
    const BalloonOrder& order, const ledger::DeviceShare& share, std::size_t others) const {
  Holding refused;
  refused.lease = order.lease.id;
  refused.account = order.lease.account();
  refused.uuid = share.uuid;
  refused.state = api::HoldingState::failed;
  refused.promised = share.bytes;
  if (others >= kMostPosts) {
    refused.trouble = fmt::format("{} balloons are held already, and no more can be", others);
    return std::unexpected(std::move(refused));
  }
  try {
    return std::make_unique<BalloonPost>(settings_, order, share);
  } catch (const std::system_error& failure) {
    refused.trouble = fmt::format("there is no thread or descriptor left: {}", failure.what());
    return std::unexpected(std::move(refused));
  }
}

void BalloonKeeper::keep(const std::vector<BalloonOrder>& balloons) {
  const std::scoped_lock lock(mutex_);
  if (is_stopped_) {
    return;
  }
  Posts now;
  refused_.clear();
  for (const BalloonOrder& order : balloons) {
    const ledger::Lease& lease = order.lease;
    for (const ledger::DeviceShare& share : lease.shares) {
      const std::pair key{lease.id, share.uuid};
      const auto known = posts_.find(key);
      if (known != posts_.end() && known->second->ticket() == lease.ticket) {
        known->second->promise(share.bytes);
        now[key] = std::move(known->second);
        posts_.erase(known);
      } else if (auto post = make_post(order, share, now.size() + posts_.size())) {
        now[key] = std::move(*post);
      } else {
        refused_.push_back(std::move(post.error()));
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
    for (const Posts& posts : over) {
      for (const auto& [key, post] : posts) {
        if (post) {
          post->end();  // All of them at once: one may take its time.
        }
      }
    }
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
  all.insert(all.end(), refused_.begin(), refused_.end());
  return all;
}

void BalloonKeeper::pass_on(const std::string& lease, const Amount& amount,
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
    part->pass_on(amount, [together](const Result<Bytes>& result) { together->take(result); });
  }
}

BalloonPort BalloonKeeper::port() {
  return {.holdings = [this] { return holdings(); },
          .pass_on = [this](const std::string& lease, const Amount& amount,
                            const BalloonPort::Answer& done) { pass_on(lease, amount, done); }};
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
