// Both halves of a lane over a wire that loses, repeats and delays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>

#include "streams/zmq/sample_inbox.h"
#include "streams/zmq/sample_outbox.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Clock::time_point kStart{seconds(100)};

SampleHello HelloFrom(const SampleOutbox& outbox) {
  SampleHello hello;
  hello.state = {
      .producer = 3, .incarnation = 1, .session = outbox.session(), .oldest = outbox.oldest()};
  return hello;
}

std::vector<uint64_t> Sequences(const std::vector<SampleOutbox::Due>& due) {
  std::vector<uint64_t> sequences;
  for (const auto& segment : due) sequences.push_back(segment.sequence);
  return sequences;
}

TEST(SampleOutbox, NothingIsDueBeforeTheConsumerIsKnown) {
  SampleOutbox outbox;
  outbox.Add(1, 0);
  EXPECT_TRUE(outbox.DueNow(kStart).empty());
  outbox.OnAck({.session = 9}, kStart);
  EXPECT_THAT(Sequences(outbox.DueNow(kStart)), testing::ElementsAre(1u));
}

TEST(SampleOutbox, UnreceivedSegmentsAreDueAgainWithGrowingPatience) {
  SampleOutbox outbox;
  outbox.OnAck({.session = 9}, kStart);
  for (uint64_t i = 1; i <= 3; ++i) {
    outbox.Add(i, static_cast<int>(i));
    outbox.Sent(i, kStart);
  }
  outbox.OnAck({.session = 9, .received = 1}, kStart);
  EXPECT_TRUE(outbox.DueNow(kStart + milliseconds(900)).empty());
  const auto due = outbox.DueNow(kStart + milliseconds(1100));
  EXPECT_THAT(Sequences(due), testing::ElementsAre(2u, 3u));
  EXPECT_TRUE(due[0].again);
  EXPECT_EQ(due[0].previous, 1u);
  outbox.Sent(2, kStart + milliseconds(1100));
  outbox.Sent(3, kStart + milliseconds(1100));
  EXPECT_TRUE(outbox.DueNow(kStart + milliseconds(2900)).empty());  // 2 s the second time
  EXPECT_EQ(outbox.DueNow(kStart + milliseconds(3200)).size(), 2u);
}

TEST(SampleOutbox, SlotsAreFreedOnlyByDisposal) {
  SampleOutbox outbox;
  for (uint64_t i = 1; i <= 3; ++i) outbox.Add(i, static_cast<int>(10 + i));
  EXPECT_THAT(outbox.OnAck({.session = 9, .received = 3}, kStart), testing::IsEmpty());
  // Sequence 2 has been disposed of: bit 1 above contiguous = 0.
  EXPECT_THAT(outbox.OnAck({.session = 9, .received = 3, .beyond = {2}}, kStart),
              testing::ElementsAre(12));
  EXPECT_EQ(outbox.oldest(), 1u);
  EXPECT_THAT(outbox.OnAck({.session = 9, .received = 3, .contiguous = 3}, kStart),
              testing::ElementsAre(11, 13));
  EXPECT_EQ(outbox.oldest(), 4u);
}

TEST(SampleOutbox, ANewSessionMakesEverythingDueAgain) {
  SampleOutbox outbox;
  outbox.OnAck({.session = 9}, kStart);
  outbox.Add(1, 0);
  outbox.Sent(1, kStart);
  outbox.OnAck({.session = 9, .received = 1}, kStart);
  EXPECT_TRUE(outbox.DueNow(kStart + seconds(60)).empty());
  outbox.OnAck({.session = 10}, kStart);
  EXPECT_THAT(Sequences(outbox.DueNow(kStart)), testing::ElementsAre(1u));
}

TEST(SampleOutbox, TheWindowIsAsWideAsALaneMark) {
  SampleOutbox outbox;
  for (uint64_t i = 1; i < kLaneWindow; ++i) outbox.Add(i, 0);  // 1 to 63
  EXPECT_TRUE(outbox.HasRoom(0));
  EXPECT_FALSE(outbox.HasRoom(1));
  outbox.Add(kLaneWindow, 0);
  EXPECT_FALSE(outbox.HasRoom(0));
}

TEST(SampleInbox, CreditsAreRepeatedUntilConfirmed) {
  SampleOutbox outbox;
  SampleInbox inbox(9, HelloFrom(outbox));
  inbox.Heard("a", HelloFrom(outbox).state, kStart);
  inbox.Grant({.batch = 1});
  inbox.Grant({.batch = 2});
  ASSERT_EQ(inbox.CreditsDue(kStart)->credits.size(), 2u);
  inbox.CreditsSent(kStart);
  EXPECT_FALSE(inbox.CreditsDue(kStart + milliseconds(900)).has_value());
  inbox.Heard("a", {.session = 9, .credits = 1}, kStart);
  const auto again = inbox.CreditsDue(kStart + milliseconds(1100));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->first, 2u);
  EXPECT_THAT(again->credits, testing::ElementsAre(Credit{.batch = 2}));
  inbox.Heard("a", {.session = 9, .credits = 2}, kStart);
  EXPECT_FALSE(inbox.CreditsDue(kStart + seconds(60)).has_value());
  EXPECT_EQ(inbox.granted(), 2u);
}

TEST(SampleInbox, StateOfAnotherSessionSaysNothingAboutDemand) {
  SampleOutbox outbox;
  SampleInbox inbox(9, HelloFrom(outbox));
  EXPECT_FALSE(inbox.Heard("a", {.session = 8, .wanted = 5, .credits = 5}, kStart));
  EXPECT_EQ(inbox.wanted(), 0u);
  EXPECT_TRUE(inbox.Heard("a", {.session = 9, .wanted = 5}, kStart));
  EXPECT_EQ(inbox.wanted(), 5u);
}

TEST(SampleInbox, SilenceOrFarewellDisconnects) {
  SampleOutbox outbox;
  SampleInbox inbox(9, HelloFrom(outbox));
  inbox.Heard("a", {}, kStart);
  EXPECT_TRUE(inbox.Connected(kStart + milliseconds(5900)));
  EXPECT_FALSE(inbox.Connected(kStart + milliseconds(6100)));
  inbox.Leave();
  EXPECT_FALSE(inbox.Connected(kStart));
}

// A producer with a few slots and two consumers, one after the other, joined by a wire that drops,
// repeats and reorders messages. Every segment must reach a consumer's ledger exactly once.
class LossyLane {
 public:
  LossyLane(uint64_t seed, int loss_percent) : random_(seed), loss_(loss_percent) {}

  // Runs until `segments` have been disposed of or the time is up.
  void Run(uint64_t segments) {
    Restart();
    for (int step = 0; step < 400'000 && ledger_.size() < segments; ++step) {
      now_ += milliseconds(5);
      if (step == 3'000) Restart();
      if (produced_ < segments && outbox_.undisposed() < kSlots && outbox_.HasRoom(0)) {
        ++produced_;
        outbox_.Add(produced_, static_cast<int>(produced_ % kSlots));
      }
      for (const auto& due : outbox_.DueNow(now_)) {
        Send(to_consumer_, {session_, due.sequence, due.previous});
        outbox_.Sent(due.sequence, now_);
      }
      if (step % 100 == 0) hello_ = true;
      Consume();
      Acknowledge();
    }
  }
  const std::set<uint64_t>& ledger() const { return ledger_; }
  uint64_t lost() const { return lost_; }

 private:
  static constexpr size_t kSlots = 8;
  struct Segment {
    uint64_t socket = 0, sequence = 0, previous = 0;
  };

  // The consumer dies with what it holds; its ledger stays. Old connections die, too.
  void Restart() {
    ++session_;
    inbox_.emplace(session_, HelloFrom(outbox_));
    held_.clear();
    to_consumer_.clear();
    to_producer_.clear();
    hello_ = true;
  }
  template <typename Message>
  void Send(std::deque<Message>& wire, const Message& message) {
    const int copies = Chance(loss_) ? 0 : Chance(10) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const bool overtakes = Chance(10) && !wire.empty();
      wire.insert(overtakes ? wire.begin() : wire.end(), message);
    }
  }
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  void Consume() {
    if (!to_consumer_.empty() && Chance(70)) {
      const Segment segment = to_consumer_.front();
      to_consumer_.pop_front();
      if (segment.socket == session_ && inbox_->Accept(segment.sequence, segment.previous)) {
        held_.push_back(segment.sequence);
      }
    }
    if (held_.empty() || !Chance(30)) return;
    const size_t index = random_() % held_.size();
    const uint64_t sequence = held_[index];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(index));
    // Disposed of before, if the acknowledgement died with the consumer: the ledger knows it.
    ledger_.insert(sequence);
    inbox_->Dispose(sequence);
  }

  void Acknowledge() {
    if (std::exchange(hello_, false)) inbox_->OweAck();
    if (inbox_->TakeAckDue()) Send(to_producer_, inbox_->Ack());
    if (to_producer_.empty()) return;
    const SampleAck ack = to_producer_.front();
    to_producer_.pop_front();
    const size_t before = outbox_.undisposed();
    const size_t freed = outbox_.OnAck(ack, now_).size();
    EXPECT_EQ(outbox_.undisposed() + freed, before);
    for (uint64_t sequence = 1; sequence < outbox_.oldest(); ++sequence) {
      if (!ledger_.contains(sequence)) ++lost_;  // its slot is free, its segment in no ledger
    }
  }

  std::mt19937_64 random_;
  const int loss_;
  Clock::time_point now_ = kStart;
  SampleOutbox outbox_;
  std::optional<SampleInbox> inbox_;
  uint64_t session_ = 0;
  uint64_t produced_ = 0;
  bool hello_ = false;
  std::deque<Segment> to_consumer_;
  std::deque<SampleAck> to_producer_;
  std::vector<uint64_t> held_;
  std::set<uint64_t> ledger_;
  uint64_t lost_ = 0;
};

TEST(SampleLane, EverySegmentArrivesOverALossyWireAndAcrossARestart) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    LossyLane lane(seed, seed % 2 == 0 ? 30 : 5);
    lane.Run(300);
    EXPECT_EQ(lane.ledger().size(), 300u) << "seed " << seed;
    EXPECT_EQ(lane.lost(), 0u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace millrace
