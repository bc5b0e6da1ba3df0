#include "server/connection.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/error.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/write.hpp>
#include <cassert>
#include <span>
#include <tuple>
#include <utility>

#include "server/response_head.hpp"
#include "server/talk.hpp"

namespace levee::server {
namespace {

using boost::system::error_code;
using namespace std::chrono_literals;

/// How long, and for how many bytes, a client that is still sending may go on after its last
/// answer. Closing at once would reset the connection and could destroy the answer on its way.
constexpr auto kLingerTime = 2s;
constexpr std::size_t kLingerBytes = std::size_t{8} * 1024 * 1024;

/// Frames written by one system call at most (the kernel takes 1024, Asio 64).
constexpr std::size_t kFramesAtOnce = 64;

const Frame& heartbeat_frame() {
  static const Frame kFrame = std::make_shared<const std::string>(": \n\n");
  return kFrame;
}

api::Response error_page(int status, ErrorCode code, std::string message, std::string hint) {
  auto response = api::error_response(Error{code, std::move(message), std::move(hint)});
  response.status = status;
  return response;
}

}  // namespace

/// One request's right to one answer. If the last copy of the responder goes without having been
/// called, the client is told so instead of waiting for ever.
class Connection::Ticket {
 public:
  Ticket(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<Connection> connection)
      : mailbox_(std::move(mailbox)), connection_(std::move(connection)) {}
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() {
    if (used_) {
      return;
    }
    try {
      answer(error_page(500, ErrorCode::internal, "the request was not answered",
                        "This is a defect in Levee"));
    } catch (...) {  // Out of memory: the client waits until it gives up.
      used_ = true;
    }
  }

  void answer(api::Response response) {
    if (used_.exchange(true)) {
      return;
    }
    mailbox_->deliver([connection = connection_, response = std::move(response)] {
      if (const auto alive = connection.lock()) {
        alive->respond(response);
      }
    });
  }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::weak_ptr<Connection> connection_;
  std::atomic<bool> used_ = false;
};

Connection::Connection(Owner& owner, Socket socket, Peer peer)
    : owner_(owner),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      parser_(owner.limits().header_bytes, owner.limits().body_bytes) {}

void Connection::start() {
  due_in(owner_.limits().idle_time);
  read();
}

void Connection::due_in(std::chrono::milliseconds time) {
  due_ = std::chrono::steady_clock::now() + time;
  owner_.wake_by(due_);
}

// --- requests

void Connection::read() {
  const auto room = parser_.prepare();
  socket_.async_read_some(boost::asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](error_code error, std::size_t size) {
                            if (self->state_ != State::reading) {
                              return;  // The deadline was first.
                            }
                            if (error == boost::asio::error::eof) {
                              self->on_end_of_input();
                            } else if (error) {
                              self->close();
                            } else {
                              self->on_read(size);
                            }
                          });
}

void Connection::on_read(std::size_t size) { proceed(parser_.commit(size)); }

void Connection::on_end_of_input() {
  if (parser_.started()) {
    refuse(error_page(400, ErrorCode::invalid_argument, "the request ended in the middle",
                      "Send the whole request before closing"));
  } else {
    close();
  }
}

void Connection::proceed(RequestParser::State parsed) {
  switch (parsed) {
    case RequestParser::State::complete:
      handle_request();
      return;
    case RequestParser::State::refused:
      refuse(parser_.refusal());
      return;
    case RequestParser::State::partial:
      break;
  }
  if (!request_started_ && parser_.started()) {
    request_started_ = true;
    due_in(owner_.limits().request_time);
  }
  if (parser_.wants_continue()) {
    send_continue();
  } else {
    read();
  }
}

void Connection::send_continue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  boost::asio::async_write(socket_, boost::asio::buffer(kContinue),
                           [self = shared_from_this()](error_code error, std::size_t) {
                             if (self->state_ != State::reading) {
                               return;
                             }
                             error ? self->close() : self->read();
                           });
}

void Connection::handle_request() {
  auto message = parser_.take();
  state_ = State::handling;
  due_ = TimePoint::max();
  request_started_ = false;
  keep_alive_ = message.keep_alive;
  http_1_0_ = message.http_1_0;
  head_only_ = message.request.method == "HEAD";
  message.request.via = peer_.via;
  message.request.peer_uid = peer_.uid;
  message.request.peer_pid = peer_.pid;
  auto ticket = std::make_shared<Ticket>(owner_.mailbox(), weak_from_this());
  owner_.handle(std::move(message.request), [ticket = std::move(ticket)](api::Response response) {
    ticket->answer(std::move(response));
  });
}

// --- answers

void Connection::respond(const api::Response& response) {
  if (state_ != State::handling) {
    return;
  }
  assert(response.body != nullptr);
  if (response.dialogue != nullptr) {
    start_talk(response);
  } else if (response.stream && !head_only_) {
    open_stream(response);
  } else {
    write_response(response, keep_alive_);
  }
}

void Connection::refuse(const api::Response& response) {
  error_code ignored;
  std::ignore = socket_.cancel(ignored);
  http_1_0_ = false;
  head_only_ = false;
  write_response(response, false);
}

void Connection::write_response(const api::Response& response, bool keep) {
  state_ = State::writing;
  keep_ = keep;
  body_ = response.body;
  head_.clear();
  append_head(head_, response,
              !keep       ? Framing::close
              : http_1_0_ ? Framing::keep_alive_http_1_0
                          : Framing::keep_alive);
  const bool with_body = !head_only_ && may_have_body(response.status);
  const std::array<boost::asio::const_buffer, 2> buffers{
      boost::asio::buffer(head_),
      with_body ? boost::asio::buffer(*body_) : boost::asio::const_buffer{}};
  due_in(owner_.limits().write_time);
  boost::asio::async_write(socket_, buffers,
                           [self = shared_from_this()](error_code error, std::size_t) {
                             if (self->state_ == State::writing) {
                               error ? self->close() : self->on_written();
                             }
                           });
}

void Connection::on_written() {
  body_.reset();
  if (!keep_) {
    linger();
    return;
  }
  state_ = State::reading;
  due_in(owner_.limits().idle_time);
  proceed(parser_.advance());
}

void Connection::linger() {
  state_ = State::lingering;
  parser_.discard();
  due_in(kLingerTime);
  error_code error;
  std::ignore = socket_.shutdown(Socket::shutdown_send, error);
  error ? close() : drain();
}

void Connection::drain() {
  const auto room = parser_.prepare();
  socket_.async_read_some(boost::asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](error_code error, std::size_t size) {
                            self->unread_bytes_ += size;
                            if (error || self->unread_bytes_ > kLingerBytes) {
                              self->close();
                            } else if (self->state_ == State::lingering) {
                              self->drain();
                            }
                          });
}

// --- streams

void Connection::open_stream(const api::Response& response) {
  state_ = State::streaming;
  owner_.stream_opened();
  // Else the kernel would hold megabytes for each reader that fell asleep.
  error_code ignored;
  std::ignore = socket_.set_option(
      boost::asio::socket_base::send_buffer_size(
          static_cast<int>(std::min<std::size_t>(owner_.limits().stream_queue_bytes, 1 << 20))),
      ignored);
  auto head = std::make_shared<std::string>();
  append_head(*head, response, Framing::stream);
  // Not counted as queued: the first page may be larger than what a slow reader may owe.
  waiting_ = {std::move(head), response.body};
  parser_.discard();
  write_frames();
  watch_for_close();
}

void Connection::watch_for_close() {
  const auto room = parser_.prepare();
  socket_.async_read_some(boost::asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](error_code error, std::size_t size) {
                            if (self->state_ != State::streaming) {
                              return;
                            }
                            self->unread_bytes_ += size;
                            if (error || self->unread_bytes_ > self->owner_.limits().header_bytes) {
                              self->close();
                            } else {
                              self->watch_for_close();
                            }
                          });
}

void Connection::send_frame(const Frame& frame) {
  if (state_ != State::streaming) {
    return;
  }
  if (in_flight_bytes_ + waiting_bytes_ + frame->size() > owner_.limits().stream_queue_bytes) {
    end(Reason::too_slow);
    return;
  }
  waiting_.push_back(frame);
  waiting_bytes_ += frame->size();
  if (!frames_moving_) {
    write_frames();
  }
}

void Connection::write_frames() {
  const auto count = std::min(waiting_.size(), kFramesAtOnce);
  const auto last = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
  in_flight_.assign(waiting_.begin(), last);
  waiting_.erase(waiting_.begin(), last);
  buffers_.clear();
  std::size_t bytes = 0;
  for (const auto& frame : in_flight_) {
    buffers_.push_back(boost::asio::buffer(*frame));
    bytes += frame->size();
  }
  in_flight_bytes_ = std::min(bytes, waiting_bytes_);
  waiting_bytes_ -= in_flight_bytes_;
  frames_moving_ = true;
  due_in(owner_.limits().write_time);
  boost::asio::async_write(socket_, std::span<const boost::asio::const_buffer>{buffers_},
                           [self = shared_from_this()](error_code error, std::size_t) {
                             if (self->state_ == State::streaming) {
                               error ? self->close() : self->on_frames_written();
                             }
                           });
}

void Connection::on_frames_written() {
  frames_moving_ = false;
  in_flight_bytes_ = 0;
  if (waiting_.empty()) {
    in_flight_.clear();
    due_in(owner_.limits().heartbeat);
  } else {
    write_frames();
  }
}

// --- dialogues

void Connection::start_talk(const api::Response& response) {
  state_ = State::talking;
  std::string head;
  append_upgrade(head, response.dialogue->protocol());
  talk_ =
      std::make_shared<Talk>(Talk::Home{.limits = owner_.limits(),
                                        .mailbox = owner_.mailbox(),
                                        .wake_by = [this](TimePoint when) { owner_.wake_by(when); },
                                        .over = [self = shared_from_this()] { self->close(); }},
                             std::move(socket_), response.dialogue);
  const std::shared_ptr talk = talk_;  // It may end at once, and this connection with it.
  talk->start(std::move(head), parser_.rest());
}

// --- the end

TimePoint Connection::due() const noexcept { return talk_ ? talk_->due() : due_; }

void Connection::on_due(TimePoint now) {
  if (talk_ != nullptr) {
    std::shared_ptr(talk_)->on_due(now);
    return;
  }
  if (now < due_) {
    return;
  }
  due_ = TimePoint::max();
  switch (state_) {
    case State::reading:
      if (request_started_) {
        refuse(error_page(408, ErrorCode::timed_out,
                          fmt::format("the request was not complete after {} ms",
                                      owner_.limits().request_time.count()),
                          "Send it in one go"));
      } else {
        close();
      }
      return;
    case State::streaming:
      if (frames_moving_) {
        end(Reason::too_slow);
      } else {
        send_frame(heartbeat_frame());
      }
      return;
    case State::handling:
    case State::talking:
    case State::closed:
      return;
    case State::writing:
    case State::lingering:
      close();
      return;
  }
}

void Connection::close() { end(Reason::ordinary); }

void Connection::end(Reason reason) {
  if (state_ == State::closed) {
    return;
  }
  if (state_ == State::streaming) {
    owner_.stream_closed(reason == Reason::too_slow);
  }
  state_ = State::closed;
  due_ = TimePoint::max();
  if (const auto talk = std::exchange(talk_, nullptr)) {
    talk->close();
  }
  error_code ignored;
  std::ignore = socket_.close(ignored);
  owner_.closed(*this);
}

}  // namespace levee::server
