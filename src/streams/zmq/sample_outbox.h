// The producer's half of one lane: which segments are still to be sent, acknowledged, freed.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/deadline.h"
#include "data/ledger.h"
#include "streams/zmq/sample_messages.h"

namespace millrace {

// A state machine without I/O. Thread-compatible.
class SampleOutbox {
 public:
  struct Due {
    uint64_t sequence = 0;
    uint64_t previous = 0;  // SampleSegment::previous
    int slot = 0;
    bool again = false;
  };

  // The segment with this sequence number, the next of the lane, lies in `slot`.
  void Add(uint64_t sequence, int slot);
  // Room in the window for one more segment, besides `open` ones begun already.
  bool HasRoom(uint64_t open) const;
  // The slots that became free. A new session makes everything due again.
  std::vector<int> OnAck(const SampleAck& ack, Clock::time_point now);
  // The segments to be sent now, in order. Segments not received in time are due again, with
  // growing patience.
  std::vector<Due> DueNow(Clock::time_point now);
  void Sent(uint64_t sequence, Clock::time_point now);

  uint64_t session() const { return session_; }
  uint64_t oldest() const;
  size_t undisposed() const { return segments_.size(); }

 private:
  struct Segment {
    int slot = 0;
    bool sent = false;  // in this round
    bool sent_before = false;
  };
  static constexpr Clock::duration kFirstPatience = std::chrono::seconds(1);
  static constexpr Clock::duration kLongestPatience = std::chrono::seconds(8);
  void StartOver(uint64_t from);

  std::map<uint64_t, Segment> segments_;  // by sequence
  uint64_t newest_ = 0;
  uint64_t session_ = 0;
  uint64_t received_ = 0;
  Clock::time_point last_progress_{};  // last time something was received, or first sent
  Clock::duration patience_ = kFirstPatience;
};

}  // namespace millrace
