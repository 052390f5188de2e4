#include "workers/trainer/credit_granter.h"

#include <algorithm>

namespace millrace {

void CreditGranter::Begin(uint64_t epoch, uint64_t batch, uint64_t version) {
  epoch_ = epoch;
  first_batch_ = next_batch_ = released_ = batch;
  first_version_ = version;
  ready_.clear();
  granted_.clear();
  share_.clear();
  Release();
}

void CreditGranter::Advance(uint64_t batch) {
  next_batch_ = batch;
  const auto done = [batch](const Credit& credit) { return credit.batch < batch; };
  std::erase_if(ready_, done);
  for (auto& [producer, credits] : granted_) std::erase_if(credits, done);
  std::erase_if(share_, [batch](const auto& entry) { return entry.first.first < batch; });
  Release();
}

void CreditGranter::Release() {
  const uint64_t end = next_batch_ + static_cast<uint64_t>(plan_.max_policy_lag) + 1;
  for (; released_ < end && (!plan_.last_batch.has_value() || released_ <= *plan_.last_batch);
       ++released_) {
    for (int64_t i = 0; i < plan_.segments_per_batch; ++i) {
      ready_.push_back(Make(released_, static_cast<uint32_t>(plan_.slots ? i : i % plan_.ranks)));
    }
  }
}

Credit CreditGranter::Make(uint64_t batch, uint32_t place) const {
  const auto in_a_row = static_cast<uint32_t>(plan_.slots_in_a_row);
  const auto ranks = static_cast<uint32_t>(plan_.ranks);
  const uint64_t version = VersionOf(batch);
  const uint64_t lag = plan_.slots ? 0 : static_cast<uint64_t>(plan_.max_policy_lag);
  return {.epoch = epoch_,
          .batch = batch,
          .min_version = std::max(first_version_, version > lag ? version - lag : 0),
          .rank = plan_.slots ? place / in_a_row % ranks : place,
          .slot = plan_.slots ? place : 0};
}

std::vector<CreditGranter::Grant> CreditGranter::Next(
    const std::vector<ProducerStatus>& producers) {
  std::vector<Grant> grants;
  if (plan_.fixed_producers > 0 && producers.size() != static_cast<size_t>(plan_.fixed_producers)) {
    return grants;  // a deterministic run waits until all are there
  }
  std::vector<uint64_t> demand;
  for (const ProducerStatus& producer : producers) {
    demand.push_back(producer.wanted > producer.granted ? producer.wanted - producer.granted : 0);
  }
  bool progress = true;
  while (progress && !ready_.empty()) {
    progress = false;
    for (size_t i = 0; i < producers.size() && !ready_.empty(); ++i) {
      if (demand[i] == 0) continue;
      const ProducerKey key{producers[i].producer, producers[i].incarnation};
      std::optional<Credit> credit;
      if (plan_.fixed_producers > 0) {
        credit = TakeShare(key, i);
      } else {
        credit = ready_.front();
        ready_.pop_front();
      }
      if (!credit.has_value()) continue;
      --demand[i];
      grants.push_back({key, *credit});
      granted_[key].push_back(*credit);
      progress = true;
    }
  }
  return grants;
}

// A producer's credits go round its groups. Which rank gets a segment is a function of producer and
// group, not of who asks first.
std::optional<Credit> CreditGranter::TakeShare(ProducerKey producer, size_t place) {
  const uint64_t batch = ready_.front().batch;
  const int64_t each = plan_.segments_per_batch / plan_.fixed_producers;
  int64_t& share = share_[{batch, producer}];
  if (share >= each) return std::nullopt;
  const int64_t group =
      static_cast<int64_t>(place) * plan_.groups_per_producer + share % plan_.groups_per_producer;
  const auto rank = static_cast<uint32_t>(group % plan_.ranks);
  auto found = std::find_if(ready_.begin(), ready_.end(), [&](const Credit& credit) {
    return credit.batch == batch && credit.rank == rank;
  });
  if (found == ready_.end()) found = ready_.begin();  // one that was returned
  ++share;
  const Credit credit = *found;
  ready_.erase(found);
  return credit;
}

void CreditGranter::Undo(const Grant& grant) {
  Fulfilled(grant.producer, grant.credit);
  Return(grant.producer, grant.credit);
}

void CreditGranter::Fulfilled(ProducerKey producer, const Credit& credit) {
  const auto found = granted_.find(producer);
  if (found == granted_.end()) return;
  const auto match = std::find(found->second.begin(), found->second.end(), credit);
  if (match != found->second.end()) found->second.erase(match);
}

void CreditGranter::Return(ProducerKey producer, const Credit& credit) {
  if (const auto share = share_.find({credit.batch, producer});
      share != share_.end() && credit.epoch == epoch_ && share->second > 0) {
    --share->second;
  }
  Return(credit);
}

void CreditGranter::Return(const Credit& credit) {
  if (credit.epoch != epoch_ || credit.batch < next_batch_) return;
  const auto place =
      std::upper_bound(ready_.begin(), ready_.end(), credit,
                       [](const Credit& a, const Credit& b) { return a.batch < b.batch; });
  ready_.insert(place, credit);
}

void CreditGranter::ProducerLost(ProducerKey producer,
                                 std::map<std::pair<uint64_t, uint32_t>, int> received) {
  const auto found = granted_.find(producer);
  if (found == granted_.end()) return;
  const std::vector<Credit> credits = std::move(found->second);
  granted_.erase(found);
  for (const Credit& credit : credits) {
    auto there = received.find({credit.batch, PlaceOf(credit)});
    if (there != received.end() && there->second > 0) {
      --there->second;
      continue;
    }
    Return(credit);
  }
}

size_t CreditGranter::outstanding() const {
  size_t count = 0;
  for (const auto& [producer, credits] : granted_) count += credits.size();
  return count;
}

}  // namespace millrace
