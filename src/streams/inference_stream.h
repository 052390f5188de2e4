// The inference stream of one policy: actors (clients) post the observations of one group of
// environments as one request, a policy worker (server) answers all its rows in one reply.
//
// Requests are sticky: a group talks to one server as long as that server lives, because recurrent
// state stays there. A server that does not know a group's state says so in the reply
// (state_reset). A request that is not answered within its deadline is posted again, to another
// server if need be; servers recognise a repeated request id and answer it once more without
// advancing any state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/deadline.h"
#include "millrace/data/schema.h"
#include "millrace/data/spaces.h"

namespace millrace {

// Per-row flags of a request.
enum RowFlag : uint8_t {
  kRowFirst = 1,  // first observation of an episode: recurrent state starts from zero
  kRowFinal =
      2,  // final_observation holds the last observation of a truncated episode: value wanted
  kRowAbsent = 4,  // no agent in this row now: the answer is ignored
};
// Above the flags: who acts, 0 the newest version, else LeagueSlots' number of a past one.
inline constexpr int kOpponentShift = 4;

// Names of the fields of request and reply (all [B, ...]). Observations are "observation/NAME",
// last observations "final/NAME".
inline constexpr char kRowFlags[] = "flags";          // request, uint8
inline constexpr char kRecurrentState[] = "state";    // both, float32 [state_size]
inline constexpr char kLogProb[] = "log_prob";        // reply, float32: of the whole action
inline constexpr char kValue[] = "value";             // reply, float32
inline constexpr char kFinalValue[] = "final_value";  // reply, float32: of rows with kRowFinal

struct InferenceSpec {
  std::string policy;
  ObservationSpec observation;
  ActionSpec action;
  int32_t rows = 0;        // B of every request
  int32_t state_size = 0;  // floats of recurrent state per row; 0 for feed-forward policies
  Layout RequestLayout() const;
  Layout ReplyLayout() const;
  // The bytes of a request that has neither final observations nor state: a prefix of the payload.
  size_t CompactRequestBytes() const;
};

struct RequestHeader {
  uint64_t id = 0;      // per group, from 1; set by Post()
  uint32_t client = 0;  // actor index, incarnation and group; set by Post()
  uint32_t incarnation = 0;
  uint32_t group = 0;
  uint32_t flags = 0;        // RequestFlag
  uint64_t min_version = 0;  // answered by this policy version or a newer one
  uint64_t first_row = 0;  // run-wide number of row 0: the random stream of row i is first_row + i
  uint64_t draw = 0;       // counter of this request within those streams
};
enum RequestFlag : uint32_t {
  kValueOnly = 1,     // values wanted, no state is advanced and no action is taken
  kWantState = 2,     // the reply carries the recurrent state before this observation
  kRestoreState = 4,  // the request carries the recurrent state to continue from
};

struct ReplyHeader {
  uint64_t id = 0;
  uint64_t version = 0;      // policy version that answered
  uint32_t state_reset = 0;  // 1: the server had lost this group's recurrent state and used zeros
  uint32_t reserved = 0;
};

struct Reply {
  ReplyHeader header;
  std::byte* payload = nullptr;  // ReplyLayout; valid until the group's next Post()
};

// Bound to the actor's thread. Rings the doorbell given at construction when a reply arrives.
class InferenceClient {
 public:
  virtual ~InferenceClient() = default;
  virtual const Layout& request_layout() const = 0;
  virtual const Layout& reply_layout() const = 0;
  // Where the group's next observations are written; valid for the life of the client.
  virtual std::byte* RequestPayload(int group) = 0;
  // Sends the group's request. At most one request of a group is under way.
  virtual absl::Status Post(int group, RequestHeader header) = 0;
  // The reply to the group's request, if it has arrived; each reply is returned once.
  virtual std::optional<Reply> TryReply(int group) = 0;
  // Re-posts requests whose server died or did not answer in time. Call it at least every 100 ms
  // while waiting. kUnavailable (with the reason) once no server has been there for `patience`.
  virtual absl::Status Maintain() = 0;
};

struct PendingRequest {
  RequestHeader header;
  const std::byte* payload = nullptr;  // RequestLayout; whole or its compact prefix
  bool compact = false;
  std::byte* reply = nullptr;  // ReplyLayout, to be filled
  Clock::time_point arrived;
  uint64_t handle = 0;  // the transport's own
};

// Bound to the policy worker's thread. Rings the doorbell given at construction when a request
// arrives.
class InferenceServer {
 public:
  virtual ~InferenceServer() = default;
  virtual const Layout& request_layout() const = 0;
  virtual const Layout& reply_layout() const = 0;
  // Appends the requests that have arrived since the last call.
  virtual void Collect(std::vector<PendingRequest>& requests) = 0;
  // Sends the reply (request.reply has been filled). The request's buffers are invalid afterwards.
  virtual void Respond(const PendingRequest& request, ReplyHeader header) = 0;
  // Wakes the clients answered since the last call: once per client and batch.
  virtual void Flush() = 0;
  // Clients seen dead since the last call: their recurrent state can be dropped.
  virtual std::vector<std::pair<uint32_t, uint32_t>> TakeGoneClients() = 0;
};

}  // namespace millrace
