#include "streams/zmq/sample_inbox.h"

#include <algorithm>

namespace millrace {

SampleInbox::SampleInbox(uint64_t session, const SampleHello& hello)
    : session_(session),
      producer_(hello.state.producer),
      incarnation_(hello.state.incarnation),
      env_steps_each_(hello.env_steps_each),
      received_(std::max<uint64_t>(hello.state.oldest, 1) - 1),
      disposed_{.contiguous = received_} {}

bool SampleInbox::Heard(std::string_view peer, const SampleProducerState& state,
                        Clock::time_point now) {
  if (peer_ != peer) {
    peer_ = peer;
    credits_new_ = true;  // those sent over the old connection may be lost
    ack_due_ = true;
  }
  last_heard_ = now;
  left_ = false;
  if (state.session != session_) return false;
  const size_t before = unconfirmed_.size();
  for (uint64_t i = granted_ - before; i < std::min(state.credits, granted_); ++i) {
    unconfirmed_.pop_front();
  }
  // More credits than one message takes go out one message after the other.
  if (before > kMaxCreditsPerMessage && unconfirmed_.size() < before) credits_new_ = true;
  const bool changed = state.wanted > wanted_;
  wanted_ = std::max(wanted_, state.wanted);
  return changed;
}

bool SampleInbox::Accept(uint64_t sequence, uint64_t previous) {
  ack_due_ = true;
  if (sequence <= received_ || previous > received_) return false;
  if (sequence - disposed_.contiguous > kLaneWindow) return false;
  for (uint64_t skipped = received_ + 1; skipped < sequence; ++skipped) disposed_.Mark(skipped);
  received_ = sequence;
  return true;
}

void SampleInbox::Dispose(uint64_t sequence) {
  disposed_.Mark(sequence);
  ack_due_ = true;
}

void SampleInbox::Grant(const Credit& credit) {
  unconfirmed_.push_back(credit);
  ++granted_;
  credits_new_ = true;
}

SampleAck SampleInbox::Ack() const {
  return {.session = session_,
          .producer = producer_,
          .incarnation = incarnation_,
          .received = received_,
          .contiguous = disposed_.contiguous,
          .beyond = disposed_.beyond};
}

bool SampleInbox::TakeAckDue() {
  const bool due = ack_due_;
  ack_due_ = false;
  return due;
}

std::optional<SampleInbox::CreditBatch> SampleInbox::CreditsDue(Clock::time_point now) {
  if (unconfirmed_.empty()) return std::nullopt;
  if (!credits_new_ && now - credits_sent_ < kCreditPatience) return std::nullopt;
  const size_t count = std::min<size_t>(unconfirmed_.size(), kMaxCreditsPerMessage);
  return CreditBatch{
      .first = granted_ - unconfirmed_.size() + 1,
      .credits = {unconfirmed_.begin(), unconfirmed_.begin() + static_cast<std::ptrdiff_t>(count)}};
}

void SampleInbox::CreditsSent(Clock::time_point now) {
  credits_new_ = false;
  credits_sent_ = now;
}

}  // namespace millrace
