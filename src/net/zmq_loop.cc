#include "net/zmq_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/thread_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// Frames taken from one socket before the others have their turn.
constexpr int kFramesPerTurn = 256;

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqLoop>> ZmqLoop::Start(const std::string& thread_name,
                                                        ZmqHandler& handler) {
  const int event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) return absl::InternalError(absl::StrCat("eventfd: ", std::strerror(errno)));
  std::unique_ptr<ZmqLoop> loop(new ZmqLoop(event_fd, handler));
  std::promise<absl::Status> promise;
  std::future<absl::Status> started = promise.get_future();
  loop->thread_ = std::jthread(
      [raw = loop.get(), thread_name, promise = std::move(promise)](std::stop_token stop) mutable {
        raw->Run(std::move(stop), thread_name, std::move(promise));
      });
  MILLRACE_RETURN_IF_ERROR(started.get());
  return loop;
}

ZmqLoop::~ZmqLoop() {
  thread_.request_stop();
  Wake();
  if (thread_.joinable()) thread_.join();
  ::close(event_fd_);
}

void ZmqLoop::Wake() {
  if (woken_.exchange(true)) return;
  const uint64_t one = 1;
  // Fails only if the counter is full, and then the loop wakes anyway.
  [[maybe_unused]] const ssize_t written = ::write(event_fd_, &one, sizeof(one));
}

void ZmqLoop::Run(std::stop_token stop, const std::string& name,
                  std::promise<absl::Status> started) {
  SetThreadName(name);
  const absl::Status status = handler_.OnStart(context_);
  started.set_value(status);
  while (status.ok() && !stop.stop_requested()) Turn();
  handler_.OnStop();
}

void ZmqLoop::Turn() {
  const std::vector<ZmqHandler::Awaited> sockets = handler_.Sockets();
  std::vector<zmq_pollitem_t> items;
  items.push_back({nullptr, event_fd_, ZMQ_POLLIN, 0});
  for (const auto& [socket, writable] : sockets) {
    const int events = writable ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN;
    items.push_back({socket->get(), 0, static_cast<short>(events), 0});
  }
  const auto tick = std::chrono::duration_cast<std::chrono::milliseconds>(kTick).count();
  if (::zmq_poll(items.data(), static_cast<int>(items.size()), tick) < 0) return;
  if ((items[0].revents & ZMQ_POLLIN) != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(event_fd_, &count, sizeof(count));
    // Work queued after this line wakes the loop again; work queued before is seen by OnTurn().
    woken_.store(false);
  }
  for (size_t i = 0; i < sockets.size(); ++i) {
    if ((items[i + 1].revents & ZMQ_POLLIN) == 0) continue;
    ZmqFrame frame;
    ZmqSocket& socket = *sockets[i].socket;
    for (int n = 0; n < kFramesPerTurn && socket.Receive(frame); ++n) {
      handler_.OnFrame(socket, frame);
    }
  }
  handler_.OnTurn();
}

}  // namespace millrace
