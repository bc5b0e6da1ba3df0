// Connection: one client, from accept to close. Reads requests one after another, hands each to the
// handler, writes the answer, and may become a stream of server-sent events or a Talk. Used on the
// I/O thread only; answers from elsewhere come through the Mailbox.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "api/http.hpp"
#include "server/mailbox.hpp"
#include "server/peer.hpp"
#include "server/request_parser.hpp"
#include "server/server.hpp"

namespace levee::server {

using Executor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, Executor>;
using TimePoint = std::chrono::steady_clock::time_point;
using Frame = std::shared_ptr<const std::string>;

class Connection;
class Talk;

/// What a connection needs of the server.
class Owner {
 public:
  virtual ~Owner() = default;
  [[nodiscard]] virtual const Limits& limits() const noexcept = 0;
  [[nodiscard]] virtual const std::shared_ptr<Mailbox>& mailbox() const noexcept = 0;
  virtual void handle(api::Request request, api::Responder respond) = 0;
  /// Asks for on_due() at `when` or a little later.
  virtual void wake_by(TimePoint when) = 0;
  virtual void stream_opened() = 0;
  virtual void stream_closed(bool too_slow) = 0;
  /// Forgets the connection; it may be gone when this returns.
  virtual void closed(Connection& connection) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Owner& owner, Socket socket, Peer peer);

  void start();

  /// Ends it now; what has not been sent is lost.
  void close();

  /// Sends `frame` if this is a stream; a reader that is too far behind is cut off.
  void send_frame(const Frame& frame);

  /// When on_due() is to be called: a deadline, or the time for a heartbeat.
  [[nodiscard]] TimePoint due() const noexcept;
  void on_due(TimePoint now);

  std::size_t index = 0;  ///< Its place in the owner's list; the owner's to use.

 private:
  enum class State {
    reading,    ///< Waiting for a request or the rest of one.
    handling,   ///< The handler has the request.
    writing,    ///< The answer is on its way.
    lingering,  ///< Answered for the last time; lets the client read that before closing.
    streaming,
    talking,  ///< The Talk has the socket.
    closed,
  };

  void read();
  void on_read(std::size_t size);
  void on_end_of_input();
  void proceed(RequestParser::State parsed);
  void send_continue();
  void handle_request();
  void respond(const api::Response& response);
  void refuse(const api::Response& response);
  void write_response(const api::Response& response, bool keep);
  void on_written();
  void linger();
  void drain();
  void open_stream(const api::Response& response);
  void start_talk(const api::Response& response);
  void watch_for_close();
  void write_frames();
  void on_frames_written();
  void due_in(std::chrono::milliseconds time);

  enum class Reason { ordinary, too_slow };
  void end(Reason reason);

  class Ticket;

  Owner& owner_;
  Socket socket_;
  Peer peer_;
  RequestParser parser_;
  State state_ = State::reading;
  TimePoint due_ = TimePoint::max();

  // The request being answered.
  bool request_started_ = false;
  bool keep_alive_ = false;
  bool http_1_0_ = false;
  bool head_only_ = false;

  // The answer being written.
  std::string head_;
  Frame body_;
  bool keep_ = false;

  // The stream.
  std::vector<Frame> in_flight_;
  std::vector<Frame> waiting_;
  std::vector<boost::asio::const_buffer> buffers_;
  std::size_t in_flight_bytes_ = 0;
  std::size_t waiting_bytes_ = 0;
  bool frames_moving_ = false;
  std::shared_ptr<Talk> talk_;
  std::size_t unread_bytes_ = 0;  ///< Sent by the client after its request, for nobody.
};

}  // namespace levee::server
