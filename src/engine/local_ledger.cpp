#include "engine/local_ledger.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <future>
#include <utility>

#include "engine/attribution.hpp"
#include "engine/clock.hpp"
#include "engine/ledger_sample.hpp"
#include "store/ledger_file.hpp"

namespace levee::engine {
namespace {

constexpr std::string_view kFile = "ledger.db";

/// Whether one of the events that wait in `fd` is about the ledger's files. Takes them all.
bool is_about_ledger(int fd) {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  bool found = false;
  for (ssize_t count = ::read(fd, buffer.data(), buffer.size()); count > 0;
       count = ::read(fd, buffer.data(), buffer.size())) {
    for (std::size_t at = 0; at < static_cast<std::size_t>(count);) {
      const auto* const event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      found = found || (event->len > 0 && std::string_view(event->name).starts_with(kFile));
      at += sizeof(inotify_event) + event->len;
    }
  }
  return found;
}

/// Those that die with this process: the others are held by whose they are.
std::vector<BalloonOrder> own(std::vector<BalloonOrder> balloons, const ProcessId& self) {
  std::erase_if(balloons, [&self](const BalloonOrder& each) { return each.lease.owner != self; });
  return balloons;
}

/// This process. One that cannot be known is nobody: it owns nothing.
ProcessId read_own_id(const sources::Root& root) {
  const auto found = find_process(root, sources::read_boot_id(root), ::getpid());
  return found ? found->id : ProcessId{};
}

api::Ports ports_of(Published<api::View>& view, LedgerOffice& office, BalloonKeeper& balloons) {
  const Error no_daemon{ErrorCode::unavailable, "no daemon is running",
                        "start one with `levee serve`"};
  return {
      .view = [&view] { return view.get(); },
      .command = [=](const auto&, const auto& answer) { answer(std::unexpected(no_daemon)); },
      .stored_history = [=](const auto&,
                            const auto& answer) { answer(std::unexpected(no_daemon)); },
      .stored_events = [=](const auto&, const auto& answer) { answer(std::unexpected(no_daemon)); },
      .ledger = office.port(),
      .balloons = balloons.port(),
      .now = read_clock,
      .authority = {.daemon_uid = ::geteuid()}};
}

}  // namespace

Result<std::unique_ptr<LocalLedger>> LocalLedger::open(Options options) {
  auto file = store::LedgerFile::open(options.state_dir / kFile, read_clock().wall);
  if (!file) {
    return std::unexpected(file.error());
  }
  return std::unique_ptr<LocalLedger>(new LocalLedger(std::move(options), std::move(*file)));
}

LocalLedger::LocalLedger(Options options, std::unique_ptr<ledger::Store> store)
    : options_(std::move(options)),
      self_(read_own_id(options_.root)),
      settings_(std::make_shared<const config::Settings>(options_.settings)),
      sources_(options_.root, settings_->config(), options_.gpu_helper),
      engine_(settings_, sources::read_hostname()),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      changes_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      balloons_(
          {.holder = options_.gpu_holder, .began = [this](const auto& lease, const auto& used) {
             office_->note_used_before(lease, used);
           }}) {
  const auto look_again = [this] {
    wants_look_ = true;
    wake();
  };
  office_ = std::make_unique<LedgerOffice>(LedgerOffice::Options{
      .root = options_.root,
      .store = std::move(store),
      .look_again = look_again,
      .balloons = [this](const auto& balloons) { balloons_.keep(own(balloons, self_)); }});
  if (::inotify_add_watch(changes_.get(), options_.state_dir.c_str(),
                          IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
    changes_ = sources::Fd{};
  }
  look();
  api_ = std::make_unique<api::Api>(ports_of(view_, *office_, balloons_));
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

LocalLedger::~LocalLedger() {
  thread_.request_stop();
  wake();
  thread_.join();
  office_->stop();
  balloons_.stop();
}

api::Response LocalLedger::call(std::string_view method, std::string_view target,
                                std::string_view json_body) {
  api::Request request;
  request.method = method;
  request.target = target;
  request.body = json_body;
  request.content_type = json_body.empty() ? "" : "application/json";
  request.via = api::Peer::Via::unix_socket;
  request.peer_uid = [] { return ::geteuid(); };
  std::promise<api::Response> answered;
  api_->handle(request,
               [&answered](api::Response response) { answered.set_value(std::move(response)); });
  return answered.get_future().get();
}

void LocalLedger::look() {
  Readings readings = sources_.read(read_clock());
  note_balloons(readings.gpus.gpus, balloons_.holdings());
  const auto tick = engine_.tick(std::move(readings), {}, {}, read_clock());
  view_.set(tick.view);
  office_->observe(*tick.view, balloons_.holdings());
}

void LocalLedger::run(const std::stop_token& stop) {
  // Signals are for the main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);

  MonoTime due = read_clock().mono + settings_->config().monitoring_interval;
  while (!stop.stop_requested()) {
    if (wait(due)) {
      look();
      due = read_clock().mono + settings_->config().monitoring_interval;
    }
  }
}

bool LocalLedger::wait(MonoTime due) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - read_clock().mono);
  std::array<pollfd, 2> fds{
      pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0},
      pollfd{.fd = changes_ ? changes_.get() : -1, .events = POLLIN, .revents = 0}};
  ::poll(fds.data(), fds.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  if (fds[0].revents != 0) {
    eventfd_t ignored = 0;
    ::eventfd_read(wake_.get(), &ignored);
  }
  if (fds[1].revents != 0 && is_about_ledger(changes_.get())) {
    office_->poke();
  }
  return wants_look_.exchange(false) || read_clock().mono >= due;
}

void LocalLedger::wake() const { ::eventfd_write(wake_.get(), 1); }

}  // namespace levee::engine
