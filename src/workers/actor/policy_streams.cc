#include "workers/actor/policy_streams.h"

namespace millrace {

void PolicyStreams::CollectCredits() {
  while (auto credit = samples->TryCredit()) {
    while (!credits.empty() && credits.front().epoch < credit->epoch) {
      credits.pop_front();
      samples->Want(1);
    }
    credits.push_back(*credit);
  }
}

std::optional<Credit> PolicyStreams::TakeCredit() {
  CollectCredits();
  if (credits.empty()) return std::nullopt;
  const Credit credit = credits.front();
  credits.pop_front();
  return credit;
}

std::optional<Credit> PolicyStreams::TakeCreditInTurn(int group, int groups) {
  CollectCredits();
  if (credits.empty()) return std::nullopt;
  const Credit& next = credits.front();
  if (turn.epoch != next.epoch || turn.batch != next.batch) turn = {next.epoch, next.batch, 0};
  if (turn.taken % static_cast<uint64_t>(groups) != static_cast<uint64_t>(group)) {
    return std::nullopt;
  }
  ++turn.taken;
  return TakeCredit();
}

}  // namespace millrace
