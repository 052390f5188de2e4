// The thread that owns the ZeroMQ sockets of one stream end.
#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/deadline.h"
#include "net/zmq_socket.h"

namespace millrace {

// What a loop does. Every function is called on the loop's thread.
class ZmqHandler {
 public:
  virtual ~ZmqHandler() = default;
  // Opens the sockets; a failure becomes the failure of ZmqLoop::Start.
  virtual absl::Status OnStart(ZmqContext& context) = 0;
  // The sockets to wait for next.
  struct Awaited {
    ZmqSocket* socket = nullptr;
    bool writable = false;  // OnTurn() is due when something can be sent, too
  };
  virtual std::vector<Awaited> Sockets() = 0;
  virtual void OnFrame(ZmqSocket& socket, ZmqFrame& frame) = 0;
  // After the frames at hand, after Wake(), and at least once per tick.
  virtual void OnTurn() = 0;
  // Closes the sockets.
  virtual void OnStop() = 0;
};

// Thread-safe. The destructor stops and joins the thread.
class ZmqLoop {
 public:
  static constexpr Clock::duration kTick = std::chrono::milliseconds(100);

  // `handler` outlives the loop.
  static absl::StatusOr<std::unique_ptr<ZmqLoop>> Start(const std::string& thread_name,
                                                        ZmqHandler& handler);
  ~ZmqLoop();
  // Makes OnTurn() run soon. Calls between two turns cost one system call together.
  void Wake();

 private:
  ZmqLoop(int event_fd, ZmqHandler& handler) : event_fd_(event_fd), handler_(handler) {}
  void Run(std::stop_token stop, const std::string& name, std::promise<absl::Status> started);
  void Turn();

  const int event_fd_;
  ZmqHandler& handler_;
  std::atomic<bool> woken_{false};
  ZmqContext context_;
  std::jthread thread_;
};

}  // namespace millrace
