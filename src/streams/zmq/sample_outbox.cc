#include "streams/zmq/sample_outbox.h"

#include <algorithm>
#include <iterator>

namespace millrace {

void SampleOutbox::Add(uint64_t sequence, int slot) {
  segments_[sequence] = {.slot = slot};
  newest_ = sequence;
}

bool SampleOutbox::HasRoom(uint64_t open) const {
  return newest_ + open + 1 - oldest() < kLaneWindow;
}

uint64_t SampleOutbox::oldest() const {
  return segments_.empty() ? newest_ + 1 : segments_.begin()->first;
}

void SampleOutbox::StartOver(uint64_t from) {
  for (auto it = segments_.lower_bound(from); it != segments_.end(); ++it) it->second.sent = false;
}

std::vector<int> SampleOutbox::OnAck(const SampleAck& ack, Clock::time_point now) {
  if (ack.session != session_) {
    session_ = ack.session;
    received_ = 0;
    patience_ = kFirstPatience;
    StartOver(0);
  }
  if (ack.received > received_) {
    received_ = ack.received;
    last_progress_ = now;
    patience_ = kFirstPatience;
  }
  const LaneMark disposed{.contiguous = ack.contiguous, .beyond = ack.beyond};
  std::vector<int> freed;
  std::erase_if(segments_, [&](const auto& entry) {
    if (!disposed.Contains(entry.first)) return false;
    freed.push_back(entry.second.slot);
    return true;
  });
  return freed;
}

std::vector<SampleOutbox::Due> SampleOutbox::DueNow(Clock::time_point now) {
  if (session_ == 0) return {};
  const auto first = segments_.upper_bound(received_);
  if (first == segments_.end()) return {};
  if (first->second.sent && now - last_progress_ > patience_) {
    StartOver(first->first);
    patience_ = std::min(patience_ * 2, kLongestPatience);
  }
  std::vector<Due> due;
  uint64_t previous = first == segments_.begin() ? 0 : std::prev(first)->first;
  for (auto it = first; it != segments_.end(); ++it) {
    const auto& [sequence, segment] = *it;
    if (!segment.sent) due.push_back({sequence, previous, segment.slot, segment.sent_before});
    previous = sequence;
  }
  return due;
}

void SampleOutbox::Sent(uint64_t sequence, Clock::time_point now) {
  const auto found = segments_.find(sequence);
  if (found == segments_.end()) return;
  // The clock of the oldest unreceived segment is the one that counts.
  if (segments_.upper_bound(received_) == found) last_progress_ = now;
  found->second.sent = found->second.sent_before = true;
}

}  // namespace millrace
