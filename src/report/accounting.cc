#include "report/accounting.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using nlohmann::ordered_json;
using ConsumerKey = std::pair<std::string, uint32_t>;  // policy, rank
using Consumers = std::map<ConsumerKey, const ConsumerState*>;

void Sum(SegmentCount& total, const SegmentCount& more) {
  total.segments += more.segments;
  total.env_steps += more.env_steps;
}

// The state of the newest incarnation: it carries over the totals of the ones before.
Consumers NewestConsumers(const std::vector<const LedgerSet::Entry*>& ledgers) {
  Consumers consumers;
  for (const LedgerSet::Entry* entry : ledgers) {  // ascending incarnations
    const LedgerSnapshot& ledger = entry->snapshot;
    if (!ledger.consumer) continue;
    consumers[{ledger.identity.policy, ledger.identity.rank}] = &*ledger.consumer;
  }
  return consumers;
}

// A lane that its consumer does not know is in flight as a whole.
uint64_t InFlight(const LedgerIdentity& producer, const ProducerLane& lane,
                  const Consumers& consumers) {
  const auto consumer = consumers.find({lane.stream, lane.rank});
  if (consumer == consumers.end()) return lane.committed;
  const LaneMark* mark = consumer->second->FindLane(producer.index, producer.incarnation);
  const uint64_t disposed = mark == nullptr ? 0 : mark->count();
  // More disposed of than committed breaks the identity, which Holds() then says.
  return lane.committed > disposed ? lane.committed - disposed : 0;
}

ordered_json CountsToJson(const StreamAccounting& stream, uint64_t SegmentCount::*unit) {
  ordered_json dropped = ordered_json::object();
  for (size_t i = 0; i < kNumDropReasons; ++i) {
    if (stream.dropped[i] == SegmentCount{}) continue;
    dropped[std::string(Name(static_cast<DropReason>(i)))] = stream.dropped[i].*unit;
  }
  return {{"produced", stream.produced.*unit},
          {"trained", stream.trained.*unit},
          {"dropped", dropped},
          {"in_flight", stream.in_flight.*unit},
          {"duplicates", stream.duplicates.*unit},
          {"redelivered", stream.redelivered.*unit}};
}

}  // namespace

SegmentCount StreamAccounting::TotalDropped() const {
  SegmentCount total;
  for (const SegmentCount& count : dropped) Sum(total, count);
  return total;
}

bool StreamAccounting::Holds() const {
  SegmentCount accounted = TotalDropped();
  Sum(accounted, trained);
  Sum(accounted, in_flight);
  return accounted == produced && duplicates == SegmentCount{};
}

ordered_json StreamAccounting::ToJson() const {
  ordered_json json = CountsToJson(*this, &SegmentCount::segments);
  json["env_steps"] = CountsToJson(*this, &SegmentCount::env_steps);
  json["holds"] = Holds();
  return json;
}

Accounting AccountingOf(const std::vector<const LedgerSet::Entry*>& ledgers) {
  const Consumers consumers = NewestConsumers(ledgers);
  Accounting accounting;
  for (const auto& [key, state] : consumers) {
    StreamAccounting& stream = accounting[key.first];
    Sum(stream.trained, state->trained);
    Sum(stream.duplicates, state->duplicates);
    Sum(stream.redelivered, state->redelivered);
    for (size_t i = 0; i < kNumDropReasons; ++i) Sum(stream.dropped[i], state->dropped[i]);
  }
  for (const LedgerSet::Entry* entry : ledgers) {
    for (const ProducerLane& lane : entry->snapshot.lanes) {
      StreamAccounting& stream = accounting[lane.stream];
      stream.produced.Add(lane.committed, lane.env_steps_each);
      stream.in_flight.Add(InFlight(entry->snapshot.identity, lane, consumers),
                           lane.env_steps_each);
    }
  }
  return accounting;
}

absl::StatusOr<Accounting> ReadAccounting(const std::filesystem::path& ledger_directory) {
  LedgerSet ledgers(ledger_directory);
  MILLRACE_RETURN_IF_ERROR(ledgers.Refresh());
  return AccountingOf(ledgers.entries());
}

ordered_json ToJson(const Accounting& accounting) {
  ordered_json json = ordered_json::object();
  for (const auto& [policy, stream] : accounting) {
    json[absl::StrCat("sample/", policy)] = stream.ToJson();
  }
  return json;
}

}  // namespace millrace
