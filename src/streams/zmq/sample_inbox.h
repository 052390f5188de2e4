// The consumer's half of one lane: what has been received and disposed of, and the credits on their
// way.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/deadline.h"
#include "data/ledger.h"
#include "streams/zmq/sample_messages.h"

namespace millrace {

// A state machine without I/O. Thread-compatible.
class SampleInbox {
 public:
  struct CreditBatch {
    uint64_t first = 0;
    std::vector<Credit> credits;
  };

  // Begins with the oldest sequence the producer says it still has.
  SampleInbox(uint64_t session, const SampleHello& hello);

  // A message of the producer arrived from `peer` (its routing id). True if its demand changed.
  bool Heard(std::string_view peer, const SampleProducerState& state, Clock::time_point now);
  // True if this is the next sequence of the lane, which then counts as received; what lies between
  // `previous` and it has been disposed of before. False for a sequence that was received before or
  // comes too early.
  bool Accept(uint64_t sequence, uint64_t previous);
  void Dispose(uint64_t sequence);
  void Grant(const Credit& credit);
  void Leave() { left_ = true; }

  SampleAck Ack() const;
  // An acknowledgement is owed since the last call.
  bool TakeAckDue();
  void OweAck() { ack_due_ = true; }
  // The credits to be sent now: new ones, and those not confirmed for a second.
  std::optional<CreditBatch> CreditsDue(Clock::time_point now);
  void CreditsSent(Clock::time_point now);

  bool Connected(Clock::time_point now) const { return !left_ && now - last_heard_ < kSilence; }
  const std::string& peer() const { return peer_; }
  uint64_t wanted() const { return wanted_; }
  uint64_t granted() const { return granted_; }
  uint32_t env_steps_each() const { return env_steps_each_; }

 private:
  static constexpr Clock::duration kSilence = std::chrono::seconds(6);
  static constexpr Clock::duration kCreditPatience = std::chrono::seconds(1);

  const uint64_t session_;
  const uint32_t producer_;
  const uint32_t incarnation_;
  const uint32_t env_steps_each_;
  uint64_t received_;  // the last sequence received
  LaneMark disposed_;
  std::string peer_;
  Clock::time_point last_heard_{};
  bool left_ = false;
  bool ack_due_ = false;
  uint64_t wanted_ = 0;
  uint64_t granted_ = 0;
  std::deque<Credit> unconfirmed_;  // the last ones of `granted_`
  bool credits_new_ = false;
  Clock::time_point credits_sent_{};
};

}  // namespace millrace
