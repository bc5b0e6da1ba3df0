#include "server/talk.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <tuple>
#include <utility>

namespace levee::server {

using boost::system::error_code;

/// The way to this connection for any thread. Always by way of the mailbox: whoever sends under a
/// lock of its own is never called back in the same breath.
class Talk::Outlet final : public api::Dialogue::Outlet {
 public:
  Outlet(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<Talk> talk)
      : mailbox_(std::move(mailbox)), talk_(std::move(talk)) {}

  void send(std::string line) override {
    mailbox_->post([talk = talk_, line = std::move(line)]() mutable {
      if (const auto alive = talk.lock()) {
        alive->send(std::move(line));
      }
    });
  }

  void close() override {
    mailbox_->post([talk = talk_] {
      if (const auto alive = talk.lock()) {
        alive->close_when_sent();
      }
    });
  }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::weak_ptr<Talk> talk_;
};

Talk::Talk(Home home, Socket socket, std::shared_ptr<api::Dialogue> dialogue)
    : home_(std::move(home)),
      socket_(std::move(socket)),
      dialogue_(std::move(dialogue)),
      cutter_(dialogue_->longest_line()) {}

void Talk::set_due(TimePoint& due, std::chrono::milliseconds time) {
  due = std::chrono::steady_clock::now() + time;
  home_.wake_by(due);
}

void Talk::start(std::string head, std::string_view early) {
  dialogue_->begin(std::make_shared<Outlet>(home_.mailbox, weak_from_this()));
  send(std::move(head));
  set_due(hear_by_, home_.limits.request_time);  // For the first word.
  if (!early.empty()) {
    cutter_.add(early);
    cut_lines();
  }
  read();
}

// --- hearing

void Talk::read() {
  if (is_closed_ || is_deaf_) {
    return;
  }
  socket_.async_read_some(boost::asio::buffer(room_),
                          [self = shared_from_this()](error_code error, std::size_t size) {
                            if (self->is_closed_) {
                              return;
                            }
                            if (error) {
                              self->close();
                              return;
                            }
                            self->cutter_.add({self->room_.data(), size});
                            self->cut_lines();
                            self->read();
                          });
}

void Talk::cut_lines() {
  bool is_whole = false;
  while (const auto line = cutter_.next()) {
    is_whole = true;
    dialogue_->heard(*line);
  }
  if (cutter_.is_too_long()) {
    is_deaf_ = true;
    hear_by_ = TimePoint::max();
    dialogue_->heard_too_much();
  } else if (!cutter_.has_part()) {
    hear_by_ = is_whole ? TimePoint::max() : hear_by_;
  } else if (is_whole || hear_by_ == TimePoint::max()) {
    set_due(hear_by_, home_.limits.request_time);
  }
}

// --- saying

void Talk::send(std::string line) {
  if (is_closed_ || is_closing_) {
    return;
  }
  if (in_flight_.size() + waiting_.size() + line.size() > home_.limits.stream_queue_bytes) {
    close();  // Whoever does not read does not work.
    return;
  }
  waiting_ += line;
  if (in_flight_.empty()) {
    write();
  }
}

void Talk::write() {
  in_flight_ = std::exchange(waiting_, {});
  set_due(sent_by_, home_.limits.write_time);
  boost::asio::async_write(socket_, boost::asio::buffer(in_flight_),
                           [self = shared_from_this()](error_code error, std::size_t) {
                             if (!self->is_closed_) {
                               error ? self->close() : self->on_written();
                             }
                           });
}

void Talk::on_written() {
  in_flight_.clear();
  sent_by_ = TimePoint::max();
  if (!waiting_.empty()) {
    write();
  } else if (is_closing_) {
    close();
  }
}

// --- the end

void Talk::close_when_sent() {
  is_closing_ = true;
  is_deaf_ = true;
  if (in_flight_.empty() && !is_closed_) {
    close();
  }
}

void Talk::on_due(TimePoint now) {
  if (now >= sent_by_) {
    close();
  } else if (now >= hear_by_) {
    hear_by_ = TimePoint::max();
    is_deaf_ = true;
    dialogue_->heard_nothing();
  }
}

void Talk::close() {
  if (is_closed_) {
    return;
  }
  is_closed_ = true;
  hear_by_ = sent_by_ = TimePoint::max();
  // Unread bytes would make the kernel reset the connection, and lose what was said last; on a Unix
  // socket, which is what processes come by, they do not.
  error_code ignored;
  std::ignore = socket_.close(ignored);
  dialogue_->ended();
  std::exchange(home_.over, [] {})();
}

}  // namespace levee::server
