// Mailbox: the way back to the I/O thread for whoever answers a request. It outlives the server:
// an answer that comes too late is dropped. Thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <mutex>
#include <utility>

namespace levee::server {

class Mailbox {
 public:
  explicit Mailbox(boost::asio::io_context& io) : io_(&io) {}

  /// From here on nothing is delivered; the io_context may go.
  void close() {
    const std::lock_guard lock(mutex_);
    io_ = nullptr;
  }

  /// Runs `work` on the I/O thread, soon; never within this call.
  template <class Work>
  void post(Work work) {
    const std::lock_guard lock(mutex_);
    if (io_ != nullptr) {
      boost::asio::post(*io_, std::move(work));
    }
  }

  /// Runs `work` on the I/O thread: at once if that is where we are, else soon.
  template <class Work>
  void deliver(Work work) {
    {
      const std::lock_guard lock(mutex_);
      if (io_ == nullptr) {
        return;
      }
      if (!io_->get_executor().running_in_this_thread()) {
        boost::asio::post(*io_, std::move(work));
        return;
      }
    }
    work();
  }

 private:
  std::mutex mutex_;
  boost::asio::io_context* io_;  ///< Guarded by mutex_; null once closed.
};

}  // namespace levee::server
