// What the other ranks tell rank 0 about its credits, through the name service.
//
//   lost/POLICY/RANK/PRODUCER.INCARNATION   what of a lost producer's segments the rank has
//   returned/POLICY/RANK                    credits whose segments came to nothing at the rank
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "core/doorbell.h"
#include "net/name_service.h"

namespace millrace {

// Thread-compatible.
class RankReports {
 public:
  using LaneKey = std::pair<uint32_t, uint32_t>;  // producer, incarnation
  // By batch and CreditGranter::PlaceOf().
  using Counts = std::map<std::pair<uint64_t, uint32_t>, int>;

  // Of trainer `rank` of `ranks` of a policy. `names` outlives it.
  RankReports(NameService* names, std::string policy, int rank, int ranks)
      : names_(names), policy_(std::move(policy)), rank_(rank), ranks_(ranks) {}

  // `bell` rings when another rank has told something.
  absl::Status Watch(Doorbell* bell);

  // Segments of a lost producer that this rank received.
  absl::Status TellReceived(LaneKey lane, const Counts& received);
  // Credits of `epoch` that came to nothing here, all told.
  absl::Status TellReturned(uint64_t epoch, const Counts& returned);

  // Rank 0: what the other ranks received of a lost producer; null until all of them have told.
  std::optional<Counts> Received(LaneKey lane) const;
  // Rank 0: the credits of `epoch` that came to nothing at the other ranks, all told.
  Counts Returned(uint64_t epoch) const;

 private:
  std::string LostKey(int rank, LaneKey lane) const;
  std::string ReturnedPrefix() const { return "returned/" + policy_ + "/"; }

  NameService* const names_;
  const std::string policy_;
  const int rank_;
  const int ranks_;
};

}  // namespace millrace
