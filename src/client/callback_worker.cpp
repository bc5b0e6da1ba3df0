#include "client/callback_worker.hpp"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <utility>

namespace levee::client {

struct CallbackWorker::Desk {
  std::mutex mutex;  // guards the members below
  std::condition_variable changed;
  Job job;
  bool is_busy = false;
  bool is_stopping = false;
  bool is_over = false;
};

CallbackWorker::CallbackWorker() : desk_(std::make_shared<Desk>()) {}

CallbackWorker::~CallbackWorker() { stop(std::chrono::milliseconds{0}); }

bool CallbackWorker::run(Job job, const sigset_t& signals) {
  {
    const std::lock_guard lock(desk_->mutex);
    if (desk_->is_busy || desk_->is_stopping) {
      return false;
    }
    desk_->is_busy = true;
    desk_->job = std::move(job);
  }
  if (!thread_.joinable()) {
    try {
      thread_ = std::thread([desk = desk_, signals] {
        ::pthread_sigmask(SIG_SETMASK, &signals, nullptr);
        work(desk);
      });
    } catch (const std::system_error&) {
      const std::lock_guard lock(desk_->mutex);
      desk_->is_busy = false;
      desk_->job = nullptr;
      return false;
    }
  }
  desk_->changed.notify_all();
  return true;
}

void CallbackWorker::work(const std::shared_ptr<Desk>& desk) {
  std::unique_lock lock(desk->mutex);
  for (;;) {
    desk->changed.wait(lock, [&] { return desk->is_stopping || desk->job; });
    if (!desk->job) {
      break;
    }
    Job job = std::exchange(desk->job, nullptr);
    lock.unlock();
    const News tell = job();
    job = nullptr;  // What it holds goes without the lock.
    lock.lock();
    desk->is_busy = false;
    lock.unlock();
    tell();
    lock.lock();
  }
  desk->is_over = true;
  desk->changed.notify_all();
}

void CallbackWorker::stop(std::chrono::milliseconds patience) {
  bool is_over = false;
  {
    std::unique_lock lock(desk_->mutex);
    desk_->is_stopping = true;
    desk_->job = nullptr;  // What has not begun need not begin.
    desk_->changed.notify_all();
    if (!thread_.joinable()) {
      return;
    }
    if (thread_.get_id() != std::this_thread::get_id()) {
      is_over = desk_->changed.wait_for(lock, patience, [&] { return desk_->is_over; });
    }
  }
  is_over ? thread_.join() : thread_.detach();
}

}  // namespace levee::client
